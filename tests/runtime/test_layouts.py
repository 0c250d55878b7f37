"""Layouts, strategies and modes on a simulated chip: values, and where they are (D6, D8, P5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from sources import gemm, kernel, legalised, prim_func

pytest.importorskip("ttnn", reason="ttnn is not installed (extra: sim)")

from ttgen.arch import ARCHITECTURES
from ttgen.errors import DeviceError, LoweringError
from ttgen.frontend.kernel import Kernel
from ttgen.golden import golden
from ttgen.passes.pipeline import run_pipeline
from ttgen.plan import save
from ttgen.render import TemplateSet, write_sources
from ttgen_runtime.launch import compile_kernel
from ttgen_runtime.program import memory_config
from ttgen_runtime.result import Result

from .conftest import Bench
from .plans import matmul_plan

ARCHS = ("wormhole_b0", "blackhole")


def add(shape: tuple[int, ...]) -> str:
    axes = ", ".join("ijkl"[: len(shape)])
    tensors = ", ".join(f'{name}: T.Buffer({shape}, "bfloat16")' for name in "ABC")
    return prim_func(
        tensors, f"for {axes} in T.grid{shape}:\n    C[{axes}] = A[{axes}] + B[{axes}]"
    )


def row_sum(rows: int, columns: int) -> str:
    return (
        "from tvm import te\ndef k():\n"
        f'    A = te.placeholder(({rows}, {columns}), "bfloat16", name="A")\n'
        f'    n = te.reduce_axis((0, {columns}), "n")\n'
        f'    return [A, te.compute(({rows},), lambda i: te.sum(A[i, n], axis=n), name="C")]\n'
    )


ADD = add((160, 96))  # 5x3 tiles
GEMM = gemm(160, 96, 64)
BATCH = add((2, 50, 40))  # 2 matrices of 2x2 tiles
SUM = row_sum(160, 96)


@dataclass(frozen=True)
class Case:
    """A kernel with options, and the cores that should have work."""

    source: str
    options: dict[str, Any] = field(default_factory=dict)
    cores: int = 15


def sharded(*names: str, memory: str = "L1", **shard: Any) -> dict[str, Any]:
    return {name: {"memory": memory, "nd_shard": shard} for name in names}


def local(*names: str, **shard: Any) -> dict[str, Any]:
    return {"layouts": sharded(*names, **shard), "partition_mode": "local_shard"}


L1 = {name: {"memory": "L1"} for name in "ABC"}
CASES: dict[str, Case] = {
    "add in DRAM": Case(ADD),
    "add in L1": Case(ADD, {"layouts": L1}),
    "add by height": Case(ADD, local("A", "B", "C", grid=[5, 1]), 5),
    "add by width in columns": Case(ADD, local("A", "C", grid=[1, 3], order="column_major"), 3),
    "add by block": Case(ADD, local("A", "B", "C", shard_shape=[64, 64]), 6),
    "add by block in columns": Case(ADD, local("A", "C", grid=[5, 3], order="column_major")),
    "add in two rows of cores": Case(
        ADD, local("C", grid=[5, 1], cores=[[0, 0, 4, 1], [2, 3, 1, 1]]), 5
    ),
    "add z_order": Case(ADD, {"partition": "z_order", "grid": (2, 2)}, 4),
    "add match_shard": Case(
        ADD,
        {"layouts": sharded("C", shard_shape=[64, 64]), "partition": "match_shard", "grid": (2, 2)},
        4,
    ),
    "gemm in DRAM": Case(GEMM),
    "gemm z_order": Case(GEMM, {"partition": "z_order", "grid": (2, 2)}, 4),
    "gemm block": Case(GEMM, {"partition": "block", "grid": (2, 3)}, 6),
    "gemm column_major": Case(
        GEMM, {"partition": "column_major", "core_ranges": [[6, 7, 2, 1], [0, 3, 1, 2]]}, 4
    ),
    "gemm local_shard": Case(
        GEMM,
        {
            "layouts": {
                **sharded("A", grid=[5, 1]),
                **sharded("B", grid=[1, 3], order="column_major"),
                **sharded("C", shard_shape=[64, 64]),
            },
            "partition_mode": "local_shard",
        },
        6,
    ),
    "batch in DRAM": Case(BATCH, cores=8),
    "batch by matrix": Case(BATCH, local("A", "B", "C", axes=["B", "M", "N"], grid=[2, 1, 2]), 4),
    "batch in order": Case(
        BATCH,
        {
            "layouts": {
                "A": {"order": [1, 0, 2]},
                "B": {"order": [1, 0, 2], "page": "row"},
                "C": {"order": [1, 0, 2], "nd_shard": {"grid": [5, 1]}},
            },
            "grid": (5, 1),
        },
        5,
    ),
    "batch block": Case(BATCH, {"partition": "block", "grid": (3, 1)}, 3),
    "sum in DRAM": Case(SUM, cores=5),
    "sum of shards": Case(
        SUM,
        {
            "layouts": {**sharded("A", grid=[2, 3]), **sharded("C", axes=["M"], grid=[5])},
            "partition_mode": "local_shard",
        },
        5,
    ),
}


def execute(
    bench: Bench,
    folder: Path,
    made: Kernel,
    arch: str,
    templates: TemplateSet | None = None,
    **options: Any,
) -> Result:
    """Plan, render and run a kernel."""
    plan = run_pipeline(made, name="k", arch=arch, **options).plan
    save(plan, folder / "tt.plan.json")
    write_sources(plan, templates or TemplateSet(), folder)
    golden(made, plan).save(folder / "golden.npz")
    return bench.run(folder, plan)


@pytest.mark.sim
@pytest.mark.parametrize(
    ("first", "arch"),  # one each: kernels of the library and generated programs have both
    [("add", "wormhole_b0"), ("gemm", "blackhole"), ("batch", "wormhole_b0"), ("sum", "blackhole")],
)
def test_layouts_and_strategies_change_no_value(
    bench: Bench, tmp_path: Path, first: str, arch: str
) -> None:
    """Metamorphic, on the chip: every variant is right, and differs from golden by the same."""
    errors: dict[str, float | None] = {}
    for name, case in CASES.items():
        if name.split()[0] == first:
            folder = tmp_path / name.replace(" ", "_")
            folder.mkdir()
            result = execute(bench, folder, kernel(case.source), arch, **case.options)
            assert result.passed, f"{name}: {result.message}"
            assert result.cores == case.cores, name
            errors[name] = result.outputs[0].relative_error
    assert len(errors) > 1
    assert len(set(errors.values())) == 1, errors


@pytest.mark.sim
@pytest.mark.parametrize("arch", ARCHS)
def test_attention_of_relax_lies_in_heads(bench: Bench, tmp_path: Path, arch: str) -> None:
    """(B, S, H, D), whose last two dimensions make no tiles of a product (E2)."""
    from tvm import relax

    (made,) = legalised(relax.op.nn.attention, [(1, 32, 2, 32)] * 3)
    result = execute(bench, tmp_path, made, arch)
    assert result.passed, result.message


#: Reads a page only where it lies in the core's own L1.
LOCAL_READ = """\
{% set sdk = "0.81.1" %}
{% set reads = ["circular_buffers.name", "circular_buffers.page_bytes", "tensors.name"] %}
{% macro read_page(tensor, page, cb, slot) %}
if ({{ tensor.name }}_tensor.is_local_page({{ page }})) {
    const uint32_t to = get_write_ptr({{ cb.name }}_cb) + ({{ slot }}) * {{ cb.page_bytes }};
    noc_async_read_page({{ page }}, {{ tensor.name }}_tensor, to);
}
{% endmacro %}
"""
OWN = local("A", "B", "C", shard_shape=[64, 64])
ELSEWHERE = local("A", "B", "C", shard_shape=[64, 64])
ELSEWHERE["layouts"]["B"] = {"nd_shard": {"shard_shape": [64, 64], "cores": [[1, 0, 2, 3]]}}


@pytest.mark.sim
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(("options", "passes"), [(OWN, True), (ELSEWHERE, False)])
def test_shards_alike_are_read_from_the_cores_own_l1(
    bench: Bench, tmp_path: Path, arch: str, options: dict[str, Any], passes: bool
) -> None:
    """D8, with a template that reads nothing else: it leaves gaps where shards lie elsewhere."""
    (tmp_path / "own" / "ops").mkdir(parents=True)
    (tmp_path / "own" / "ops" / "read_page.j2").write_text(LOCAL_READ)
    templates = TemplateSet((tmp_path / "own",))
    result = execute(bench, tmp_path, kernel(ADD), arch, templates, **options)
    assert result.status == ("passed" if passes else "failed"), result.message


@pytest.mark.parametrize("arch", ARCHS)
def test_what_fits_l1_fits_the_device(bench: Bench, tmp_path: Path, arch: str) -> None:
    """P3: one shard and circular buffers that leave less than a tile of each free."""
    tile, operands = 2048, 3
    shard = ARCHITECTURES[arch].l1_bytes // tile // 32 * 32 - 32
    buffering = (ARCHITECTURES[arch].l1_bytes - shard * tile) // (operands * tile)
    made = kernel(add((shard, 32 * 32)))
    options = {**local("C", grid=[1, 1]), "block_tiles": 1}
    with pytest.raises(LoweringError, match=r"tensors \d+ \(C \d+\)"):
        run_pipeline(made, arch=arch, **options, buffering=buffering + 1)
    plan = run_pipeline(made, arch=arch, **options, buffering=buffering).plan
    assert 0 <= plan.l1.limit_bytes - plan.l1.used_bytes < operands * tile
    save(plan, tmp_path / "tt.plan.json")
    write_sources(plan, TemplateSet(), tmp_path)
    service = bench.service("mock", arch)
    assert compile_kernel(service, tmp_path / "tt.plan.json", tmp_path, tmp_path / "elf")


def test_what_cannot_be_run_yet_is_said() -> None:
    tensor = matmul_plan("wormhole_b0", 32, 32, 32, 1).tensors[0]
    layout = msgspec.structs.replace(tensor.layout, tile_shape=(16, 32))
    with pytest.raises(DeviceError, match=r"tensor 'a': tiles of \(16, 32\) cannot be run yet"):
        memory_config(SimpleNamespace(), msgspec.structs.replace(tensor, layout=layout))
