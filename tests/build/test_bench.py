"""``scons bench``: what the kernels that are asked for take, as a table and a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Built
from .project import CHECKOUT, make, share_cache

pytestmark = pytest.mark.sim


def test_what_is_asked_for_is_measured(built: Built, tmp_path: Path) -> None:
    """And only that; a second run measures again, with nothing left to build."""
    cache = built.project.root / "build" / ".cache"
    project = make(tmp_path / "project", CHECKOUT)
    share_cache(project, cache)
    wanted = ("bench", "arch=blackhole", "kernel=gemm-32x32x32,reduce-dot_rows", "device=wolfpine")
    first = project.scons(*wanted)
    job = ["blackhole/gemm-32x32x32", "blackhole/reduce-dot_rows"]
    assert first.steps == {"PLAN": job, "RENDER": job, "GOLDEN": job}
    product, alone = project.json("build/bench.json")["entries"]
    assert (product["kernel"], alone["kernel"]) == ("gemm-32x32x32", "reduce-dot_rows")
    assert [entry["status"] for entry in (alone, product)] == ["passed", "passed"]
    assert alone["ttnn"] is None, "no operation of ttnn's does all of it"
    for figures in (alone["figures"], product["figures"], product["ttnn"]["figures"]):
        assert figures["cycles"] >= 64
        assert figures["seconds"] > 0
    assert "matmul(A, B)" in first.out

    # A device that runs nothing of ttnn's; what was built stands.
    refused = project.scons(*wanted[:-1], "device=interp", ok=False)
    assert refused.steps == {}
    assert "BENCH blackhole/gemm-32x32x32: interp runs no program of ttnn's" in refused.err
    project.scons("-c", "kernels")
    assert not (project.root / "build" / "bench.json").exists()
