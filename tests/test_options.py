"""Every option of the pipeline and every key of a spec has an effect, shown by a case (P1).

A case is a spec that sets the key, and what is different then in the plan. Besides, something must
be different in the sources that are rendered: a key that stops at the plan would be ignored too.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from sources import HEADER

from ttgen.errors import LoweringError
from ttgen.frontend.kernel import Kernel, find_kernel
from ttgen.frontend.source import load_source
from ttgen.passes.pipeline import build_tt_pipeline, pipeline_options, run_pipeline
from ttgen.plan import encode
from ttgen.plan.model import Tolerance
from ttgen.render import TemplateSet, render
from ttgen.spec import Options, Variant, load_variants

SOURCE = f"""{HEADER}from tvm import topi

def k(M: int = 64, N: int = 96, K: int = 352):
    @T.prim_func(s_tir=True)
    def k(
        A: T.Buffer((M, K), "bfloat16"),
        B: T.Buffer((K, N), "bfloat16"),
        C: T.Buffer((M, N), "bfloat16"),
    ):
        for i, j, k in T.grid(M, N, K):
            with T.sblock("gemm"):
                vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                with T.init():
                    C[vi, vj] = T.bfloat16(0)
                C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]
    return k

def other():
    return k(32, 32, 32)

def weighted():
    A, B = te.placeholder((32, 384), name="A"), te.placeholder((384, 32), name="B")
    return [A, B, topi.matmul(topi.nn.softmax(A), B)]
"""


def pick(*path: Any) -> Callable[[Any], Any]:
    """A value in a plan's document."""

    def get(document: Any) -> Any:
        for step in path:
            document = document[step] if document else None
        return document

    return get


@dataclass(frozen=True)
class Case:
    """With ``spec``, ``where`` in the plan is ``value``; without it, something else.

    ``of`` is what else both specs say.
    """

    spec: str
    where: Callable[[Any], Any]
    value: Any
    of: str = "arch: [wormhole_b0]"


#: Where the shards of the output stand.
SHARD = ("tensors", 2, "layout", "nd_shard")

CASES = {
    "function": Case("function: other", pick("source", "function"), "other"),
    "arch": Case("arch: [blackhole]", pick("arch"), "blackhole"),
    "parameters": Case("parameters: {M: 32}", pick("tensors", 0, "shape"), [32, 352]),
    "grid": Case("grid: [3, 1]", pick("core_ranges", 0, "extent"), [3, 1]),
    "partition": Case("partition: column_major", pick("partition", "tile_order"), "column_major"),
    "layouts.dtype": Case(
        "layouts: {A: {dtype: bfp8_b}}", pick("tensors", 0, "layout", "dtype"), "bfp8_b"
    ),
    "layouts.memory": Case(
        "layouts: {A: {memory: L1}}", pick("tensors", 0, "layout", "memory"), "L1"
    ),
    "layouts.page": Case("layouts: {A: {page: row}}", pick("tensors", 0, "layout", "page"), "row"),
    "layouts.order": Case(
        "layouts: {A: {order: [1, 0]}}", pick("tensors", 0, "device_shape"), [352, 64]
    ),
    "layouts.layout": Case(
        "layouts: {C: {layout: sharded, nd_shard: {grid: [2, 1]}}}",
        pick("tensors", 2, "layout", "layout"),
        "sharded",
    ),
    "layouts.nd_shard.grid": Case(
        "layouts: {C: {nd_shard: {grid: [2, 3]}}}", pick(*SHARD, "grid"), [2, 3]
    ),
    "layouts.nd_shard.axes": Case(
        "layouts: {C: {nd_shard: {axes: [N], grid: [3]}}}", pick(*SHARD, "grid"), [1, 3]
    ),
    "layouts.nd_shard.shard_shape": Case(
        "layouts: {C: {nd_shard: {shard_shape: [64, 32]}}}",
        pick(*SHARD, "shard_shape"),
        [64, 32],
    ),
    "layouts.nd_shard.order": Case(
        "layouts: {C: {nd_shard: {grid: [2, 3], order: column_major}}}",
        pick(*SHARD, "order"),
        "column_major",
    ),
    "layouts.nd_shard.cores": Case(
        "layouts: {C: {nd_shard: {grid: [2, 1], cores: [[3, 4, 1, 2]]}}}",
        pick(*SHARD, "cores", 0, "start"),
        [3, 4],
    ),
    "core_ranges": Case("core_ranges: [[1, 2, 3, 1]]", pick("core_ranges", 0, "start"), [1, 2]),
    "partition_mode": Case(
        "layouts: {C: {nd_shard: {grid: [2, 1]}}}\npartition_mode: local_shard",
        pick("partition", "mode"),
        "local_shard",
    ),
    "fidelity": Case("fidelity: LoFi", pick("compute", "fidelity"), "LoFi"),
    "fp32_dest_acc": Case("fp32_dest_acc: true", pick("compute", "dst_tiles"), 4),
    "math_approx": Case("math_approx: true", pick("compute", "math_approx"), True),
    "dst_full_sync": Case("dst_full_sync: true", pick("compute", "dst_tiles"), 16),
    "stream_tiles": Case(
        "stream_tiles: 4",
        lambda plan: plan["programs"]["compute"]["constants"][-2:],
        [{"name": "k_chunk_tiles", "value": 4}, {"name": "k_chunks", "value": 3}],
        "arch: [wormhole_b0]\nfunction: weighted",
    ),
    "block_tiles": Case("block_tiles: 3", pick("circular_buffers", 0, "pages"), 6),
    "buffering": Case("buffering: 3", pick("circular_buffers", 0, "pages"), 24),
    "tolerance.pcc": Case("tolerance: {pcc: 0.5}", pick("tolerance", "pcc"), 0.5),
    "tolerance.relative_error": Case(
        "tolerance: {relative_error: 0.5}", pick("tolerance", "relative_error"), 0.5
    ),
    "templates": Case("templates: [mine]", pick("templates"), ["mine"]),
}
#: Keys that have one value so far: another one is refused.
ONE_VALUE = {
    "layouts.tile_shape": ("layouts: {A: {tile_shape: [16, 32]}}", r"tile_shape is \[16, 32\]"),
}
#: Options that change nothing that a template shows.
PLAN_ONLY: set[str] = set()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "k.py").write_text(SOURCE)
    (tmp_path / "mine" / "ops").mkdir(parents=True)
    (tmp_path / "mine" / "ops" / "read_barrier.j2").write_text(
        '{% set sdk = "0.81.1" %}\n'
        "{% macro read_barrier() %}\nnoc_async_read_barrier();  // mine\n{% endmacro %}\n"
    )
    return tmp_path


def kernel_of(project: Path, variant: Variant) -> Kernel:
    source = load_source(project / "k.py", project)
    return find_kernel(source, variant.function, variant.parameters)


def made(project: Path, spec: str) -> tuple[Any, dict[str, str]]:
    """The plan's document, and the sources, as the builders make them with ``spec``."""
    (project / "k.yaml").write_text(spec)
    (variant,) = load_variants(project / "k.py", project)
    plan = run_pipeline(
        kernel_of(project, variant),
        name=variant.name,
        tolerance=variant.tolerance,
        templates=variant.templates,
        arch=variant.arch[0],
        **json.loads(json.dumps(variant.options)),  # planners are asked in JSON
    ).plan
    folders = tuple(project / folder for folder in variant.templates)
    return json.loads(encode(plan)), render(plan, TemplateSet(folders))


def spec_keys(struct: Any = Options, prefix: str = "") -> set[str]:
    """Every key, those of a mapping below it with a dot."""
    keys: set[str] = set()
    for field in msgspec.structs.fields(struct):
        inner = [kind for kind in _kinds(field.type) if issubclass(kind, msgspec.Struct)]
        for kind in inner:
            keys |= spec_keys(kind, f"{prefix}{field.encode_name}.")
        if not inner:
            keys.add(f"{prefix}{field.encode_name}")
    return keys


def _kinds(annotation: Any) -> list[type]:
    """The classes that an annotation is made of, but for keys and items of plain types."""
    parts = [kind for part in get_args(annotation) for kind in _kinds(part)]
    return [*parts, annotation] if isinstance(annotation, type) else parts


def test_every_key_of_a_spec_has_a_case() -> None:
    """And every option of the pipeline is a key."""
    cases = {*CASES, *ONE_VALUE}
    assert spec_keys() == cases
    assert set(pipeline_options()) <= {case.partition(".")[0] for case in cases}


@pytest.mark.parametrize("key", CASES)
def test_the_effect_of_a_key(key: str, project: Path) -> None:
    case = CASES[key]
    before, sources_before = made(project, case.of)
    spec = case.spec if key == "arch" else f"{case.of}\n{case.spec}"
    after, sources = made(project, spec)
    assert case.where(before) != case.value
    assert case.where(after) == case.value
    assert (sources != sources_before) == (key not in PLAN_ONLY)


@pytest.mark.parametrize("key", ONE_VALUE)
def test_a_key_of_one_value_refuses_another(key: str, project: Path) -> None:
    spec, says = ONE_VALUE[key]
    with pytest.raises(LoweringError, match=says):
        made(project, spec)


def test_variants_are_kernels_of_their_own(project: Path) -> None:
    (project / "k.yaml").write_text("grid: [1, 1]\nvariants:\n  a: {}\n  b: {grid: [2, 1]}\n")
    variants = load_variants(project / "k.py", project)
    grids = [(variant.name, list(variant.options["grid"])) for variant in variants]
    assert grids == [("k-a", [1, 1]), ("k-b", [2, 1])]


# What run_pipeline takes besides the options of passes -------------------------------------------


def _passes(run: Callable[..., Any], _: Path) -> None:
    steps = build_tt_pipeline(arch="blackhole", grid=(1, 1))
    assert run(passes=steps, arch=None).plan.arch == "blackhole"


def _plan_path(run: Callable[..., Any], folder: Path) -> None:
    plan = run(plan_path=folder / "p.json").plan
    assert (folder / "p.json").read_text() == encode(plan)


def _dump_ir(run: Callable[..., Any], folder: Path) -> None:
    run(dump_ir=folder / "ir")
    assert (folder / "ir" / "00_source.py").is_file()


def _tolerance(run: Callable[..., Any], _: Path) -> None:
    wanted = Tolerance(pcc=0.5, relative_error=0.5)
    assert run().plan.tolerance != wanted
    assert run(tolerance=wanted).plan.tolerance == wanted


ARGUMENTS: dict[str, Callable[[Callable[..., Any], Path], None]] = {
    "name": lambda run, _: _equal(run(name="x").plan.kernel, "x"),
    "passes": _passes,
    "plan_path": _plan_path,
    "dump_ir": _dump_ir,
    "tolerance": _tolerance,
    "templates": lambda run, _: _equal(run(templates=("t",)).plan.templates, ("t",)),
}


def _equal(one: object, other: object) -> None:
    assert one == other


def test_every_argument_of_run_pipeline_has_a_case() -> None:
    parameters = inspect.signature(run_pipeline).parameters.values()
    names = {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert names == set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_effect_of_an_argument(name: str, project: Path) -> None:
    (variant,) = load_variants(project / "k.py", project)
    made_from = kernel_of(project, variant)

    def run(**arguments: Any) -> Any:
        given = {"arch": "wormhole_b0", **arguments}
        return run_pipeline(made_from, **{k: v for k, v in given.items() if v is not None})

    ARGUMENTS[name](run, project)
