"""Who may import what: ttgen never ttnn, the run time never TVM, a null build neither."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = {"ttgen": REPOSITORY / "ttgen", "ttgen_runtime": REPOSITORY / "runtime/ttgen_runtime"}
#: What each package must never import. The compiler driver is a program of its own.
NEVER = {"ttgen": {"ttnn"}, "ttgen_runtime": {"tvm", "tvm_ffi"}}


def modules(package: str) -> list[str]:
    folder = PACKAGES[package]
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if "driver" not in parts:
            found.append(".".join([package, *(part for part in parts if part != "__init__")]))
    return found


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """The top-level names that a file imports, anywhere in it, and the lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0], node.lineno


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_statement_crosses_the_border(package: str) -> None:
    files = sorted(PACKAGES[package].rglob("*.py"))
    assert len(files) > 5
    crossing = [
        f"{path.relative_to(REPOSITORY)}:{line}: {name}"
        for path in files
        for name, line in imported(path)
        if name in NEVER[package]
    ]
    assert crossing == []


def test_only_sessions_import_ttnn() -> None:
    files = [path for folder in PACKAGES.values() for path in folder.rglob("*.py")]
    found = {path.name for path in files for name, _ in imported(path) if name == "ttnn"}
    assert found == {"session.py"}


def loaded_after(names: list[str]) -> set[str]:
    """The top-level modules of a new Python that has imported all of ``names``."""
    program = (
        "import importlib, json, sys\n"
        "for name in json.loads(sys.argv[1]): importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "runtime")])
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(names)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_importing_all_of_ttgen_loads_no_ttnn() -> None:
    names = modules("ttgen")
    assert "ttgen.golden" in names
    loaded = loaded_after(names)
    assert "tvm" in loaded
    assert "ttnn" not in loaded


def test_importing_all_of_the_run_time_loads_neither() -> None:
    names = modules("ttgen_runtime")
    assert "ttgen_runtime.session" in names
    assert not loaded_after(names) & {"tvm", "tvm_ffi", "ttnn"}


@pytest.mark.parametrize(
    "name",
    [
        "ttgen",
        "ttgen.plan",
        "ttgen.sdk",
        "ttgen.toolchain",
        "ttgen.service",
        "ttgen.build.tool",
        "ttgen.build.scanners",
        "ttgen.cli",
        "ttgen.doctor",
        "ttgen.planner",
    ],
)
def test_what_builds_import_is_cheap(name: str) -> None:
    assert importlib.util.find_spec(name) is not None
    assert not loaded_after([name]) & {"tvm", "tvm_ffi", "ttnn"}
