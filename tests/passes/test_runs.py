"""What is made once for all of a core's tiles in a row, and what for each of them."""

from __future__ import annotations

import numpy as np
import pytest
from sources import assert_means, plan_of

from ttgen.passes.persistent.runs import runs_of
from ttgen.plan import Plan
from ttgen.plan.trace import trace

#: The row's sum is taken off every element of it; a row of the first product makes one of the last.
CENTRED = """
def k(M: int = 96, N: int = 160):
    A = te.placeholder((M, N), "float32", name="A")
    n = te.reduce_axis((0, N), name="n")
    S = te.compute((M,), lambda i: te.sum(A[i, n], axis=n), name="S")
    return [A, te.compute((M, N), lambda i, j: A[i, j] - S[i], name="C")]
"""
PRODUCTS = """
def k(M: int = 64, N: int = 128):
    A = te.placeholder((M, 96), "float32", name="A")
    B = te.placeholder((96, 64), "float32", name="B")
    C = te.placeholder((64, N), "float32", name="C")
    p, q = te.reduce_axis((0, 96), name="p"), te.reduce_axis((0, 64), name="q")
    D = te.compute((M, 64), lambda i, j: te.sum(A[i, p] * B[p, j], axis=p), name="D")
    return [A, B, C, te.compute((M, N), lambda i, j: te.sum(D[i, q] * C[q, j], axis=q), name="E")]
"""
OPTIONS = [
    {"grid": (1, 1)},
    {"grid": (2, 1)},
    {"grid": (2, 2)},  # the runs of four cores: they begin and end within rows
    {"grid": (4, 4)},
    {"grid": (1, 1), "block_tiles": 2},
    {"grid": (2, 2), "partition": "column_major"},
]


def executions(plan: Plan, operation: str) -> list[int]:
    """How often each core does an operation."""
    cores = range(len(plan.partition.cores))
    traces = [list(trace(plan.programs.compute, core)) for core in cores]
    return [sum(e.times for e in events if e.op.op == operation) for events in traces]


@pytest.mark.parametrize("options", OPTIONS)
def test_sums_of_rows_are_right_in_every_partition(options: dict[str, object]) -> None:
    assert_means(CENTRED, lambda A: A - A.sum(1, keepdims=True), **options)


@pytest.mark.parametrize("options", OPTIONS)
def test_chained_products_are_right_in_every_partition(options: dict[str, object]) -> None:
    assert_means(PRODUCTS, lambda A, B, C: (A @ B) @ C, **options)


def test_a_row_is_summed_once_for_all_of_its_tiles() -> None:
    """P8: 3 rows of 5 tiles on one core are 15 steps; one column after the other, 15 times 5."""
    by_rows = plan_of(CENTRED, grid=(1, 1))
    assert executions(by_rows, "reduce_tile") == [3 * 5]
    by_columns = plan_of(CENTRED, grid=(1, 1), partition="column_major")
    assert executions(by_columns, "reduce_tile") == [3 * 5 * 5]


def test_a_core_sums_the_rows_that_it_has_tiles_of() -> None:
    """15 tiles in rows of 5 on 4 cores: 0-3, 4-7, 8-11, 12-14."""
    plan = plan_of(CENTRED, grid=(2, 2))
    assert executions(plan, "reduce_tile") == [5, 2 * 5, 2 * 5, 5]


def test_the_first_of_two_products_is_made_once_for_a_row() -> None:
    """2 rows of 4 tiles: 2 x 2 tiles of 3 steps, and 8 of 2."""
    plan = plan_of(PRODUCTS, grid=(1, 1))
    assert executions(plan, "matmul_tiles") == [2 * 2 * 3 + 8 * 2]


def test_tiles_that_follow_a_run_share_barriers() -> None:
    """P9: elementwise tiles of a row move in blocks, though the row's sum is there once."""
    (output,) = (cb for cb in plan_of(CENTRED, grid=(1, 1)).circular_buffers if cb.name == "C")
    assert output.pages == 2 * 5


@pytest.mark.parametrize(
    ("start", "count", "runs"), [(0, 10, [5, 5]), (3, 4, [2, 2]), (7, 2, [2]), (5, 0, [])]
)
def test_runs_end_with_rows(start: int, count: int, runs: list[int]) -> None:
    assert list(runs_of(start, count, 5)) == runs
    assert np.sum(runs) == count
