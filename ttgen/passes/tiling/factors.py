"""Factors that all addends of a sum have in common, taken out of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import prod

from ttgen.analysis import Binary, Const, Expr, Reduce, with_operands
from ttgen.errors import Location


def with_factors_outside(expr: Expr) -> Expr:
    """``sum(a * b * 2)`` as ``sum(a * b) * 2``, wherever it stands in ``expr``.

    What is left may be a matrix product, however the author has put the brackets; and the number
    is multiplied by once, not for each addend.
    """
    match expr:
        case Reduce(op=op, dims=dims, value=value, at=at):
            value = with_factors_outside(value)
            rest, numbers = taken_apart(value, _is_number) if op == "add" else (value, [])
            factor = prod(number.value for number in numbers if isinstance(number, Const))
            if rest is None or factor == 1.0:
                return Reduce(op, dims, value, at)
            return Binary("mul", Reduce(op, dims, rest, at), Const(factor), at)
        case _:
            return with_operands(expr, with_factors_outside)


def taken_apart(expr: Expr, is_taken: Callable[[Expr], bool]) -> tuple[Expr | None, list[Expr]]:
    """What else is multiplied in ``expr``, if anything is, and the factors that are taken out."""
    match expr:
        case Binary(op="mul", a=a, b=b, at=at):
            (left, first), (right, second) = taken_apart(a, is_taken), taken_apart(b, is_taken)
            if left is None or right is None:
                return right if left is None else left, first + second
            return Binary("mul", left, right, at), first + second
        case _:
            return (None, [expr]) if is_taken(expr) else (expr, [])


def product(factors: list[Expr], at: Location) -> Expr:
    """The factors, of which there is one at least, multiplied."""
    return reduce(lambda a, b: Binary("mul", a, b, at), factors)


def _is_number(expr: Expr) -> bool:
    return isinstance(expr, Const)
