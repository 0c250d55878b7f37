"""Work partitions that a user gives: every output tile once, in an order that cores can walk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ttgen.errors import LoweringError
from ttgen.partition import TILE_ORDERS, WorkItem, tile_places
from ttgen.plan.model import CoreRange
from ttgen.plan.shards import Grid

_FORM = 'give {"(x, y)": [{"io": row, "jo": column}, …]}, rows and columns in tiles'


@dataclass(frozen=True)
class Share:
    """What one core does: ``count`` output tiles from number ``start`` on."""

    core: Grid
    start: int
    count: int


@dataclass(frozen=True)
class Dealt:
    """Shares of all cores, in an order of tiles with its block, if it has one."""

    tile_order: str
    block: Grid | None
    shares: tuple[Share, ...]


def read_work(given: Any) -> dict[Grid, list[WorkItem]]:
    """The attribute ``tt.work_partition`` of a kernel; LoweringError at what it cannot be."""
    if not isinstance(given, Mapping):
        raise LoweringError("a work partition maps cores to their output tiles", hint=_FORM)
    work: dict[Grid, list[WorkItem]] = {}
    for key, items in given.items():
        core = _core(key)
        if core in work:
            raise LoweringError(f"the work partition lists core {core} twice")
        if not isinstance(items, Sequence) or isinstance(items, str):
            raise LoweringError(f"the work of core {core} is {items!r}, no list", hint=_FORM)
        work[core] = [_item(core, item) for item in items]
    return work


def _core(key: str) -> Grid:
    found = re.fullmatch(r"\(?\s*(\d+)\s*,\s*(\d+)\s*\)?", str(key))
    if not found:
        raise LoweringError(f"the work partition has the key '{key}', no core", hint=_FORM)
    return int(found[1]), int(found[2])


def _item(core: Grid, item: Any) -> WorkItem:
    known = ("io", "jo", "len_k", "tile_order")
    fine = isinstance(item, Mapping) and set(item) <= set(known) and {"io", "jo"} <= set(item)
    if not (fine and all(type(item[key]) is int for key in known[:3] if key in item)):
        raise LoweringError(f"the work of core {core} has the item {item!r}", hint=_FORM)
    order = item.get("tile_order")
    return WorkItem(
        item["io"], item["jo"], item.get("len_k"), None if order is None else str(order)
    )


def check_cover(work: Mapping[Grid, Sequence[WorkItem]], tiles: Grid, len_k: int) -> None:
    """LoweringError unless ``work`` has every tile of the grid once, whole.

    It names the first tile, row by row, that is lost or given twice.
    """
    seen: dict[Grid, Grid] = {}
    for core, items in work.items():
        for item in items:
            place = (item.io, item.jo)
            if not (0 <= item.io < tiles[0] and 0 <= item.jo < tiles[1]):
                raise LoweringError(
                    f"core {core} has output tile {place}; there are {tiles[0]}x{tiles[1]}"
                )
            if item.len_k not in (None, len_k):
                raise LoweringError(
                    f"core {core} reduces output tile {place} over {item.len_k} tiles of {len_k}",
                    hint="one core reduces an output tile whole",
                )
            if place in seen:
                who = f"core {core}" if seen[place] == core else f"cores {seen[place]} and {core}"
                raise LoweringError(f"output tile {place} is given twice, to {who}")
            seen[place] = core
    everything = ((row, column) for row in range(tiles[0]) for column in range(tiles[1]))
    lost = [place for place in everything if place not in seen]
    if lost:
        raise LoweringError(
            f"output tile {lost[0]} is given to no core; {len(lost)} of {prod(tiles)} are lost"
        )


def dealt(work: Mapping[Grid, Sequence[WorkItem]], tiles: Grid, shard: Grid | None) -> Dealt:
    """``work`` as runs of tiles in an order; LoweringError where no order has them."""
    for order, block in _orders(work, tiles, shard):
        numbers = {place: n for n, place in enumerate(tile_places(tiles, order, block))}
        shares = [as_share(core, items, numbers) for core, items in work.items()]
        if None not in shares:
            return Dealt(order, block, tuple(share for share in shares if share is not None))
    raise LoweringError(
        "the work partition is in no order of tiles that cores can walk",
        hint=f"each core has a run of tiles of one of: {', '.join(TILE_ORDERS)}",
    )


def _orders(
    work: Mapping[Grid, Sequence[WorkItem]], tiles: Grid, shard: Grid | None
) -> Iterator[tuple[str, Grid | None]]:
    """The orders that the items may be in: those that they name, or else any."""
    asked = {item.tile_order for items in work.values() for item in items}
    named = {name for name in asked if name is not None}
    for name in named:
        if name not in TILE_ORDERS:
            raise LoweringError(f"unknown tile_order '{name}'; known: {', '.join(TILE_ORDERS)}")
    if len(named) > 1:
        raise LoweringError(f"the work partition is in several orders: {', '.join(sorted(named))}")
    blocks: dict[str, list[Grid | None]] = {
        "block": [(rows, tiles[1]) for rows in range(1, tiles[0] + 1)],
        "match_shard": [*([shard] if shard else []), *_even_blocks(work, tiles)],
        "column_blocks": list(_even_blocks(work, tiles)),
    }
    for name in named or TILE_ORDERS:
        yield from ((name, block) for block in blocks.get(name, [None]))


def _even_blocks(work: Mapping[Grid, Sequence[WorkItem]], tiles: Grid) -> list[Grid | None]:
    """Blocks as large as the first core's work: rectangles are walked like shards."""
    items = next((items for items in work.values() if items), [])
    rows = {item.io for item in items}
    columns = {item.jo for item in items}
    block = (max(rows) - min(rows) + 1, max(columns) - min(columns) + 1)
    return [block] if prod(block) == len(items) else []


def as_share(core: Grid, items: Sequence[WorkItem], numbers: Mapping[Grid, int]) -> Share | None:
    """``items`` as a run of ``numbers``, which each tile has one of; None where they are none."""
    if not items:
        return Share(core, 0, 0)
    found = [numbers[item.io, item.jo] for item in items]
    is_run = found == list(range(found[0], found[0] + len(found)))
    return Share(core, found[0], len(found)) if is_run else None


def ranges_of(cores: Sequence[Grid]) -> list[CoreRange]:
    """Rectangles of one row each that are ``cores``."""
    ranges: list[CoreRange] = []
    for x, y in sorted(cores, key=lambda core: (core[1], core[0])):
        last = ranges[-1] if ranges else None
        if last and last.start[1] == y and last.start[0] + last.extent[0] == x:
            ranges[-1] = CoreRange(start=last.start, extent=(last.extent[0] + 1, 1))
        else:
            ranges.append(CoreRange(start=(x, y), extent=(1, 1)))
    return ranges
