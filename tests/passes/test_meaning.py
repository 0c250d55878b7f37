"""Whatever is accepted is lowered to what the source means (D3, P7, P8, P13, E2, E3).

Plans are interpreted without rounding (:func:`sources.run`), and compared with NumPy's own result
or with the golden, which is the source built for the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sources import (
    ELEMENTWISE_FORMS,
    GEMM_FORMS,
    assert_means,
    buffers,
    elementwise,
    gemm,
    kernel,
    lower,
    plan_of,
    prim_func,
    relu,
    run,
    square,
    sum_over,
    te,
    values,
)

from ttgen.arch import ARCHITECTURES
from ttgen.errors import LoweringError
from ttgen.frontend.kernel import find_kernel
from ttgen.frontend.source import load_source
from ttgen.golden import golden
from ttgen.passes.pipeline import run_pipeline
from ttgen.render import operations
from ttgen.spec import load_variants

EXTENTS = st.integers(1, 8).map(lambda tiles: 32 * tiles)
OPTIONS = st.fixed_dictionaries(
    {
        "partition": st.sampled_from(["row_major", "column_major"]),
        "block_tiles": st.integers(1, 20),
        "buffering": st.integers(1, 3),
        "fp32_dest_acc": st.booleans(),
        "dst_full_sync": st.booleans(),
    },
    optional={"grid": st.tuples(st.integers(1, 4), st.integers(1, 4))},
)
ORDERS = st.permutations("ijk").map("".join)
RELATION = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def fuzz(examples: int) -> Any:
    """Deterministic, so that a run of the suite means the same everywhere."""
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None)


@fuzz(60)
@given(EXTENTS, EXTENTS, EXTENTS, st.sampled_from(GEMM_FORMS), ORDERS, st.booleans(), OPTIONS)
def test_every_way_to_write_a_product_gives_the_product(
    m: int, n: int, k: int, form: str, order: str, swapped: bool, options: dict[str, Any]
) -> None:
    source = gemm(m, n, k, form, order=order, swap_product=swapped, swap_sum=swapped)
    plan = plan_of(source, **options)
    inputs = values(plan)
    assert np.array_equal(run(plan, inputs)["C"], inputs["A"] @ inputs["B"])


@pytest.mark.parametrize(
    "addend",
    [
        "A[i, k] * B[k, j] * T.float32(0.5)",
        "T.float32(0.5) * A[i, k] * B[k, j]",
        "T.float32(0.5) * (A[i, k] * B[k, j])",
        "(T.float32(2) * A[i, k]) * (B[k, j] * T.float32(0.25))",
    ],
)
def test_numbers_are_taken_out_of_a_product_wherever_brackets_stand(addend: str) -> None:
    """What is left is a matrix product, scaled once."""
    text = prim_func(
        buffers("ABC", [(40, 70), (70, 50), (40, 50)], "float32"),
        f"""\
        for i, j in T.grid(40, 50):
            C[i, j] = T.float32(0)
            for k in range(70):
                C[i, j] = C[i, j] + {addend}
        """,
    )
    plan = plan_of(text)
    inputs = values(plan)
    assert np.array_equal(run(plan, inputs)["C"], inputs["A"] @ inputs["B"] / 2)
    mathematics = {name for name in operations(plan)["compute"] if name.endswith("_tiles")}
    assert mathematics == {"matmul_tiles", "mul_dst_tiles"}


@pytest.mark.parametrize("factor", [3.0, -2.0])
def test_the_maximum_of_what_is_multiplied_by_a_number(factor: float) -> None:
    """It may be a minimum of the rest: numbers stay inside."""
    text = prim_func(
        buffers("AC", [(40, 70), (40,)], "float32"),
        f"""\
        for i in range(40):
            C[i] = T.min_value("float32")
            for k in range(70):
                C[i] = T.max(C[i], A[i, k] * T.float32({factor}))
        """,
    )
    plan = plan_of(text)
    inputs = values(plan)
    assert np.array_equal(run(plan, inputs)["C"], (inputs["A"] * factor).max(axis=1))


@fuzz(50)
@given(
    st.lists(EXTENTS, min_size=2, max_size=2),
    st.integers(0, 3),
    st.sampled_from(["add", "sub", "mul"]),
    st.sampled_from(ELEMENTWISE_FORMS),
    st.booleans(),
    OPTIONS,
)
def test_every_way_to_write_an_elementwise_operation_gives_its_result(
    shape: list[int], leading: int, op: str, form: str, reverse: bool, options: dict[str, Any]
) -> None:
    shape = [leading, *shape] if leading else shape
    plan = plan_of(elementwise(op, shape, form, reverse=reverse), **options)
    inputs = values(plan)
    assert np.array_equal(run(plan, inputs)["C"], RELATION[op](inputs["A"], inputs["B"]))


@fuzz(20)
@given(EXTENTS, EXTENTS, st.sampled_from(ELEMENTWISE_FORMS), OPTIONS)
def test_every_way_to_write_a_copy_copies(
    m: int, n: int, form: str, options: dict[str, Any]
) -> None:
    plan = plan_of(elementwise("copy", (m, n), form), **options)
    inputs = values(plan)
    assert np.array_equal(run(plan, inputs)["B"], inputs["A"])


@fuzz(15)
@given(EXTENTS, EXTENTS, EXTENTS, OPTIONS)
def test_one_core_and_many_cores_give_the_same_bits(
    m: int, n: int, k: int, options: dict[str, Any]
) -> None:
    source = gemm(m, n, k)
    many = plan_of(source, **options)
    one = plan_of(source, **{**options, "grid": (1, 1)})
    random = np.random.default_rng(1)
    inputs = {
        "A": random.standard_normal((m, k), dtype=np.float32),
        "B": random.standard_normal((k, n), dtype=np.float32),
    }
    assert np.array_equal(run(one, inputs)["C"], run(many, inputs)["C"])


@pytest.mark.parametrize("partition", ["row_major", "column_major"])
@pytest.mark.parametrize("op", ["add", "mul"])
def test_a_tensor_that_is_used_twice_is_read_once(op: str, partition: str) -> None:
    """P7: one circular buffer for ``A op A``, whose pages are popped once."""
    plan = plan_of(
        elementwise(op, (96, 64), names=("A", "A", "C")).replace(
            'A: T.Buffer((96, 64), "bfloat16"), ', "", 1
        ),
        partition=partition,
    )
    assert [cb.name for cb in plan.circular_buffers] == ["A", "C"]
    inputs = values(plan)
    assert np.array_equal(run(plan, inputs)["C"], RELATION[op](inputs["A"], inputs["A"]))


@pytest.mark.parametrize("output", ["C", "A_2"])
def test_a_product_of_a_tensor_with_itself_reads_two_different_tiles(output: str) -> None:
    """The second circular buffer is called as no tensor is."""
    body = f"""
    for i, j in T.grid(64, 64):
        {output}[i, j] = T.bfloat16(0)
        for k in range(64):
            {output}[i, j] = {output}[i, j] + A[i, k] * A[k, j]
    """
    parameters = ", ".join(f'{name}: T.Buffer((64, 64), "bfloat16")' for name in ("A", output))
    plan = plan_of(prim_func(parameters, body))
    inputs = values(plan)
    assert np.array_equal(run(plan, inputs)[output], inputs["A"] @ inputs["A"])


#: What a source means, by NumPy. The names say what is special about each.
MEANINGS: dict[str, tuple[str, Callable[..., Any]]] = {
    "cast": (
        square(
            "for i, j in T.grid(64, 64):\n"
            '    C[i, j] = T.Cast("bfloat16", T.Cast("float32", A[i, j]))',
            "AC",
        ),
        lambda A: A,
    ),
    "three operands": (
        prim_func(
            buffers("ABDC", [(64, 64)] * 4),
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[i, j] + B[i, j] * D[i, j]",
        ),
        lambda A, B, D: A + B * D,
    ),
    "scalar factor": (
        square("for i, j in T.grid(64, 64):\n    C[i, j] = A[i, j] * T.bfloat16(3)", "AC"),
        lambda A: 3 * A,
    ),
    "constant": (
        square("for i, j in T.grid(64, 64):\n    C[i, j] = T.bfloat16(3)", "C"),
        lambda: np.full((64, 64), 3),
    ),
    "division by a number": (
        te(
            {"A": (64, 64)},
            """
C = te.compute((64, 64), lambda i, j: A[i, j] / te.const(4, "bfloat16"), name="C")
""",
        ),
        lambda A: A / 4,
    ),
    "row": (
        prim_func(
            buffers("ABC", [(64, 64), (1, 64), (64, 64)]),
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[i, j] - B[0, j]",
        ),
        lambda A, B: A - B,
    ),
    "row first": (
        prim_func(
            buffers("ABC", [(1, 64), (64, 64), (64, 64)]),
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[0, j] - B[i, j]",
        ),
        lambda A, B: A - B,
    ),
    "vector along the rows": (
        te(
            {"A": (40, 70), "B": (40,)},
            """
C = te.compute((40, 70), lambda i, j: A[i, j] * B[i], name="C")
""",
        ),
        lambda A, B: A * B[:, None],
    ),
    "outer product": (
        te(
            {"A": (40,), "B": (70,)}, "C = te.compute((40, 70), lambda i, j: A[i] * B[j], name='C')"
        ),
        lambda A, B: np.outer(A, B),
    ),
    "scalar tensor": (
        te(
            {"A": (40, 70), "B": (1,)},
            """
C = te.compute((40, 70), lambda i, j: B[0] - A[i, j], name="C")
""",
        ),
        lambda A, B: B - A,
    ),
    "batch of one matrix": (
        te(
            {"A": (3, 40, 70), "B": (40, 70)},
            """
C = te.compute((3, 40, 70), lambda b, i, j: A[b, i, j] - B[i, j], name="C")
""",
        ),
        lambda A, B: A - B,
    ),
    "transposed copy": (
        square("for i, j in T.grid(64, 64):\n    C[i, j] = A[j, i]", "AC"),
        lambda A: A.T,
    ),
    "permuted batch": (
        te(
            {"A": (3, 2, 40, 70)},
            """
C = te.compute((2, 3, 70, 40), lambda c, b, j, i: A[b, c, i, j], name="C")
""",
        ),
        lambda A: A.transpose(1, 0, 3, 2),
    ),
    "row sum that is repeated": (
        square(
            """
            for i, j in T.grid(64, 64):
                C[i, j] = T.bfloat16(0)
            for i, j, k in T.grid(64, 64, 64):
                C[i, j] = C[i, j] + A[i, k]
            """,
            "AC",
        ),
        lambda A: np.repeat(A.sum(axis=1, keepdims=True), 64, axis=1),
    ),
    "sum over the last": (
        te({"A": (3, 33, 45)}, sum_over(45, (3, 33), "b, i", "A[b, i, n]")),
        lambda A: A.sum(axis=2),
    ),
    "sum over the second last": (
        te({"A": (33, 45)}, sum_over(33, (45,), "j", "A[n, j]")),
        lambda A: A.sum(axis=0),
    ),
    "sum over the second last, kept": (
        te({"A": (3, 33, 45)}, sum_over(33, (3, 1, 45), "b, one, j", "A[b, n, j]")),
        lambda A: A.sum(axis=1, keepdims=True),
    ),
    "maximum": (
        te({"A": (64, 96)}, sum_over(96, (64,), "i", "A[i, n]", "max")),
        lambda A: A.max(axis=1),
    ),
    "maximum of negative values": (
        te({"A": (64, 96)}, sum_over(96, (64,), "i", 'A[i, n] - te.const(9, "bfloat16")', "max")),
        lambda A: A.max(axis=1) - 9,
    ),
    "ragged maximum": (
        te({"A": (40, 70)}, sum_over(70, (40,), "i", 'A[i, n] - te.const(9, "bfloat16")', "max")),
        lambda A: A.max(axis=1) - 9,
    ),
    "ragged maximum of what is not negative": (
        te({"A": (40, 70)}, sum_over(70, (40,), "i", relu("A[i, n]"), "max")),
        lambda A: np.maximum(A, 0).max(axis=1),
    ),
    "ragged sum of what is not negative": (
        te(
            {"A": (40, 70)},
            sum_over(70, (40,), "i", relu('A[i, n] + te.const(1, "bfloat16")')),
        ),
        lambda A: np.maximum(A + 1, 0).sum(axis=1),
    ),
    "what is not negative of a sum and of a column": (
        te(
            {"A": (40, 70), "B": (40, 1)},
            f"""
n = te.reduce_axis((0, 70), name="n")
S = te.compute((40, 1), lambda i, o: te.sum(A[i, n], axis=n), name="S")
W = te.compute((40, 1), lambda i, o: {relu("B[i, 0]")}, name="W")
C = te.compute((40, 70), lambda i, j: {relu("S[i, 0]")} * A[i, j] - W[i, 0], name="C")
""",
        ),
        lambda A, B: np.maximum(A.sum(axis=1, keepdims=True), 0) * A - np.maximum(B, 0),
    ),
    "ragged maximum in one tile": (
        te(
            {"A": (3, 7, 64)},
            sum_over(7, (3, 1, 64), "b, o, j", 'te.const(-2, "bfloat16") - A[b, n, j]', "max"),
        ),
        lambda A: -2 - A.min(axis=1, keepdims=True),
    ),
    "ragged maximum of a product": (
        te({"A": (40, 70)}, sum_over(70, (40,), "i", "A[i, n] * A[i, n]", "max")),
        lambda A: (A * A).max(axis=1),
    ),
    "ragged sum of what is not zero": (
        te({"A": (40, 70)}, sum_over(70, (40,), "i", 'A[i, n] + te.const(1, "bfloat16")')),
        lambda A: A.sum(axis=1) + 70,
    ),
    "ragged sum with an operand that does not move": (
        te({"A": (70, 40), "B": (40,)}, sum_over(70, (40,), "j", "A[n, j] - B[j]")),
        lambda A, B: A.sum(axis=0) - 70 * B,
    ),
    "ragged mean": (
        te(
            {"A": (33, 48)},
            """
n = te.reduce_axis((0, 48), name="n")
S = te.compute((33,), lambda i: te.sum(A[i, n] + te.const(1, "bfloat16"), axis=n), name="S")
C = te.compute((33,), lambda i: S[i] * te.const(0.25, "bfloat16"), name="C")
""",
        ),
        lambda A: (A + 1).sum(axis=1) / 4,
    ),
    "sum of everything": (
        te(
            {"A": (40, 70)},
            """
m = te.reduce_axis((0, 40), name="m")
n = te.reduce_axis((0, 70), name="n")
C = te.compute((1, 1), lambda i, j: te.sum(A[m, n], axis=[m, n]), name="C")
""",
        ),
        lambda A: A.sum(keepdims=True),
    ),
    "the same sum twice": (
        te(
            {"A": (40, 70)},
            """
m = te.reduce_axis((0, 40), name="m")
n = te.reduce_axis((0, 70), name="n")
S = te.compute((1,), lambda i: te.sum(A[m, n], axis=[m, n]), name="S")
C = te.compute((1,), lambda i: S[i] * S[i], name="C")
""",
        ),
        lambda A: A.sum(keepdims=True)[0] ** 2,
    ),
    "first factor transposed": (
        te({"A": (70, 40), "B": (70, 50)}, sum_over(70, (40, 50), "i, j", "A[n, i] * B[n, j]")),
        lambda A, B: A.T @ B,
    ),
    "second factor transposed": (
        gemm(64, 64, 64, "nested").replace("B[k, j]", "B[j, k]"),
        lambda A, B: A @ B.T,
    ),
    "batched product": (
        prim_func(
            buffers("ABC", [(2, 64, 64)] * 3),
            """
            for b, i, j in T.grid(2, 64, 64):
                C[b, i, j] = T.bfloat16(0)
                for k in range(64):
                    C[b, i, j] = C[b, i, j] + A[b, i, k] * B[b, k, j]
            """,
        ),
        lambda A, B: A @ B,
    ),
    "matrix times vector": (
        te({"A": (40, 70), "B": (70,)}, sum_over(70, (40,), "i", "A[i, n] * B[n]")),
        lambda A, B: A @ B,
    ),
    "inner product": (
        te({"A": (70,), "B": (70,)}, sum_over(70, (1,), "i", "A[n] * B[n]")),
        lambda A, B: np.array([A @ B]),
    ),
    "product and epilogue": (
        te(
            {"A": (40, 70), "B": (70, 50), "D": (50,)},
            """
n = te.reduce_axis((0, 70), name="n")
P = te.compute((40, 50), lambda i, j: te.sum(A[i, n] * B[n, j], axis=n), name="P")
C = te.compute((40, 50), lambda i, j: D[j] - P[i, j] * te.const(2, "bfloat16"), name="C")
""",
        ),
        lambda A, B, D: D - 2 * (A @ B),
    ),
    "sum over a batch and an inner dimension": (
        te(
            {"A": (3, 40, 70), "B": (3, 70, 50)},
            """
b = te.reduce_axis((0, 3), name="b")
n = te.reduce_axis((0, 70), name="n")
C = te.compute((40, 50), lambda i, j: te.sum(A[b, i, n] * B[b, n, j], axis=[b, n]), name="C")
""",
        ),
        lambda A, B: (A @ B).sum(axis=0),
    ),
    "no multiple of the tile": (elementwise("copy", (64, 100)), lambda A: A),
    "smaller than a tile": (elementwise("sub", (16, 1)), lambda A, B: A - B),
    "rank 1": (elementwise("mul", (100,)), lambda A, B: A * B),
    "intermediate buffer": (
        square(
            """
            D = T.alloc_buffer((64, 64), "bfloat16")
            for i, j in T.grid(64, 64):
                D[i, j] = A[i, j] * A[i, j]
            for i, j in T.grid(64, 64):
                C[i, j] = D[j, i]
            """,
            "AC",
        ),
        lambda A: (A * A).T,
    ),
    "intermediate buffer of blocks": (
        te(
            {"A": (64, 64)},
            """
B = te.compute((64, 64), lambda i, j: A[i, j] + A[i, j], name="B")
C = te.compute((64, 64), lambda i, j: B[i, j] * A[i, j], name="C")
""",
        ),
        lambda A: 2 * A * A,
    ),
}


#: Values of values: reductions of reductions, and what is used more than once.
CHAINS: dict[str, tuple[str, Callable[..., Any]]] = {
    "two products": (
        te(
            {"A": (40, 70), "B": (70, 130), "D": (130, 50)},
            """
n = te.reduce_axis((0, 70), name="n")
m = te.reduce_axis((0, 130), name="m")
P = te.compute((40, 130), lambda i, l: te.sum(A[i, n] * B[n, l], axis=n), name="P")
C = te.compute((40, 50), lambda i, j: te.sum(P[i, m] * D[m, j], axis=m), name="C")
""",
        ),
        lambda A, B, D: A @ B @ D,
    ),
    "product on the right": (
        te(
            {"A": (40, 70), "B": (70, 40), "D": (40, 50)},
            """
n = te.reduce_axis((0, 40), name="n")
m = te.reduce_axis((0, 70), name="m")
P = te.compute((70, 50), lambda l, j: te.sum(B[l, n] * D[n, j], axis=n), name="P")
C = te.compute((40, 50), lambda i, j: te.sum(A[i, m] * P[m, j], axis=m), name="C")
""",
        ),
        lambda A, B, D: A @ (B @ D),
    ),
    "transposed product": (
        te(
            {"A": (40, 70), "B": (70, 40), "D": (40, 50)},
            """
n = te.reduce_axis((0, 70), name="n")
m = te.reduce_axis((0, 40), name="m")
P = te.compute((40, 40), lambda i, l: te.sum(A[i, n] * B[n, l], axis=n), name="P")
C = te.compute((40, 50), lambda i, j: te.sum(P[m, i] * D[m, j], axis=m), name="C")
""",
        ),
        lambda A, B, D: (A @ B).T @ D,
    ),
    "three products": (
        te(
            {"A": (2, 40, 40), "B": (40, 70), "D": (2, 70, 33), "E": (33, 20)},
            """
n = te.reduce_axis((0, 40), name="n")
m = te.reduce_axis((0, 70), name="m")
l = te.reduce_axis((0, 33), name="l")
P = te.compute((2, 40, 70), lambda b, i, j: te.sum(A[b, i, n] * B[n, j], axis=n), name="P")
Q = te.compute((2, 40, 33), lambda b, i, j: te.sum(P[b, i, m] * D[b, m, j], axis=m), name="Q")
C = te.compute((2, 40, 20), lambda b, i, j: te.sum(Q[b, i, l] * E[l, j], axis=l), name="C")
""",
        ),
        lambda A, B, D, E: A @ B @ D @ E,
    ),
    "sum of a product": (
        te(
            {"A": (40, 70), "B": (70, 50)},
            """
n = te.reduce_axis((0, 70), name="n")
m = te.reduce_axis((0, 50), name="m")
P = te.compute((40, 50), lambda i, j: te.sum(A[i, n] * B[n, j], axis=n), name="P")
C = te.compute((40,), lambda i: te.sum(P[i, m], axis=m), name="C")
""",
        ),
        lambda A, B: (A @ B).sum(axis=1),
    ),
    "maximum of a product": (
        te(
            {"A": (40, 70), "B": (70, 50)},
            """
n = te.reduce_axis((0, 70), name="n")
m = te.reduce_axis((0, 50), name="m")
P = te.compute((40, 50), lambda i, j: te.sum(A[i, n] * B[n, j], axis=n), name="P")
C = te.compute((40,), lambda i: te.max(P[i, m] - te.const(7, "bfloat16"), axis=m), name="C")
""",
        ),
        lambda A, B: (A @ B).max(axis=1) - 7,
    ),
    "row sums of products scale a product": (
        te(
            {"A": (40, 70), "B": (40, 70), "D": (40, 33), "E": (33, 50)},
            """
n = te.reduce_axis((0, 70), name="n")
m = te.reduce_axis((0, 33), name="m")
S = te.compute((40,), lambda i: te.sum(A[i, n] * B[i, n], axis=n), name="S")
C = te.compute((40, 50), lambda i, j: te.sum(S[i] * D[i, m] * E[m, j], axis=m), name="C")
""",
        ),
        lambda A, B, D, E: ((A * B).sum(axis=1)[:, None] * D) @ E,
    ),
    "vector of sums times a matrix": (
        te(
            {"A": (64, 64), "B": (64, 64)},
            """
n = te.reduce_axis((0, 64), name="n")
m = te.reduce_axis((0, 64), name="m")
S = te.compute((64,), lambda i: te.sum(A[i, n], axis=n), name="S")
C = te.compute((64,), lambda j: te.sum(S[m] * B[m, j], axis=m), name="C")
""",
        ),
        lambda A, B: A.sum(axis=1) @ B,
    ),
    "centred sums": (
        te(
            {"A": (40, 70)},
            """
n = te.reduce_axis((0, 70), name="n")
m = te.reduce_axis((0, 70), name="m")
M = te.compute((40, 1), lambda i, o: te.max(A[i, n], axis=n), name="M")
C = te.compute((40,), lambda i: te.sum(A[i, m] - M[i, 0], axis=m), name="C")
""",
        ),
        lambda A: (A - A.max(axis=1, keepdims=True)).sum(axis=1),
    ),
    "statistics of a layer norm": (
        te(
            {"A": (40, 64), "g": (64,)},
            """
n = te.reduce_axis((0, 64), name="n")
m = te.reduce_axis((0, 64), name="m")
S = te.compute((40, 1), lambda i, o: te.sum(A[i, n], axis=n), name="S")
X = te.compute((40, 64), lambda i, j: A[i, j] - S[i, 0] * te.const(1 / 64, "bfloat16"), name="X")
V = te.compute((40, 1), lambda i, o: te.sum(X[i, m] * X[i, m], axis=m), name="V")
C = te.compute((40, 64), lambda i, j: X[i, j] * g[j] + V[i, 0], name="C")
""",
        ),
        lambda A, g: (
            (A - A.mean(axis=1, keepdims=True)) * g
            + ((A - A.mean(axis=1, keepdims=True)) ** 2).sum(axis=1, keepdims=True)
        ),
    ),
    "variance of everything": (
        te(
            {"A": (40, 64)},
            """
n = te.reduce_axis((0, 40), name="n")
m = te.reduce_axis((0, 64), name="m")
k = te.reduce_axis((0, 40), name="k")
l = te.reduce_axis((0, 64), name="l")
S = te.compute((1,), lambda o: te.max(A[n, m], axis=[n, m]), name="S")
C = te.compute((1,), lambda o: te.sum((A[k, l] - S[0]) * (A[k, l] - S[0]), axis=[k, l]), name="C")
""",
        ),
        lambda A: ((A - A.max()) ** 2).sum(keepdims=True)[0],
    ),
    "product used twice": (
        te(
            {"A": (40, 70), "B": (70, 50)},
            """
n = te.reduce_axis((0, 70), name="n")
P = te.compute((40, 50), lambda i, j: te.sum(A[i, n] * B[n, j], axis=n), name="P")
C = te.compute((40, 50), lambda i, j: P[i, j] + P[i, j] * A[i, j], name="C")
""",
        ).replace("A[i, j], name", "P[i, j], name"),
        lambda A, B: A @ B + (A @ B) ** 2,
    ),
    "sum over a batch": (
        te({"A": (5, 40, 70)}, sum_over(5, (40, 70), "i, j", "A[n, i, j]")),
        lambda A: A.sum(axis=0),
    ),
    "sum over a batch of products of tiles": (
        te(
            {"A": (3, 40, 70), "B": (3, 40, 70)},
            sum_over(3, (40, 70), "i, j", "A[n, i, j] * B[n, i, j]"),
        ),
        lambda A, B: (A * B).sum(axis=0),
    ),
    "sum over a batch of transposed matrices": (
        te({"A": (3, 70, 40)}, sum_over(3, (40, 70), "i, j", "A[n, j, i]")),
        lambda A: A.sum(axis=0).T,
    ),
    "sum over a batch of products": (
        te(
            {"A": (3, 40, 70), "B": (3, 70, 50)},
            """
n = te.reduce_axis((0, 70), name="n")
b = te.reduce_axis((0, 3), name="b")
P = te.compute((3, 40, 50), lambda a, i, j: te.sum(A[a, i, n] * B[a, n, j], axis=n), name="P")
C = te.compute((40, 50), lambda i, j: te.sum(P[b, i, j], axis=b), name="C")
""",
        ),
        lambda A, B: (A @ B).sum(axis=0),
    ),
    "sum of a tree over a batch and columns": (
        te(
            {"A": (3, 40, 70)},
            """
b = te.reduce_axis((0, 3), name="b")
n = te.reduce_axis((0, 70), name="n")
C = te.compute((40,), lambda i: te.sum(A[b, i, n] + te.const(1, "bfloat16"), axis=[b, n]), name="C")
""",
        ),
        lambda A: (A + 1).sum(axis=(0, 2)),
    ),
    "maximum of a tree over everything": (
        te(
            {"A": (3, 40, 70)},
            """
b = te.reduce_axis((0, 3), name="b")
m = te.reduce_axis((0, 40), name="m")
n = te.reduce_axis((0, 70), name="n")
nine = te.const(9, "bfloat16")
C = te.compute((1,), lambda i: te.max(A[b, m, n] - nine, axis=[b, m, n]), name="C")
""",
        ),
        lambda A: A.max(keepdims=True)[0, 0] - 9,
    ),
    "several dimensions and a transposed factor": (
        te(
            {"A": (3, 70, 40), "B": (3, 70, 50)},
            """
b = te.reduce_axis((0, 3), name="b")
n = te.reduce_axis((0, 70), name="n")
C = te.compute((40, 50), lambda i, j: te.sum(A[b, n, i] * B[b, n, j], axis=[b, n]), name="C")
""",
        ),
        lambda A, B: np.einsum("bni,bnj->ij", A, B),
    ),
    "ragged product of what is not zero": (
        te(
            {"A": (40, 70), "B": (70, 50)},
            """
n = te.reduce_axis((0, 70), name="n")
one = te.const(1, "bfloat16")
C = te.compute((40, 50), lambda i, j: te.sum((A[i, n] + one) * (B[n, j] - one), axis=n), name="C")
""",
        ),
        lambda A, B: (A + 1) @ (B - 1),
    ),
}
#: Loops that a schedule has fused: the axes of a block are parts of one loop, or of two.
FUSED = {
    "fused elementwise": (
        prim_func(
            'A: T.Buffer((64, 96), "bfloat16"), C: T.Buffer((64, 96), "bfloat16")',
            """
for f in range(6144):
    with T.sblock("b"):
        vi = T.axis.spatial(64, f // 96)
        vj = T.axis.spatial(96, f % 96)
        C[vi, vj] = A[vi, vj] + T.bfloat16(1)
""",
            s_tir=True,
        ),
        lambda A: A + 1,
    ),
    "fused transpose": (
        prim_func(
            'A: T.Buffer((4, 32, 64), "bfloat16"), C: T.Buffer((4, 64, 32), "bfloat16")',
            """
for f in range(8192):
    with T.sblock("b"):
        v0 = T.axis.spatial(4, f // 2048)
        v1 = T.axis.spatial(32, f // 64 % 32)
        v2 = T.axis.spatial(64, f % 64)
        C[v0, v2, v1] = A[v0, v1, v2]
""",
            s_tir=True,
        ),
        lambda A: A.swapaxes(1, 2),
    ),
    "product on threads of fused loops": (
        prim_func(
            'A: T.Buffer((64, 96), "bfloat16"), B: T.Buffer((96, 64), "bfloat16"), '
            'C: T.Buffer((64, 64), "bfloat16")',
            """
for f0 in T.thread_binding(16, "blockIdx.x"):
    for f1 in T.thread_binding(256, "threadIdx.x"):
        for k0 in range(96):
            with T.sblock("b"):
                vi = T.axis.spatial(64, (f0 * 256 + f1) // 64)
                vj = T.axis.spatial(64, (f0 * 256 + f1) % 64)
                vk = T.axis.reduce(96, k0)
                with T.init():
                    C[vi, vj] = T.bfloat16(0)
                C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]
""",
            s_tir=True,
        ),
        lambda A, B: A @ B,
    ),
}
MEANINGS |= CHAINS | FUSED


@pytest.mark.parametrize("options", [{}, {"grid": (2, 1), "block_tiles": 3, "buffering": 1}])
@pytest.mark.parametrize(("source", "meaning"), MEANINGS.values(), ids=MEANINGS.keys())
def test_sources_give_what_numpy_gives(
    source: str, meaning: Callable[..., Any], options: dict[str, Any]
) -> None:
    assert_means(source, meaning, **options)


# Programs that are nearly right ---------------------------------------------------------------

INDEX = st.sampled_from(["i", "j", "k"])
PAIR = st.tuples(INDEX, INDEX)


@st.composite
def _sums(draw: Any) -> str:
    """A sum with a store of zeros somewhere before it, and indices that may be wrong."""
    target, left, right = ("i", "j"), ("i", "k"), ("k", "j")
    if draw(st.integers(0, 3)) == 0:
        target, left, right = draw(PAIR), draw(PAIR), draw(PAIR)
    zeroed = draw(st.sampled_from([*[("i", "j")] * 4, ("j", "i"), ("i", "i"), ("k", "j")]))
    order = draw(ORDERS)
    shared = draw(st.sampled_from([0, 0, 1, 2, 3]))
    before = [loop for loop in "ijk" if loop in zeroed and loop not in order[:shared]]
    lines: list[str] = []
    depth = 0
    for loop in order[:shared]:
        lines.append(f"{'    ' * depth}for {loop} in range(64):")
        depth += 1

    def nest(loops: Any, statement: str) -> None:
        inner = depth
        for loop in loops:
            lines.append(f"{'    ' * inner}for {loop} in range(64):")
            inner += 1
        lines.append("    " * inner + statement)

    nest(
        before,
        f"C[{zeroed[0]}, {zeroed[1]}] = T.bfloat16({draw(st.sampled_from([0, 0, 0, 0, 0, 1]))})",
    )
    c = f"C[{target[0]}, {target[1]}]"
    nest(
        order[shared:],
        f"{c} = {c} + A[{left[0]}, {left[1]}] * B[{right[0]}, {right[1]}]",
    )
    return square("\n".join(lines))


@st.composite
def _blocks(draw: Any) -> str:
    """A block whose axes may be of the wrong kind, and whose init may stand elsewhere."""
    kinds = draw(st.sampled_from(["SSR", "SSR", "SSR", "SSR", "SRS", "RSS", "RSR", "SSS", "RRR"]))
    order = draw(ORDERS)
    zeroed = draw(st.sampled_from([*[("vi", "vj")] * 4, ("vj", "vi"), ("vi", "vi")]))
    last = draw(st.sampled_from(["k", "k", "63 - k"]))
    inner = "vk" if last == "k" else draw(st.sampled_from(["vk", "63 - vk"]))
    body = f"""
    for {", ".join(order)} in T.grid(64, 64, 64):
        with T.sblock("sum"):
            vi = T.axis.{_axis(kinds[0])}(64, i)
            vj = T.axis.{_axis(kinds[1])}(64, j)
            vk = T.axis.{_axis(kinds[2])}(64, {last})
            with T.init():
                C[{zeroed[0]}, {zeroed[1]}] = T.bfloat16(0)
            C[vi, vj] = C[vi, vj] + A[vi, {inner}] * B[{inner}, vj]
    """
    return square(body, s_tir=True)


def _axis(kind: str) -> str:
    return {"S": "spatial", "R": "reduce"}[kind]


@st.composite
def _assignments(draw: Any) -> str:
    """One store with loops and indices that may be wrong, split or not."""
    loops = ["i", "j", "o", "p"]
    extents = {"i": 64, "j": 64, "o": 2, "p": 32}
    index = st.sampled_from(["i", "j", "o * 32 + p", "p * 2 + o", "63 - i", "p", "i * 1", "0"])
    pair = draw(st.tuples(index, index))
    same = draw(st.booleans())
    other = pair if same else draw(st.tuples(index, index))
    wanted = {loop for loop in loops if any(loop in text for text in (*pair, *other))}
    used = sorted(wanted | set(draw(st.sampled_from(["", "", "i", "p"]))))
    assume(used)
    grid = f"for {', '.join(used)}, in T.grid({', '.join(str(extents[x]) for x in used)}):"
    grid = grid.replace(", in", " in")
    value = f"A[{', '.join(other)}] {draw(st.sampled_from('+-*'))} B[{', '.join(pair)}]"
    return square(f"{grid}\n    C[{', '.join(pair)}] = {value}")


@pytest.mark.parametrize(
    ("programs", "examples"), [(_sums(), 120), (_blocks(), 60), (_assignments(), 80)]
)
def test_what_is_accepted_means_what_the_source_means(programs: Any, examples: int) -> None:
    """P13: a program is refused, or its plan gives what the source gives on a CPU."""
    accepted, refused = set(), set()

    @fuzz(examples)
    @given(programs)
    def check(source: str) -> None:
        try:
            plan = lower(source).plan
        except LoweringError:
            refused.add(source)
            return
        accepted.add(source)
        expected = golden(kernel(source), plan)
        result = run(plan, expected.inputs)["C"]
        np.testing.assert_allclose(result, expected.outputs["C"], rtol=1e-4, atol=1e-4)

    check()
    assert min(len(accepted), len(refused)) > 1  # or this would show nothing


LIBRARY = sorted((Path(__file__).parents[2] / "kernels").glob("*.py"))


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
@pytest.mark.parametrize("source", LIBRARY, ids=lambda path: path.stem)
def test_every_variant_of_the_library_means_what_its_source_means(source: Path, arch: str) -> None:
    project = source.parents[1]
    for variant in load_variants(source, project):
        made = find_kernel(load_source(source, project), variant.function, variant.parameters)
        plan = run_pipeline(made, name=variant.name, arch=arch, **variant.options).plan
        expected = golden(made, plan)
        for name, result in run(plan, expected.inputs).items():
            np.testing.assert_allclose(result, expected.outputs[name], rtol=1e-4, atol=1e-4)
