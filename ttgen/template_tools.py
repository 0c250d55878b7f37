"""``ttgen templates``: what there is, which file wins and why, copies to start from, changes."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ttgen.errors import TemplateError
from ttgen.files import write_atomically
from ttgen.ops import TILE_OPS
from ttgen.render import BUILTIN_PREFIX, TemplateSet, builtin_folder
from ttgen.render.environment import BUILTIN_NAMES
from ttgen.render.errors import SUFFIX, shown
from ttgen.render.extensions import load_extensions

#: Below a folder of templates: the built-in ones as they were when copies of them were made.
EJECTED = ".ejected"
_REMEMBERED = re.compile(
    r"\{# ttgen: a copy of ttgen/(?P<name>\S+), sha256 (?P<hash>[0-9a-f]{16}) #\}\n"
)


@dataclass(frozen=True)
class Layer:
    """A folder of templates, and who has named it."""

    folder: Path
    why: str


@dataclass(frozen=True)
class Tools:
    """The templates that ``layers`` and the built-in ones give together, the first one first."""

    layers: tuple[Layer, ...]
    project: Path

    @property
    def templates(self) -> TemplateSet:
        """The same as rendering has it."""
        return TemplateSet(tuple(layer.folder for layer in self.layers), self.project)

    def names(self) -> list[str]:
        """The name of every template, of every folder; sorted."""
        folders = self.templates.layers
        return sorted({name for folder in folders for name in _names_in(folder)})

    def listing(self) -> str:
        """Every template, the file that wins, and what it lies over."""
        header = [
            f"  {n}  {self._shown(x.folder)}  ({x.why}{'' if x.folder.is_dir() else '; not there'})"
            for n, x in enumerate(self.layers, 1)
        ]
        order = ["looked for in this order:", *header, f"  {len(self.layers) + 1}  built in", ""]
        rows = [(name, *self._row(name)) for name in self.names()]
        width = [max(len(row[column]) for row in rows) for column in (0, 1)]
        table = [f"{a:<{width[0]}}  {b:<{width[1]}}  {c}".rstrip() for a, b, c in rows]
        return "\n".join([*order, *table, *self._extensions()])

    def text(self, name: str, *, builtin: bool = False) -> tuple[Path, str]:
        """The file that is the template ``name``, or the built-in one, and its text."""
        found = self.templates.find(f"{BUILTIN_PREFIX}/{name}" if builtin else name)
        if found is None:
            raise self._unknown(name, "no built-in template" if builtin else "no template")
        return found.path, found.path.read_text(encoding="utf-8")

    def eject(self, name: str, folder: Path, *, force: bool = False) -> Path:
        """Copy the built-in template ``name`` into ``folder``; TemplateError where a file is."""
        _, text = self.text(name, builtin=True)
        target = folder / name
        if folder.resolve() == builtin_folder().resolve():
            raise TemplateError(
                f"{self._shown(folder)} holds the built-in templates", hint="name a folder: --to"
            )
        if target.exists() and not force:
            raise TemplateError(
                f"{self._shown(target)} is there already", hint="--force puts the copy in its place"
            )
        write_atomically(folder / EJECTED / name, text)
        write_atomically(
            target, f"{{# ttgen: a copy of ttgen/{name}, sha256 {_hash(text)} #}}\n{text}"
        )
        return target

    def changes(self, name: str | None = None) -> tuple[str, bool]:
        """What is different from the built-in templates, here and since copies of them were made.

        And whether a built-in one has changed since its copy was made.
        """
        builtin = set(_names_in(builtin_folder()))
        if name is not None and name not in builtin:
            raise self._unknown(name, "no built-in template")
        texts: list[str] = []
        stale = False
        for layer in self.layers:
            for own in _names_in(layer.folder):
                if own in builtin and name in (None, own):
                    text, is_stale = self._changes(layer.folder, own)
                    texts.append(text)
                    stale = stale or is_stale
        return "\n".join(texts) or "nothing is in the place of a built-in template", stale

    def _changes(self, folder: Path, name: str) -> tuple[str, bool]:
        theirs, (_, now) = f"ttgen/{name}", self.text(name, builtin=True)
        mine, text = self._shown(folder / name), (folder / name).read_text(encoding="utf-8")
        head = _REMEMBERED.match(text)
        if head is None:
            title = f"{mine}: not a copy that ttgen made; against the built-in one:"
            return "\n".join([title, *_diff(now, text, theirs, mine)]), False
        text = text[head.end() :]
        if _hash(now) == head["hash"]:
            changed = _diff(now, text, theirs, mine)
            title = f"{mine}: the built-in one is as it was when it was copied"
            return "\n".join([title, *(changed or ["  and so is the copy"])]), False
        before = _read(folder / EJECTED / name)
        title = f"{mine}: the built-in one has changed since it was copied"
        if before is None or _hash(before) != head["hash"]:
            lost = f"  {self._shown(folder / EJECTED / name)} is gone; all differences:"
            return "\n".join([title, lost, *_diff(now, text, theirs, mine)]), True
        own = _diff(before, text, f"{theirs} as copied", mine)
        return "\n".join(
            [
                title,
                *_diff(before, now, f"{theirs} as copied", theirs),
                *(["  and changed here:", *own] if own else ["  and not changed here"]),
            ]
        ), True

    def _row(self, name: str) -> tuple[str, str]:
        """The file that wins, and why."""
        files = [path for path in self.templates.candidates(name) if path.is_file()]
        first, *others = files
        if first.is_relative_to(builtin_folder()):
            return "built in", ""
        if others:
            return self._shown(first), f"over {', '.join(self._shown(path) for path in others)}"
        operation = name.removeprefix("ops/").removesuffix(SUFFIX)
        if name == f"ops/{operation}{SUFFIX}":
            near = difflib.get_close_matches(operation, TILE_OPS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            return self._shown(first), f"there is no operation {operation}{hint}"
        return self._shown(first), "for other templates to use: there is no built-in one"

    def _extensions(self) -> Iterator[str]:
        files = self.templates.extensions()
        if not files:
            return
        found = load_extensions(self.templates, BUILTIN_NAMES)
        yield ""
        yield f"from {', '.join(self._shown(path) for path in files)}:"
        tables = {"filters": found.filters, "tests": found.tests, "globals": found.globals}
        for kind, entries in tables.items():
            if entries:
                yield f"  {kind}: {', '.join(sorted(entries))}"

    def _shown(self, path: Path) -> str:
        if path.is_relative_to(builtin_folder()):
            return f"{BUILTIN_PREFIX}/{path.relative_to(builtin_folder()).as_posix()}"
        return shown(path, self.project)

    def _unknown(self, name: str, what: str) -> TemplateError:
        near = difflib.get_close_matches(name, self.names(), n=1)
        hint = f"did you mean {near[0]}?" if near else "ttgen templates list shows them all"
        return TemplateError(f"there is {what} '{name}'", hint=hint)


def _names_in(folder: Path) -> list[str]:
    """The templates of a folder, by the names that they have in it."""
    files = (path.relative_to(folder) for path in folder.rglob(f"*{SUFFIX}") if path.is_file())
    return sorted(path.as_posix() for path in files if path.parts[0] != EJECTED)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _diff(old: str, new: str, old_name: str, new_name: str) -> list[str]:
    lines: Iterable[str] = difflib.unified_diff(
        old.splitlines(), new.splitlines(), old_name, new_name, lineterm=""
    )
    return list(lines)
