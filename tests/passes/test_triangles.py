"""Conditions that compare two indices: triangles, diagonals and bands of a tensor (P5, P6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sources import (
    SHAPES,
    M,
    N,
    assert_means,
    buffers,
    each,
    plan_of,
    prim_func,
    reduced,
    run,
    te,
    values,
)

from ttgen.errors import LoweringError

ZERO, LOWEST = 'te.const(0, "bfloat16")', 'te.const(float("-inf"), "bfloat16")'

TREES: dict[str, tuple[str, Callable[..., Any]]] = {
    "up to the diagonal": (
        each("T.if_then_else(j <= i, A[i, j], B[i, j])"),
        lambda A, B: np.where(np.tri(M, N), A, B),
    ),
    "above it": (
        each("T.Select(i < j, A[i, j], B[i, j])"),
        lambda A, B: np.where(np.tri(M, N), B, A),
    ),
    "all but a corner": (
        each("T.if_then_else(not i > j + 35, A[i, j], B[i, j])"),
        lambda A, B: np.where(np.tri(M, N, -36), B, A),
    ),
    "beginning in the second tile": (
        each("T.if_then_else(i + 45 >= j, A[i, j], B[i, j])"),
        lambda A, B: np.where(np.tri(M, N, 45), A, B),
    ),
    "of a transposed tensor": (
        each("T.if_then_else(j + 3 >= i, D[j, i], A[i, j])", D=(N, M)),
        lambda A, B, D: np.where(np.tri(N, M, 3).T, D.T, A),
    ),
    "a diagonal": (
        each("T.if_then_else(i == j, A[i, j] * B[i, j], A[i, j])"),
        lambda A, B: np.where(np.eye(M, N), A * B, A),
    ),
    "all but a diagonal": (
        each("T.if_then_else(i != j - 2, A[i, j], T.bfloat16(0))"),
        lambda A, B: np.where(np.eye(M, N, 2), 0, A),
    ),
    "a band": (
        each("T.if_then_else(i - 4 <= j and j <= i + 4, A[i, j], B[i, j])"),
        lambda A, B: np.where(np.tri(M, N, 4) * np.tri(N, M, 4).T, A, B),
    ),
    "and of values": (
        each("T.if_then_else(j <= i or A[i, j] > B[i, j], A[i, j], B[i, j])"),
        lambda A, B: np.where(np.tri(M, N) + (A > B), A, B),
    ),
    "as a number": (
        each("A[i, j] + T.Cast('bfloat16', i >= j)"),
        lambda A, B: A + np.tri(M, N),
    ),
    "of split loops": (
        prim_func(
            buffers("ABC", [(64, 96)] * 3),
            "for i, j, ii, jj in T.grid(2, 3, 32, 32):\n"
            "    C[i * 32 + ii, j * 32 + jj] = T.if_then_else(\n"
            "        j * 32 + jj <= i * 32 + ii, A[i * 32 + ii, j * 32 + jj],\n"
            "        B[i * 32 + ii, j * 32 + jj])",
        ),
        lambda A, B: np.where(np.tri(64, 96), A, B),
    ),
    "summed": (
        reduced("te.if_then_else(n <= i, A[i, n], B[i, n] * A[i, n])"),
        lambda A, B: np.where(np.tri(M, N), A, A * B).sum(axis=1),
    ),
    "the largest, of what is not minus infinity": (
        reduced(f"te.if_then_else(n <= i, A[i, n], {LOWEST})", "max"),
        lambda A, B: np.where(np.tri(M, N), A, -np.inf).max(axis=1),
    ),
    "sums that begin later and later": (
        te(
            {"D": (N,)},
            f'n = te.reduce_axis((0, {N}), name="n")\n'
            f"C = te.compute(({M},), lambda i: te.sum(te.if_then_else(n >= i, D[n], {ZERO}), "
            'axis=n), name="C")',
        ),
        lambda D: (np.tri(N, M).T * D).sum(axis=1),
    ),
    "in a batch": (
        te(
            {"A": (3, M, N)},
            f"C = te.compute((3, {M}, {N}), lambda b, i, j: te.if_then_else(j <= i, A[b, i, j], "
            f'{ZERO}), name="C")',
        ),
        lambda A: np.tril(A),
    ),
    "of what is stored in between": (
        te(
            SHAPES,
            f"""
            S = te.compute(({M}, {N}), lambda i, j: te.if_then_else(j <= i, A[i, j], B[i, j]))
            C = te.compute(({N}, {M}), lambda j, i: S[i, j] + A[i, j], name="C")
            """,
        ),
        lambda A, B: (np.where(np.tri(M, N), A, B) + A).T,
    ),
}


@pytest.mark.parametrize("fp32", [False, True])
@pytest.mark.parametrize(("source", "meaning"), TREES.values(), ids=TREES)
def test_triangles(source: str, meaning: Callable[..., Any], fp32: bool) -> None:
    assert_means(source, meaning, fp32_dest_acc=fp32)


def test_exponentials_of_minus_infinity_add_nothing() -> None:
    """Not even in the padding, where a mask must not be multiplied by it."""
    plan = plan_of(reduced(f"te.exp(te.if_then_else(n <= i, A[i, n], {LOWEST}))"))
    inputs = values(plan)
    (result,) = run(plan, inputs).values()
    expected = np.where(np.tri(M, N), np.exp(inputs["A"].astype(np.float64)), 0).sum(axis=1)
    assert np.allclose(result, expected, rtol=1e-6)


@pytest.mark.parametrize("shift", [-100, -97, -64, -33, -32, -31, -1, 0, 1, 31, 32, 33, 64, 95])
@pytest.mark.parametrize("grid", [[1, 1], [2, 2]])
def test_any_diagonal_is_right(shift: int, grid: list[int]) -> None:
    """Tiles before, across and behind it, on any core, in every order of tiles."""
    size = 128
    body = f"for i, j in T.grid({size}, {size}):\n    C[i, j] = T.if_then_else(i + {shift} >= j, "
    source = prim_func(buffers("ABC", [(size, size)] * 3), f"{body}A[i, j], B[i, j])")
    for order in ("row_major", "column_major", "z_order"):
        assert_means(
            source,
            lambda A, B: np.where(np.tri(size, size, shift), A, B),
            grid=grid,
            partition=order,
        )


def test_tiles_far_from_the_diagonal_share_a_page() -> None:
    """What a triangle takes of L1 does not grow with the tensor: a page on either side of it."""
    for size in (96, 960):
        for shift, pages in ((0, 3), (5, 4)):
            source = square_of(f"j <= i + {shift}", size)
            (buffer,) = (cb for cb in plan_of(source).circular_buffers if "from" in cb.name)
            assert buffer.pages == pages


def square_of(condition: str, size: int = 64) -> str:
    body = f"for i, j in T.grid({size}, {size}):\n    C[i, j] = "
    value = f"T.if_then_else({condition}, A[i, j], T.bfloat16(0))"
    return prim_func(buffers("AC", [(size, size)] * 2), body + value)


REFUSED = {
    "2 * i <= j": "more than 128 pieces",
    "i + j < 70": "more than 128 pieces",
}


@pytest.mark.parametrize(("condition", "says"), REFUSED.items())
def test_what_is_no_triangle_is_refused(condition: str, says: str) -> None:
    with pytest.raises(LoweringError, match=says) as caught:
        plan_of(square_of(condition))
    assert caught.value.at is not None
    assert caught.value.at.line == 6


CUT: dict[str, tuple[str, Callable[..., Any]]] = {
    "of batches": (
        te(
            {"A": (3, 3, M, N)},
            f"C = te.compute((3, 3, {M}, {N}), lambda b, c, i, j: te.if_then_else(b <= c, "
            f'A[b, c, i, j], {ZERO}), name="C")',
        ),
        lambda A: np.where(np.tri(3).T[..., None, None], A, 0),
    ),
    "of whole blocks": (
        prim_func(
            buffers("ABC", [(96, 96)] * 3),
            "for i, j, ii, jj in T.grid(3, 3, 32, 32):\n"
            "    C[i * 32 + ii, j * 32 + jj] = T.if_then_else(\n"
            "        j < i, A[i * 32 + ii, j * 32 + jj], B[i * 32 + ii, j * 32 + jj])",
        ),
        lambda A, B: np.where(np.kron(np.tri(3, k=-1), np.ones((32, 32))), A, B),
    ),
}


@pytest.mark.parametrize(("source", "meaning"), CUT.values(), ids=CUT)
def test_loops_over_no_elements_of_tiles_are_cut(source: str, meaning: Callable[..., Any]) -> None:
    """The output falls into parts, in which the condition is always the same."""
    assert_means(source, meaning)
    assert not any("from" in cb.name for cb in plan_of(source).circular_buffers)


def test_blocks_inside_of_tiles_are_refused() -> None:
    source = prim_func(
        buffers("AC", [(64, 64)] * 2),
        "for i, j, ii, jj in T.grid(4, 4, 16, 16):\n"
        "    C[i * 16 + ii, j * 16 + jj] = T.if_then_else(\n"
        "        j <= i, A[i * 16 + ii, j * 16 + jj], T.bfloat16(0))",
    )
    with pytest.raises(LoweringError, match="inside of a tile"):
        plan_of(source)
