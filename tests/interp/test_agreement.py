"""The interpreter gives what the simulator gives, bit by bit, for kernels of the library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ttgen.arch import ARCHITECTURES
from ttgen.build.job import Job, declared
from ttgen.build.steps import Steps
from ttgen.build.workers import Workers
from ttgen.spec import Variant, load_variants
from ttgen_runtime.launch import run_kernel

PROJECT = Path(__file__).parents[2]
#: What generated programs do not draw (tests/generated), which are compared bit by bit, too.
KERNELS = (
    "formats-cast",
    "formats-residual",
    "reduce-batch_sum",
    "where",
)


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def arch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def workers(cache: Path) -> Iterator[Workers]:
    workers = Workers(cache)
    yield workers
    workers.close()


@pytest.fixture(scope="module")
def variants() -> dict[str, Variant]:
    sources = (PROJECT / "kernels").glob("*.py")
    return {v.name: v for source in sources for v in load_variants(source, PROJECT)}


def difference(a: np.ndarray, b: np.ndarray) -> str:
    """How two arrays differ, or nothing."""
    wrong = np.flatnonzero(a.ravel() != b.ravel())
    if not wrong.size:
        return ""
    first = wrong[0]
    return f"{wrong.size} of {a.size} differ, first {a.ravel()[first]} {b.ravel()[first]}"


@pytest.mark.sim
@pytest.mark.parametrize("kernel", KERNELS)
def test_it_agrees_with_wolfpine(
    arch: str, kernel: str, workers: Workers, variants: dict[str, Variant], tmp_path: Path
) -> None:
    job = Job(PROJECT, tmp_path, declared(variants[kernel]), arch)
    steps = Steps(workers)
    steps.plan(job)
    steps.golden(job)
    steps.render(job)
    values = {}
    for device in ("interp", "wolfpine"):
        with workers.device(device, arch) as session:
            path = tmp_path / f"{device}.npz"
            result = run_kernel(
                session, job.plan, job.folder, job.golden, device=device, values=path
            )
        assert result.passed, result.message
        with np.load(path) as file:
            values[device] = {name: file[name] for name in file.files}
    for name, ours in values["interp"].items():
        assert not difference(ours, values["wolfpine"][name]), (kernel, name)
