"""Values that several reductions run over: made once, where they are the same."""

from __future__ import annotations

import numpy as np
import pytest
from sources import assert_means, plan_of

from ttgen.plan import Plan
from ttgen.plan.trace import trace

#: Attention without its exponential, so that whole numbers stay whole.
ATTENTION = """
def k(S: int = 64, D: int = 32):
    Q, K, V = (te.placeholder((S, D), "float32", name=name) for name in "QKV")
    d, p, q = (te.reduce_axis((0, n), name=name) for n, name in ((D, "d"), (S, "p"), (S, "q")))
    R = te.compute((S, S), lambda i, j: te.sum(Q[i, d] * K[j, d], axis=d), name="R")
    M = te.compute((S,), lambda i: te.max(R[i, p], axis=p), name="M")
    O = te.compute((S, D), lambda i, j: te.sum((R[i, q] - M[i]) * V[q, j], axis=q), name="O")
    return [Q, K, V, O]
"""
#: Sums over a dimension that the other operand moves with, of the same extent as its own.
CROSSED = """
def k(N: int = 64):
    A, B = (te.placeholder((N, N), "float32", name=name) for name in "AB")
    p, q = te.reduce_axis((0, N), name="p"), te.reduce_axis((0, N), name="q")
    R = te.compute((N,), lambda i: te.sum(A[i, p], axis=p), name="R")
    return [A, B, te.compute((N, N), lambda i, j: te.sum(B[i, q] * R[q] * A[q, j], axis=q))]
"""
#: The sum of a row of maxima of columns, of a square: the inner one depends on the outer's.
SQUARE = """
def k(N: int = {extent}):
    A = te.placeholder((N, N), "float32", name="A")
    p, q = te.reduce_axis((0, N), name="p"), te.reduce_axis((0, N), name="q")
    M = te.compute((N,), lambda j: te.max(A[p, j] + 1.0, axis=p), name="M")
    T = te.compute((1,), lambda i: te.sum(M[q] * 2.0, axis=q), name="T")
    return [A, te.compute((N, N), lambda i, j: A[i, j] - T[0], name="C")]
"""


def attention(Q: np.ndarray, K: np.ndarray, V: np.ndarray) -> np.ndarray:
    scores = Q @ K.T
    return (scores - scores.max(1, keepdims=True)) @ V


def executed(plan: Plan, operation: str) -> int:
    return sum(e.times for e in trace(plan.programs.compute, 0) if e.op.op == operation)


@pytest.mark.parametrize("extents", ["", "S: int = 50, D: int = 40", "S: int = 64, D: int = 64"])
def test_what_reductions_share_means_the_same(extents: str) -> None:
    source = ATTENTION.replace("S: int = 64, D: int = 32", extents or "S: int = 64, D: int = 32")
    for options in ({}, {"grid": (1, 1)}, {"grid": (1, 1), "partition": "column_major"}):
        assert_means(source, attention, **options)


def test_a_row_of_scores_is_made_once() -> None:
    """2 rows of 2 scores of 1 step, and 2 output tiles of 2 steps."""
    assert executed(plan_of(ATTENTION, grid=(1, 1)), "matmul_tiles") == 2 * 2 * 1 + 2 * 2


def test_a_sum_does_not_run_over_what_it_depends_on() -> None:
    assert_means(CROSSED, lambda A, B: (B * A.sum(1)) @ A, grid=(1, 1))


@pytest.mark.parametrize("extent", [64, 50])
def test_a_reduction_inside_another_keeps_its_dimension(extent: int) -> None:
    assert_means(
        SQUARE.format(extent=extent), lambda A: A - (2 * (A + 1).max(0)).sum(), grid=(1, 1)
    )
