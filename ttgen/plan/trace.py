"""Walking a program's body with the arguments of one core, without running anything.

A trace yields each operation with its arguments evaluated and how often it is executed. Loops
whose body does the same whatever the loop variable is are walked once, with a multiplicity, so
that a trace costs about as much as the body is long, not as much as the kernel runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Event:
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


def trace(program: Program, core: int, ignore: Collection[str] = ()) -> Iterator[Event]:
    """The operations that the core at index ``core`` of the partition executes, in order.

    Arguments named in ``ignore`` are left out of the events, and loops are not walked for them.
    """
    scope = {constant.name: constant.value for constant in program.constants}
    if program.runtime_args.names:
        args = program.runtime_args
        scope.update(zip(args.names, args.values[core], strict=True))
    yield from _walk(program.body, scope, 1, frozenset(ignore))


def expressions(op: Op, ignore: Collection[str] = ()) -> dict[str, Expr]:
    """The arguments of ``op`` that are expressions (not names of buffers or tensors)."""
    kinds = dict(TILE_OPS[op.op].params)
    return {k: v for k, v in op.args.items() if kinds[k] is Kind.EXPR and k not in ignore}


def _walk(
    body: tuple[Statement, ...], scope: dict[str, int], times: int, ignore: frozenset[str]
) -> Iterator[Event]:
    scope = dict(scope)
    for statement in body:
        match statement:
            case Let(var=var, value=value):
                scope[var] = evaluate(value, scope)
            case For():
                yield from _walk_loop(statement, scope, times, ignore)
            case Op():
                values = {
                    name: evaluate(expr, scope)
                    for name, expr in expressions(statement, ignore).items()
                }
                yield Event(statement, values, times)


def _walk_loop(
    loop: For, scope: dict[str, int], times: int, ignore: frozenset[str]
) -> Iterator[Event]:
    steps = range(evaluate(loop.start, scope), evaluate(loop.stop, scope), loop.step)
    if not steps:
        return
    if loop.var in _used(loop.body, ignore):
        for value in steps:
            yield from _walk(loop.body, {**scope, loop.var: value}, times, ignore)
    else:
        yield from _walk(loop.body, {**scope, loop.var: steps[0]}, times * len(steps), ignore)


def _used(body: tuple[Statement, ...], ignore: frozenset[str]) -> set[str]:
    """The variables from outside that decide what ``body`` executes, nested bodies included."""
    used: set[str] = set()
    for statement in reversed(body):
        match statement:
            case Let(var=var, value=value):
                if var in used:
                    used = (used - {var}) | variables(value)
            case For():
                used |= _used(statement.body, ignore) - {statement.var}
                used |= variables(statement.start) | variables(statement.stop)
            case Op():
                for expr in expressions(statement, ignore).values():
                    used |= variables(expr)
    return used
