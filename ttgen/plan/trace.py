"""Walking a program's body with the arguments of one core, without running anything.

A trace yields each operation with its arguments evaluated and how often it is executed. Iterations
of a loop that do the same are walked once, with a multiplicity, so that a trace costs about as much
as the body is long, not as much as the kernel runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeAlias

import msgspec

from ttgen.ops import TILE_OPS, Kind
from ttgen.plan.model import BinaryOp, Expr, For, Let, Op, Program, Statement

_OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "min": min,
    "max": max,
}


class Event(msgspec.Struct, frozen=True):  # made faster than a data class
    """An operation with its expression arguments as integers, executed ``times`` times."""

    op: Op
    values: dict[str, int]
    times: int


class UnknownVariable(Exception):
    """An expression names a variable that is not in scope."""


def evaluate(expr: Expr, scope: dict[str, int]) -> int:
    """The value of ``expr``; UnknownVariable, ZeroDivisionError."""
    if isinstance(expr, BinaryOp):
        left, right = evaluate(expr.left, scope), evaluate(expr.right, scope)
        return _OPERATORS[expr.operator](left, right)
    if isinstance(expr, str):
        if expr not in scope:
            raise UnknownVariable(expr)
        return scope[expr]
    return expr


def variables(expr: Expr) -> set[str]:
    """The variables that ``expr`` reads."""
    if isinstance(expr, BinaryOp):
        return variables(expr.left) | variables(expr.right)
    return {expr} if isinstance(expr, str) else set()


#: What a consumer of a trace has made of the events so far.
_Settled: TypeAlias = Callable[[], Hashable]


def trace(
    program: Program, core: int, ignore: Collection[str] = (), settled: _Settled | None = None
) -> Iterator[Event]:
    """The operations that the core at index ``core`` of the partition executes, in order.

    Arguments named in ``ignore`` are left out of the events, and loops are not walked for them.

    A consumer whose judgement of an event depends on those before it gives ``settled``, which says
    what it knows. Iterations that do the same are then walked again, as events of 0 ``times``,
    until that changes nothing any more: it would not in any further iteration.
    """
    scope = {constant.name: constant.value for constant in program.constants}
    if program.runtime_args.names:
        args = program.runtime_args
        scope.update(zip(args.names, args.values[core], strict=True))
    yield from _Walk(frozenset(ignore), settled).body(program.body, scope, 1)


def expressions(op: Op, ignore: Collection[str] = ()) -> dict[str, Expr]:
    """The arguments of ``op`` that are expressions (not names of buffers or tensors)."""
    kinds = dict(TILE_OPS[op.op].params)
    return {k: v for k, v in op.args.items() if kinds[k] is Kind.EXPR and k not in ignore}


@dataclass(frozen=True)
class _Walk:
    ignore: frozenset[str]
    settled: _Settled | None
    #: By the identity of a statement, which the program holds: a loop's are walked again and again.
    _arguments: dict[int, dict[str, Expr]] = field(default_factory=dict)
    _read: dict[int, set[str]] = field(default_factory=dict)

    def body(
        self, body: tuple[Statement, ...], scope: dict[str, int], times: int
    ) -> Iterator[Event]:
        scope = dict(scope)
        for statement in body:
            match statement:
                case Let(var=var, value=value):
                    scope[var] = evaluate(value, scope)
                case For():
                    yield from self._loop(statement, scope, times)
                case Op():
                    values = {
                        name: evaluate(expr, scope)
                        for name, expr in self._expressions(statement).items()
                    }
                    yield Event(statement, values, times)

    def _loop(self, loop: For, scope: dict[str, int], times: int) -> Iterator[Event]:
        steps = range(evaluate(loop.start, scope), evaluate(loop.stop, scope), loop.step)
        if not steps:
            return
        if loop.var not in self._used(loop.body):
            yield from self._repeated(loop.body, {**scope, loop.var: steps[0]}, times, len(steps))
            return
        for group in self._groups(loop, scope, steps):
            yield from self._repeated(loop.body, {**scope, loop.var: group[0]}, times, len(group))

    def _groups(self, loop: For, scope: dict[str, int], steps: range) -> Iterator[list[int]]:
        """Iterations one after the other that do the same.

        In most loops all but the last do: the variable decides the values of a few bindings at the
        beginning of the body, and nothing else.
        """
        first = next((i for i, s in enumerate(loop.body) if not isinstance(s, Let)), 0)
        bindings = [statement for statement in loop.body[:first] if isinstance(statement, Let)]
        used = self._used(loop.body[first:])
        if loop.var in used or not bindings:
            yield from ([value] for value in steps)
            return

        def decides(value: int) -> tuple[int, ...]:
            inner = {**scope, loop.var: value}
            for binding in bindings:
                inner[binding.var] = evaluate(binding.value, inner)
            return tuple(inner[binding.var] for binding in bindings if binding.var in used)

        yield from (list(group) for _, group in groupby(steps, decides))

    def _repeated(
        self, body: tuple[Statement, ...], scope: dict[str, int], times: int, trips: int
    ) -> Iterator[Event]:
        """``body``, executed ``trips`` times in a row."""
        yield from self.body(body, scope, times * trips)
        if self.settled is None:
            return
        for _ in range(1, trips):
            known = self.settled()
            yield from self.body(body, scope, 0)
            if self.settled() == known:
                return

    def _used(self, body: tuple[Statement, ...]) -> set[str]:
        """The variables from outside that decide what ``body`` executes, loops in it included."""
        used: set[str] = set()
        for statement in reversed(body):
            if not isinstance(statement, Let):
                used |= self._read_by(statement)
            elif statement.var in used:
                used = (used - {statement.var}) | variables(statement.value)
        return used

    def _read_by(self, statement: For | Op) -> set[str]:
        if id(statement) not in self._read:
            if isinstance(statement, For):
                bounds = variables(statement.start) | variables(statement.stop)
                read = (self._used(statement.body) - {statement.var}) | bounds
            else:
                read = set().union(*map(variables, self._expressions(statement).values()))
            self._read[id(statement)] = read
        return self._read[id(statement)]

    def _expressions(self, op: Op) -> dict[str, Expr]:
        if id(op) not in self._arguments:
            self._arguments[id(op)] = expressions(op, self.ignore)
        return self._arguments[id(op)]
