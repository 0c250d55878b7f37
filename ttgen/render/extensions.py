"""Filters, tests and globals of the user's: the tables of ``filters.py`` in a folder of templates.

```python
FILTERS = {"hex": lambda number: f"0x{number:08x}"}  # {{ value | hex }}
TESTS = {"aligned": lambda n: n % 32 == 0}  # {% if bytes is aligned %}
GLOBALS = {"owner": "the kernels team"}  # {{ owner }}
```

The file imports what lies beside it and at the project's top, as a kernel source does.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttgen.errors import Location, SourceError, TemplateError
from ttgen.frontend.source import load_source
from ttgen.render.search import TemplateSet

#: The tables that a file may define, and what Jinja calls an entry.
TABLES = {"FILTERS": "filter", "TESTS": "test", "GLOBALS": "global"}

#: Running a file puts the project's folders on ``sys.path`` for that time: one thread at once.
_running = threading.Lock()


@dataclass(frozen=True)
class Extensions:
    """What the files of all folders define together; an upper folder's entry wins."""

    filters: dict[str, Any] = field(default_factory=dict)
    tests: dict[str, Any] = field(default_factory=dict)
    globals: dict[str, Any] = field(default_factory=dict)


def load_extensions(templates: TemplateSet, taken: Mapping[str, frozenset[str]]) -> Extensions:
    """Run the files of ``templates``; TemplateError with the place of what is wrong.

    ``taken`` are the names that each table must not define.
    """
    found = Extensions()
    parts = {"FILTERS": found.filters, "TESTS": found.tests, "GLOBALS": found.globals}
    for path in reversed(templates.extensions()):
        for table, entries in _tables(path, templates.project or path.parent, taken):
            parts[table].update(entries)
    return found


def _tables(
    path: Path, project: Path, taken: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with _running:
            module = load_source(path, project)
    except SourceError as error:
        message = error.message.replace("the source cannot be loaded: ", "", 1)
        raise TemplateError(message, at=error.at, hint=error.hint) from error
    tables = {name: getattr(module.namespace, name) for name in TABLES if _has(module, name)}
    if not tables:
        raise TemplateError(
            "it defines no filters",
            at=Location(module.name),
            hint=f"define {', '.join(TABLES)}, or one of them: names and what they mean",
        )
    for table, entries in tables.items():
        if not isinstance(entries, dict) or not all(isinstance(key, str) for key in entries):
            at = _place(path, module.name, table)
            raise TemplateError(f"{table} must map names to what they mean", at=at)
        for name, value in entries.items():
            _check_entry(path, module.name, table, name, value, taken[table])
        yield table, entries


def _has(module: Any, name: str) -> bool:
    return hasattr(module.namespace, name)


def _check_entry(
    path: Path, shown: str, table: str, name: str, value: Any, taken: frozenset[str]
) -> None:
    kind = TABLES[table]
    at = _place(path, shown, table, name)
    if not name.isidentifier():
        raise TemplateError(f"'{name}' cannot be the name of a {kind}", at=at)
    if name in taken:
        raise TemplateError(
            f"there is a {kind} '{name}' already, of ttgen's or Jinja's",
            at=at,
            hint="choose another name: templates that mean the built-in one would get yours",
        )
    if table != "GLOBALS" and not callable(value):
        raise TemplateError(f"the {kind} '{name}' is no function, but {value!r}", at=at)


def _place(path: Path, shown: str, table: str, name: str | None = None) -> Location:
    """The line of a table, or of an entry that is written out in it; else the file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        if not any(isinstance(target, ast.Name) and target.id == table for target in targets):
            continue
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        keys = [key for key in value.keys if key] if isinstance(value, ast.Dict) else []
        lines = [k.lineno for k in keys if isinstance(k, ast.Constant) and k.value == name]
        return Location(shown, lines[0] if lines else node.lineno)
    return Location(shown)
