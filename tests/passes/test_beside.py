"""Columns that are several dimensions, such as heads that lie side by side in a row (D1, D4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sources import assert_means, plan_of, te

from ttgen.errors import LoweringError

#: Rows, heads, and columns of a head: two tiles of them, and rows that end inside of one.
S, H, D = 40, 3, 64
SIDE_BY_SIDE, HEADS = (S, H * D), (H, S, D)


def heads(x: Any) -> Any:
    return x.reshape(S, H, D).transpose(1, 0, 2)


def joined(x: Any) -> Any:
    return x.transpose(1, 0, 2).reshape(SIDE_BY_SIDE)


SPLIT = te(
    {"A": SIDE_BY_SIDE},
    f'C = te.compute({HEADS}, lambda h, i, d: A[i, h * {D} + d], name="C")',
)
JOINED = te(
    {"A": HEADS},
    f'C = te.compute({SIDE_BY_SIDE}, lambda i, c: A[c // {D}, i, c % {D}], name="C")',
)
SCORES = te(
    {"A": SIDE_BY_SIDE, "B": SIDE_BY_SIDE},
    f"""
    n = te.reduce_axis((0, {D}), name="n")
    C = te.compute(
        ({H}, {S}, {S}),
        lambda h, i, j: te.sum(A[i, h * {D} + n] * B[j, h * {D} + n], axis=n),
        name="C",
    )""",
)
VALUES = te(
    {"A": (H, S, S), "B": SIDE_BY_SIDE},
    f"""
    n = te.reduce_axis((0, {S}), name="n")
    C = te.compute(
        {SIDE_BY_SIDE}, lambda i, c: te.sum(A[c // {D}, i, n] * B[n, c], axis=n), name="C"
    )""",
)
#: A number for each head, and one for each column of a head.
BIASED = te(
    {"A": SIDE_BY_SIDE, "B": (H, 1, 1), "D": (D,)},
    f"""
    C = te.compute(
        {SIDE_BY_SIDE}, lambda i, c: A[i, c] * B[c // {D}, 0, 0] + D[c % {D}], name="C"
    )""",
)
CENTRED = te(
    {"A": SIDE_BY_SIDE},
    f"""
    n = te.reduce_axis((0, {D}), name="n")
    T = te.compute(({S}, {H}), lambda i, h: te.max(A[i, h * {D} + n], axis=n), name="T")
    C = te.compute({SIDE_BY_SIDE}, lambda i, c: A[i, c] - T[i, c // {D}], name="C")
    """,
)
#: A vector's elements for each head, without rows.
VECTOR = te(
    {"A": HEADS, "B": (H * D,)},
    f'C = te.compute({HEADS}, lambda h, i, d: A[h, i, d] + B[h * {D} + d], name="C")',
)
#: The second half of each head's columns.
PARTS = te(
    {"A": SIDE_BY_SIDE},
    f'C = te.compute(({H}, {S}, 32), lambda h, i, d: A[i, h * {D} + 32 + d], name="C")',
)

MEANINGS: dict[str, tuple[str, Callable[..., Any]]] = {
    "split": (SPLIT, lambda A: heads(A)),
    "joined": (JOINED, lambda A: joined(A)),
    "scores": (SCORES, lambda A, B: heads(A) @ heads(B).transpose(0, 2, 1)),
    "values": (VALUES, lambda A, B: joined(A @ heads(B))),
    "biased": (
        BIASED,
        lambda A, B, D: joined(heads(A) * B + D),
    ),
    "centred": (CENTRED, lambda A: joined(heads(A) - heads(A).max(2, keepdims=True))),
    "vector": (VECTOR, lambda A, B: A + B.reshape(H, 1, D)),
    "parts": (PARTS, lambda A: heads(A)[:, :, 32:]),
}


@pytest.mark.parametrize("partition", ["row_major", "column_major", "block", "z_order"])
@pytest.mark.parametrize("name", MEANINGS)
def test_blocks_of_columns_are_dimensions(name: str, partition: str) -> None:
    source, meaning = MEANINGS[name]
    assert_means(source, meaning, partition=partition, grid=(2, 2))


@pytest.mark.parametrize("name", ["split", "joined", "scores"])
@pytest.mark.parametrize("tensor", ["A", "C"])
def test_they_are_whatever_the_layout_is(name: str, tensor: str) -> None:
    source, meaning = MEANINGS[name]
    for layout in ({"page": "row"}, {"memory": "L1"}):
        assert_means(source, meaning, layouts={tensor: layout})


def test_rows_and_columns_may_both_be_several() -> None:
    rows, columns = 64, 32
    source = te(
        {"A": (2 * rows, 3 * columns)},
        f"""
        C = te.compute(
            (2, 3, {rows}, {columns}),
            lambda a, b, i, j: A[a * {rows} + i, b * {columns} + j],
            name="C",
        )""",
    )
    assert_means(source, lambda A: A.reshape(2, rows, 3, columns).transpose(0, 2, 1, 3))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (SPLIT.replace("192", "144").replace("64", "48"), {}, "columns in groups of 48"),
        (JOINED.replace("192", "144").replace("64", "48"), {}, "columns in groups of 48"),
        (JOINED, {"partition": "match_shard"}, "partition match_shard says which core"),
        (JOINED, {"partition_mode": "local_shard"}, "partition_mode local_shard says which core"),
    ],
)
def test_what_is_refused(source: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LoweringError, match=re.escape(message)):
        plan_of(source, **options)
