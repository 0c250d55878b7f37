"""A plugin of pytest: writes down what the passes in Python make of all that tests give them.

The unit tests of the passes in C++ are given the same (``cases_test.cc``): they run without Python.
"""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import tvm_ffi
from tvm.ir import IRModule
from tvm_ffi.serialization import to_json_graph_str

from ttgen.errors import TTError
from ttgen.passes.base import TTPass

#: The folder that takes the cases.
VARIABLE = "TTGEN_CASES"
#: Cases in a file: what is told as one test.
_TOGETHER = 50

_test = ""
_cases: dict[Any, dict[str, Any]] = {}


def pytest_configure() -> None:
    """Record from now on."""
    TTPass.__call__ = _recorded  # type: ignore[method-assign]


def pytest_runtest_logstart(nodeid: str) -> None:
    """The test that the next cases are of."""
    global _test
    _test = nodeid


def pytest_unconfigure() -> None:
    """Write the files."""
    folder, found = Path(os.environ[VARIABLE]), list(_cases.values())
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(found), _TOGETHER):
        text = to_json_graph_str(found[start : start + _TOGETHER])
        (folder / f"cases_{start:05}.json").write_text(text)


def _recorded(step: TTPass, module: IRModule) -> IRModule:
    options = {field.name: getattr(step, field.name) for field in fields(step)}  # type: ignore[arg-type]
    try:
        made = step.in_python(module)
    except TTError as error:
        _keep(step, options, module, {"error": _told(error)})
        raise
    _keep(step, options, module, {"after": made})
    return made


def _keep(step: TTPass, options: Any, module: IRModule, outcome: dict[str, Any]) -> None:
    if not type(step).__module__.startswith("ttgen.passes."):
        return  # a test's own
    case = {"name": _test, "pass": step.name.rpartition(".")[2], "options": options}
    key = case["pass"], repr(options), tvm_ffi.structural_hash(module)
    _cases.setdefault(key, {**case, "before": module, **outcome})


def _told(error: TTError) -> dict[str, Any]:
    at = error.at
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "path": at.path if at else None,
        "line": at.line if at else 0,
        "column": at.column if at else 0,
    }
