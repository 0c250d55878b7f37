"""How a tensor's dimensions lie on the device, where the last two make tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from ttgen.analysis import Access, Binary, Const, Dim, Expr, Index, Load, Mask, Part, Reduce, loads

#: Rows and columns of a tile, elements.
TILE = 32
#: A dimension of extent 1, added so that there are two.
ONE = Dim(())
_ONE = Index(ONE, 1)


def is_column(part: Part) -> bool:
    """Whether a result is stored as a column, with further columns of extent 1.

    One whose columns have been reduced away is: it keeps them.
    """
    dims = part.output.dims
    accessed = [a.dims for a in loads(part.value) if len(a.dims) >= 2]
    rows, columns = {d[-2] for d in accessed}, {d[-1] for d in accessed}
    dropped = bool(dims) and rows & set(dims) == {dims[-1]} and not columns & set(dims)
    return dropped and bool(dims[-1].axes)


def device_view(access: Access, *, is_column: bool = False) -> list[Index]:
    """How a tensor is visited on the device, where it has at least two dimensions."""
    view = list(access.view)
    if is_column:
        return [*view, _ONE]
    return [_ONE] * (2 - len(view)) + view


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


def tiles_along(extent: int) -> int:
    """Tiles that cover a dimension, the last one perhaps in part."""
    return -(-extent // TILE)


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
            own = {dim: tiles_along(dim.extent) if dim in in_tiles else dim.extent for dim in dims}
            moving = {dim: trips for dim, trips in around.items() if dim in free}
            return max(prod((moving | own).values()), steps(value, moving | own))
        case _:
            return 1
