"""The Jinja environment: confined to the folders of templates, and noting what is read.

Templates see the plan's objects themselves. What they read of them is noted where Jinja looks up
an attribute, with the template and the line that asked.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import jinja2
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as JINJA_TESTS
from msgspec import Struct

from ttgen.plan.model import For, Let, Op
from ttgen.plan.shards import sharding
from ttgen.render.cpp import comment_text, cpp_expression, cpp_factor
from ttgen.render.extensions import Extensions, load_extensions
from ttgen.render.kept import Bytecode
from ttgen.render.markers import TemplateMarkers
from ttgen.render.search import TemplateSet

#: What templates of ttgen's own have beyond Jinja's.
FILTERS: Mapping[str, Any] = {
    "comment": comment_text,
    "cpp": cpp_expression,
    "factor": cpp_factor,
    "py": repr,
    "sharding": sharding,
}
TESTS: Mapping[str, Any] = {
    "loop": lambda statement: isinstance(statement, For),
    "binding": lambda statement: isinstance(statement, Let),
    "operation": lambda statement: isinstance(statement, Op),
}
#: The names that every template is rendered with; a global of the user's cannot be called so.
CONTEXT = (
    "plan",
    "program",
    "program_name",
    "formats",
    "buffers",
    "headers",
    "operation",
    "zip",
    "sdk",
    "reads",
)
#: Names that are taken, by the table of a user's file that could define them again.
BUILTIN_NAMES: Mapping[str, frozenset[str]] = {
    "FILTERS": frozenset({*JINJA_FILTERS, *FILTERS}),
    "TESTS": frozenset({*JINJA_TESTS, *TESTS}),
    "GLOBALS": frozenset({*DEFAULT_NAMESPACE, *CONTEXT}),
}

#: A template's file, and a class and a field of the plan that it reads, with the template and the
#: line of its Python that did so first.
Reads = dict[tuple[str, str, str], tuple[jinja2.Template, int]]


class _Noting(threading.local):
    """What is being rendered in this thread notes its reads here."""

    reads: Reads | None = None


_noting = _Noting()


@contextmanager
def noted_reads() -> Iterator[Reads]:
    """The fields that templates read in this thread, for this block."""
    reads: Reads = {}
    before, _noting.reads = _noting.reads, reads
    try:
        yield reads
    finally:
        _noting.reads = before


class Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox over a set of templates."""

    def __init__(self, templates: TemplateSet, extensions: Extensions, *, marked: bool) -> None:
        super().__init__(
            loader=_Loader(templates),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=True,
            extensions=[TemplateMarkers] if marked else [],
            bytecode_cache=_bytecode(templates, marked=marked),
        )
        self._templates = templates
        self.filters.update({**FILTERS, **extensions.filters})
        self.tests.update({**TESTS, **extensions.tests})
        self.globals.update(extensions.globals)

    def join_path(self, template: str, parent: str) -> str:
        """What a name in the template ``parent`` means."""
        return self._templates.resolve(template, parent)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """``obj.attribute`` in a template."""
        if isinstance(obj, Struct):
            _note(obj, attribute)
            if attribute in obj.__struct_fields__:  # which needs none of the sandbox's checks
                return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """``obj[argument]`` in a template, and attributes that filters are given by name."""
        if isinstance(obj, Struct) and isinstance(argument, str):
            return self.getattr(obj, argument)
        return super().getitem(obj, argument)


def _note(obj: Struct, name: str) -> None:
    if _noting.reads is None:
        return
    frame = sys._getframe(2)
    while "__jinja_template__" not in frame.f_globals:
        if frame.f_back is None:
            return
        frame = frame.f_back
    key = (frame.f_code.co_filename, type(obj).__name__, name)
    if key not in _noting.reads:
        _noting.reads[key] = (frame.f_globals["__jinja_template__"], frame.f_lineno)


class _Loader(jinja2.BaseLoader):
    """Loads what :meth:`TemplateSet.find` finds; loads anew when that is another file."""

    def __init__(self, templates: TemplateSet) -> None:
        self._templates = templates

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Any]:
        """Jinja's contract: text, file, and whether both are still the same."""
        found = self._templates.find(template)
        if found is None:
            raise jinja2.TemplateNotFound(template)

        def is_current() -> bool:
            return self._templates.find(template) == found

        return found.path.read_text(encoding="utf-8"), str(found.path), is_current


def environment(templates: TemplateSet, *, marked: bool = False) -> Environment:
    """The environment over ``templates``, made again when the users' filters have changed.

    ``marked``: texts hold marks of the lines that they come from (:mod:`ttgen.render.markers`).
    """
    stamps = tuple(
        (path, path.stat().st_mtime_ns) for path in templates.extension_files() if path.is_file()
    )
    return _environment(templates, stamps, marked)


def _bytecode(templates: TemplateSet, *, marked: bool) -> jinja2.BytecodeCache | None:
    if templates.kept is None:
        return None
    files = [path.read_bytes() for path in templates.extension_files() if path.is_file()]
    return Bytecode(templates.kept, [bytes([marked]), *files])


@lru_cache(maxsize=64)
def _environment(templates: TemplateSet, _stamps: tuple[Any, ...], marked: bool) -> Environment:
    return Environment(templates, load_extensions(templates, BUILTIN_NAMES), marked=marked)
