"""Dealing output tiles to cores: tile orders, balanced splits, and the cores that take part.

An order numbers the output tiles; a core's share is a run of numbers. On the core the way back,
from a number to a tile, is arithmetic: an order is written once, over integers and TVM expressions
alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod, sqrt
from typing import Any, Protocol, TypeAlias

from ttgen.plan.shards import Grid


class Arithmetic(Protocol):
    """What the operators of Python do not do for expressions."""

    def least(self, a: Any, b: Any) -> Any:
        """The smaller one."""

    def let(self, name: str, value: Any) -> Any:
        """``value``, worked out once and used several times."""


class Integers:
    """The arithmetic of numbers."""

    def least(self, a: Any, b: Any) -> Any:
        """The smaller one."""
        return min(a, b)

    def let(self, _: str, value: Any) -> Any:
        """``value``."""
        return value


@dataclass(frozen=True)
class TileGrid:
    """The grid of output tiles, its extents as integers or expressions.

    ``block`` is (rows, columns) of the blocks that an order takes one after the other; ``is_even``
    says of rows and of columns whether they are whole blocks. ``halvings`` is how often rows and
    columns can be halved, rounding up, until one is left.
    """

    rows: Any
    columns: Any
    block: tuple[Any, Any] = (1, 1)
    is_even: tuple[bool, bool] = (False, False)
    halvings: tuple[int, int] = (0, 0)


#: How output tiles are numbered: the way back from a tile's number to its row and column.
TileOrder: TypeAlias = Callable[[Any, TileGrid, Arithmetic], tuple[Any, Any]]


def _block(tile: Any, grid: TileGrid, arithmetic: Arithmetic) -> tuple[Any, Any]:
    """Bands of ``block`` rows; column by column in each of them."""
    rows, _ = grid.block
    band = arithmetic.let("band", tile // (rows * grid.columns))
    height = rows
    if not grid.is_even[0]:
        height = arithmetic.let("height", arithmetic.least(rows, grid.rows - band * rows))
    rest = arithmetic.let("rest", tile % (rows * grid.columns))
    return band * rows + rest % height, rest // height


def _match_shard(tile: Any, grid: TileGrid, arithmetic: Arithmetic) -> tuple[Any, Any]:
    """Shard by shard, row by row in each of them; the last shards may be smaller."""
    rows, columns = grid.block
    band = arithmetic.let("band", tile // (rows * grid.columns))
    height, width = rows, columns
    if not grid.is_even[0]:
        height = arithmetic.let("height", arithmetic.least(rows, grid.rows - band * rows))
    rest = arithmetic.let("rest", tile % (rows * grid.columns))
    shard = arithmetic.let("shard", rest // (height * columns))
    if not grid.is_even[1]:
        width = arithmetic.let("width", arithmetic.least(columns, grid.columns - shard * columns))
    inside = arithmetic.let("inside", rest % (height * columns))
    return band * rows + inside // width, shard * columns + inside % width


def _column_blocks(tile: Any, grid: TileGrid, arithmetic: Arithmetic) -> tuple[Any, Any]:
    """Block by block downwards, column by column in each; the last blocks may be smaller."""
    turned = TileGrid(grid.columns, grid.rows, grid.block[::-1], grid.is_even[::-1])
    column, row = _match_shard(tile, turned, arithmetic)
    return row, column


def _z_order(tile: Any, grid: TileGrid, arithmetic: Arithmetic) -> tuple[Any, Any]:
    """Quarters of quarters: upper left, upper right, lower left, lower right.

    A quarter that reaches over the edge of the grid counts the tiles inside only, so that numbers
    have no gaps whatever the extents are. Quarters become smaller to the right and downwards: a
    number divided by the first half's tiles says in which half it is.
    """
    let = arithmetic.let
    row: Any = 0
    column: Any = 0
    for level in reversed(range(max(grid.halvings))):
        half = 1 << level
        if grid.halvings[0] > level:
            height = _inside(half, grid.rows, grid.halvings[0], row, arithmetic)
            width = _inside(2 * half, grid.columns, grid.halvings[1], column, arithmetic)
            upper = let(f"upper_{half}", height * width)
            row = let(f"row_{half}", row + tile // upper * half)
            tile = let(f"tile_{half}", tile % upper)
        if grid.halvings[1] > level:
            height = _inside(half, grid.rows, grid.halvings[0], row, arithmetic)
            width = _inside(half, grid.columns, grid.halvings[1], column, arithmetic)
            left = let(f"left_{half}", height * width)
            column = let(f"column_{half}", column + tile // left * half)
            tile = let(f"rest_{half}", tile % left)
    return row, column


def _inside(size: int, extent: Any, halvings: int, start: Any, arithmetic: Arithmetic) -> Any:
    """How many of ``size`` tiles from ``start`` on are inside of ``extent``; there is one.

    Where the extent has not been halved yet, ``start`` is the number 0.
    """
    if size == 1:
        return 1
    if isinstance(start, int) and start == 0:
        return extent if 1 << halvings <= size else size
    return arithmetic.least(size, extent - start)


#: The strategies. Adding one is a row here, and its name in :mod:`ttgen.plan.model`.
TILE_ORDERS: dict[str, TileOrder] = {
    "row_major": lambda tile, grid, _: (tile // grid.columns, tile % grid.columns),
    "column_major": lambda tile, grid, _: (tile % grid.rows, tile // grid.rows),
    "block": _block,
    "z_order": _z_order,
    "match_shard": _match_shard,
    "column_blocks": _column_blocks,
}
#: Those that a spec may ask for; the others follow from the grid or the work of a kernel.
STRATEGIES = tuple(name for name in TILE_ORDERS if name != "column_blocks")


def tile_grid(tiles: Grid, block: Grid | None = None) -> TileGrid:
    """A grid of ``tiles`` (rows, columns), as numbers."""
    found, is_even, halvings = block_facts(tiles, block)
    return TileGrid(*tiles, found, is_even, halvings)


def block_facts(tiles: Grid, block: Grid | None) -> tuple[Grid, tuple[bool, bool], Grid]:
    """What is known of a grid of ``tiles`` before anything runs: see :class:`TileGrid`."""
    block = block or (1, 1)
    is_even = (tiles[0] % block[0] == 0, tiles[1] % block[1] == 0)
    return block, is_even, ((tiles[0] - 1).bit_length(), (tiles[1] - 1).bit_length())


@dataclass(frozen=True)
class WorkItem:
    """One output tile: its row ``io`` and column ``jo`` in tiles, reduced over ``len_k`` tiles.

    ``tile_order`` is the order that the tile was taken in. None: all tiles, any order.
    """

    io: int
    jo: int
    len_k: int | None = None
    tile_order: str | None = None


def balanced(tiles: int, cores: int) -> list[tuple[int, int]]:
    """(start, count) per core: contiguous, in order, no two counts more than one apart."""
    base, extra = divmod(tiles, cores)
    return [(core * base + min(core, extra), base + (core < extra)) for core in range(cores)]


def tile_places(tiles: Grid, tile_order: str, block: Grid | None = None) -> list[Grid]:
    """(row, column) of every tile of the grid, in the order of their numbers."""
    place, grid, integers = TILE_ORDERS[tile_order], tile_grid(tiles, block), Integers()
    return [place(tile, grid, integers) for tile in range(prod(tiles))]


def work_items(
    start: int, count: int, tiles: Grid, len_k: int, tile_order: str, block: Grid | None = None
) -> list[WorkItem]:
    """The output tiles that a (start, count) range stands for."""
    places = tile_places(tiles, tile_order, block)[start : start + count]
    return [WorkItem(io, jo, len_k, tile_order) for io, jo in places]


def block_rows(tiles: Grid, cores: int, grid: Grid | None) -> int:
    """Rows of the bands of the order ``block``.

    On a logical ``grid`` (columns, rows) of cores every row of cores has a band, so that extents
    which divide give each core a rectangle. Without one, blocks are as square as they can be.
    """
    if grid is not None:
        return ceil(tiles[0] / grid[1])
    share = ceil(prod(tiles) / cores)
    fitting = [rows for rows in range(1, min(share, tiles[0]) + 1) if share % rows == 0]
    return min(fitting, key=lambda rows: abs(rows - sqrt(share)))
