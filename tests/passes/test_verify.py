"""VerifyTTIR: the IR of real kernels, broken in one place, is refused (P10, P13, P14)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import tvm
import tvm_ffi
from sources import elementwise, gemm, kernel, lower
from tvm import tirx
from tvm.ir import IRModule

from ttgen.errors import LoweringError
from ttgen.ops import PROGRAM_NAMES, ProgramName
from ttgen.passes import attrs
from ttgen.passes.base import TTPass
from ttgen.passes.pipeline import build_tt_pipeline, run_pipeline
from ttgen.passes.verify_tt_ir import VerifyTTIR
from ttgen.plan import load, validate
from ttgen.plan.from_ir import plan_from_programs
from ttgen.plan.model import Plan, Tolerance
from ttgen.plan.violation import Violation

GEMM = lower(gemm(64, 96, 352), grid=(2, 2)).module.script()
ADD = lower(elementwise("add", (96, 64)), grid=(1, 1), block_tiles=4).module.script()

#: Per case: what is replaced, once, from the first line on that holds it; by what; the message.
#: Lines are blamed where an operation is, and the kernel where it is the whole.
STRUCTURE = {
    "an operation that there is not": (
        "T.tt.read_barrier()",
        "T.tt.pack(0, A, 0)",
        "there is no operation 'tt.pack'",
    ),
    "an operation of TVM": (
        "T.tt.read_barrier()",
        "T.evaluate(T.call_extern('int32', 'x'))",
        "there is no operation 'tirx.call_extern'",
    ),
    "an operation of another program": (
        "T.tt.read_barrier()",
        "T.tt.write_barrier()",
        "tt.write_barrier stands in the reader; it belongs in writer",
    ),
    "an argument too few": (
        'T.tt.cb_push_back("C", 2)',
        'T.tt.cb_push_back("C")',
        r"tt.cb_push_back has 1 arguments; it takes cb \(circular buffer\), pages \(expression\)",
    ),
    "an argument too many": ("read_barrier()", "read_barrier(1)", "has 1 arguments; it takes none"),
    "a buffer that there is not": (
        'cb_push_back("C"',
        'cb_push_back("D"',
        'tt.cb_push_back: cb is "D", and must be a circular buffer: A, B, C',
    ),
    "a number for a buffer": ('cb_push_back("C"', "cb_push_back(7", "cb is 7, and must be"),
    "a buffer for a number": (
        'cb_push_back("C", 2)',
        'cb_push_back("C", "C")',
        "'\"C\"' is no expression that a program can evaluate",
    ),
    "a buffer for a tensor": (
        "T.tt.write_page(C,",
        'T.tt.write_page("C",',
        'tensor is "C", and must be a tensor: C',
    ),
    "a fraction": (
        'cb_push_back("C", 2)',
        'cb_push_back("C", T.float32(2))',
        "is no expression that a program can evaluate",
    ),
    "an operator that plans have not": (
        "T.min(count - block, 2)",
        "T.truncdiv(count - block, 2)",
        "is no expression that a program can evaluate",
    ),
    "a statement of another kind": (
        "T.tt.read_barrier()",
        "if start > 3: T.tt.read_barrier()",
        "is no statement of a program",
    ),
    "a parallel loop": (
        "for slot in range(tiles):",
        "for slot in T.parallel(tiles):",
        "the loop over 'slot' is not serial",
    ),
}
BEHAVIOUR = {
    "a buffer pushed too little": (
        "for k_block in range(0, Kt, 8)",
        "for k_block in range(0, Kt - 3, 8)",
        "circular_buffers.0: 'A': 32 pages pushed, 16 popped on core 0",
    ),
    "a push before the barrier": (
        "T.tt.read_barrier()",
        "T.tt.cb_reserve_back('A', 8)",
        "'A' is pushed before a read_barrier, while its pages still arrive",
    ),
    "a pop before the barrier": (
        "T.tt.write_barrier()",
        "T.tt.cb_wait_front('C', 2)",
        "'C' is popped before a write_barrier, while its pages are still read",
    ),
    "tiles used before they are there": (
        'T.tt.cb_wait_front("B", 8)',
        'T.tt.cb_wait_front("B", 4)',
        "page 4 of 'B' is used; 4 were waited for",
    ),
    "blocks that straddle the end": (
        'T.tt.cb_reserve_back("C", 2)',
        'T.tt.cb_reserve_back("C", 3)',
        "3 pages at a time do not divide the 4 pages of 'C'",
    ),
    "DST that is not acquired": (
        "T.tt.tile_regs_acquire()",
        "T.tt.matmul_init('A', 'B', 0)",
        "DST is released here, and must be acquired",
    ),
    "DST that is not committed": (
        "T.tt.tile_regs_commit()",
        "T.tt.matmul_init('A', 'B', 0)",
        "DST is acquired here, and must be committed",
    ),
    "DST beyond its end": (
        "T.tt.pack_tile(0,",
        "T.tt.pack_tile(8,",
        "DST tile 8, but there are 8",
    ),
    "DST that holds nothing": (
        "T.tt.pack_tile(0,",
        "T.tt.pack_tile(3,",
        "DST tile 3 is used, and nothing was computed in it",
    ),
    "a page beyond its tensor": (
        "(k_block + slot) * Nt + j_tile",
        "(k_block + slot) * Nt + j_tile + 1",
        "page 33 of 'B' is read; it has 33",
    ),
    "an output tile written twice": (
        "T.tt.write_page(C, block + slot,",
        "T.tt.write_page(C, (block + slot) // 2,",
        "page 3 of 'C' is never written",
    ),
    "a sum that is too short": (
        "T.min(Kt - k_block, 8)",
        "T.min(Kt - 1 - k_block, 8)",
        r"core \(0, 0\) makes 20 steps of sums for 2 output tiles; 11 for each are said here",
    ),
}
ATTRIBUTES = {
    "too little L1": (
        '"name": "A", "page_bytes": 2048, "pages": 16',
        '"pages": 1600',
        "do not fit",
    ),
    "another page size": ('"page_bytes": 2048', '"page_bytes": 2040', "a bf16 tile is 2048 bytes"),
    "a negative count": ("[0, 0, 0, 2]", "[0, 0, 0, -2]", "Expected `int` >= 0"),
    "work for nobody": ("[1, 0, 2, 2]", "[1, 0, 2, 1]", "output tile 3 is given to no core"),
    "a core that is not there": ("[0, 0, 2, 2]", "[0, 0, 2, 20]", "is in core_ranges or in"),
    "an output that is an input": ('"C": "output"', '"C": "input"', "'C' is written, but it is an"),
}


def broken(text: str, old: str, new: str) -> tuple[IRModule, int]:
    """The module with one line changed, and the number of that line."""
    lines = text.splitlines()
    number = next(i for i, line in enumerate(lines) if old in line)
    lines[number] = lines[number].replace(old, new, 1)
    return tvm.script.from_source("\n".join(lines)), number + 1


@pytest.mark.parametrize("text", [GEMM, ADD], ids=["gemm", "add"])
def test_what_the_edits_start_from_is_right_and_left_alone(text: str) -> None:
    module = tvm.script.from_source(text)
    assert VerifyTTIR()(module).same_as(module)


@pytest.mark.parametrize(
    ("old", "new", "says"), STRUCTURE.values(), ids=[key.replace(" ", "-") for key in STRUCTURE]
)
def test_what_is_no_program_is_refused_at_its_place(old: str, new: str, says: str) -> None:
    module, line = broken(GEMM, old, new)
    with pytest.raises(LoweringError, match=says) as caught:
        VerifyTTIR()(module)
    assert caught.value.at is not None
    assert abs(caught.value.at.line - line) <= 1  # a statement may begin on the line after


@pytest.mark.parametrize(
    ("old", "new", "says"), BEHAVIOUR.values(), ids=[key.replace(" ", "-") for key in BEHAVIOUR]
)
def test_what_breaks_a_protocol_is_refused(old: str, new: str, says: str) -> None:
    module, _ = broken(GEMM, old, new)
    with pytest.raises(LoweringError, match=says) as caught:
        VerifyTTIR()(module)
    assert caught.value.at is not None
    assert caught.value.at.line > 0


@pytest.mark.parametrize(
    ("old", "new", "says"), ATTRIBUTES.values(), ids=[key.replace(" ", "-") for key in ATTRIBUTES]
)
def test_attributes_that_cannot_be_right_are_refused(old: str, new: str, says: str) -> None:
    if '"name"' in old:
        new = old.replace('"pages": 16', new)
    module = tvm.script.from_source(GEMM.replace(old, new))
    with pytest.raises(LoweringError, match=says):
        VerifyTTIR()(module)


def test_an_operand_that_is_popped_within_a_loop_over_what_was_waited_for_once() -> None:
    """A loop that does the same in every iteration is still followed to its end."""
    once = 'T.tt.cb_wait_front("A", 4)'
    text = ADD.replace('T.tt.cb_pop_front("A", 4)', "")
    text = text.replace(
        once,
        f'{once}\n            for again in range(8):\n                T.tt.cb_pop_front("A", 1)',
    )
    with pytest.raises(LoweringError, match=r"popped that were not waited for"):
        VerifyTTIR()(tvm.script.from_source(text))


@dataclass(frozen=True)
class Breaking(TTPass):
    """Takes the read barriers out of a kernel's programs."""

    name: ClassVar[str] = "test.Breaking"

    def transform(self, module: IRModule) -> IRModule:
        def drop(call: tvm.ir.Call) -> Any:
            if call.op.name != "tt.read_barrier":
                return call
            return tirx.call_intrin("void", "tt.cb_reserve_back", "A", 8, span=call.span)

        return IRModule(
            {
                var: func.with_body(tvm_ffi.structural_map(func.body, (tvm.ir.Call, drop)))
                for var, func in module.functions.items()
            }
        )


def test_a_pass_of_ones_own_that_breaks_a_protocol_is_told_where_the_kernel_is() -> None:
    steps = build_tt_pipeline(arch="wormhole_b0")
    assert isinstance(steps[-1], VerifyTTIR)
    steps.insert(-1, Breaking())
    with pytest.raises(LoweringError, match="pushed before a read_barrier") as caught:
        run_pipeline(kernel(gemm(64, 64, 256)), passes=steps)
    assert str(caught.value.at) == "kernels/k.py:10:13"


def without(module: IRModule, program: str) -> IRModule:
    """The module without one of the programs."""
    return IRModule(
        {v: f for v, f in module.functions.items() if not v.name_hint.endswith(program)}
    )


def test_all_three_programs_are_there() -> None:
    module = tvm.script.from_source(GEMM)
    for program in ("reader", "compute", "writer"):
        with pytest.raises(LoweringError, match=f"kernel 'k' has no {program}"):
            VerifyTTIR()(without(module, program))


def test_what_is_no_program_yet_is_refused() -> None:
    module = kernel(gemm(32, 32, 32)).func
    with pytest.raises(LoweringError, match=r"(?s)'k' is none of.*run GridToPersistentTT first"):
        VerifyTTIR()(IRModule({"k": module}))


@pytest.mark.parametrize(
    ("key", "value"), [(attrs.ARCH, "blackhole"), (attrs.WORK_PARTITION, [[0, 0, 0, 6]])]
)
def test_programs_agree_about_what_they_share(key: str, value: Any) -> None:
    module = tvm.script.from_source(GEMM)
    functions = {
        var: func.with_attr(key, value) if var.name_hint == "k_writer" else func
        for var, func in module.functions.items()
    }
    with pytest.raises(LoweringError, match=f"the reader and the writer disagree about '{key}'"):
        VerifyTTIR()(IRModule(functions))


def test_a_missing_attribute_names_the_pass_that_sets_it() -> None:
    module = tvm.script.from_source(GEMM)
    for key, made_by in ((attrs.CB_DESC, "GridToPersistentTT"), (attrs.CORE_RANGES, "TTTilesTo")):
        functions = {v: f.without_attr(key) for v, f in module.functions.items()}
        with pytest.raises(LoweringError, match=rf"(?s)needs the attribute.*run {made_by}"):
            VerifyTTIR()(IRModule(functions))


def test_no_more_circular_buffers_than_there_are() -> None:
    """A sum of 40 tensors would need 41."""
    module = tvm.script.from_source(GEMM)
    buffer = {"name": "A", "tensor": "A", "role": "input", "dtype": "bf16"}
    many = [{**buffer, "name": f"B{i}", "page_bytes": 2048, "pages": 2} for i in range(33)]
    functions = {v: f.with_attr(attrs.CB_DESC, many) for v, f in module.functions.items()}
    with pytest.raises(LoweringError, match=r"33 circular buffers; a core has 32: B0, .*B32\n"):
        VerifyTTIR()(IRModule(functions))


def test_a_tensor_that_no_program_uses() -> None:
    text = re.sub(r'("tt.layout_desc": \{)("A": (\{.*?\}),)', r'\1\2 "Z": \3,', GEMM)
    with pytest.raises(LoweringError, match="no program uses the tensor 'Z'"):
        VerifyTTIR()(tvm.script.from_source(text))


def test_an_argument_that_nothing_gives_a_value() -> None:
    text = GEMM.replace(
        "count: T.int32, Kt: T.int32):", "count: T.int32, Kt: T.int32, x: T.int32):"
    )
    with pytest.raises(LoweringError, match="the compute takes 'x', which has no value"):
        VerifyTTIR()(tvm.script.from_source(text))


def test_what_was_verified_is_not_checked_again_when_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same programs, whichever way their plan was made."""
    checked: list[str] = []

    def rule(plan: Plan) -> Iterator[Violation]:
        checked.append(plan.kernel)
        yield from ()

    monkeypatch.setattr(validate, "_RULES", (rule,))
    monkeypatch.setattr(validate, "_SOUND", {})
    path = tmp_path / "tt.plan.json"
    run_pipeline(kernel(gemm(64, 96, 352)), arch="blackhole", name="called", plan_path=path)
    assert load(path).kernel == "called"
    assert checked == ["k"]


def test_a_plan_says_what_its_own_programs_do() -> None:
    """Not those that were verified before: programs that replaced them are read anew."""
    made = kernel(gemm(64, 96, 352))
    module = lower(gemm(64, 96, 352)).module
    programs = {name: module[f"k_{name}"] for name in PROGRAM_NAMES}

    def ops_of(chosen: dict[ProgramName, Any]) -> int:
        plan = plan_from_programs(chosen, made, "k", tolerance=Tolerance(pcc=1, relative_error=0))
        return len(plan.programs.writer.body)

    before = ops_of(programs)
    writer = programs["writer"]
    twice = tirx.SeqStmt([writer.body, writer.body])
    assert ops_of(programs | {"writer": writer.with_body(twice)}) == 2 * before
    assert ops_of(programs) == before
