"""One build of the whole kernel library, which the tests share."""

from __future__ import annotations

import fcntl
import importlib.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from .project import CHECKOUT, Project, Run, clone, make, share_cache


@dataclass(frozen=True)
class Built:
    """The project after ``scons kernels test``, and what that run said."""

    project: Project
    run: Run


@pytest.fixture(scope="session")
def built(run_folder: Path, cache: Path) -> Built:
    """Every kernel, compiled and run on Wolfpine. Not to be changed: take a ``copy``.

    The first process of a run that needs it makes it; others wait.
    """
    if importlib.util.find_spec("ttnn") is None:
        pytest.skip("ttnn is not installed (extra: sim)")
    root, said = run_folder / "library" / "project", run_folder / "library.json"
    with (run_folder / "library.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            project = make(root, CHECKOUT)
            share_cache(project, cache)
            run = project.scons("-j2", "kernels", "test", "device=wolfpine", ok=None, timeout=1800)
            said.write_text(json.dumps(asdict(run)))
    built = Built(Project(root, root), Run(**json.loads(said.read_text())))
    assert built.run.code == 0, built.run.text
    return built


@pytest.fixture
def copy(built: Built, cache: Path, tmp_path: Path) -> Project:
    """A copy of the built project, to be edited; its builds do only what an edit asks for."""
    return clone(built.project, tmp_path / "project", cache)
