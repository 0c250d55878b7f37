"""One build of the whole kernel library, which the tests share."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pytest

from .project import CHECKOUT, Project, Run, clone, make


@dataclass(frozen=True)
class Built:
    """The project after ``scons kernels test``, and what that run said."""

    project: Project
    run: Run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Every kernel, compiled and run on Wolfpine. Not to be changed: take a ``copy``."""
    if importlib.util.find_spec("ttnn") is None:
        pytest.skip("ttnn is not installed (extra: sim)")
    project = make(tmp_path_factory.mktemp("library") / "project", CHECKOUT)
    return Built(project, project.scons("-j2", "kernels", "test", "device=wolfpine", timeout=600))


@pytest.fixture
def copy(built: Built, tmp_path: Path) -> Project:
    """A copy of the built project, to be edited; its builds do only what an edit asks for."""
    return clone(built.project, tmp_path / "project")


@pytest.fixture(scope="session")
def cache(built: Built) -> Path:
    """Firmware and an SDK root, so that other projects need not make them."""
    return built.project.root / "build" / ".cache"
