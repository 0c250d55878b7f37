"""``ttgen``, for sources that lie anywhere, without SCons."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import Built
from .project import Project, Run
from .test_bad_input import KERNEL, SUM

pytestmark = pytest.mark.sim


@pytest.fixture
def elsewhere(built: Built, tmp_path: Path) -> Project:
    """A folder with a kernel source and nothing else."""
    project = Project(tmp_path, built.project.code)
    project.write("somewhere/plus.py", KERNEL.format(name="plus", value=SUM))
    return project


def ttgen(project: Project, cache: Path, *arguments: str) -> Run:
    argv = [sys.executable, "-m", "ttgen.cli", *arguments]
    return project.run(argv, ok=None, TTGEN_CACHE=str(cache))


def test_a_source_outside_of_any_project_runs(elsewhere: Project, cache: Path) -> None:
    source = str(elsewhere.root / "somewhere" / "plus.py")
    arguments = ["run", source, "--arch", "blackhole", "--device", "wolfpine", "--set", "M=32"]
    run = ttgen(elsewhere, cache, *arguments)
    assert run.code == 0, run.text
    assert run.out.startswith("blackhole plus: passed C: pcc=")
    result = elsewhere.json("build/blackhole/plus/result.json")
    assert result["status"] == "passed"
    assert elsewhere.json("build/blackhole/plus/tt.plan.json")["source"]["parameters"]["M"] == 32
    # The same values are wrong where more is asked of them than bf16 can give.
    run = ttgen(elsewhere, cache, *arguments, "-O", "tolerance={relative_error: 1e-9}")
    assert run.code == 1, run.text
    assert "is above 1e-09" in run.err


def test_a_wrong_request_is_no_wrong_value(elsewhere: Project, cache: Path) -> None:
    run = ttgen(elsewhere, cache, "plan", "somewhere/plus.py", "--set", "K=32")
    assert run.code == 2
    assert "ttgen: somewhere/plus.py:4: no parameter 'K'; it takes M, N" in run.err
    run = ttgen(elsewhere, cache, "plan", "somewhere/nosuch.py")
    assert (run.code, run.err) == (2, "ttgen: there is no kernel source 'somewhere/nosuch.py'\n")
    assert not (elsewhere.root / "build").exists()


def test_doctor_says_what_is_there(elsewhere: Project, cache: Path) -> None:
    run = ttgen(elsewhere, cache, "doctor")
    assert run.code == 0, run.text
    for name in ("Python", "TVM", "SCons", "tt-metal SDK", "compiler", "wolfpine"):
        assert any(line.startswith("ok") and f" {name} " in line for line in run.out.splitlines())
    assert run.out.splitlines()[-1] == "everything that is needed is there"


def test_doctor_says_what_is_missing(elsewhere: Project, cache: Path) -> None:
    """A stand-in for a machine without the extra: see ``block``."""
    argv = [sys.executable, "-m", "ttgen.cli", "doctor"]
    hide = str(Path(__file__).parent / "block")
    run = elsewhere.run(argv, ok=None, TTGEN_CACHE=str(cache), PYTHONPATH=hide)
    assert run.code == 1, run.text
    missing = [line for line in run.out.splitlines() if line.startswith("MISSING")]
    assert any("tt-metal SDK" in line for line in missing)
    assert "pip install 'ttgen[sim]'" in run.out
    assert run.out.splitlines()[-1] == "something needed is missing"
