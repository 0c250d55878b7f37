"""What SCons targets depend on beyond their sources: imported modules, and templates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ttgen.frontend.imports import project_imports
from ttgen.render import OUTPUTS, TemplateSet, template_names


def scan_imports(node: Any, env: Any, path: Any) -> list[Any]:
    """Nodes of the project's modules that a kernel source imports, directly or not."""
    if not node.exists() or not str(node).endswith(".py"):
        return []
    project = Path(env.Dir("#").abspath)
    return [env.File(str(found)) for found in project_imports(Path(node.abspath), project)]


def scan_templates(node: Any, env: Any, path: Any) -> list[Any]:
    """Nodes of the templates that a plan's files are rendered from.

    A file that is not there, but would take a template's place if it were, counts as well.
    """
    if not node.exists():
        return []
    used = _operations_of(Path(node.abspath))
    templates: TemplateSet = env["TT_JOB"].template_set()
    names = {name for output in OUTPUTS for name in template_names(used, output)}
    return [
        env.File(str(file)) if file.is_file() else env.Value(f"{file}: absent")
        for file in templates.files(sorted(names))
    ]


def _operations_of(plan: Path) -> dict[str, set[str]]:
    """The operations of each program, read without checking the plan: rendering does that."""
    try:
        programs = json.loads(plan.read_text(encoding="utf-8"))["programs"]
        return {name: set(_ops(program["body"])) for name, program in programs.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _ops(body: list[dict[str, Any]]) -> Iterator[str]:
    for statement in body:
        if statement["kind"] == "for":
            yield from _ops(statement["body"])
        elif statement["kind"] == "op":
            yield statement["op"]
