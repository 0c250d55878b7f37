"""The unit tests of the passes in C++: a program without Python, watched by sanitizers and gcov.

It runs what is tested by hand (``*_test.cc`` beside this file), and whatever the tests of the
passes in Python give these: each module, and what has to be made of it or said of it. (R3, R4)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ttgen.build.passes import Toolchain
from ttgen.native import SOURCES

ROOT = Path(__file__).parents[2]
#: What the unit tests run at least, of the lines of the C++ sources.
COVERED = 90.0
#: The tests whose modules are written down: of what lowers, in every way, and of what is refused.
RECORDED = tuple(
    f"tests/passes/test_{name}.py"
    for name in (
        "beside",
        "invariants",
        "layouts",
        "orders",
        "refusals",
        "streams",
        "verify",
        "work",
    )
)


def _missing() -> str:
    """What the unit tests need and is not there."""
    toolchain = Toolchain.found()
    if toolchain is None:
        return "there is no C++ compiler"
    if not Path(toolchain.compiler).name.startswith("g++"):
        return "gcov counts what g++ has compiled"
    if not any((folder / "gtest" / "gtest.h").exists() for folder in _INCLUDE):
        return "GoogleTest is not installed (Debian's libgtest-dev)"
    return ""


_INCLUDE = (Path("/usr/include"), Path("/usr/local/include"))
pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the program."""
    folder = tmp_path_factory.mktemp("native")
    scons = [sys.executable, "-m", "SCons", "-Q", "-f", "tests/native/SConstruct"]
    done = subprocess.run(
        [*scons, "-j2", f"FOLDER={folder}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what the passes in Python were given, and what they made of it."""
    folder = tmp_path_factory.mktemp("cases")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.native.recorder", *RECORDED]
    environment = {**os.environ, "TTGEN_CASES": str(folder), "TTGEN_PASSES": "python"}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-n0", "-k", "not library"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_units(build: Path, cases: Path, tmp_path: Path) -> None:
    """All of them pass, nothing is out of bounds or undefined, and most of the code has run."""
    environment = {
        **os.environ,
        "TTGEN_CASES": str(cases),
        # What TVM keeps until the process ends is no leak of ours.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    report = tmp_path / "report.json"
    done = subprocess.run(
        [str(build / "tests"), f"--gtest_output=json:{report}", "--gtest_brief=1"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    told = json.loads(report.read_text())
    names = [test["name"] for suite in told["testsuites"] for test in suite["testsuite"]]
    assert any(name.startswith("AsInPython/") for name in names)
    lines = _coverage(build, tmp_path)
    print(f"{told['tests']} tests, {lines['line_percent']:.1f} % of {lines['line_total']} lines")
    assert lines["line_percent"] > COVERED, _uncovered(lines)


def _coverage(build: Path, folder: Path) -> dict[str, object]:
    summary = folder / "coverage.json"
    command = [sys.executable, "-m", "gcovr", "--root", str(SOURCES), "--filter", f"{SOURCES}/"]
    command += ["--json-summary", str(summary), str(build)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, object] = json.loads(summary.read_text())
    return found


def _uncovered(lines: dict[str, object]) -> str:
    files = lines["files"]
    assert isinstance(files, list)
    worst = sorted(files, key=lambda file: file["line_covered"] - file["line_total"])
    return "\n".join(f"{file['filename']}: {file['line_percent']} %" for file in worst[:20])
