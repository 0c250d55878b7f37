"""From a plan to C++ and Python: Jinja2 templates, looked up in the user's folders first.

Only the plan goes in. Each operation of a program is rendered by the macro of the same name in
``ops/<operation>.j2``, so a user can replace one operation, one block of a file, or a whole file.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ttgen.errors import Location, TemplateError
from ttgen.files import write_atomically
from ttgen.formats import FORMATS
from ttgen.ops import TILE_OPS, Kind
from ttgen.plan.model import BinaryOp, Expr, For, Let, Op, Plan, Program, Statement
from ttgen.plan.shards import sharding
from ttgen.vector import UNARY

#: The files of a kernel, and the template that each comes from.
OUTPUTS = ("reader.cpp", "compute.cpp", "writer.cpp", "host.py", "host.cpp")
#: The prefix under which every built-in template stays reachable, for ``extends``.
BUILTIN_PREFIX = "ttgen"

_PACKAGE = Path(__file__).parent


def builtin_folder() -> Path:
    """The built-in templates: in the package when installed, beside it in a checkout."""
    installed = _PACKAGE / "templates"
    return installed if installed.is_dir() else _PACKAGE.parent / "templates"


@dataclass(frozen=True)
class TemplateSet:
    """Where templates are looked for: ``folders`` in order, then the built-in ones."""

    folders: tuple[Path, ...] = ()

    def candidates(self, name: str) -> list[Path]:
        """Every path that would be the template ``name``, first the one that wins if it exists."""
        prefix, _, rest = name.partition("/")
        if prefix == BUILTIN_PREFIX:
            return [builtin_folder() / rest]
        return [folder / name for folder in (*self.folders, builtin_folder())]

    def files(self, names: Iterable[str]) -> list[Path]:
        """Every file that decides what the templates ``names`` render to; sorted.

        That is the templates, those that they extend, include and import, and the places where a
        file would take their place.
        """
        found: set[Path] = set()
        pending = list(names)
        seen: set[str] = set()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            for path in self.candidates(name):
                found.add(path)
                if path.is_file():
                    pending += _references(path, path.stat().st_mtime_ns)
                    break
        return sorted(found)

    @cached_property
    def environment(self) -> jinja2.Environment:
        """The Jinja2 environment over these folders."""
        return _environment(self.folders)


@cache
def _environment(folders: tuple[Path, ...]) -> jinja2.Environment:
    builtin = jinja2.FileSystemLoader(builtin_folder())
    own = [jinja2.FileSystemLoader(folder) for folder in folders]
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.ChoiceLoader([*own, builtin, jinja2.PrefixLoader({BUILTIN_PREFIX: builtin})]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=True,
    )
    environment.filters.update(
        cpp=cpp_expression, cpp_string=json.dumps, factor=cpp_factor, py=repr, sharding=sharding
    )
    environment.tests.update(
        loop=lambda statement: isinstance(statement, For),
        binding=lambda statement: isinstance(statement, Let),
        operation=lambda statement: isinstance(statement, Op),
    )
    return environment


@cache
def _references(path: Path, _mtime: int) -> tuple[str, ...]:
    """The templates that the template at ``path`` names; TemplateError at a computed name."""
    try:
        tree = jinja2.Environment().parse(path.read_text(encoding="utf-8"))
    except jinja2.TemplateSyntaxError as error:
        raise _syntax_error(error, path) from None
    except UnicodeDecodeError as error:
        raise TemplateError(f"not UTF-8: {error.reason}", at=Location(str(path))) from None
    names = list(meta.find_referenced_templates(tree))
    if None in names:
        raise TemplateError(
            "a template names another one by an expression, so its dependencies are not known",
            at=Location(str(path)),
            hint="write the name as a string",
        )
    return tuple(str(name) for name in names)


def template_names(operations: Mapping[str, Iterable[str]], output: str) -> list[str]:
    """The templates that ``output`` starts from; ``operations`` are those of each program."""
    program = output.removesuffix(".cpp")
    used = sorted(set(operations.get(program, ())))
    return [f"{output}.j2", *(f"ops/{name}.j2" for name in used)]


def template_files(templates: TemplateSet, operations: Mapping[str, Iterable[str]]) -> list[Path]:
    """Every file that decides what :data:`OUTPUTS` are for programs of these operations; sorted.

    TemplateError where that cannot be said: a template is broken, or names another one by an
    expression.
    """
    names = {name for output in OUTPUTS for name in template_names(operations, output)}
    return templates.files(sorted(names))


def operations(plan: Plan) -> dict[str, set[str]]:
    """The operations that each program of the plan uses."""
    return {
        name: {statement.op for statement in _operations(program.body)}
        for name, program in plan.programs.items()
    }


def _operations(body: Iterable[Statement]) -> Iterator[Op]:
    for statement in body:
        if isinstance(statement, For):
            yield from _operations(statement.body)
        elif isinstance(statement, Op):
            yield statement


def render(plan: Plan, templates: TemplateSet) -> dict[str, str]:
    """The text of every file in :data:`OUTPUTS`; TemplateError with the template's place."""
    return {output: _Rendering(plan, templates, output).text() for output in OUTPUTS}


def write_sources(plan: Plan, templates: TemplateSet, folder: Path) -> list[Path]:
    """Render everything, then write it below ``folder``: all files, or none on an error."""
    template_files(templates, operations(plan))  # refuses what a build could not keep up to date
    texts = render(plan, templates)
    paths = [folder / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_atomically(path, text)
    return paths


@dataclass(frozen=True)
class _Rendering:
    """One output file of one plan."""

    plan: Plan
    templates: TemplateSet
    output: str

    def text(self) -> str:
        name = f"{self.output}.j2"
        program = getattr(self.plan.programs, self.output.removesuffix(".cpp"), None)
        try:
            template = self.templates.environment.get_template(name)
            self._check_release(template)
            return template.render(
                plan=self.plan,
                program=program,
                program_name=self.output.removesuffix(".cpp"),
                formats=FORMATS,
                buffers=self.plan.buffers_of(program) if program else (),
                headers=self._headers(program) if program else (),
                operation=self._operation,
                zip=zip,
            )
        except jinja2.TemplateSyntaxError as error:
            raise self._failed(_syntax_error(error, Path(error.filename or name))) from None
        except jinja2.TemplateNotFound as error:
            raise self._failed(self._not_found(error)) from None
        except TemplateError:
            raise
        except Exception as error:
            raise self._failed(_runtime_error(error, name)) from error

    def _operation(self, statement: Op) -> str:
        """The C++ of one operation: its macro, called with buffers, tensors and C++ text."""
        macro = getattr(self._module(statement.op), statement.op, None)
        if macro is None:
            raise TemplateError(
                f"it defines no macro '{statement.op}'",
                at=Location(str(self.templates.candidates(f"ops/{statement.op}.j2")[0])),
            )
        return str(macro(**self._arguments(statement))).strip()

    def _arguments(self, statement: Op) -> dict[str, Any]:
        resolve: dict[Kind, Callable[[Any], Any]] = {
            Kind.CB: lambda value: self.plan.circular_buffer(str(value)),
            Kind.TENSOR: lambda value: self.plan.tensor(str(value)),
            Kind.EXPR: cpp_expression,
            Kind.UNARY: lambda value: UNARY[str(value)],
        }
        kinds = dict(TILE_OPS[statement.op].params)
        return {
            name: resolve.get(kinds[name], str)(value) for name, value in statement.args.items()
        }

    def _headers(self, program: Program) -> list[str]:
        """The headers that the program's operations ask for; sorted."""
        found: set[str] = set()
        for statement in _operations(program.body):
            found.update(getattr(self._module(statement.op), "headers", ()))
            if "function" in statement.args:
                found.add(UNARY[str(statement.args["function"])].header)
        return sorted(found)

    def _module(self, operation: str) -> Any:
        return self.templates.environment.get_template(f"ops/{operation}.j2").module

    def _check_release(self, template: jinja2.Template) -> None:
        """A template says `{% set sdk = "…" %}`: the release that it is written for."""
        path = Path(template.filename or "")
        declared = _declared_release(path, path.stat().st_mtime_ns)
        if declared is None:
            raise TemplateError(
                "the template does not say which tt-metal release it is written for",
                at=Location(str(path), 1),
                hint=f'add {{% set sdk = "{self.plan.sdk}" %}} once it is right for that release',
            )
        if declared != self.plan.sdk:
            raise TemplateError(
                f"the template is written for tt-metal {declared}, the plan for {self.plan.sdk}",
                at=Location(str(path), 1),
            )

    def _not_found(self, error: jinja2.TemplateNotFound) -> TemplateError:
        looked = ", ".join(str(path.parent) for path in self.templates.candidates(str(error.name)))
        return TemplateError(f"there is no template '{error.name}'", hint=f"looked in {looked}")

    def _failed(self, error: TemplateError) -> TemplateError:
        message = f"{error.message} (rendering {self.output} of kernel '{self.plan.kernel}')"
        return TemplateError(message, at=error.at, hint=error.hint)


@cache
def _declared_release(path: Path, _mtime: int) -> str | None:
    """The value of ``sdk`` that the template, or one that it extends, sets at its top."""
    tree = jinja2.Environment().parse(path.read_text(encoding="utf-8"))
    for node in tree.find_all(nodes.Assign):
        is_sdk = isinstance(node.target, nodes.Name) and node.target.name == "sdk"
        if is_sdk and isinstance(node.node, nodes.Const):
            return str(node.node.value)
    for extends in tree.find_all(nodes.Extends):
        if isinstance(extends.template, nodes.Const):
            prefix, _, rest = str(extends.template.value).partition("/")
            if prefix == BUILTIN_PREFIX:
                parent = builtin_folder() / rest
                if not parent.is_file():
                    at = Location(str(path), extends.lineno)
                    raise TemplateError(f"there is no built-in template '{rest}'", at=at)
                return _declared_release(parent, parent.stat().st_mtime_ns)
    return None


#: C++ operators with their precedence; ``min`` and ``max`` are calls.
_CPP_OPERATORS = {"+": ("+", 1), "-": ("-", 1), "*": ("*", 2), "//": ("/", 2), "%": ("%", 2)}


def cpp_expression(expr: Expr) -> str:
    """A plan's expression as C++; all values are uint32_t."""
    return _cpp(expr)[0]


def cpp_factor(text: str) -> str:
    """C++ text as an operand of any operator: in parentheses unless it is a name or a number."""
    return text if re.fullmatch(r"\w+", text) else f"({text})"


def _cpp(expr: Expr) -> tuple[str, int]:
    """The text, and how tightly its outermost operator binds."""
    if not isinstance(expr, BinaryOp):
        return str(expr), 3
    (left, left_binds), (right, right_binds) = _cpp(expr.left), _cpp(expr.right)
    if expr.operator not in _CPP_OPERATORS:
        return f"std::{expr.operator}<uint32_t>({left}, {right})", 3
    symbol, binds = _CPP_OPERATORS[expr.operator]
    left = f"({left})" if left_binds < binds else left
    right = f"({right})" if right_binds <= binds else right
    return f"{left} {symbol} {right}", binds


def _syntax_error(error: jinja2.TemplateSyntaxError, path: Path) -> TemplateError:
    where = Location(error.filename or str(path), error.lineno)
    return TemplateError(f"{error.message}{_source_line(where)}", at=where)


def _runtime_error(error: Exception, name: str) -> TemplateError:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".j2")]
    where = Location(frames[-1].filename, frames[-1].lineno or 0) if frames else Location(name)
    return TemplateError(f"{error}{_source_line(where)}", at=where)


def _source_line(where: Location) -> str:
    """The template's line, to show in a message."""
    try:
        lines = Path(where.path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return f"\n    {lines[where.line - 1].strip()}" if 0 < where.line <= len(lines) else ""
