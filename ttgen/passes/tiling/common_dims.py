"""Reductions that run over equally many elements run over one dimension.

A softmax reduces a row three times, each time over a dimension of its own: what is reduced is the
same value only once these are one. Then it is made once (:mod:`.sharing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ttgen.analysis import (
    Access,
    Dim,
    Expr,
    Load,
    Reduce,
    Triangle,
    loads,
    reductions,
    with_operands,
)
from ttgen.analysis.index import Affine
from ttgen.passes.device_shape import as_tiles, free_dims

#: Dimensions that reductions may run over, by their extent.
_Known = Mapping[int, Sequence[Dim]]


def with_common_dims(expr: Expr) -> Expr:
    """``expr`` with as few dimensions for its reductions as their values allow.

    A reduction keeps away from dimensions that it depends on, of which it makes one result each.
    What makes tiles and what does not stay apart.
    """
    known: dict[int, list[Dim]] = {}
    outer = {dim for access in loads(expr) for dim in as_tiles(access.dims)[:-2]}
    for reduction in reductions(expr):
        for dim in reduction.dims:
            # One loop, and among the last two dimensions wherever it is used.
            makes_tiles = len(dim.axes) == 1 and dim not in outer
            if makes_tiles and dim not in known.setdefault(dim.extent, []):
                known[dim.extent].append(dim)
    return _renamed(expr, known)


def _renamed(expr: Expr, known: _Known) -> Expr:
    match expr:
        case Reduce(op=op, dims=dims, value=value, at=at):
            value = _renamed(value, known)
            chosen: list[Dim] = []
            for dim in dims:
                names = known.get(dim.extent, ())
                free = [one for one in names if dim in names and one not in chosen]
                name = next((one for one in free if _may_be(dim, one, value)), dim)
                value = _moved(value, dim, name)
                chosen.append(name)
            return Reduce(op, tuple(chosen), value, at)
        case _:
            return with_operands(expr, lambda one: _renamed(one, known))


def _may_be(dim: Dim, name: Dim, value: Expr) -> bool:
    """Whether ``value`` means the same with ``name`` in the place of ``dim``."""
    if name == dim:
        return True
    is_caught = any(name in r.dims and dim in free_dims(r) for r in reductions(value))
    return name not in free_dims(value) and not is_caught


def _moved(expr: Expr, dim: Dim, name: Dim) -> Expr:
    """``expr`` at ``name`` in the place of ``dim``, where that is not a reduction's own."""
    if name == dim or dim not in free_dims(expr):
        return expr
    if isinstance(expr, Load):
        return Load(_at(expr.access, dim, name))
    if isinstance(expr, Triangle):
        dims = tuple(name if one == dim else one for one in expr.dims)
        return replace(expr, dims=dims)
    return with_operands(expr, lambda one: _moved(one, dim, name))


def _at(access: Access, dim: Dim, name: Dim) -> Access:
    ((old,), (new,)) = dim.axes, name.axes
    indices = tuple(index.of({old: Affine({new: 1}, 0)}) for index in access.indices)
    view = tuple(replace(i, dim=name) if i.dim == dim else i for i in access.view)
    return replace(access, indices=indices, view=view)
