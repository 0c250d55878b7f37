"""Dealing output tiles to cores (D1, D5, P5, E3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttgen.partition import (
    TILE_ORDERS,
    balanced,
    block_rows,
    tile_places,
    work_items,
)
from ttgen.plan.model import CoreRange, NdShard
from ttgen.plan.shards import (
    cores_of,
    default_cores,
    first_cores,
    range_problem,
    shard_count,
    shard_problems,
    shard_shares,
)

SETTINGS = settings(max_examples=100, deadline=None, derandomize=True, database=None)


@SETTINGS
@given(st.integers(1, 200), st.integers(1, 130))
def test_work_is_balanced_and_complete(tiles: int, cores: int) -> None:
    shares = balanced(tiles, cores)
    counts = [count for _, count in shares]
    assert len(shares) == cores
    assert sum(counts) == tiles
    assert max(counts) - min(counts) <= 1
    assert [start for start, _ in shares] == [sum(counts[:n]) for n in range(cores)]


def test_idle_cores_are_listed_with_nothing_to_do() -> None:
    assert balanced(2, 4) == [(0, 1), (1, 1), (2, 0), (2, 0)]


@SETTINGS
@given(
    st.tuples(st.integers(1, 13), st.integers(1, 13)),
    st.sampled_from(sorted(TILE_ORDERS)),
    st.tuples(st.integers(1, 13), st.integers(1, 13)),
    st.integers(1, 20),
)
def test_every_order_visits_every_tile_once(
    tiles: tuple[int, int], order: str, block: tuple[int, int], cores: int
) -> None:
    """P5, D5: no strategy loses tiles, whatever the grid, its blocks and the split."""
    block = (min(block[0], tiles[0]), min(block[1], tiles[1]))
    items = [
        item
        for start, count in balanced(tiles[0] * tiles[1], cores)
        for item in work_items(start, count, tiles, 5, order, block)
    ]
    assert sorted((item.io, item.jo) for item in items) == [
        (i, j) for i in range(tiles[0]) for j in range(tiles[1])
    ]
    assert {(item.len_k, item.tile_order) for item in items} == {(5, order)}


def test_z_order_goes_through_quarters() -> None:
    """P5: also where the extents are no powers of two."""
    square = [(i, j) for i in range(2) for j in range(2)]
    assert tile_places((4, 4), "z_order") == [
        (2 * i + k, 2 * j + n) for i, j in square for k, n in square
    ]
    assert tile_places((3, 3), "z_order") == [
        *square,
        *[(0, 2), (1, 2)],
        *[(2, 0), (2, 1)],
        (2, 2),
    ]


@SETTINGS
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_blocks_are_rectangles_where_extents_divide(
    columns: int, rows: int, height: int, width: int
) -> None:
    """P5: the core in column x and row y of the grid has the block there."""
    tiles, cores = (rows * height, columns * width), columns * rows
    block = (block_rows(tiles, cores, (columns, rows)), tiles[1])
    for core, (start, count) in enumerate(balanced(tiles[0] * tiles[1], cores)):
        items = work_items(start, count, tiles, 1, "block", block)
        top, left = core // columns * height, core % columns * width
        assert {(item.io, item.jo) for item in items} == {
            (i, j) for i in range(top, top + height) for j in range(left, left + width)
        }


@SETTINGS
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 72))
def test_blocks_without_a_grid_are_as_square_as_they_can_be(
    rows: int, columns: int, cores: int
) -> None:
    height = block_rows((rows, columns), cores, None)
    assert 1 <= height <= rows


@SETTINGS
@given(
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_shares_of_shards_are_the_shards(tiles: tuple[int, int], shard: tuple[int, int]) -> None:
    """D8: in the order match_shard, each shard is one run."""
    shard = (min(shard[0], tiles[0]), min(shard[1], tiles[1]))
    places = tile_places(tiles, "match_shard", shard)
    shares = shard_shares(tiles, shard)
    rows, columns = shard_count(tiles, shard)
    assert len(shares) == rows * columns
    for number, (start, count) in enumerate(shares):
        top, left = number // columns * shard[0], number % columns * shard[1]
        assert places[start : start + count] == [
            (i, j)
            for i in range(top, min(top + shard[0], tiles[0]))
            for j in range(left, min(left + shard[1], tiles[1]))
        ]
    assert sum(count for _, count in shares) == tiles[0] * tiles[1]


def test_row_major_and_column_major() -> None:
    def places(order: str) -> list[tuple[int, int]]:
        return [(item.io, item.jo) for item in work_items(1, 3, (2, 3), 1, order)]

    assert places("row_major") == [(0, 1), (0, 2), (1, 0)]
    assert places("column_major") == [(1, 0), (0, 1), (1, 1)]


@SETTINGS
@given(st.integers(1, 13), st.integers(1, 10), st.data())
def test_the_first_cores_of_a_grid(columns: int, rows: int, data: st.DataObject) -> None:
    """x runs fastest; at most two rectangles; inside of the grid."""
    count = data.draw(st.integers(1, columns * rows))
    ranges = first_cores(count, (columns, rows))
    cores = [core for core_range in ranges for core in core_range.cores()]
    assert cores == [(n % columns, n // columns) for n in range(count)]
    assert len(ranges) <= 2


@pytest.mark.parametrize(("columns", "rows"), [(3, 2), (2, 3)])
def test_asymmetric_grids_keep_x_for_columns(columns: int, rows: int) -> None:
    (core_range,) = first_cores(6, (columns, rows))
    assert core_range.extent == (columns, rows)
    assert core_range.cores()[1] == (1, 0)


def test_by_columns_y_runs_fastest() -> None:
    ranges = first_cores(5, (3, 2), by_columns=True)
    shard = NdShard(("M", "N"), (5, 1), (32, 32), "column_major", tuple(ranges))
    assert cores_of(shard) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]


@pytest.mark.parametrize(
    ("order", "extent", "second"),
    [("row_major", (4, 2), (1, 0)), ("column_major", (2, 4), (0, 1))],
)
def test_block_shards_keep_rows_and_columns_apart(
    order: Any, extent: tuple[int, int], second: tuple[int, int]
) -> None:
    """D6: two rows of four shards; the second shard is the one to the right of the first."""
    cores = default_cores((2, 4), order, (8, 9))
    assert cores == (CoreRange(start=(0, 0), extent=extent),)
    shard = NdShard(("M", "N"), (2, 4), (32, 32), order, cores)
    assert cores_of(shard)[1] == second
    assert not list(shard_problems(shard, (64, 128), (32, 32), (8, 9)))


def test_ranges_are_disjoint_and_inside() -> None:
    """D5."""
    inside = [CoreRange(start=(0, 0), extent=(2, 2)), CoreRange(start=(7, 8), extent=(1, 1))]
    assert range_problem(inside, (8, 9)) is None
    assert range_problem(inside, (8, 8)) == "core (7, 8) is outside of 8 columns and 8 rows"
    twice = [*inside, CoreRange(start=(1, 1), extent=(1, 3))]
    assert range_problem(twice, (8, 9)) == "core (1, 1) is in two ranges"
