"""Where templates are looked for, which file wins, and every file that decides a text.

Folders are layers: each lies over the next, and all over the built-in templates. A template names
another one by a bare name (the file that wins), under ``below/`` (what its own layer lies over) or
under ``ttgen/`` (the built-in one).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import Any

import jinja2
from jinja2 import nodes

from ttgen.errors import Location, TemplateError, TTError
from ttgen.frontend.imports import find_imports
from ttgen.outputs import SOURCES
from ttgen.render import kept
from ttgen.render.errors import at_line, shown, source_line, syntax_error

#: The prefix under which every built-in template stays reachable.
BUILTIN_PREFIX = "ttgen"
#: The prefix of what a template's own layer lies over.
BELOW_PREFIX = "below"
#: The file of a folder that holds its filters, tests and globals.
EXTENSIONS = "filters.py"

#: What C++ text has beside code: comments and preprocessor lines.
_NO_CODE = re.compile(r"//[^\n]*|/\*.*?\*/|^\s*#[^\n]*", re.DOTALL | re.MULTILINE)
_PACKAGE = Path(__file__).parents[1]


def builtin_folder() -> Path:
    """The built-in templates: in the package when installed, beside it in a checkout."""
    installed = _PACKAGE / "templates"
    return installed if installed.is_dir() else _PACKAGE.parent / "templates"


@dataclass(frozen=True)
class Found:
    """A template's file as it was last ``changed`` (ns), and the number of its layer."""

    path: Path
    layer: int
    changed: int


@dataclass(frozen=True)
class Declared:
    """A value that a template sets at its top, and the line; None where it is not a literal."""

    value: Any
    line: int


@dataclass(frozen=True)
class Reference:
    """The name of another template, and the line; None for a name that is an expression."""

    name: str | None
    line: int


@dataclass(frozen=True)
class Contents:
    """What there is to know of a template without rendering it.

    ``words`` are the identifiers of its C++, outside of comments.
    """

    references: tuple[Reference, ...]
    declared: Mapping[str, Declared]
    words: frozenset[str]


@dataclass(frozen=True)
class TemplateSet:
    """Where templates are looked for: ``folders`` in order, then the built-in ones.

    ``project`` is the folder that messages and the imports of filters are relative to, ``kept``
    one for what templates are once they have been parsed (:mod:`ttgen.render.kept`).
    """

    folders: tuple[Path, ...] = ()
    project: Path | None = None
    kept: Path | None = None

    @property
    def layers(self) -> tuple[Path, ...]:
        """Every folder, the built-in one last."""
        return (*self.folders, builtin_folder())

    def candidates(self, name: str) -> list[Path]:
        """Every path that would be the template ``name``, first the one that wins if it exists."""
        return [path for _, path in _candidates(self, name)]

    def find(self, name: str) -> Found | None:
        """The file that is the template ``name``; TemplateError for one outside of the folders."""
        for layer, path in _candidates(self, name):
            try:
                status = path.stat()
            except (OSError, ValueError):
                continue
            if S_ISREG(status.st_mode):
                self._check_confined(path, layer)
                return Found(path, layer, status.st_mtime_ns)
        return None

    def resolve(self, name: str, parent: str) -> str:
        """The name ``name`` in the template ``parent`` as one that means the same anywhere.

        Other templates then know what is below them: ``below/1/x.j2`` is looked for from the
        second layer on.
        """
        prefix, _, rest = name.partition("/")
        if prefix != BELOW_PREFIX:
            return name
        found = self.find(parent)
        layer = found.layer + 1 if found else 0
        if layer >= len(self.layers):
            raise TemplateError(f"there is nothing below a built-in template: '{name}'")
        return f"{BELOW_PREFIX}/{layer}/{rest}"

    def files(self, names: Iterable[str]) -> list[Path]:
        """Every file that decides what the templates ``names`` render to; sorted.

        That is the templates, those that they extend, include and import, the users' filters with
        what they import, and the places where a file would take the place of one of those.
        """
        found: set[Path] = set(self.extension_files())
        for name, winner in self.closure(names).items():
            for path in self.candidates(name):
                found.add(path)
                if winner and path == winner.path:
                    break  # what it hides decides nothing
        return sorted(found)

    def closure(self, names: Iterable[str]) -> dict[str, Found | None]:
        """``names`` and all names that they lead to, with what they mean.

        TemplateError at a name that cannot be known.
        """
        found: dict[str, Found | None] = {}
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in found:
                found[name] = place = self.find(name)
                pending += self._references(name, place) if place else ()
        return found

    def contents(self, found: Found) -> Contents:
        """What is in a template; TemplateError with the line where it cannot be read."""
        try:
            return _contents(found.path, found.changed, self.kept)
        except jinja2.TemplateSyntaxError as error:
            raise syntax_error(error, found.path, self.project) from None
        except UnicodeDecodeError as error:
            at = Location(shown(found.path, self.project))
            raise TemplateError(f"not UTF-8: {error.reason}", at=at) from None

    def extensions(self) -> list[Path]:
        """The files of filters that there are, the one that wins first."""
        places = [folder / EXTENSIONS for folder in self.folders]
        return [path for path in places if path.is_file()]

    def extension_files(self) -> list[Path]:
        """Every place of such a file, and what those that exist import from the project."""
        found = {folder / EXTENSIONS for folder in self.folders}
        for path in self.extensions():
            imports = find_imports(path, self.project or path.parent)
            found.update(imports.files, imports.missing)
        return sorted(found)

    def _references(self, name: str, found: Found) -> Iterator[str]:
        path = found.path
        for reference in self.contents(found).references:
            at = at_line(path, reference.line, self.project)
            if reference.name is None:
                raise TemplateError(
                    "a template names another one by an expression, so its dependencies are not "
                    f"known{source_line(path, reference.line)}",
                    at=at,
                    hint="write the name as a string",
                )
            try:
                resolved = self.resolve(reference.name, name)
                self.parsed(resolved)
            except TTError as error:
                text = error.message + source_line(path, reference.line)
                raise TemplateError(text, at=at, hint=error.hint) from None
            yield resolved

    def parsed(self, name: str) -> tuple[int, str]:
        """The first layer to look in, and the path in each."""
        prefix, _, rest = name.partition("/")
        first = 0
        if prefix == BUILTIN_PREFIX:
            first = len(self.folders)
        elif prefix == BELOW_PREFIX:
            number, _, rest = rest.partition("/")
            first = int(number)
        else:
            rest = name
        if any(part in ("", ".", "..") for part in rest.split("/")) or "\\" in rest:
            raise TemplateError(
                f"'{name}' is no name of a template",
                hint="name it by its path in a folder of templates, with '/', as in 'ops/mine.j2'",
            )
        return first, rest

    def _check_confined(self, path: Path, layer: int) -> None:
        """A link must not lead out of the folders. What ttgen is installed with is its own."""
        if layer == len(self.folders):
            return
        target = path.resolve()
        if not any(target.is_relative_to(folder.resolve()) for folder in self.layers):
            raise TemplateError(
                f"the template is a link to {target}, outside of the folders of templates",
                at=Location(shown(path, self.project)),
                hint="copy the file, or add its folder to the templates",
            )


@lru_cache(maxsize=4096)
def _candidates(templates: TemplateSet, name: str) -> tuple[tuple[int, Path], ...]:
    """The layers and paths where the template ``name`` may lie."""
    first, rest = templates.parsed(name)
    return tuple(
        (layer, folder / rest) for layer, folder in enumerate(templates.layers) if layer >= first
    )


def template_names(operations: Mapping[str, Iterable[str]], output: str) -> list[str]:
    """The templates that ``output`` starts from; ``operations`` are those of each program."""
    program = output.removesuffix(".cpp")
    used = sorted(set(operations.get(program, ())))
    return [f"{output}.j2", *(f"ops/{name}.j2" for name in used)]


def template_files(templates: TemplateSet, operations: Mapping[str, Iterable[str]]) -> list[Path]:
    """Every file that decides what :data:`SOURCES` are for programs of these operations; sorted.

    TemplateError where that cannot be said: a template is broken, or names another one by an
    expression.
    """
    names = {name for output in SOURCES for name in template_names(operations, output)}
    return templates.files(sorted(names))


@cache
def _contents(path: Path, _mtime: int, folder: Path | None) -> Contents:
    text = path.read_text(encoding="utf-8")
    return kept.recalled(folder, text, Contents, lambda: _parsed(text, path))


def _parsed(text: str, path: Path) -> Contents:
    environment = jinja2.Environment()
    try:
        tree = environment.parse(text, filename=str(path))
    except jinja2.TemplateSyntaxError as error:
        error.filename = str(path)
        raise
    tokens = environment.lex(text)
    data = "".join(value if kind == "data" else " " for _, kind, value in tokens)
    words = frozenset(re.findall(r"[A-Za-z_]\w*", _NO_CODE.sub(" ", data)))
    return Contents(tuple(_references_in(tree)), dict(_declarations(tree)), words)


def _references_in(tree: nodes.Template) -> Iterator[Reference]:
    for node in tree.find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
        named: nodes.Expr = dict(node.iter_fields())["template"]
        try:
            value = named.as_const()
        except nodes.Impossible:
            yield Reference(None, node.lineno)
            continue
        names = [value] if isinstance(value, str) else value
        yield from (Reference(str(name), node.lineno) for name in names)


def _declarations(tree: nodes.Template) -> Iterator[tuple[str, Declared]]:
    """What is set at the top of a template, outside of blocks and macros."""
    for node in tree.body:
        if isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name):
            value = node.node
            try:
                literal = value.as_const() if isinstance(value, nodes.Expr) else None
            except nodes.Impossible:
                literal = None
            yield node.target.name, Declared(literal, node.lineno)
