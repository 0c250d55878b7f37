"""The built library of passes: loading it, and running a pass of it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import cache
from typing import Any

import tvm
import tvm_ffi
from tvm.ir import IRModule

from ttgen import errors
from ttgen.native import is_current, library_path


@cache
def load() -> bool:
    """Load the library, which registers its passes with TVM; whether there is one.

    One that has been built from other sources, or for another TVM, is none.
    """
    name = "tir.tenstorrent.InferTTLayout"
    is_there = tvm_ffi.get_global_func(name, allow_missing=True) is not None
    if not is_there and is_current(tvm.__version__, tvm_ffi.__version__):
        ctypes.CDLL(str(library_path()))
        is_there = tvm_ffi.get_global_func(name, allow_missing=True) is not None
    return is_there


def why_not() -> str:
    """Why there are no passes in C++."""
    how = "is of other sources" if library_path().is_file() else "has not been built"
    return f"{library_path().name} {how}"


def has(name: str) -> bool:
    """Whether the pass called ``name`` is there in C++, and loaded or to be loaded."""
    return load() and _function(f"{name}.run") is not None


def has_known_attributes(module: IRModule) -> bool:
    """Whether no function has an attribute that passes do not know, or a legacy one."""
    return bool(_function("tir.tenstorrent.HasKnownAttributes")(module))


def analysis_calls() -> tuple[int, int]:
    """How many analyses were made in C++ so far, and how many were shared."""
    calls = tvm_ffi.get_global_func("tir.tenstorrent.AnalysisCalls", allow_missing=True)
    if calls is None:  # nothing has been loaded
        return 0, 0
    made, shared = calls()
    return int(made), int(shared)


def run(name: str, module: IRModule, options: Mapping[str, Any]) -> IRModule:
    """``module`` after the pass called ``name``; errors as those of its Python twin."""
    made = _function(f"{name}.run")(module, dict(options))
    if isinstance(made, IRModule):
        return made
    at = None if made["path"] is None else errors.Location(*_place(made))
    kind: type[errors.TTError] = getattr(errors, str(made["kind"]))
    hint = None if made["hint"] is None else str(made["hint"])
    raise kind(str(made["message"]), at=at, hint=hint)


@cache
def _function(name: str) -> Any:
    return tvm_ffi.get_global_func(name, allow_missing=True)


def _place(told: Mapping[str, Any]) -> tuple[str, int, int]:
    return str(told["path"]), int(told["line"]), int(told["column"])
