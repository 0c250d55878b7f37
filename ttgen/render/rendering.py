"""One file of one kernel: its template, what that is given, and what may go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2

from ttgen.errors import Location, TemplateError
from ttgen.formats import FORMATS
from ttgen.ops import TILE_OPS, VECTOR_KINDS, Kind
from ttgen.plan.model import For, Op, Plan, Program, Statement
from ttgen.render.cpp import cpp_expression
from ttgen.render.declared import check_reads, facts
from ttgen.render.environment import environment, noted_reads
from ttgen.render.errors import failure, shown, syntax_error
from ttgen.render.markers import of_operation
from ttgen.render.names import with_safe_names
from ttgen.render.search import TemplateSet, template_names
from ttgen.vector import VECTOR, VectorOp


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


def _functions(program: Program) -> list[str]:
    """The operations of the vector unit that the program uses; sorted."""
    named = (statement.args.get("function") for statement in _operations(program.body))
    return sorted({str(name) for name in named if name is not None})


@dataclass
class Rendering:
    """One output file of one plan.

    ``marks`` are what its text holds beside C++ (:mod:`ttgen.render.markers`): none, the places of
    operations in the kernel, or these and the templates' lines.
    """

    plan: Plan
    templates: TemplateSet
    output: str
    mark_kernel: bool = False
    mark_templates: bool = False
    _at: str = field(default="", init=False)
    _modules: dict[str, Any] = field(default_factory=dict, init=False)

    @property
    def name(self) -> str:
        """The name of the program, for a file that is one."""
        return self.output.removesuffix(".cpp")

    def text(self) -> str:
        """The file's text; TemplateError with the template's place."""
        try:
            return self._text()
        except jinja2.TemplateSyntaxError as error:
            path = Path(error.filename or f"{self.output}.j2")
            raise self._failed(syntax_error(error, path, self.templates.project)) from None
        except jinja2.TemplateNotFound as error:
            raise self._failed(self._not_found(error)) from None
        except Exception as error:
            found = failure(error, f"{self.output}.j2", self.templates.project)
            raise self._failed(found) from error

    def _text(self) -> str:
        names = template_names(operations(self.plan), self.output)
        found = {place for place in self.templates.closure(names).values() if place}
        files = tuple(sorted(found, key=lambda place: place.path))
        known = facts(self.templates, files, self.plan.sdk)
        program: Program | None = getattr(self.plan.programs, self.name, None)
        if program is not None:
            program = with_safe_names(self.plan, program, known.words)
        with noted_reads() as reads:
            text = self._template(f"{self.output}.j2").render(
                plan=self.plan,
                program=program,
                program_name=self.name,
                formats=FORMATS,
                buffers=self.plan.buffers_of(program) if program else (),
                headers=self._headers(program) if program else (),
                operation=self._operation,
                zip=zip,
            )
        check_reads(self.templates, known, reads)
        return text

    def _operation(self, statement: Op) -> str:
        """The C++ of one operation: its macro, called with buffers, tensors and C++ text."""
        self._at = statement.at
        macro = getattr(self._module(statement.op), statement.op, None)
        if macro is None:
            found = self.templates.find(f"ops/{statement.op}.j2")
            assert found is not None
            raise TemplateError(
                f"it defines no macro '{statement.op}'",
                at=Location(shown(found.path, self.templates.project)),
            )
        text = str(macro(**self._arguments(statement))).strip()
        self._at = ""
        marked = self.mark_kernel or self.mark_templates
        return of_operation(text, statement.at) if marked else text

    def _arguments(self, statement: Op) -> dict[str, Any]:
        resolve: dict[Kind, Callable[[Any], Any]] = {
            Kind.CB: lambda value: self.plan.circular_buffer(str(value)),
            Kind.TENSOR: lambda value: self.plan.tensor(str(value)),
            Kind.EXPR: cpp_expression,
            **dict.fromkeys(VECTOR_KINDS.values(), self._function),
        }
        kinds = dict(TILE_OPS[statement.op].params)
        return {
            name: resolve.get(kinds[name], str)(value) for name, value in statement.args.items()
        }

    def _function(self, value: Any) -> VectorOp:
        return VECTOR[str(value)].spelled(math_approx=self.plan.compute.math_approx)

    def _headers(self, program: Program) -> list[str]:
        """The headers that the program's operations ask for; sorted."""
        found: set[str] = set()
        for statement in _operations(program.body):
            found.update(getattr(self._module(statement.op), "headers", ()))
        found.update(VECTOR[name].header for name in _functions(program))
        return sorted(found)

    def _module(self, operation: str) -> Any:
        if operation not in self._modules:
            self._modules[operation] = self._template(f"ops/{operation}.j2").module
        return self._modules[operation]

    def _template(self, name: str) -> jinja2.Template:
        return self._environment.get_template(name)

    @cached_property
    def _environment(self) -> jinja2.Environment:
        return environment(self.templates, marked=self.mark_templates)

    def _not_found(self, error: jinja2.TemplateNotFound) -> TemplateError:
        project = self.templates.project
        places = self.templates.candidates(str(error.name))
        looked = ", ".join(shown(path.parent, project) for path in places)
        problem = TemplateError(f"there is no template '{error.name}'", hint=f"looked in {looked}")
        return failure(problem, f"{self.output}.j2", project)

    def _failed(self, error: TemplateError) -> TemplateError:
        what = f"rendering {self.output} of kernel '{self.plan.kernel}'"
        at = f", the operation at {self._at}" if self._at else ""
        return TemplateError(f"{error.message}\n  {what}{at}", at=error.at, hint=error.hint)
