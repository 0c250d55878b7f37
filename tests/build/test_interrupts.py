"""Builds that are ended from outside: nothing stays behind, and the next one works."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

import psutil
import pytest

from .conftest import Built
from .project import TOOL, Project, make, share_cache
from .test_wrong_kernels import BREAKS, ELEMENTWISE, SCONSTRUCT

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def hanging(built: Built, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose only test would take its ten minutes."""
    project = make(tmp_path_factory.mktemp("hanging") / "project", TOOL, built.project.code)
    share_cache(project, cache)
    project.write("sub.py", ELEMENTWISE.format(columns=96))
    project.write("broken/sub/ops/cb_push_back.j2", BREAKS["sub-no-push"].template)
    project.write("SConstruct", SCONSTRUCT.format(kernels=[("sub", "sub.py", 600)]))
    project.scons("kernels", "build/wormhole_b0/sub/golden.npz")
    return project


def simulators(project: Project) -> list[psutil.Process]:
    found = []
    for process in project.processes():
        # A compiler may end between the two looks at it.
        with contextlib.suppress(psutil.NoSuchProcess):
            if any("framework.sim" in word for word in process.cmdline()):
                found.append(process)
    return found


def wait_for(condition: object, seconds: float) -> float:
    """Seconds until ``condition()`` holds."""
    assert callable(condition)
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "it has not come to pass"
        time.sleep(0.1)
    return time.monotonic() - start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind(hanging: Project, number: signal.Signals) -> None:
    before = hanging.contents("build")
    scons = hanging.start("test")
    try:
        wait_for(lambda: simulators(hanging), 120)
        time.sleep(1)
        assert scons.poll() is None
        scons.send_signal(number)
        out, _ = scons.communicate(timeout=10)
    finally:
        scons.kill()
    if number == signal.SIGKILL:
        assert scons.returncode == -signal.SIGKILL
        # The sessions notice, and give what they are doing ten seconds to end.
        wait_for(lambda: not hanging.processes(), 20)
    else:
        assert scons.returncode == 2, out
        assert "interrupted" in out
        assert hanging.processes() == []
    assert hanging.contents("build") == before, "neither a result nor an error is written"
    run = hanging.scons("-j2", "build/wormhole_b0/sub/host.py", "kernels")
    assert run.steps == {}
