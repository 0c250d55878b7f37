"""Dealing output tiles to cores: tile orders, balanced splits, and the cores that take part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ttgen.plan.model import CoreRange

Grid: TypeAlias = tuple[int, int]
#: From a running tile number, the rows and the columns of the tile grid to the tile's row and
#: column. The arguments may be integers or TVM expressions.
TileOrder: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]

#: The order in which output tiles are numbered. A strategy is a row here.
TILE_ORDERS: dict[str, TileOrder] = {
    "row_major": lambda tile, rows, columns: (tile // columns, tile % columns),
    "column_major": lambda tile, rows, columns: (tile % rows, tile // rows),
}


@dataclass(frozen=True)
class WorkItem:
    """One output tile: its row ``io`` and column ``jo`` in tiles, reduced over ``len_k`` tiles."""

    io: int
    jo: int
    len_k: int
    tile_order: str


def balanced(tiles: int, cores: int) -> list[tuple[int, int]]:
    """(start, count) per core: contiguous, in order, no two counts more than one apart."""
    base, extra = divmod(tiles, cores)
    return [(core * base + min(core, extra), base + (core < extra)) for core in range(cores)]


def work_items(start: int, count: int, tiles: Grid, len_k: int, tile_order: str) -> list[WorkItem]:
    """The output tiles that a (start, count) range stands for."""
    order = TILE_ORDERS[tile_order]
    places = (order(tile, *tiles) for tile in range(start, start + count))
    return [WorkItem(io, jo, len_k, tile_order) for io, jo in places]


def first_cores(count: int, grid: Grid) -> list[CoreRange]:
    """The first ``count`` cores of ``grid``, x running fastest, as at most two rectangles."""
    width = grid[0]
    full_rows, rest = divmod(count, width)
    ranges = []
    if full_rows:
        ranges.append(CoreRange(start=(0, 0), extent=(width, full_rows)))
    if rest:
        ranges.append(CoreRange(start=(0, full_rows), extent=(rest, 1)))
    return ranges
