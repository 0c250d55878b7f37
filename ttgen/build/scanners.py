"""What SCons targets depend on beyond their sources: imported modules, and templates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttgen.errors import TTError
from ttgen.files import Inputs
from ttgen.frontend.imports import find_imports

if TYPE_CHECKING:
    from ttgen.build.job import Job
    from ttgen.render import TemplateSet

_Operations = tuple[tuple[str, frozenset[str]], ...]
"""The operations that each program of a plan uses."""


def template_inputs(job: Job) -> Inputs:
    """The templates that a plan's files are rendered from.

    A broken template has no inputs: rendering reports it, with its place.
    """
    return _template_inputs(job.template_set(), _operations_of(job.plan))


def scan_imports(node: Any, env: Any, path: Any) -> list[Any]:
    """Nodes of the project's modules that a kernel source imports, directly or not.

    A module that the build makes counts before it is there: SCons scans again once it is.
    """
    if not str(node).endswith(".py") or not node.rexists():
        return []
    project = Path(env.Dir("#").abspath)
    inputs = find_imports(read_from(node), project)
    made = [file for path in inputs.missing if (file := env.Entry(str(path))).is_derived()]
    return [*(env.File(str(path)) for path in inputs.files), *made]


def scan_templates(node: Any, env: Any, path: Any) -> list[Any]:
    """Nodes of the templates that a plan's files are rendered from."""
    kernel = getattr(node.attributes, "tt_kernel", None)
    if kernel is None or not node.exists():
        return []
    job = kernel.job
    return [env.File(str(file)) for file in template_inputs(job).files]


def read_from(node: Any) -> Path:
    """Where a kernel source is read: of one in a variant folder, where it comes from.

    Its neighbours are there. A source that the build makes has none, and lies where it is made.
    """
    origin = node if node.is_derived() else node.srcnode()
    return Path(origin.abspath)


@cache
def _template_inputs(templates: TemplateSet, used: _Operations) -> Inputs:
    """Found once for all plans with the same operations, as a build does not see templates change
    while it runs.
    """
    from ttgen.render import template_files

    try:
        files = template_files(templates, dict(used))
    except TTError:
        return Inputs()
    there = [file.is_file() for file in files]
    return Inputs(
        tuple(file for file, is_there in zip(files, there, strict=True) if is_there),
        tuple(file for file, is_there in zip(files, there, strict=True) if not is_there),
    )


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
