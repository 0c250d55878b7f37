"""What a planner keeps between requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sources import HEADER

from ttgen import planner
from ttgen.build.job import Job, declared
from ttgen.build.steps import Steps
from ttgen.build.workers import Workers
from ttgen.plan import load
from ttgen.spec import Variant, load_variants

KERNEL = """
def k(M: int = 64):
    @T.prim_func
    def k(A: T.Buffer((M, 32), "float32"), B: T.Buffer((M, 32), "float32")):
        for i, j in T.grid(M, 32):
            B[i, j] = A[i, j]

    return k
"""


@pytest.fixture(autouse=True)
def _new() -> Iterator[None]:
    planner.forget()
    yield
    planner.forget()


def variants(project: Path) -> list[Variant]:
    """Two of one kernel."""
    (project / "k.py").write_text(HEADER + KERNEL)
    (project / "k.yaml").write_text("variants: {a: {parameters: {M: 32}}, b: {}}\n")
    return load_variants(project / "k.py", project)


def test_a_kernel_is_parsed_once_for_both_architectures(tmp_path: Path) -> None:
    first, second = variants(tmp_path)
    kernels = [
        planner.load_kernel(planner.Request(str(tmp_path), variant, arch))
        for variant in (first, second)
        for arch in ("wormhole_b0", "blackhole")
    ]
    rows = [int(kernel.func.params[0].ty.shape[0]) for kernel in kernels]
    assert rows == [32, 32, 64, 64]
    assert kernels[0] is kernels[1]
    assert kernels[2] is kernels[3]


def test_a_new_planner_reads_the_source_again(tmp_path: Path) -> None:
    request = planner.Request(str(tmp_path), variants(tmp_path)[1], "blackhole")
    assert int(planner.load_kernel(request).func.params[0].ty.shape[0]) == 64
    (tmp_path / "k.py").write_text(HEADER + KERNEL.replace("64", "96"))
    planner.forget()
    assert int(planner.load_kernel(request).func.params[0].ty.shape[0]) == 96


RELAXED = """
from tvm import relax


def k():
    x, y = (relax.Var(name, relax.TensorType((32, 64), "float32")) for name in "xy")
    builder = relax.BlockBuilder()
    with builder.function("main", [x, y]):
        builder.emit_func_output(builder.emit(relax.op.add(x, y)))
    module = relax.transform.LegalizeOps()(builder.get())
    (name,) = (variable.name_hint for variable in module.functions if variable.name_hint != "main")
    return module[name]
"""


def test_a_source_may_use_the_parts_of_tvm_that_a_planner_loads_late(tmp_path: Path) -> None:
    (tmp_path / "k.py").write_text(RELAXED)
    (variant,) = load_variants(tmp_path / "k.py", tmp_path)
    job = Job(tmp_path, tmp_path / "build", declared(variant), "blackhole")
    workers = Workers(tmp_path / "cache")
    try:
        Steps(workers).plan(job)
    finally:
        workers.close()
    assert [tensor.shape for tensor in load(job.plan).tensors] == [(32, 64)] * 3


SCRIPT = """
from tvm.script import tirx as T


@T.prim_func
def k(A: T.Buffer((32, 64), "float32"), C: T.Buffer((32, 64), "float32")):
    for i, j in T.grid(32, 64):
        C[i, j] = A[i, j]
"""


def test_a_planner_may_be_asked_for_golden_values_first(tmp_path: Path) -> None:
    """What TVM builds for the CPU with is not always there once a source has been run."""
    (tmp_path / "k.py").write_text(SCRIPT)
    (variant,) = load_variants(tmp_path / "k.py", tmp_path)
    job = Job(tmp_path, tmp_path / "build", declared(variant), "blackhole")
    for step in (Steps.plan, Steps.golden):
        workers = Workers(tmp_path / "cache")
        try:
            step(Steps(workers), job)
        finally:
            workers.close()
    assert job.golden.exists()
