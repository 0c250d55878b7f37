"""Which twin of a pass runs: the one in Python, the one in C++, or both, compared.

``TTGEN_PASSES`` says so: ``python``, ``cpp``, or ``both``, which fails at any difference. Without
it a pass runs in C++ where the library has been built (``./scons passes``), else in Python: the
results are the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any, ClassVar, Protocol, cast

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import IRModule

from ttgen.errors import TTError
from ttgen.native import library
from ttgen.passes import attrs

VARIABLE = "TTGEN_PASSES"
MODES = ("python", "cpp", "both")


class TwinError(TTError):
    """A pass's twins do not do the same, or one that is asked for is not there."""


class Twin(Protocol):
    """A pass of Python's, which may have a twin in C++; its dataclass fields are its options."""

    name: ClassVar[str]

    def in_python(self, module: IRModule) -> IRModule:
        """The module transformed by Python, and checked."""


def transformed(pass_: Twin, module: IRModule) -> IRModule:
    """``module`` after ``pass_``, by the twin that is asked for.

    A pass without a twin in C++ runs in Python, and so does a class derived from one that has.
    TwinError where C++ is asked for and has not been built, and where the twins differ.
    """
    mode = _mode()
    if mode == "python" or "name" not in vars(type(pass_)) or not library.has(pass_.name):
        return pass_.in_python(module)
    return _both(pass_, module) if mode == "both" else _in_cpp(pass_, module)


def _in_cpp(pass_: Twin, module: IRModule) -> IRModule:
    if not library.has_known_attributes(module):
        attrs.check_all_known(module)
    options = {field.name: getattr(pass_, field.name) for field in fields(cast(Any, pass_))}
    return library.run(pass_.name, module, options)


def _mode() -> str:
    """What is asked for; ``cpp`` where that is possible and nothing else is."""
    asked = os.environ.get(VARIABLE, "")
    if asked not in ("", *MODES):
        raise TwinError(f"{VARIABLE} is '{asked}'; it is one of: {', '.join(MODES)}")
    if asked == "python":
        return asked
    is_there = library.load()
    if asked and not is_there:
        raise TwinError(f"{VARIABLE} is {asked}: {library.why_not()}", hint="run ./scons passes")
    return asked or ("cpp" if is_there else "python")


@dataclass(frozen=True)
class _Outcome:
    """What a twin gave: a module, or an error."""

    module: IRModule | None
    error: TTError | None

    @staticmethod
    def of(run: Callable[[], IRModule]) -> _Outcome:
        try:
            return _Outcome(run(), None)
        except TTError as error:
            return _Outcome(None, error)

    def given(self) -> IRModule:
        if self.error is not None:
            raise self.error
        assert self.module is not None
        return self.module


def _both(pass_: Twin, module: IRModule) -> IRModule:
    python = _Outcome.of(lambda: pass_.in_python(module))
    cpp = _Outcome.of(lambda: _in_cpp(pass_, module))
    for difference in _differences(python, cpp):
        raise TwinError(f"{pass_.name} in Python and in C++ differ: {difference}")
    return cpp.given()


def _differences(python: _Outcome, cpp: _Outcome) -> Iterator[str]:
    if python.module is None or cpp.module is None:
        one, other = _told(python.error), _told(cpp.error)
        if one != other:
            yield f"Python's says {one}, C++'s says {other}"
        return
    functions = {str(var.name_hint): func for var, func in python.module.functions.items()}
    others = {str(var.name_hint): func for var, func in cpp.module.functions.items()}
    if list(functions) != list(others):
        yield f"the functions {', '.join(functions)} and {', '.join(others)}"
        return
    for function, func in functions.items():
        yield from (f"{function}: {one}" for one in _between(func, others[function]))


def _told(error: TTError | None) -> str:
    return "nothing" if error is None else f"{type(error).__name__}: {error}"


def _between(python: Any, cpp: Any) -> Iterator[str]:
    """How two functions differ: in attributes, in structure, or in places."""
    if not isinstance(python, tirx.PrimFunc):
        return
    own, others = attrs.of(python), attrs.of(cpp)
    for key in sorted({*own, *others}):
        one, other = own.get(key), others.get(key)
        if not (tvm_ffi.structural_equal(one, other) or attrs.plain(one) == attrs.plain(other)):
            yield f"'{key}' is {attrs.plain(one)}, and {attrs.plain(other)}"
    if _is_one(python, cpp):
        return
    if not tvm_ffi.structural_equal(python, cpp):
        yield f"the bodies are\n{python.script()}\nand\n{cpp.script()}"
        return
    for one, other in zip_longest(_places(python), _places(cpp)):
        if one != other:
            yield f"{one} stands beside {other}"
            return
    if python.script() != cpp.script():
        yield f"names differ:\n{python.script()}\nand\n{cpp.script()}"


def _is_one(python: tirx.PrimFunc, cpp: tirx.PrimFunc) -> bool:
    """Whether both are the function that was there before, but for attributes."""
    own, others = ((func.body, func.ret_type, *func.params) for func in (python, cpp))
    return len(own) == len(others) and all(map(attrs.is_same, own, others))


def _places(func: tirx.PrimFunc) -> list[tuple[str, str]]:
    """What stands where in ``func``."""
    found: list[tuple[str, str]] = []

    def visit(node: Any) -> None:
        span = node.span
        at = "" if span is None else f"{span.source_name.name}:{span.line}:{span.column}"
        found.append((type(node).__name__, at))

    tvm_ffi.structural_walk(func.body, ((tirx.Stmt, tvm.ir.Call), visit))
    return found
