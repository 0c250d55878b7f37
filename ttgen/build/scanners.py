"""What SCons targets depend on beyond their sources: imported modules, and templates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ttgen.errors import TTError
from ttgen.frontend.imports import project_imports
from ttgen.render import TemplateSet, template_files

_Operations = tuple[tuple[str, frozenset[str]], ...]
"""The operations that each program of a plan uses."""


def scan_imports(node: Any, env: Any, path: Any) -> list[Any]:
    """Nodes of the project's modules that a kernel source imports, directly or not."""
    if not node.exists() or not str(node).endswith(".py"):
        return []
    project = Path(env.Dir("#").abspath)
    return [env.File(str(found)) for found in project_imports(Path(node.abspath), project)]


def scan_templates(node: Any, env: Any, path: Any) -> list[Any]:
    """Nodes of the templates that a plan's files are rendered from.

    A broken template has no dependencies: rendering reports it, with its place.
    """
    if not node.exists():
        return []
    used = _operations_of(Path(node.abspath))
    return [env.File(str(file)) for file in _template_files(env["TT_JOB"].template_set(), used)]


@cache
def _template_files(templates: TemplateSet, used: _Operations) -> tuple[Path, ...]:
    """The templates that programs with these operations are rendered from.

    Found once for all plans with the same operations, as a build does not see templates change
    while it runs.
    """
    try:
        files = template_files(templates, dict(used))
    except TTError:
        return ()
    return tuple(file for file in files if file.is_file())


@cache
def template_names_in(folders: tuple[Path, ...]) -> str:
    """The names of all files in ``folders``: one more of them may take a template's place.

    Read once: a build does not see what is added while it runs.
    """
    files = ((i, f) for i, folder in enumerate(folders) for f in folder.rglob("*") if f.is_file())
    return " ".join(sorted(f"{i}:{file.relative_to(folders[i]).as_posix()}" for i, file in files))


def _operations_of(plan: Path) -> _Operations:
    """The operations of each program, read without checking the plan: rendering does that."""
    try:
        programs = json.loads(plan.read_text(encoding="utf-8"))["programs"]
        return tuple((name, frozenset(_ops(programs[name]["body"]))) for name in sorted(programs))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def _ops(body: list[dict[str, Any]]) -> Iterator[str]:
    for statement in body:
        if statement["kind"] == "for":
            yield from _ops(statement["body"])
        elif statement["kind"] == "op":
            yield statement["op"]
