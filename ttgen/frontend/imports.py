"""Which files of the project a kernel source imports, found without running it."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ttgen.files import Inputs


def find_imports(source: Path, project: Path) -> Inputs:
    """What the Python file ``source`` imports from the project, directly or not, sorted.

    Names are looked up beside the importing file, beside ``source``, and at the project's top, as
    they are when the source is run. A file that cannot be parsed imports nothing: running it
    reports the error with its place.
    """
    search = _Search()
    pending = [source]
    while pending:
        file = pending.pop()
        before = set(search.found)
        _follow(file, [file.parent, source.parent, project], search)
        pending += search.found - before - {source}
    return Inputs(tuple(sorted(search.found - {source})), tuple(sorted(search.missing)))


@dataclass
class _Search:
    found: set[Path] = field(default_factory=set)
    missing: set[Path] = field(default_factory=set)

    def look(self, candidate: Path) -> bool:
        """Whether ``candidate`` is there; either way it is remembered."""
        there = candidate.is_file()
        (self.found if there else self.missing).add(candidate)
        return there


def _follow(file: Path, roots: list[Path], search: _Search) -> None:
    try:
        changed = file.stat().st_mtime_ns
    except OSError:
        return
    for node in _import_statements(file, changed):
        if isinstance(node, ast.Import):
            for alias in node.names:
                _resolve(alias.name.split("."), roots, search)
        else:
            _resolve_from(node, file, roots, search)


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


def _resolve_from(node: ast.ImportFrom, file: Path, roots: list[Path], search: _Search) -> None:
    parts = node.module.split(".") if node.module else []
    if node.level:
        base = file.parent
        for _ in range(node.level - 1):
            base = base.parent
        roots = [base]
    _resolve(parts, roots, search)
    for alias in node.names:
        _resolve([*parts, alias.name], roots, search)


def _resolve(parts: list[str], roots: list[Path], search: _Search) -> None:
    """Look for the files that importing ``parts`` runs: each package's ``__init__``, the module."""
    if parts and parts[0] in sys.stdlib_module_names:
        return
    for root in roots:
        if _look_below(root, parts, search):
            return


def _look_below(root: Path, parts: list[str], search: _Search) -> bool:
    """Whether anything of the dotted name ``parts`` is a file below ``root``."""
    found = False
    for part in parts:
        found |= search.look(root / f"{part}.py")
        root = root / part
        if not root.is_dir():
            search.missing.add(root)
            break
        found |= search.look(root / "__init__.py")
    return found
