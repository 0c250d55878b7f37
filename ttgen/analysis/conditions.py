"""Conditions on indices: true everywhere, false everywhere, or a loop to be cut in two."""

from __future__ import annotations

from typing import Any

from tvm.ir import prim

from ttgen.analysis.index import Affine, Restart, Scope, affine, dimension
from ttgen.errors import Location, LoweringError

_COMPARISONS = (prim.LT, prim.LE, prim.GT, prim.GE, prim.EQ, prim.NE)


def is_on_values(condition: Any) -> bool:
    """Whether it compares what no index is: floating-point numbers, or other conditions."""
    if not isinstance(condition, _COMPARISONS):
        return False
    return any(_is_value(operand) for operand in (condition.a, condition.b))


def _is_value(operand: Any) -> bool:
    while isinstance(operand, prim.Cast):
        operand = operand.value
    dtype = str(operand.ty.dtype)
    return "float" in dtype or dtype == "bool"


def truth(condition: prim.Expr, scope: Scope, at: Location) -> bool:
    """Whether ``condition`` holds; LoweringError at one that does not depend on indices alone.

    Where it holds for some iterations only, Restart asks for a loop to be cut where it changes.
    """
    match condition:
        case prim.IntImm():
            return bool(int(condition.value))
        case prim.Not():
            return not truth(condition.a, scope, at)
        case prim.And():
            return truth(condition.a, scope, at) and truth(condition.b, scope, at)
        case prim.Or():
            return truth(condition.a, scope, at) or truth(condition.b, scope, at)
        case prim.Cast():
            return truth(condition.value, scope, at)
        case _ if isinstance(condition, _COMPARISONS) and not is_on_values(condition):
            a, b = affine(condition.a, scope, at), affine(condition.b, scope, at)
            return _compared(condition, a, b)
        case _:
            raise LoweringError(
                f"the condition '{str(condition).splitlines()[-1]}' does not lower yet",
                at=at,
                hint="what a statement runs under compares indices; a choice between values is "
                "T.if_then_else or T.Select, which compare values, too",
            )


def order(condition: prim.Expr, scope: Scope, at: Location) -> list[Affine]:
    """The differences of two indices none of which is negative where ``condition`` holds.

    Two where it is an equality, or its opposite; none where it does not compare two indices.
    """
    if not isinstance(condition, _COMPARISONS) or is_on_values(condition):
        return []
    a, b = affine(condition.a, scope, at), affine(condition.b, scope, at)
    if not is_difference(a - b):
        return []
    return [Affine({}, -1) - value for value in _excesses(condition, a, b)]


def is_difference(value: Affine) -> bool:
    """Whether ``value`` is an index less another one, both of them in steps of 1."""
    parts = [dimension(part, 1) for part in sides(value)]
    return all(part is not None and part.dim.axes and part.step == 1 for part in parts)


def sides(value: Affine) -> tuple[Affine, Affine]:
    """What adds to ``value``, and what takes from it, without the offset."""
    more = {axis: step for axis, step in value.terms.items() if step > 0}
    less = {axis: -step for axis, step in value.terms.items() if step < 0}
    return Affine(more, 0), Affine(less, 0)


def _compared(condition: prim.Expr, a: Affine, b: Affine) -> bool:
    holds = all(_is_negative(value) for value in _excesses(condition, a, b))
    return not holds if isinstance(condition, prim.NE) else holds


def _excesses(condition: prim.Expr, a: Affine, b: Affine) -> list[Affine]:
    """What is negative where ``condition`` compares ``a`` and ``b`` and holds; for != where not."""
    one = Affine({}, 1)
    match condition:
        case prim.LE():
            return [a - b - one]
        case prim.LT():
            return [a - b]
        case prim.GE():
            return [b - a - one]
        case prim.GT():
            return [b - a]
        case _:
            return [a - b - one, b - a - one]


def _is_negative(value: Affine) -> bool:
    """Whether ``value`` is below 0, everywhere or nowhere; Restart if it changes its sign."""
    low, high = value.bounds
    if high < 0:
        return True
    if low >= 0:
        return False
    # The axis with the longest steps is cut; what shorter steps add decides where.
    axis, step = max(value.terms.items(), key=lambda term: abs(term[1]))
    rest = Affine({a: c for a, c in value.terms.items() if a != axis}, value.offset)
    rest_low, rest_high = rest.bounds
    # Negative everywhere while step * n + rest_high < 0, nowhere while step * n + rest_low >= 0.
    cut = -(rest_high // step) if step > 0 else rest_low // -step + 1
    raise Restart(axis, at=min(max(cut, 1), axis.extent - 1))


def is_below(index: Affine, element: int) -> bool:
    """Whether ``index`` is below ``element``, always or never; Restart where it is at times."""
    return _is_negative(index - Affine({}, element))
