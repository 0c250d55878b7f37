"""Numbers that all addends of a sum are multiplied by, taken out of it."""

from __future__ import annotations

from ttgen.analysis import Binary, Const, Expr, Reduce, with_operands


def with_factors_outside(expr: Expr) -> Expr:
    """``sum(a * b * 2)`` as ``sum(a * b) * 2``, wherever it stands in ``expr``.

    What is left may be a matrix product, however the author has put the brackets; and the number
    is multiplied by once, not for each addend.
    """
    match expr:
        case Reduce(op=op, dims=dims, value=value, at=at):
            value = with_factors_outside(value)
            rest, factor = _taken_apart(value) if op == "add" else (value, 1.0)
            if rest is None or factor == 1.0:
                return Reduce(op, dims, value, at)
            return Binary("mul", Reduce(op, dims, rest, at), Const(factor), at)
        case _:
            return with_operands(expr, with_factors_outside)


def _taken_apart(expr: Expr) -> tuple[Expr | None, float]:
    """What else is multiplied in ``expr``, if anything is, and the numbers' product."""
    match expr:
        case Const(value=value):
            return None, value
        case Binary(op="mul", a=a, b=b, at=at):
            (left, first), (right, second) = _taken_apart(a), _taken_apart(b)
            if left is None or right is None:
                return right if left is None else left, first * second
            return Binary("mul", left, right, at), first * second
        case _:
            return expr, 1.0
