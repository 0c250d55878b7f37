"""Plans of the kernel library are the same bytes, whichever twins have made them. (R3)"""

from __future__ import annotations

from pathlib import Path

import pytest

from ttgen.native import library
from ttgen.passes.pipeline import run_pipeline
from ttgen.planner import Request, load_kernel
from ttgen.spec import load_variants

ROOT = Path(__file__).parents[2]
JOBS = {
    f"{arch}/{variant.name}": Request(str(ROOT), variant, arch)
    for file in sorted((ROOT / "kernels").glob("*.py"))
    for variant in load_variants(file, ROOT)
    for arch in variant.arch
}


@pytest.mark.skipif(
    not library.load(), reason="the passes in C++ have not been built: ./scons passes"
)
@pytest.mark.parametrize("label", JOBS)
def test_plan(label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attributes, structure, places and names after each pass, and the plan's bytes."""
    job = JOBS[label]
    plans = []
    for mode in ("python", "both"):
        monkeypatch.setenv("TTGEN_PASSES", mode)
        plan = tmp_path / mode / "tt.plan.json"
        plan.parent.mkdir()
        run_pipeline(load_kernel(job), plan_path=plan, arch=job.arch, **job.variant.options)
        plans.append(plan.read_bytes())
    assert len(set(plans)) == 1
