"""Padding: what fills the last tile along a dimension, and how it is kept out of reductions."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf

from ttgen.analysis import (
    Binary,
    Const,
    Dim,
    Expr,
    Load,
    Mask,
    Reduce,
    Triangle,
    Vector,
    operands,
)
from ttgen.errors import Location
from ttgen.passes.device_shape import free_dims
from ttgen.vector import VECTOR


def masked(expr: Reduce, ragged: Sequence[Dim], lowest: float) -> Expr:
    """What ``expr`` reduces, such that padding along the ``ragged`` dimensions does not count.

    A value that is zero in the padding, as inputs are, can be added up as it is. Another one is
    multiplied by a mask of 1 and 0, or chosen by it if it has infinities. It is finite there if the
    data is: what might not be, such as an exponential, is made of 1 there. A maximum adds a mask of
    0 and ``lowest``, than which no value is less, to what is zero there: it is exactly that then.
    """
    value = expr.value
    for dim in ragged:
        value = kept_finite(value, dim, expr.at)
        value = _zero_beyond(value, dim, expr.at)
        if expr.op == "max":
            value = Binary("add", value, Mask(dim, 0.0, lowest), expr.at)
    return value


def kept_finite(expr: Expr, dim: Dim, at: Location) -> Expr:
    """``expr`` with 1 in the padding of ``dim`` for what might become an infinity there."""
    match expr:
        case Vector(op=op, operands=those):
            made = [kept_finite(one, dim, at) for one in those]
            if not VECTOR[op].is_finite:
                made = [_one_beyond(one, dim, at) for one in made]
            return Vector(op, tuple(made), expr.at)
        case Binary(op=op, a=a, b=b):
            a, b = (kept_finite(operand, dim, at) for operand in (a, b))
            return Binary(op, a, b, expr.at)
        case _:
            return expr


def _one_beyond(expr: Expr, dim: Dim, at: Location) -> Expr:
    """``expr`` with 1 in the padding of ``dim``, if it has any."""
    if dim not in free_dims(expr):
        return expr
    if _has_infinity(expr):
        return _chosen(expr, dim, 1.0, at)
    return Binary("add", _zero_beyond(expr, dim, at), Mask(dim, 0.0, 1.0), at)


def _zero_beyond(expr: Expr, dim: Dim, at: Location) -> Expr:
    """``expr`` with 0 in the padding of ``dim``."""
    if zero_beyond(expr, dim):
        return expr
    if _has_infinity(expr):
        return _chosen(expr, dim, 0.0, at)
    return Binary("mul", expr, Mask(dim, 1.0, 0.0), at)


def _chosen(expr: Expr, dim: Dim, beyond: float, at: Location) -> Expr:
    """``expr`` with a number in the padding, by the vector unit."""
    return Vector("where", (Mask(dim, 1.0, 0.0), expr, Const(beyond)), at)


def _has_infinity(expr: Expr) -> bool:
    """Whether there is an infinity in ``expr``, such as a score that must not count.

    The FPU makes no number of its product with a mask, of which it adds up parts.
    """
    if isinstance(expr, Const):
        return isinf(expr.value)
    return not isinstance(expr, Reduce) and any(map(_has_infinity, operands(expr)))


def zero_beyond(expr: Expr, dim: Dim) -> bool:
    """Whether the value is zero in the padding of ``dim``: a tensor is that ends with it."""
    match expr:
        case Load(access=access):
            index = access.index_over(dim)
            return index is not None and index.reaches_end
        case Const(value=value):
            return value == 0.0
        case Mask(dim=own, outside=outside):
            return own == dim and outside == 0.0
        case Triangle(dims=(over, under), difference=difference):
            return under == dim and over.extent - 1 - dim.extent + difference.offset < 0
        case Binary(op="mul", a=a, b=b):
            return zero_beyond(a, dim) or zero_beyond(b, dim)
        case Binary(op="add" | "sub", a=a, b=b):
            return zero_beyond(a, dim) and zero_beyond(b, dim)
        case Vector(op="where", operands=(condition, _, if_false)) if zero_beyond(condition, dim):
            return zero_beyond(if_false, dim)
        case Vector(op=op, operands=those):
            row = VECTOR[op]
            decide = [those[n] for n in row.chooses] or those
            return row.keeps_zero and all(zero_beyond(one, dim) for one in decide)
        case Reduce(dims=dims, value=value):
            return dim not in dims and zero_beyond(value, dim)
        case _:
            return False
