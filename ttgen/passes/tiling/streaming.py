"""Sums of exponentials below a maximum, which can be made while the maximum is still growing.

``sum over k of exp(x[k] - max over k of x) * v[k]`` needs the maximum before its first addend, and
so all of ``x`` at once. But what has been added up below a smaller maximum ``m`` is corrected to a
larger one ``n`` by a factor, ``exp(m - n)``. So one loop over chunks of ``k`` makes the maximum and
all sums that need it, and holds no more than a chunk of ``x``: an attention's softmax and product.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ttgen.analysis import (
    Binary,
    Const,
    Dim,
    Expr,
    Reduce,
    Vector,
    operands,
    reductions,
    with_operands,
)
from ttgen.passes.device_shape import free_dims, tile_dims, tiles_along
from ttgen.passes.tiling.factors import product, taken_apart


@dataclass(frozen=True)
class Stream:
    """``sums`` over the dimension of ``peak``, a maximum that nothing else needs.

    ``tiles``: how many are a chunk, the last one perhaps apart.
    """

    peak: Reduce
    sums: tuple[Reduce, ...]
    tiles: int

    @property
    def dim(self) -> Dim:
        """What is reduced over, chunk by chunk."""
        return self.peak.dims[0]


def with_streams(expr: Expr, outer: Collection[Dim], most: int) -> tuple[Expr, list[Stream]]:
    """``expr`` with what is in the way of streams taken out of sums, and its streams.

    A maximum over more than ``most`` tiles is streamed if it occurs in nothing but weights of sums
    (see :func:`_peak_of`), and these depend, as it does, on no more than the output's dimensions,
    ``outer``.
    """
    tried: set[Reduce] = set()
    found: list[Reduce] = []
    while True:
        # Inner ones first: what is around them changes when they are streamed.
        peaks = [one for one in reductions(expr) if one.op == "max" and one not in tried]
        if not peaks:
            break
        peak = peaks[-1]
        tried.add(peak)
        if not _is_long(peak, most):
            continue
        changed = _with_common_factors_outside(expr, peak)
        if _is_streamed(changed, peak, outer):
            expr = changed
            found.append(peak)
    return expr, [_stream(expr, peak, most) for peak in found]


def _stream(expr: Expr, peak: Reduce, most: int) -> Stream:
    sums = tuple(dict.fromkeys(_sums(expr, peak)))
    tiles = tiles_along(peak.dims[0].extent)
    return Stream(peak, sums, -(-tiles // -(-tiles // most)))


def rescaling(weight: Expr, peak: Reduce, before: Expr, after: Expr) -> Expr:
    """The factor that corrects sums of ``weight`` from the maximum ``before`` to one ``after``."""
    below = Binary("sub", peak.value, peak)
    return replaced(weight, below, Binary("sub", before, after))


def weights(total: Reduce, peak: Reduce) -> list[Expr]:
    """The factors of what is added up that are below ``peak``."""
    return [factor for factor in _factors(total.value) if _peak_of(factor) == peak]


def replaced(expr: Expr, old: Expr, new: Expr) -> Expr:
    """``expr`` with ``new`` in the place of ``old``."""
    return new if expr == old else with_operands(expr, lambda one: replaced(one, old, new))


def _peak_of(factor: Expr) -> Reduce | None:
    """The maximum of a weight: ``exp(x - max x)``, or of that a multiple."""
    match factor:
        case Vector(op="exp", operands=(Binary(op="mul", a=below, b=Const()),)):
            pass
        case Vector(op="exp", operands=(below,)):
            pass
        case _:
            return None
    match below:
        case Binary(op="sub", a=a, b=Reduce(op="max", dims=(_,), value=value) as peak):
            return peak if a == value else None
        case _:
            return None


def _factors(expr: Expr) -> list[Expr]:
    return taken_apart(expr, lambda _: True)[1]


def _with_common_factors_outside(expr: Expr, peak: Reduce) -> Expr:
    """``expr`` with what all addends have in common taken out of sums below ``peak``."""

    def visit(part: Expr) -> Expr:
        part = with_operands(part, visit)
        if not isinstance(part, Reduce) or not _weighs(part, peak):
            return part
        moving = {*peak.dims}
        rest, common = taken_apart(part.value, lambda one: moving.isdisjoint(free_dims(one)))
        if rest is None or not common:
            return part
        return product([Reduce(part.op, part.dims, rest, part.at), *common], part.at)

    return visit(expr)


def _weighs(expr: Reduce, peak: Reduce) -> bool:
    """Whether it is a sum over the dimension of ``peak`` of what has one weight below it."""
    is_sum = expr.op == "add" and expr.dims == peak.dims
    return is_sum and len(weights(expr, peak)) == 1


def _is_below(expr: Expr, peak: Reduce) -> bool:
    """Whether it is such a sum, and needs ``peak`` for nothing but the weight."""
    if not isinstance(expr, Reduce) or not _weighs(expr, peak):
        return False
    others = (factor for factor in _factors(expr.value) if _peak_of(factor) != peak)
    return not any(peak in reductions(factor) for factor in others)


def _is_long(peak: Reduce, most: int) -> bool:
    return (
        len(peak.dims) == 1
        and peak.dims[0] in tile_dims(peak.value)
        and tiles_along(peak.dims[0].extent) > most
    )


def _is_streamed(expr: Expr, peak: Reduce, outer: Collection[Dim]) -> bool:
    """Whether all that ``peak`` occurs in is sums that can be streamed."""
    if expr == peak:
        return False
    if _is_below(expr, peak):
        return {dim for dim in free_dims(expr) | free_dims(peak) if dim.axes} <= {*outer}
    return all(_is_streamed(operand, peak, outer) for operand in operands(expr))


def _sums(expr: Expr, peak: Reduce) -> Iterator[Reduce]:
    """The sums below ``peak``; each is there as often as it is used."""
    if isinstance(expr, Reduce) and _is_below(expr, peak):
        yield expr
        return
    for operand in operands(expr):
        yield from _sums(operand, peak)
