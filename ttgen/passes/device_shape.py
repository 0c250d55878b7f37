"""How a tensor's dimensions lie on the device, where the last two make tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from ttgen.analysis import Binary, Computation, Const, Dim, Expr, Load, Mask, Reduce, loads

#: Rows and columns of a tile, elements.
TILE = 32
#: A dimension of extent 1, added so that there are two.
ONE = Dim(())


def device_dims(computation: Computation) -> list[Dim]:
    """The output's dimensions on the device.

    A result whose columns have been reduced away is a column: it keeps them, with extent 1.
    """
    dims = list(computation.output.dims)
    accessed = [a.dims for a in loads(computation.value) if len(a.dims) >= 2]
    rows, columns = {d[-2] for d in accessed}, {d[-1] for d in accessed}
    is_column = bool(dims) and rows & set(dims) == {dims[-1]} and not columns & set(dims)
    if is_column and dims[-1].axes:
        return [ONE] * (1 - len(dims)) + [*dims, ONE]
    return [ONE] * (2 - len(dims)) + dims


def device_shape(shape: list[int], *, is_column: bool = False) -> list[int]:
    """A tensor's extents on the device, of which there are at least two."""
    if is_column:
        return [*shape, 1]
    return [1] * (2 - len(shape)) + shape


def padded(shape: list[int]) -> list[int]:
    """``shape`` in whole tiles."""
    *batch, rows, columns = shape
    return [*batch, *(-(-extent // TILE) * TILE for extent in (rows, columns))]


def as_tiles(dims: Sequence[Dim]) -> list[Dim]:
    """The dimensions of a tensor on the device, which has at least two."""
    return [ONE] * (2 - len(dims)) + list(dims)


def tile_dims(expr: Expr) -> set[Dim]:
    """The dimensions that make tiles of the tensors in ``expr``."""
    return {dim for access in loads(expr) for dim in as_tiles(access.dims)[-2:]}


def tiles_along(dim: Dim) -> int:
    """Tiles that cover a dimension, the last one perhaps in part."""
    return -(-dim.extent // TILE)


def free_dims(expr: Expr) -> set[Dim]:
    """The dimensions that the value depends on."""
    match expr:
        case Load(access=access):
            return set(access.dims)
        case Binary(a=a, b=b):
            return free_dims(a) | free_dims(b)
        case Reduce(dims=dims, value=value):
            return free_dims(value) - set(dims)
        case Mask(dim=dim):
            return {dim}
        case Const():
            return set()


def steps(expr: Expr, around: Mapping[Dim, int] | None = None) -> int:
    """Tiles that the longest reduction in ``expr`` adds up for one tile of the value.

    ``around``: the trips of the loops around it. A reduction inside another one is made in each of
    the iterations that it depends on.
    """
    around = around or {}
    match expr:
        case Binary(a=a, b=b):
            return max(steps(a, around), steps(b, around))
        case Reduce(dims=dims, value=value):
            in_tiles, free = tile_dims(value), free_dims(expr)
            own = {dim: tiles_along(dim) if dim in in_tiles else dim.extent for dim in dims}
            moving = {dim: trips for dim, trips in around.items() if dim in free}
            return max(prod((moving | own).values()), steps(value, moving | own))
        case _:
            return 1
