"""Dealing output tiles to cores (D1, D5, P5, E3)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttgen.partition import TILE_ORDERS, balanced, first_cores, work_items

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
    st.integers(1, 9), st.integers(1, 9), st.sampled_from(sorted(TILE_ORDERS)), st.integers(1, 20)
)
def test_every_order_visits_every_tile_once(
    rows: int, columns: int, order: str, cores: int
) -> None:
    """No strategy loses tiles, whatever the split."""
    items = [
        item
        for start, count in balanced(rows * columns, cores)
        for item in work_items(start, count, (rows, columns), 5, order)
    ]
    assert sorted((item.io, item.jo) for item in items) == [
        (i, j) for i in range(rows) for j in range(columns)
    ]
    assert {(item.len_k, item.tile_order) for item in items} == {(5, order)}


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
