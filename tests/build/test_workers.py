"""Processes that a build needs are started while it does what comes before."""

from __future__ import annotations

from pathlib import Path

import pytest

from .project import REPOSITORY, TOOL, Project, make, share_cache

SCONSTRUCT = """\
DefaultEnvironment(tools=[])
env = Environment(tools=["ttgen"], TT_ARCH="wormhole_b0", TT_DEVICE="wolfpine")
env.TTKernels("kernels")
"""
#: A kernel that is refused, so that no later step is come to.
REFUSED = """\
from tvm import te


def refused(N: int = 32):
    A = te.placeholder((N, N), "float16", name="A")
    return [A, te.compute((N, N), lambda i, j: A[i, j] + A[i, j], name="B")]
"""


@pytest.fixture
def project(cache: Path, tmp_path: Path) -> Project:
    project = make(tmp_path / "project", TOOL, REPOSITORY)
    share_cache(project, cache)
    project.write("SConstruct", SCONSTRUCT)
    project.write("kernels/refused.py", REFUSED)
    return project


@pytest.mark.sim
@pytest.mark.parametrize(
    ("target", "started"),
    [
        ("plans", ["planner"]),
        ("kernels", ["mock-wormhole_b0", "planner"]),
        ("test", ["planner", "wolfpine-wormhole_b0"]),
    ],
)
def test_later_steps_find_their_processes_started(
    project: Project, target: str, started: list[str]
) -> None:
    run = project.scons(target, ok=False)
    assert run.steps == {"PLAN": ["wormhole_b0/refused"]}
    logs = (project.root / "build" / ".cache" / "logs").iterdir()
    assert sorted(log.stem.rpartition("-")[0] for log in logs) == started
    assert not project.processes()


@pytest.mark.sim
def test_what_sessions_leave_that_were_killed_is_removed(project: Project) -> None:
    temporary = project.root / "build" / ".cache" / "tmp"
    project.write("kernels/refused.py", REFUSED.replace("float16", "bfloat16"))
    left, foreign = temporary / "session-4194305", temporary / "session-others"
    for folder in (left, foreign):  # no process has a number that large
        folder.mkdir(parents=True)
    project.scons("kernels")
    assert sorted(temporary.glob("session-*")) == [foreign]
