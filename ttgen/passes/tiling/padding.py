"""Padding: what fills the last tile along a dimension, and how it is kept out of reductions."""

from __future__ import annotations

from collections.abc import Sequence

from ttgen.analysis import Binary, Const, Dim, Expr, Load, Mask, Reduce, Vector
from ttgen.errors import Location
from ttgen.passes.device_shape import free_dims
from ttgen.vector import VECTOR


def masked(expr: Reduce, ragged: Sequence[Dim], lowest: float) -> Expr:
    """What ``expr`` reduces, such that padding along the ``ragged`` dimensions does not count.

    A value that is zero in the padding, as inputs are, can be added up as it is. Another one is
    multiplied by a mask of 1 and 0. It is finite there if the data is: what might not be, such as
    an exponential, is made of 1 there. A maximum adds a mask of 0 and ``lowest``, than which no
    value is less, to what is zero there: it is exactly that then.
    """
    value = expr.value
    for dim in ragged:
        value = kept_finite(value, dim, expr.at)
        if not zero_beyond(value, dim):
            value = Binary("mul", value, Mask(dim, 1.0, 0.0), expr.at)
        if expr.op == "max":
            value = Binary("add", value, Mask(dim, 0.0, lowest), expr.at)
    return value


def kept_finite(expr: Expr, dim: Dim, at: Location) -> Expr:
    """``expr`` with 1 in the padding of ``dim`` for what might become an infinity there."""
    match expr:
        case Vector(op=op, operands=operands):
            made = [kept_finite(one, dim, at) for one in operands]
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
    zero = expr if zero_beyond(expr, dim) else Binary("mul", expr, Mask(dim, 1.0, 0.0), at)
    return Binary("add", zero, Mask(dim, 0.0, 1.0), at)


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
        case Binary(op="mul", a=a, b=b):
            return zero_beyond(a, dim) or zero_beyond(b, dim)
        case Binary(op="add" | "sub", a=a, b=b):
            return zero_beyond(a, dim) and zero_beyond(b, dim)
        case Vector(op=op, operands=operands):
            row = VECTOR[op]
            decide = [operands[n] for n in row.chooses] or operands
            return row.keeps_zero and all(zero_beyond(one, dim) for one in decide)
        case Reduce(dims=dims, value=value):
            return dim not in dims and zero_beyond(value, dim)
        case _:
            return False
