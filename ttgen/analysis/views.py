"""Tensors as the dimensions of a computation see them.

Loops that always count together are one dimension. Where an index of one tensor runs over several
dimensions of another, as after a reshape, its view has one entry for each of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain, pairwise
from math import prod

from ttgen.analysis.conditions import sides
from ttgen.analysis.expr import (
    Access,
    Expr,
    Leaf,
    Load,
    Reduce,
    Triangle,
    loads,
    not_negative,
    rebuilt,
)
from ttgen.analysis.index import Affine, Axis, Dim, Index, dimension
from ttgen.analysis.orders import Orders, plain
from ttgen.analysis.stores import check_independent
from ttgen.errors import Location, LoweringError

#: Two axes that follow each other in an index, the inner one first.
Pair = tuple[Axis, Axis]


def settled(
    target: Access, value: Expr, at: Location, orders: Orders
) -> tuple[Access, Expr, Location]:
    """``target`` and ``value`` with views; LoweringError at an index that no view stands for.

    ``orders``: of tensors whose dimensions lie in another order on the device.
    """
    accesses = [target, *loads(value)]
    for access in accesses:
        check_independent(access, at)
    joints = _joints([index for access in accesses for index in access.indices])
    viewed = {
        access: _viewed(access, orders.get(access.buffer.name, plain(access)), joints, at)
        for access in accesses
    }
    return viewed[target], _with_views(value, viewed), at


def _with_views(expr: Expr, viewed: Mapping[Access, Access]) -> Expr:
    def value_of(leaf: Leaf) -> Expr:
        match leaf:
            case Load(access=access):
                return Load(viewed[access])
            case Triangle():
                return _between_dims(leaf, viewed.values())
            case _:
                return leaf

    return rebuilt(expr, value_of, _reduced_dims)


def _reduced_dims(reduce: Reduce, value: Expr) -> tuple[Dim, ...]:
    """The dimensions of ``value``, which has views, that ``reduce`` runs over."""
    reduced = {axis for dim in reduce.dims for axis in dim.axes}
    found = dict.fromkeys(dim for operand in loads(value) for dim in operand.dims)
    return tuple(dim for dim in found if set(dim.axes) & reduced)


def _between_dims(triangle: Triangle, accesses: Collection[Access]) -> Expr:
    """``triangle`` with the dimensions that it compares, which make tiles.

    Restart asks for loops to be cut where the condition changes if they are others: of batches, or
    of whole blocks.
    """
    tiled = {dim for access in accesses for dim in access.dims[-2:]}
    difference = triangle.difference
    dims = [dim for side in sides(difference) for dim in tiled if _is_visited_by(dim, side)]
    if len(dims) < 2:
        return not_negative(difference, triangle.at, may_change=False)
    return Triangle(Affine({}, difference.offset), tuple(dims), triangle.at)


def _is_visited_by(dim: Dim, index: Affine) -> bool:
    """Whether ``index`` counts the elements of ``dim``."""
    return dimension(index, dim.extent) == Index(dim, dim.extent)


def _joints(indices: list[Affine]) -> set[Pair]:
    """The pairs of axes that are one dimension: neighbours in every index that has one of them."""
    together: set[Pair] = set()
    apart: set[Pair] = set()
    found = [_neighbours(index) for index in indices]
    for pairs in found:
        together |= pairs
    for index, pairs in zip(indices, found, strict=True):
        apart |= {(a, b) for a, b in together - pairs if a in index.terms or b in index.terms}
    return together - apart


def _neighbours(index: Affine) -> set[Pair]:
    terms = sorted(index.terms.items(), key=lambda term: abs(term[1]))
    pairs = pairwise(terms)
    return {(a, b) for (a, step), (b, outer) in pairs if outer == step * a.extent}


@dataclass
class _Segment:
    """Axes of one dimension within an index, outermost first, in units of ``weight`` elements."""

    weight: int
    step: int
    axes: list[Axis] = field(default_factory=list)


def _viewed(access: Access, order: tuple[int, ...], joints: set[Pair], at: Location) -> Access:
    """``access`` with a view; its buffer is a parameter, with an extent for each index."""
    parts: list[list[Index]] = []
    for position in order:
        index = access.indices[position]
        extent = int(access.buffer.ty.shape[position])
        part = _view(index, extent, joints)
        if part is None:
            raise LoweringError(
                f"index {position} of {access} does not visit elements once each, in order",
                at=at,
                hint="index with a loop, or with the parts of a loop that was split",
            )
        if position != order[0] and prod(own.extent for own in part) != extent:
            raise LoweringError(
                f"index {position} of {access} runs over {extent} elements in blocks of which the "
                "last is not whole",
                at=at,
                hint="where other dimensions lie around them, let the blocks be equal",
            )
        parts.append(part)
    view = [*chain.from_iterable(parts)]
    beside = len(parts[-1]) - 1 if parts else 0
    if beside:
        *before, rows = view[: -beside - 1] or [Index(Dim(()), 1)]
        view = [*before, *view[-beside - 1 : -1], rows, view[-1]]
    return Access(access.buffer, access.indices, tuple(view), order, beside)


def _view(index: Affine, extent: int, joints: set[Pair]) -> list[Index] | None:
    segments = _segments(index, joints)
    if any(b.weight % a.weight for a, b in pairwise(segments)):
        return None
    entries: list[Index] = []
    start, whole = index.offset, extent
    for number in reversed(range(len(segments))):  # outermost first
        segment = segments[number]
        own, start = divmod(start, segment.weight)
        size = -(-whole // segment.weight)
        whole = segment.weight
        dim = Dim(tuple(segment.axes))
        last = own + segment.step * (dim.extent - 1)
        if min(own, last) < 0 or max(own, last) >= size:
            return None
        entries.append(Index(dim, size, own, segment.step))
    return entries


def _segments(index: Affine, joints: set[Pair]) -> list[_Segment]:
    """The dimensions that an index runs over, innermost first."""
    segments: list[_Segment] = []
    previous: Axis | None = None
    for axis, step in sorted(index.terms.items(), key=lambda term: abs(term[1])):
        if previous is not None and (previous, axis) in joints:
            segments[-1].axes.insert(0, axis)
        elif previous is None:
            segments.append(_Segment(1, step, [axis]))
        else:
            segments.append(_Segment(abs(step), 1 if step > 0 else -1, [axis]))
        previous = axis
    return segments or [_Segment(1, 1)]
