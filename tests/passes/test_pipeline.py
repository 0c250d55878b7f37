"""The passes: options, order, what each leaves behind, and what none of them looks at (P1-P14)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import tvm
import tvm_ffi
from sources import (
    GEMM_FORMS,
    buffers,
    elementwise,
    gemm,
    kernel,
    lower,
    plan_of,
    prim_func,
    run,
    values,
)
from tvm import tirx
from tvm.ir import IRModule
from tvm.script import tirx as T

from ttgen.arch import ARCHITECTURES
from ttgen.errors import LoweringError, TTError
from ttgen.ops import PROGRAM_NAMES
from ttgen.passes import attrs
from ttgen.passes.base import TTPass
from ttgen.passes.grid_to_persistent_tt import GridToPersistentTT
from ttgen.passes.infer_tt_layout import InferTTLayout
from ttgen.passes.lower_tt_tile_intrinsics import LowerTTTileIntrinsics
from ttgen.passes.pipeline import (
    PASSES,
    build_tt_pipeline,
    kernel_module,
    pipeline_options,
    run_pipeline,
)
from ttgen.passes.propagate_tt_layout import PropagateTTLayout
from ttgen.passes.tt_tiles_to_core_map import TTTilesToCoreMap
from ttgen.passes.verify_tt_ir import VerifyTTIR
from ttgen.plan import Plan, encode
from ttgen.plan.from_ir import plan_from_programs
from ttgen.plan.model import For, Op, Statement, Tolerance


def stages(source: str, **options: Any) -> list[IRModule]:
    """The module before the first pass, and after each."""
    modules = [kernel_module(kernel(source))]
    for step in build_tt_pipeline(arch="wormhole_b0", **options):
        modules.append(step(modules[-1]))
    return modules


def document(plan: Plan, *, places: bool = True) -> str:
    """The plan as text, without places in the source unless they are wanted."""
    text = encode(plan)
    return text if places else re.sub(r'"at": "[^"]*"', '"at": ""', text)


def ops(body: tuple[Statement, ...]) -> list[Op]:
    """Every operation of a body, in order, loops taken once."""
    found: list[Op] = []
    for statement in body:
        if isinstance(statement, For):
            found += ops(statement.body)
        elif isinstance(statement, Op):
            found.append(statement)
    return found


# Order and options --------------------------------------------------------------------------------


def test_the_passes_in_order() -> None:
    """P1."""
    assert [cls.__name__ for cls in PASSES] == [
        "InferTTLayout",
        "PropagateTTLayout",
        "TTTilesToCoreMap",
        "LowerTTTileIntrinsics",
        "GridToPersistentTT",
        "VerifyTTIR",
    ]
    assert [type(step) for step in build_tt_pipeline(arch="wormhole_b0")] == list(PASSES)


def test_unknown_options_are_errors() -> None:
    """P1: no option is ignored."""
    with pytest.raises(TTError, match=r"unknown pipeline option 'gird'; known: .*grid"):
        build_tt_pipeline(arch="wormhole_b0", gird=(1, 1))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("arch", "blackhole"),
        ("grid", (2, 1)),
        ("core_ranges", [[1, 1, 2, 1]]),
        ("partition", "column_major"),
        ("partition", "block"),
        ("partition", "z_order"),
        ("layouts", {"A": {"memory": "L1"}}),
        ("fidelity", "LoFi"),
        ("fp32_dest_acc", True),
        ("math_approx", True),
        ("dst_full_sync", True),
        ("block_tiles", 2),
        ("buffering", 1),
    ],
)
def test_every_option_changes_the_plan(option: str, value: Any) -> None:
    """P1: each option has an effect."""
    source, options = gemm(64, 96, 256), {"arch": "wormhole_b0"}
    assert encode(plan_of(source, **options)) != encode(
        plan_of(source, **{**options, option: value})
    )


def test_every_option_is_tested() -> None:
    """Those of layouts and of streams: ``partition_mode`` needs a sharded output, and so on."""
    parametrised = {args[0] for args in test_every_option_changes_the_plan.pytestmark[0].args[1]}
    assert set(pipeline_options()) == parametrised | {"partition_mode", "stream_tiles"}


def test_layouts_may_say_what_is_so() -> None:
    """D6: annotations, user_layout and the spec, all of them partial."""
    source = prim_func(
        buffers("AC", [(64, 64)] * 2),
        """
        T.func_attr({"tt.buffer.A": {"memory": "DRAM"}, "tt.user_layout": {"C": {"dtype": "bf16"}}})
        for i, j in T.grid(64, 64):
            C[i, j] = A[i, j]
        """,
    )
    plan = plan_of(source, layouts={"A": {"tile_shape": [32, 32]}})
    assert [tensor.layout.memory for tensor in plan.tensors] == ["DRAM", "DRAM"]
    assert {tensor.layout.tile_shape for tensor in plan.tensors} == {(32, 32)}


def test_a_float32_source_may_be_asked_to_run_in_bf16() -> None:
    """D6: the layout of the spec overrides the format that follows from the source."""
    source = elementwise("copy", (64, 64)).replace("bfloat16", "float32")
    layouts = {name: {"dtype": "bf16"} for name in ("A", "B")}
    assert [t.layout.dtype for t in plan_of(source, layouts=layouts).tensors] == ["bf16", "bf16"]


@pytest.mark.parametrize("dropped", PASSES[:-1])
def test_a_pass_without_its_predecessor_says_which_is_missing(dropped: type[TTPass]) -> None:
    """P2, P13."""
    steps = [step for step in build_tt_pipeline(arch="wormhole_b0") if type(step) is not dropped]
    with pytest.raises(LoweringError, match=rf"run {dropped.__name__} first") as caught:
        run_pipeline(kernel(gemm(64, 64, 64)), passes=steps)
    assert str(caught.value).startswith("kernels/k.py:4:")


def test_every_pass_can_be_called_alone_on_what_its_predecessor_left() -> None:
    """P2: on a module, and as a TVM pass in a Sequential."""
    steps = build_tt_pipeline(arch="wormhole_b0")
    module = kernel_module(kernel(gemm(64, 64, 64)))
    with tvm.transform.PassContext():
        sequence = tvm.transform.Sequential([step.as_tvm_pass() for step in steps])
        at_once = sequence(module)
    for step in steps:
        module = step(module)
    tvm.ir.assert_structural_equal(at_once, module)


def test_an_error_keeps_its_place_through_tvm() -> None:
    step = InferTTLayout(arch="wormhole_b0").as_tvm_pass()
    module = kernel_module(kernel(elementwise("copy", (64, 64)).replace("bfloat16", "float16")))
    with pytest.raises(RuntimeError, match=r"LoweringError: kernels/k.py:4:.* dtype is fp16"):
        step(module)


def test_custom_passes_go_anywhere() -> None:
    """P2."""

    @dataclass(frozen=True)
    class Count(TTPass):
        name: ClassVar[str] = "test.Count"
        seen: list[int]

        def transform(self, module: IRModule) -> IRModule:
            self.seen.append(len(module.functions))
            return module

    count = Count([])
    steps = build_tt_pipeline(arch="wormhole_b0")
    steps = [count, *(item for step in steps for item in (step, count))]
    run_pipeline(kernel(gemm(64, 64, 64)), passes=steps)
    assert count.seen == [1, 1, 1, 1, 1, 3, 3]


# Grid -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [(3, 2), (2, 3), (8, 1), (1, 9)])
def test_a_grid_is_columns_by_rows(grid: tuple[int, int]) -> None:
    """D1: x runs over columns, on asymmetric grids too."""
    plan = plan_of(gemm(256, 256, 32), grid=grid)
    assert [core_range.extent for core_range in plan.core_ranges] == [grid]
    cores = [work.core for work in plan.partition.cores]
    assert cores == [(x, y) for y in range(grid[1]) for x in range(grid[0])]


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_the_grid_is_the_architectures(arch: str) -> None:
    """P12: no 8x8; without a grid, as many cores as there are output tiles."""
    columns, rows = ARCHITECTURES[arch].grid
    plan = plan_of(gemm(32, 32 * (columns + 2), 32), arch)
    assert plan.device_grid == (columns, rows)
    assert [(r.start, r.extent) for r in plan.core_ranges] == [
        ((0, 0), (columns, 1)),
        ((0, 1), (2, 1)),
    ]
    whole = plan_of(gemm(32, 32, 32), arch, grid=(columns, rows))
    assert len(whole.partition.cores) == columns * rows
    assert sum(work.count == 0 for work in whole.partition.cores) == columns * rows - 1


# Names ----------------------------------------------------------------------------------------

NAMES = [
    ("C", "A", "B"),
    ("C", "A_tile", "a"),
    ("a", "b", "an_output_that_has_a_long_name"),
    ("int", "register", "namespace"),
    ("count", "tile", "start"),
    ("Mt", "Nt", "Kt"),
    ("Kt", "Mt", "Nt"),
    ("block", "slot", "tiles"),
    ("reader", "compute", "writer"),
    ("A", "A_cb", "A_args"),
    ("in0", "kernel_main", "main"),
]
LOOPS = [
    {"i": "j", "j": "i", "k": "k"},
    {"i": "start", "j": "count", "k": "Kt"},
    {"i": "int", "j": "register", "k": "tile"},
    {
        "i": "a_row_with_a_long_name",
        "j": "a_column_with_a_long_name",
        "k": "a_sum_with_a_long_name",
    },
]


def renamed(plan: Plan, names: dict[str, str]) -> str:
    """The plan's text without places, names of tensors and circular buffers replaced."""
    tokens = "|".join(map(re.escape, names))
    return re.sub(rf'"({tokens})"', lambda m: f'"{names[m[1]]}"', document(plan, places=False))


@pytest.mark.parametrize("form", ["block", "nested", "te"])
@pytest.mark.parametrize("names", NAMES, ids="-".join)
def test_renamed_tensors_change_nothing_but_names(names: tuple[str, ...], form: str) -> None:
    """Roles come from dataflow; a plan of other names is the same plan (P13)."""
    unusual = ("tensor_1", "tensor_2", "tensor_3")
    source = lambda three: gemm(64, 96, 160, form, names=three, swap_product=True)  # noqa: E731
    plan = plan_of(source(names), grid=(2, 1))
    reference = plan_of(source(unusual), grid=(2, 1))
    wanted = renamed(reference, dict(zip(unusual, names, strict=True)))
    assert json.loads(document(plan, places=False)) == json.loads(wanted)
    assert plan.source.hash == reference.source.hash
    inputs = values(plan)
    a, b, c = names
    assert (run(plan, inputs)[c] == inputs[a] @ inputs[b]).all()


def test_tensors_called_like_variables_that_are_made() -> None:
    """The variables give way."""
    plan = plan_of(
        gemm(64, 96, 160, names=("i_tile", "k_tile", "j_tile")), partition="column_major"
    )
    inputs = values(plan)
    assert (run(plan, inputs)["j_tile"] == inputs["i_tile"] @ inputs["k_tile"]).all()


@pytest.mark.parametrize("loops", LOOPS, ids=lambda loops: "-".join(loops.values()))
def test_renamed_loops_change_nothing_but_names(loops: dict[str, str]) -> None:
    plan = plan_of(gemm(64, 96, 160, "nested", loops=loops), partition="column_major")
    inputs = values(plan)
    assert (run(plan, inputs)["C"] == inputs["A"] @ inputs["B"]).all()


def test_roles_follow_dataflow_and_not_the_order_of_parameters() -> None:
    source = prim_func(
        buffers(["out", "in0", "a"], [(64, 96), (96, 32), (64, 32)]),
        """
        for i, j in T.grid(64, 32):
            a[i, j] = T.bfloat16(0)
            for k in range(96):
                a[i, j] = a[i, j] + in0[k, j] * out[i, k]
        """,
    )
    plan = plan_of(source)
    assert [(t.name, t.role) for t in plan.tensors] == [
        ("out", "input"),
        ("in0", "input"),
        ("a", "output"),
    ]
    inputs = values(plan)
    assert (run(plan, inputs)["a"] == inputs["out"] @ inputs["in0"]).all()


def test_an_output_may_come_first() -> None:
    source = prim_func(
        buffers("CAB", [(64, 64)] * 3),
        "for i, j in T.grid(64, 64):\n    C[i, j] = A[i, j] - B[i, j]",
    )
    plan = plan_of(source)
    assert plan.tensors[0].role == "output"
    inputs = values(plan)
    assert (run(plan, inputs)["C"] == inputs["A"] - inputs["B"]).all()


@pytest.mark.parametrize("form", GEMM_FORMS)
def test_every_form_of_a_source_gives_the_same_programs(form: str) -> None:
    options: dict[str, Any] = {"grid": (2, 2), "partition": "column_major"}
    reference = json.loads(document(plan_of(gemm(96, 128, 160), **options), places=False))
    plan = json.loads(document(plan_of(gemm(96, 128, 160, form), **options), places=False))
    del plan["source"], reference["source"]
    assert plan == reference


# Programs -------------------------------------------------------------------------------------


def test_sums_stay_in_dst_and_are_packed_once() -> None:
    """P8, and the mistake of packing on every step of K."""
    compute = plan_of(gemm(64, 64, 256), block_tiles=2).programs.compute
    (output_blocks,) = (s for s in compute.body if isinstance(s, For))

    def packs_inside(body: tuple[Statement, ...], summed: bool) -> bool:
        return any(
            packs_inside(s.body, summed or s.var == "k_block")
            if isinstance(s, For)
            else isinstance(s, Op) and s.op == "pack_tile" and summed
            for s in body
        )

    assert not packs_inside(output_blocks.body, summed=False)
    assert [op.op for op in ops(compute.body)].count("pack_tile") == 1


def test_circular_buffers_are_numbered_by_use_and_sized_by_blocks() -> None:
    """P7, D7: indices without gaps, no fixed 16, two blocks of pages."""
    plan = plan_of(gemm(64, 64, 256), block_tiles=4, buffering=2)
    assert [(cb.index, cb.name, cb.role, cb.pages) for cb in plan.circular_buffers] == [
        (0, "A", "input", 8),
        (1, "B", "input", 8),
        (2, "C", "output", 2),
    ]
    assert {cb.page_bytes for cb in plan.circular_buffers} == {2048}
    copy = plan_of(elementwise("copy", (64, 64)))
    assert [(cb.index, cb.name) for cb in copy.circular_buffers] == [(0, "A"), (1, "B")]


@pytest.mark.parametrize(
    ("len_k", "block_tiles", "block"), [(8, 8, 8), (12, 8, 6), (11, 8, 8), (3, 8, 3), (13, 4, 4)]
)
def test_blocks_along_the_reduction(len_k: int, block_tiles: int, block: int) -> None:
    """A divisor where one is near, a partly filled last block elsewhere; both give the product."""
    plan = plan_of(gemm(32, 32, 32 * len_k), block_tiles=block_tiles)
    assert plan.circular_buffer("A").pages == 2 * block
    inputs = values(plan)
    assert (run(plan, inputs)["C"] == inputs["A"] @ inputs["B"]).all()


@pytest.mark.parametrize(("fp32", "full", "tiles"), [(0, 0, 8), (0, 1, 16), (1, 0, 4), (1, 1, 8)])
def test_a_block_of_results_fits_dst(fp32: int, full: int, tiles: int) -> None:
    """P14: 16 bf16 tiles or 8 of float32, half of it where DST is double buffered."""
    plan = plan_of(
        elementwise("add", (256, 256)),
        fp32_dest_acc=bool(fp32),
        dst_full_sync=bool(full),
        grid=(1, 1),
        block_tiles=64,
    )
    assert plan.compute.dst_tiles == tiles
    assert plan.circular_buffer("C").pages == 2 * tiles


@pytest.mark.parametrize(("arch", "fp32"), [("wormhole_b0", False), ("blackhole", True)])
def test_sums_are_kept_in_float32_where_the_chip_adds_it_up_without_fault(
    arch: str, fp32: bool
) -> None:
    assert plan_of(gemm(32, 32, 64), arch).compute.fp32_dest_acc is fp32
    assert not plan_of(elementwise("add", (32, 32)), arch).compute.fp32_dest_acc
    for asked in (True, False):
        plan = plan_of(gemm(32, 32, 64), arch, fp32_dest_acc=asked)
        assert plan.compute.fp32_dest_acc is asked


def test_loops_that_no_pass_made_are_refused() -> None:
    """P13: GridToPersistentTT on a body that is not tile loops."""
    module = stages(gemm(64, 64, 64))[3]  # before LowerTTTileIntrinsics
    with pytest.raises(
        LoweringError, match=r"(?s)wants a tt.pack at the end.*run LowerTTTile"
    ) as caught:
        GridToPersistentTT()(module)
    assert str(caught.value).startswith("kernels/k.py:4:")


@pytest.mark.parametrize("broken", ["T.tt.matmul", "T.tt.pack"])
def test_tile_loops_without_mathematics_or_pack_are_refused(broken: str) -> None:
    text = stages(gemm(64, 64, 64))[4].script()
    lines = [
        line.replace(line.strip(), "T.tt.read_barrier()") if broken in line else line
        for line in text.splitlines()
    ]
    with pytest.raises(LoweringError, match="GridToPersistentTT wants"):
        GridToPersistentTT()(tvm.script.from_source("\n".join(lines)))


def test_streams_inside_of_streams_are_refused() -> None:
    lines = stages(STREAM)[4].script().splitlines()
    (loop,) = (n for n, line in enumerate(lines) if '"stream"' in line)
    body = lines[loop].replace("k_chunk in", "again in")
    inner = [f"    {line}" for line in lines[loop + 1 :]]
    text = "\n".join([*lines[: loop + 1], f"    {body}", *inner])
    with pytest.raises(LoweringError, match="wants no stream inside of another one"):
        GridToPersistentTT()(tvm.script.from_source(text))


@pytest.mark.parametrize("options", [{"block_tiles": 0}, {"buffering": 0}, {"stream_tiles": 0}])
def test_blocks_and_buffers_are_at_least_one(options: dict[str, int]) -> None:
    with pytest.raises(LoweringError, match="at least 1"):
        lower(gemm(32, 32, 32), **options)


#: Every kind of stage: constants, temporary tiles, a map, reductions, an epilogue, broadcasts.
BLOCKS = """
def k():
    A = te.placeholder((3, 40, 100), dtype="bfloat16", name="A")
    B = te.placeholder((100, 40), dtype="bfloat16", name="B")
    n = te.reduce_axis((0, 100), name="n")
    S = te.compute((3, 40), lambda b, i: te.sum(A[b, i, n] * B[n, i], axis=n), name="S")
    C = te.compute(
        (3, 40, 100),
        lambda b, i, j: (S[b, i] - A[b, i, j]) * te.const(0.5, "bfloat16"),
        name="C",
    )
    return [A, B, C]
"""
#: Stages that go on from what they have left in the chunk before, the last chunk with fewer tiles.
STREAM = """
from tvm import topi

def k():
    A = te.placeholder((40, 280), dtype="bfloat16", name="A")
    B = te.placeholder((280, 70), dtype="bfloat16", name="B")
    return [A, B, topi.matmul(topi.nn.softmax(A, axis=-1), B)]
"""


# Between passes -------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", range(6))
@pytest.mark.parametrize(
    "source",
    [
        gemm(64, 96, 160),
        gemm(64, 96, 160, "split"),
        elementwise("sub", (96, 64)),
        elementwise("copy", (2, 32, 64)),
        BLOCKS,
        STREAM,
    ],
    ids=["gemm", "split", "sub", "copy", "blocks", "stream"],
)
def test_every_stage_prints_and_parses_to_an_equal_module(source: str, stage: int) -> None:
    """And the passes that remain make the same programs of what was parsed."""
    options: dict[str, Any] = {"partition": "column_major", "grid": (2, 2)}
    modules = stages(source, **options)
    parsed = tvm.script.from_source(modules[stage].script())
    assert tvm_ffi.structural_equal(parsed, modules[stage])
    for step in build_tt_pipeline(arch="wormhole_b0", **options)[stage:]:
        parsed = step(parsed)
    assert tvm_ffi.structural_equal(parsed, modules[-1])


def test_every_attribute_between_passes_is_registered() -> None:
    """D1: one registry, enforced."""
    for module in stages(gemm(64, 64, 64)):
        for func in module.functions.values():
            keys = {str(key) for key, _ in func.attrs.items() if key.startswith("tt.")}
            assert keys <= set(attrs.REGISTRY)


def test_an_unregistered_attribute_is_refused_by_every_pass() -> None:
    for step, module in zip(
        build_tt_pipeline(arch="wormhole_b0"), stages(gemm(32, 32, 32)), strict=False
    ):
        odd = IRModule({v: f.with_attr("tt.cb_dsc", 1) for v, f in module.functions.items()})
        with pytest.raises(LoweringError, match=r"unknown attribute 'tt.cb_dsc'\n.*'tt.cb_desc'"):
            step(odd)


def test_attributes_are_worked_out_once_and_stay_those_of_their_function() -> None:
    """More functions than are remembered at a time, none of them kept for another."""

    def made(number: int) -> tirx.PrimFunc:
        func = tirx.PrimFunc([], tirx.Evaluate(0))
        return func.with_attr(attrs.CONSTANTS, {"Kt": number})

    func = made(1)
    first = attrs.require(func, attrs.CONSTANTS, "test")
    assert attrs.require(func, attrs.CONSTANTS, "test") is first
    for number in range(2000):
        assert attrs.require(made(number), attrs.CONSTANTS, "test") == {"Kt": number}
    assert attrs.require(func, attrs.CONSTANTS, "test") == {"Kt": 1}


def test_attributes_that_the_passes_leave() -> None:
    func = stages(gemm(64, 96, 160), grid=(2, 2))[4]["k"]
    read = lambda key: attrs.require(func, key, "test")  # noqa: E731
    assert read(attrs.ROLES) == {"A": "input", "B": "input", "C": "output"}
    assert read(attrs.PARTITION) == {
        "mode": "global",
        "tile_order": "row_major",
        "tiles": [2, 3],
        "block": None,
        "len_k": 5,
    }
    assert read(attrs.WORK_PARTITION) == [[0, 0, 0, 2], [1, 0, 2, 2], [0, 1, 4, 1], [1, 1, 5, 1]]
    assert read(attrs.CONSTANTS) == {"Kt": 5, "Mt": 2, "Nt": 3}
    assert read(attrs.LAYOUT_DESC)["B"] == {
        "memory": "DRAM",
        "layout": "interleaved",
        "tile_shape": [32, 32],
        "dtype": "bf16",
        "shape": [160, 96],
        "device_shape": [160, 96],
        "padded_shape": [160, 96],
        "page": "tile",
        "page_bytes": 2048,
        "pages": 15,
        "l1_bytes": 0,
    }


def test_operations_carry_the_place_of_the_sum() -> None:
    """P10: of the store that they come from, in the source as the project names it."""
    plan = plan_of(gemm(64, 64, 64, "nested"))
    places = {op.at for _, program in plan.programs.items() for op in ops(program.body)}
    assert places == {"kernels/k.py:8:13"}
    assert {tensor.at.rpartition(":")[0] for tensor in plan.tensors} == {"kernels/k.py:4"}


def test_two_kernels_of_a_module_keep_apart() -> None:
    """One plan per kernel: the mistake of one plan file for a whole module."""
    product, total = kernel(gemm(64, 64, 64)), kernel(elementwise("add", (64, 64)))
    module = IRModule({"p": kernel_module(product)["k"], "t": kernel_module(total)["k"]})
    for step in build_tt_pipeline(arch="wormhole_b0"):
        module = step(module)
    assert {var.name_hint for var in module.functions} == {
        f"{name}_{program}" for name in "pt" for program in PROGRAM_NAMES
    }
    programs = {program: module[f"t_{program}"] for program in PROGRAM_NAMES}
    plan = plan_from_programs(programs, total, "t", tolerance=Tolerance(pcc=1, relative_error=0))
    assert encode(plan).replace("1.0", "").count("add_tiles") == 1


@T.prim_func
def _unit(A: T.Buffer((32, 32), "bfloat16"), B: T.Buffer((32, 32), "bfloat16")) -> None:
    for i, j in T.grid(32, 32):
        B[i, j] = A[i, j]


def test_passes_work_on_functions_that_no_file_holds() -> None:
    module = IRModule({"unit": _unit})
    for step in (
        InferTTLayout(arch="blackhole"),
        PropagateTTLayout(),
        TTTilesToCoreMap(),
        LowerTTTileIntrinsics(),
        GridToPersistentTT(),
        VerifyTTIR(),
    ):
        module = step(module)
    assert {var.name_hint for var in module.functions} == {f"unit_{p}" for p in PROGRAM_NAMES}
