"""Rectangles of cores, and shards of tensors on them: what they are, and what can be wrong.

A tensor is a matrix of elements here, its leading dimensions folded into the rows as ttnn does,
in whole tiles. Shards are numbered row by row. The last one of a row or column may be smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Literal, TypeAlias

from ttgen.plan.model import CoreRange, CoreWork, Layout, NdShard, Partition

Grid: TypeAlias = tuple[int, int]
Order: TypeAlias = Literal["row_major", "column_major"]
ORDERS: tuple[Order, ...] = ("row_major", "column_major")
#: The dimensions of the matrix, as layouts name them.
#: What the beginning of every page is a multiple of on all architectures, bytes.
_ALIGNMENT = 64
MATRIX_AXES = ("M", "N")


def first_cores(count: int, grid: Grid, *, by_columns: bool = False) -> list[CoreRange]:
    """The first ``count`` cores of ``grid``, x running fastest, as at most two rectangles.

    ``by_columns``: y runs fastest.
    """
    if by_columns:
        flipped = first_cores(count, (grid[1], grid[0]))
        return [CoreRange(start=r.start[::-1], extent=r.extent[::-1]) for r in flipped]
    width = grid[0]
    full_rows, rest = divmod(count, width)
    ranges = []
    if full_rows:
        ranges.append(CoreRange(start=(0, 0), extent=(width, full_rows)))
    if rest:
        ranges.append(CoreRange(start=(0, full_rows), extent=(rest, 1)))
    return ranges


def range_problem(ranges: Sequence[CoreRange], grid: Grid) -> str | None:
    """Why ``ranges`` are no disjoint rectangles inside of ``grid`` (columns, rows), if so."""
    seen: set[tuple[int, int]] = set()
    for core_range in ranges:
        for x, y in core_range.cores():
            if x >= grid[0] or y >= grid[1]:
                return f"core ({x}, {y}) is outside of {grid[0]} columns and {grid[1]} rows"
            if (x, y) in seen:
                return f"core ({x}, {y}) is in two ranges"
            seen.add((x, y))
    return None


def matrix(padded_shape: Sequence[int]) -> Grid:
    """Rows and columns of a tensor in whole tiles, its leading dimensions folded into the rows."""
    *rows, columns = padded_shape
    return prod(rows), columns


def sharding(grid: Sequence[int]) -> Literal["height", "width", "block"]:
    """What ttnn calls a cut into ``grid`` (rows, columns) shards."""
    rows, columns = grid
    return "height" if columns == 1 else "width" if rows == 1 else "block"


def shard_count(extents: Grid, shard: Grid) -> Grid:
    """Rows and columns of shards that cover ``extents``."""
    return -(-extents[0] // shard[0]), -(-extents[1] // shard[1])


def shard_shares(tiles: Grid, shard: Grid) -> list[tuple[int, int]]:
    """(start, count) of each shard, in tiles that are numbered shard by shard."""
    shares: list[tuple[int, int]] = []
    start = 0
    for top in range(0, tiles[0], shard[0]):
        for left in range(0, tiles[1], shard[1]):
            count = min(shard[0], tiles[0] - top) * min(shard[1], tiles[1] - left)
            shares.append((start, count))
            start += count
    return shares


def shard_at(partition: Partition, work: CoreWork) -> Grid:
    """Row and column of the shard that a core computes in ``local_shard``; (0, 0) when idle."""
    assert partition.block is not None
    if not work.count:
        return 0, 0
    starts = [start for start, _ in shard_shares(partition.tiles, partition.block)]
    return divmod(starts.index(work.start), shard_count(partition.tiles, partition.block)[1])


def default_cores(grid: Grid, order: Order, device: Grid) -> tuple[CoreRange, ...]:
    """Where shards lie unless they are told to: at the chip's first cores.

    A block sharded tensor takes one rectangle: its rows of shards are rows of cores (columns of
    cores with ``column_major``). Otherwise shards follow each other, x running fastest (y).
    """
    if sharding(grid) == "block":
        rows, columns = grid
        extent = (columns, rows) if order == "row_major" else (rows, columns)
        return (CoreRange(start=(0, 0), extent=extent),)
    return tuple(first_cores(prod(grid), device, by_columns=order == "column_major"))


def cores_of(shard: NdShard) -> list[Grid]:
    """The core (x, y) of each shard."""
    cores: list[Grid] = []
    for core_range in shard.cores:
        inside = core_range.cores()
        cores += inside if shard.order == "row_major" else sorted(inside)
    return cores


def shard_tiles(layout: Layout) -> Grid:
    """Rows and columns of tiles of a shard of a sharded tensor."""
    assert layout.nd_shard is not None
    rows, columns = layout.nd_shard.shard_shape
    tile_rows, tile_columns = layout.tile_shape
    return rows // tile_rows, columns // tile_columns


def shard_problems(
    shard: NdShard, extents: Grid, tile: Grid, device: Grid
) -> Iterator[tuple[str, str]]:
    """What is wrong with the shards of a tensor of ``extents``: the field, and the problem.

    ``tile`` is (rows, columns) of a tile, ``device`` (columns, rows) of the chip's cores.
    """
    if shard.axes != MATRIX_AXES or len(shard.grid) != 2 or len(shard.shard_shape) != 2:
        yield "axes", f"shards are cut along {' and '.join(MATRIX_AXES)}"
        return
    rows, columns = shard.shard_shape
    if rows % tile[0] or columns % tile[1]:
        yield "shard_shape", f"{rows}x{columns} is not in whole tiles of {tile[0]}x{tile[1]}"
        return
    if rows > extents[0] or columns > extents[1]:
        whole = f"{extents[0]}x{extents[1]}"
        yield "shard_shape", f"{rows}x{columns} is larger than the tensor, which has {whole}"
        return
    wanted = shard_count(extents, (rows, columns))
    if shard.grid != wanted:
        cut = f"shards of {rows}x{columns} cut {extents[0]}x{extents[1]} into {_by(wanted)}"
        yield "grid", f"{cut}, not into {_by(shard.grid)}"
        return
    yield from _core_problems(shard, device)


def _core_problems(shard: NdShard, device: Grid) -> Iterator[tuple[str, str]]:
    outside = range_problem(shard.cores, device)
    if outside is not None:
        yield "cores", f"{_by(shard.grid)} shards in {shard.order}: {outside}"
        return
    held = sum(prod(core_range.extent) for core_range in shard.cores)
    if held != prod(shard.grid):
        yield "cores", f"there are {held} for {prod(shard.grid)} shards"
    elif sharding(shard.grid) == "block":
        (wanted,) = default_cores((shard.grid[0], shard.grid[1]), shard.order, device)
        if [r.extent for r in shard.cores] != [wanted.extent]:
            width, height = wanted.extent
            rectangle = f"one rectangle of {width} columns and {height} rows"
            yield "cores", f"{_by(shard.grid)} shards in {shard.order} take {rectangle}"


def _by(grid: Sequence[int]) -> str:
    return "x".join(str(extent) for extent in grid)


def l1_bytes(layout: Layout, pages: int, page_bytes: int, device: Grid) -> int:
    """Bytes of every core's L1 that a tensor of ``pages`` takes: none in DRAM.

    tt-metal allocates at the same address on all cores, so a shard counts on cores without one.
    Interleaved pages go round all cores, and on some chips round a few that run no programs.
    """
    if layout.memory != "L1":
        return 0
    on_a_core = -(-pages // prod(device))
    if layout.nd_shard is not None:
        on_a_core = prod(shard_tiles(layout))
    return on_a_core * aligned(page_bytes)


def aligned(page_bytes: int) -> int:
    """Bytes from one interleaved page to the next: rows may end anywhere, and begin aligned."""
    return -(-page_bytes // _ALIGNMENT) * _ALIGNMENT
