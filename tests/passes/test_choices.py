"""Operations of the vector unit on several tiles mean what the source does, wherever they are.

A value may need more DST registers than there are; padding never reaches a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
from sources import SHAPES, M, N, assert_means, buffers, each, plan_of, prim_func, reduced, te

from ttgen.analysis.expr import Const, Vector, power, vector
from ttgen.errors import Location
from ttgen.plan.model import BinaryOp, For, Op, Plan, Statement

K = 50
MATRIX, ROW, COLUMN, POINT = (M, N), (1, N), (M, 1), (1, 1)


def number(value: float) -> str:
    return f'te.const({value}, "bfloat16")'


TREES: dict[str, tuple[str, Callable[..., Any]]] = {
    "the larger of two": (each("T.max(A[i, j], B[i, j])"), lambda A, B: np.maximum(A, B)),
    "the smaller of a product and a number": (
        each("T.min(A[i, j] * B[i, j], T.bfloat16(2))"),
        lambda A, B: np.minimum(A * B, 2),
    ),
    "of itself": (each("T.max(A[i, j], A[i, j]) + B[i, j]"), lambda A, B: A + B),
    "of a row, a column and a number": (
        each("T.max(T.min(R[0, j], S[i, 0]), P[0, 0]) - A[i, j]", R=ROW, S=COLUMN, P=POINT),
        lambda A, B, R, S, P: np.maximum(np.minimum(R, S), P) - A,
    ),
    "of a transposed tensor": (
        each("T.max(A[i, j], D[j, i])", D=(N, M)),
        lambda A, B, D: np.maximum(A, D.T),
    ),
    "products in every register": (
        each("T.max(A[i, j] * B[i, j], A[i, j] * R[0, j]) * T.bfloat16(0.5)", R=ROW),
        lambda A, B, R: np.maximum(A * B, A * R) * 0.5,
    ),
    "differences of what has been worked out": (
        each("A[i, j] - T.max(A[i, j] - B[i, j], B[i, j] - A[i, j])"),
        lambda A, B: A - abs(A - B),
    ),
    "a choice": (
        each("T.Select(A[i, j] > B[i, j], A[i, j] * B[i, j], A[i, j] + B[i, j])"),
        lambda A, B: np.where(A > B, A * B, A + B),
    ),
    "a choice of a choice": (
        each(
            "T.if_then_else(A[i, j] == T.bfloat16(0), T.bfloat16(3), "
            "T.if_then_else(A[i, j] < T.bfloat16(0), B[i, j], A[i, j]))"
        ),
        lambda A, B: np.where(A == 0, 3, np.where(A < 0, B, A)),
    ),
    "one of two conditions": (
        each("T.if_then_else(A[i, j] <= B[i, j] or A[i, j] == T.bfloat16(3), A[i, j], -B[i, j])"),
        lambda A, B: np.where((A <= B) | (A == 3), A, -B),
    ),
    "both conditions, one of them not": (
        each("T.if_then_else(A[i, j] >= B[i, j] and not (B[i, j] > A[i, j]), A[i, j], B[i, j])"),
        lambda A, B: np.where(A >= B, A, B),
    ),
    "conditions on indices and on values": (
        each(
            "T.if_then_else((i < 32 and A[i, j] != B[i, j]) or j >= 64, A[i, j] + B[i, j], A[i, j])"
        ),
        lambda A, B: np.where(
            ((np.arange(M) < 32)[:, None] & (A != B)) | (np.arange(N) >= 64), A + B, A
        ),
    ),
    "a condition that says nothing": (
        each("T.if_then_else(A[i, j] > B[i, j] and i >= 40, A[i, j], B[i, j])"),
        lambda A, B: B,
    ),
    "a condition as a factor": (
        each('T.Cast("bfloat16", A[i, j] > T.bfloat16(1)) * B[i, j]'),
        lambda A, B: (A > 1) * B,
    ),
    "conditions compared": (
        each("T.Select((A[i, j] > B[i, j]) == (B[i, j] > T.bfloat16(0)), A[i, j], B[i, j])"),
        lambda A, B: np.where((A > B) == (B > 0), A, B),
    ),
    "a power": (
        each("T.Cast('float32', A[i, j]) * T.pow(T.Cast('float32', B[i, j]), T.float32(3.0))"),
        lambda A, B: A * B**3,
    ),
}


@pytest.mark.parametrize("fp32", [False, True])
@pytest.mark.parametrize(("source", "meaning"), TREES.values(), ids=TREES)
def test_trees(source: str, meaning: Callable[..., Any], fp32: bool) -> None:
    assert_means(source, meaning, fp32_dest_acc=fp32)


COMPARISONS = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


@pytest.mark.parametrize("symbol", COMPARISONS)
@pytest.mark.parametrize("other", ["B[i, j]", "T.bfloat16(0)", "T.bfloat16(1)"])
@pytest.mark.parametrize("is_first", [True, False])
def test_comparisons_of_tensors_and_numbers(symbol: str, other: str, is_first: bool) -> None:
    pair = ["A[i, j]", other] if is_first else [other, "A[i, j]"]
    source = each(f"T.Select({f' {symbol} '.join(pair)}, A[i, j], B[i, j] + A[i, j])")

    def meaning(A: Any, B: Any) -> Any:
        against = {"B[i, j]": B}.get(other, float(other[-2]) if other[-1] == ")" else 0.0)
        operands = (A, against) if is_first else (against, A)
        return np.where(COMPARISONS[symbol](*operands), A, B + A)

    assert_means(source, meaning)


AROUND_REDUCTIONS: dict[str, tuple[str, Callable[..., Any]]] = {
    "summed": (
        reduced(f"te.if_then_else(A[i, n] < B[i, n], {number(3)}, B[i, n])"),
        lambda A, B: np.where(A < B, 3, B).sum(axis=1),
    ),
    "summed, zero in the padding for a condition that is not": (
        reduced(f"te.if_then_else(A[i, n] >= {number(0)}, A[i, n], B[i, n])"),
        lambda A, B: np.where(A >= 0, A, B).sum(axis=1),
    ),
    "a condition summed: how many": (
        reduced('(A[i, n] <= B[i, n]).astype("bfloat16")'),
        lambda A, B: (A <= B).sum(axis=1),
    ),
    "the largest of the smaller": (
        reduced("te.min(A[i, n], B[i, n])", "max"),
        lambda A, B: np.minimum(A, B).max(axis=1),
    ),
    "the largest below zero": (
        reduced(f"te.min(A[i, n], B[i, n]) - {number(9)}", "max"),
        lambda A, B: (np.minimum(A, B) - 9).max(axis=1),
    ),
    "the smallest": (
        reduced(f"A[i, n] + {number(9)}", "min"),
        lambda A, B: (A + 9).min(axis=1),
    ),
    "of a sum and a maximum": (
        te(
            SHAPES,
            f"""
            n, m = (te.reduce_axis((0, {N}), name=name) for name in "nm")
            S = te.compute(({M},), lambda i: te.sum(A[i, n], axis=n), name="S")
            L = te.compute(({M},), lambda i: te.max(B[i, m], axis=m), name="L")
            C = te.compute(({M},), lambda i: te.max(L[i], S[i]), name="C")
            """,
        ),
        lambda A, B: np.maximum(B.max(axis=1), A.sum(axis=1)),
    ),
    "of a mean, which is scaled in DST": (
        te(
            SHAPES,
            f"""
            n, m = (te.reduce_axis((0, {N}), name=name) for name in "nm")
            S = te.compute(({M},), lambda i: te.sum(A[i, n], axis=n), name="S")
            L = te.compute(({M},), lambda i: te.sum(B[i, m], axis=m), name="L")
            C = te.compute(({M},), lambda i: te.max(L[i], S[i] * {number(0.25)}), name="C")
            """,
        ),
        lambda A, B: np.maximum(B.sum(axis=1), A.sum(axis=1) / 4),
    ),
    "beside what it is of": (
        te(
            SHAPES,
            f"""
            n = te.reduce_axis((0, {N}), name="n")
            S = te.compute(({M}, 1), lambda i, o: te.max(A[i, n], axis=n), name="S")
            C = te.compute(
                {MATRIX},
                lambda i, j: te.if_then_else(A[i, j] == S[i, 0], {number(1)}, B[i, j]),
                name="C",
            )
            """,
        ),
        lambda A, B: np.where(A.max(axis=1, keepdims=True) == A, 1, B),
    ),
}


@pytest.mark.parametrize("arch", ["wormhole_b0", "blackhole"])
@pytest.mark.parametrize(("source", "meaning"), AROUND_REDUCTIONS.values(), ids=AROUND_REDUCTIONS)
def test_in_and_after_reductions(source: str, meaning: Callable[..., Any], arch: str) -> None:
    assert_means(source, meaning, arch=arch)


@pytest.mark.parametrize("arch", ["wormhole_b0", "blackhole"])
def test_in_an_epilogue_the_product_stays_in_dst(arch: str) -> None:
    """Whichever operand it is: the product is register 0, what it is compared with comes behind."""
    source = te(
        {"A": (M, K), "B": (K, N), "b": (N,)},
        f"""
        n = te.reduce_axis((0, {K}), name="n")
        P = te.compute({MATRIX}, lambda i, j: te.sum(A[i, n] * B[n, j], axis=n), name="P")
        C = te.compute({MATRIX}, lambda i, j: te.max(b[j], P[i, j]), name="C")
        """,
    )
    assert_means(source, lambda A, B, b: np.maximum(A @ B, b), arch=arch)
    plan = plan_of(source, arch)
    assert [buffer.name for buffer in plan.circular_buffers] == ["A", "B", "const_0", "b", "C"]
    (largest,) = (op for op in _operations(plan) if op.op == "binary_tile")
    assert largest.args == {"function": "max", "dst_a": 1, "dst_b": 0, "dst": 0}


def test_a_maximum_from_a_number() -> None:
    body = f"""
    for i in range({M}):
        C[i] = T.bfloat16(1)
        for n in range({N}):
            C[i] = T.max(C[i], A[i, n])
    """
    source = prim_func(buffers("AC", [MATRIX, (M,)]), body)
    assert_means(source, lambda A: np.maximum(A.max(axis=1), 1))


# Registers ----------------------------------------------------------------------------------------


def _choices(depth: int) -> tuple[str, Callable[..., Any]]:
    """Choices whose operands are choices: the text, and what it means. No two leaves are equal."""
    numbers = count(-9)

    def text(depth: int) -> tuple[str, Callable[..., Any]]:
        if depth == 0:
            number = next(numbers)
            name = "ABD"[number % 3]
            leaf = f"({name}[i, j] + T.bfloat16({number}))"
            return leaf, lambda **known: known[name] + number
        (a, b, c, d), meanings = zip(*(text(depth - 1) for _ in range(4)), strict=True)

        def meaning(**known: Any) -> Any:
            first, second, *others = (one(**known) for one in meanings)
            return np.where(first > second, *others)

        return f"T.Select({a} > {b}, {c}, {d})", meaning

    return text(depth)


@pytest.mark.parametrize(
    ("options", "tiles", "spilled"),
    [
        ({"fp32_dest_acc": True}, 4, True),
        ({}, 8, False),
        ({"fp32_dest_acc": True, "dst_full_sync": True}, 8, False),
    ],
    ids=str,
)
def test_what_takes_more_registers_than_there_are(
    options: dict[str, Any], tiles: int, spilled: bool
) -> None:
    value, meaning = _choices(2)
    source = each(value, D=MATRIX)
    assert_means(source, meaning, **options)
    plan = plan_of(source, **options)
    assert plan.compute.dst_tiles == tiles
    assert any(buffer.name.startswith("tmp") for buffer in plan.circular_buffers) == spilled


def test_a_block_has_as_many_results_as_registers_allow() -> None:
    """Two registers for each: four results in the eight that DST has."""
    source = prim_func(
        buffers("ABC", [(64, 256)] * 3),
        "for i, j in T.grid(64, 256):\n    C[i, j] = T.max(A[i, j], B[i, j])",
    )
    assert_means(source, lambda A, B: np.maximum(A, B), grid=(1, 1))
    plan = plan_of(source, grid=(1, 1))
    assert {b.name: b.pages for b in plan.circular_buffers} == dict.fromkeys("ABC", 8)
    (largest,) = (op for op in _operations(plan) if op.op == "binary_tile")
    first = BinaryOp("*", "slot", 2)
    second = BinaryOp("+", first, 1)
    assert largest.args == {"function": "max", "dst_a": first, "dst_b": second, "dst": first}
    (pack,) = (op for op in _operations(plan) if op.op == "pack_tile")
    assert pack.args == {"dst": first, "out": "C", "slot": "slot"}


def _operations(plan: Plan) -> Iterator[Op]:
    def walk(body: tuple[Statement, ...]) -> Iterator[Op]:
        for part in body:
            if isinstance(part, For):
                yield from walk(part.body)
            elif isinstance(part, Op):
                yield part

    return walk(plan.programs.compute.body)


# Numbers and simpler forms ------------------------------------------------------------------------

_AT = Location("kernels/k.py", 1)
_X = Vector("abs", (Const(2.0),))  # as good as any value


@pytest.mark.parametrize(
    ("exponent", "op"), [(0.5, "sqrt"), (-0.5, "rsqrt"), (-1.0, "recip"), (2.5, "pow")]
)
def test_exponents_that_have_an_operation(exponent: float, op: str) -> None:
    assert power(_X, Const(exponent), _AT).op == op


def test_small_exponents_are_products_of_squares() -> None:
    plan = plan_of(each("T.pow(T.Cast('float32', A[i, j]), T.float32(8.0)) + B[i, j]"))
    steps = [op.op for op in _operations(plan) if op.op.endswith("_tiles")]
    assert sum("mul" in step for step in steps) == 3


def test_what_a_comparison_has_said_is_not_compared_again() -> None:
    condition = vector("lt", _X, Const(3.0), at=_AT)
    assert vector("gt", condition, Const(0.0), at=_AT) is condition
    assert vector("lt", Const(0.0), condition, at=_AT) is condition
    assert vector("where", condition, Const(1.0), Const(0.0), at=_AT) is condition


def test_numbers_are_folded() -> None:
    assert vector("max", Const(2.0), Const(3.0), at=_AT) == Const(3.0)
    assert vector("lt", Const(2.0), Const(3.0), at=_AT) == Const(1.0)
    assert vector("where", Const(0.0), _X, Const(3.0), at=_AT) == Const(3.0)
    assert power(Const(2.0), Const(3.0), _AT) == Const(8.0)
