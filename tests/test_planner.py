"""What a planner keeps between requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sources import HEADER

from ttgen import planner
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
