"""Which files of the project a kernel source imports, found without running it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def project_imports(source: Path, project: Path) -> list[Path]:
    """Every Python file of the project that ``source`` imports, directly or not; sorted.

    Names are looked up beside the importing file, beside ``source``, and at the project's top, as
    they are when the source is run. A file that cannot be parsed imports nothing: running it
    reports the error with its place.
    """
    seen: set[Path] = set()
    pending = [source]
    while pending:
        file = pending.pop()
        for found in _direct_imports(file, [file.parent, source.parent, project]):
            if found not in seen and found != source:
                seen.add(found)
                pending.append(found)
    return sorted(seen)


def _direct_imports(file: Path, roots: list[Path]) -> Iterator[Path]:
    try:
        changed = file.stat().st_mtime_ns
    except OSError:
        return
    for node in _import_statements(file, changed):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _resolve(alias.name.split("."), roots)
        else:
            yield from _resolve_from(node, file, roots)


@cache
def _import_statements(file: Path, changed: int) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """The import statements of ``file`` as it was last ``changed`` (nanoseconds).

    Remembered, as a build asks once per variant and architecture. Where the names lead to is not:
    a build may make modules while it runs.
    """
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ()
    return tuple(n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom))


def _resolve_from(node: ast.ImportFrom, file: Path, roots: list[Path]) -> Iterator[Path]:
    parts = node.module.split(".") if node.module else []
    if node.level:
        base = file.parent
        for _ in range(node.level - 1):
            base = base.parent
        roots = [base]
    yield from _resolve(parts, roots)
    for alias in node.names:
        yield from _resolve([*parts, alias.name], roots)


def _resolve(parts: list[str], roots: list[Path]) -> Iterator[Path]:
    """The files that importing ``parts`` runs: each package's ``__init__`` and the module."""
    if parts and parts[0] in sys.stdlib_module_names:
        return
    for root in roots:
        found = [
            candidate
            for depth in range(1, len(parts) + 1)
            for candidate in (
                root.joinpath(*parts[:depth]).with_suffix(".py"),
                root.joinpath(*parts[:depth], "__init__.py"),
            )
            if candidate.is_file()
        ]
        if found:
            yield from found
            return
