"""How a tensor's dimensions lie on the device, where the last two make tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from math import prod
from typing import TypeVar

from ttgen.analysis import (
    Access,
    Binary,
    Computation,
    Const,
    Dim,
    Expr,
    Held,
    Index,
    Load,
    Mask,
    Part,
    Reduce,
    Triangle,
    Vector,
    loads,
    operands,
    triangles,
)
from ttgen.errors import LoweringError

#: Rows and columns of a tile, elements.
TILE = 32
#: A dimension of extent 1, added so that there are two.
ONE = Dim(())
_ONE = Index(ONE, 1)


_T = TypeVar("_T")


class Form(Enum):
    """What a tensor's last dimensions are on the device, where two dimensions make tiles.

    A result keeps there, with extent 1, what has been reduced away: ``COLUMN`` has lost the columns
    of its tiles, ``ROW`` the rows, and ``POINT`` both. ``TILES`` has lost none, or all there was.
    """

    TILES = "tiles"
    COLUMN = "columns of tiles"
    ROW = "rows of tiles"
    POINT = "single elements of tiles"

    def with_ones(self, items: Sequence[_T], one: _T) -> list[_T]:
        """``items``, one for each dimension, with ``one`` for each that is added."""
        match self:
            case Form.COLUMN:
                return [*items, one]
            case Form.ROW:
                return [*items[:-1], one, items[-1]]
            case Form.POINT:
                return [*items, one, one]
            case Form.TILES:
                return [one] * (2 - len(items)) + list(items)


def output_form(computation: Computation) -> Form:
    """The form of the output; LoweringError where its parts differ in theirs."""
    first, *others = computation.parts
    form = _form(first)
    for part in others:
        if _form(part) != form:
            raise LoweringError(
                f"{part.output} is made of {_form(part).value}, other parts of it of {form.value}",
                at=part.at,
                hint="give the output a dimension of 1 for each that has been reduced away in some "
                "of its parts, so that all of it is tiles",
            )
    return form


def _form(part: Part) -> Form:
    """The form of a result: a dimension that makes tiles of no operand makes none of it."""
    dims = part.output.dims
    if not dims:
        return Form.TILES
    *others, last = dims
    accessed = [access.dims for access in loads(part.value) if len(access.dims) >= 2]
    rows, columns = {d[-2] for d in accessed}, {d[-1] for d in accessed}
    if last.axes and rows & set(dims) == {last} and not columns & set(dims):
        return Form.COLUMN
    tiled = set(tile_dims(part.value)) - {ONE}
    batch = {dim for d in accessed for dim in d[:-2]} - tiled - {ONE}
    if last in batch and not tiled & set(others):
        return Form.POINT
    is_row = last in columns or last == ONE
    if is_row and batch & set(others[-1:]) and not tiled & set(others):
        return Form.ROW
    return Form.TILES


def device_view(access: Access, form: Form = Form.TILES) -> list[Index]:
    """How a tensor is visited on the device, where it has at least two dimensions."""
    return form.with_ones(access.view, _ONE)


def device_shape(shape: Sequence[int], form: Form = Form.TILES) -> list[int]:
    """A tensor's extents on the device, of which there are at least two."""
    return form.with_ones(shape, 1)


def padded(shape: list[int]) -> list[int]:
    """``shape`` in whole tiles."""
    *batch, rows, columns = shape
    return [*batch, *(-(-extent // TILE) * TILE for extent in (rows, columns))]


def as_tiles(dims: Sequence[Dim]) -> list[Dim]:
    """The dimensions of a tensor on the device, which has at least two."""
    return [ONE] * (2 - len(dims)) + list(dims)


@lru_cache(maxsize=4096)  # trees are asked at every turn, and keep their hashes
def tile_dims(expr: Expr) -> tuple[Dim, ...]:
    """The dimensions that make tiles of what is in ``expr``, in the order of its loads."""
    dims = [dim for access in loads(expr) for dim in as_tiles(access.dims)[-2:]]
    dims += (dim for triangle in triangles(expr) for dim in triangle.dims)
    return tuple(dict.fromkeys(dims))


def tiles_along(extent: int) -> int:
    """Tiles that cover a dimension, the last one perhaps in part."""
    return -(-extent // TILE)


@lru_cache(maxsize=4096)  # trees are asked at every turn, and keep their hashes
def free_dims(expr: Expr) -> frozenset[Dim]:
    """The dimensions that the value depends on."""
    match expr:
        case Load(access=access):
            return frozenset(access.dims)
        case Binary() | Vector():
            return frozenset[Dim]().union(*map(free_dims, operands(expr)))
        case Reduce(dims=dims, value=value):
            return free_dims(value).difference(dims)
        case Mask(dim=dim):
            return frozenset((dim,))
        case Triangle(dims=dims) | Held(dims=dims):
            return frozenset(dims)
        case Const():
            return frozenset()


def steps(expr: Expr, around: Mapping[Dim, int] | None = None) -> int:
    """Tiles that the longest reduction in ``expr`` adds up for one tile of the value.

    ``around``: the trips of the loops around it. A reduction inside another one is made in each of
    the iterations that it depends on.
    """
    around = around or {}
    match expr:
        case Binary() | Vector():
            return max(steps(operand, around) for operand in operands(expr))
        case Reduce(dims=dims, value=value):
            in_tiles, free = tile_dims(value), free_dims(expr)
            own = {dim: tiles_along(dim.extent) if dim in in_tiles else dim.extent for dim in dims}
            moving = {dim: trips for dim, trips in around.items() if dim in free}
            return max(prod((moving | own).values()), steps(value, moving | own))
        case _:
            return 1
