"""In which order the dimensions of tensors lie on the device (D6, P8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sources import assert_means, buffers, elementwise, gemm, kernel, plan_of, prim_func, te

from ttgen.analysis.counterpart import counterpart
from ttgen.errors import LoweringError
from ttgen.passes.infer_tt_layout import InferTTLayout
from ttgen.passes.meaning import meaning
from ttgen.passes.pipeline import kernel_module

SHAPE = (3, 40, 70)
TURNED = [1, 0, 2]


def alike(layout: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys("ABC", layout)


ADD = elementwise("add", SHAPE)
TRANSPOSE = te({"A": SHAPE}, "from tvm import topi\nC = topi.transpose(A, (1, 0, 2))")
ANNOTATED = prim_func(
    buffers("AB", [SHAPE] * 2),
    'T.func_attr({"tt.buffer.A": {"order": [1, 0, 2]}, "tt.user_layout": '
    '{"B": {"order": [1, 0, 2]}}})\n'
    "for i, j, k in T.grid(3, 40, 70):\n    B[i, j, k] = A[i, j, k]",
)
SHARDS = {"axes": ["B", "M", "N"], "grid": [4, 1, 3]}

#: source, meaning, options
SAID: dict[str, tuple[str, Callable[..., Any], dict[str, Any]]] = {
    "add": (ADD, np.add, {"layouts": alike({"order": TURNED})}),
    "add, columns first": (ADD, np.add, {"layouts": alike({"order": [2, 0, 1]})}),
    "add in rows": (ADD, np.add, {"layouts": alike({"order": TURNED, "page": "row"})}),
    "add in shards": (
        ADD,
        np.add,
        {
            "layouts": alike({"order": TURNED, "nd_shard": SHARDS}),
            "partition_mode": "local_shard",
        },
    ),
    "copy that transposes tiles": (
        elementwise("copy", SHAPE),
        lambda A: A,
        {"layouts": {"A": {"order": [0, 2, 1]}}},
    ),
    "matmul": (gemm(40, 70, 64), np.matmul, {"layouts": {"A": {"order": [1, 0]}}}),
    "transpose, input": (
        TRANSPOSE,
        lambda A: A.transpose(1, 0, 2),
        {"layouts": {"A": {"order": TURNED}}},
    ),
    "transpose, output": (
        TRANSPOSE,
        lambda A: A.transpose(1, 0, 2),
        {"layouts": {"T_transpose": {"order": TURNED}}},
    ),
    "in the source": (ANNOTATED, lambda A: A, {}),
}


@pytest.mark.parametrize(("source", "relation", "options"), SAID.values(), ids=SAID.keys())
def test_an_order_changes_no_value(
    source: str, relation: Callable[..., Any], options: dict[str, Any]
) -> None:
    assert_means(source, lambda **tensors: relation(*tensors.values()), **options)


def test_the_plan_says_what_lies_where() -> None:
    plan = plan_of(ADD, layouts=alike({"order": TURNED, "page": "row"}))
    tensor = plan.tensor("A")
    assert (tensor.shape, tensor.order) == (SHAPE, (1, 0, 2))
    assert (tensor.device_shape, tensor.padded_shape) == ((40, 3, 70), (40, 32, 96))
    assert (tensor.pages, tensor.page_bytes) == (120, 140)
    assert plan_of(ADD) == plan_of(ADD, layouts=alike({"order": [0, 1, 2]}))


# Deduced ------------------------------------------------------------------------------------------


def contraction(spec: str, a: tuple[int, ...], b: tuple[int, ...]) -> str:
    return te({"A": a, "B": b}, f"from tvm import topi\nC = topi.einsum('{spec}', A, B)")


#: A sum of products, its shapes, and the orders that follow for A, B and C.
DEDUCED: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[Any, Any, Any]]] = {
    "bshd,bthd->bhst": ((2, 40, 3, 70), (2, 33, 3, 70), ([0, 2, 1, 3], [0, 2, 1, 3], None)),
    "bhst,bthd->bshd": ((2, 3, 40, 33), (2, 33, 3, 70), (None, [0, 2, 1, 3], [0, 2, 1, 3])),
    "bshd,bthd->bsth": ((2, 40, 3, 70), (2, 33, 3, 70), (None, None, None)),
    "bsm,mhd->bhsd": ((2, 40, 64), (64, 3, 70), (None, [1, 0, 2], None)),
    "bqhd,bthd->bhqt": ((2, 1, 3, 70), (2, 33, 3, 70), ([0, 2, 1, 3], [0, 2, 1, 3], None)),
    "bij,bjk->bik": ((3, 40, 70), (3, 70, 33), (None, None, None)),
    "ki,kj->ij": ((70, 40), (70, 33), (None, None, None)),
}


@pytest.mark.parametrize(("spec", "shapes"), DEDUCED.items(), ids=DEDUCED.keys())
def test_a_product_decides_the_order_of_its_tensors(spec: str, shapes: Any) -> None:
    a, b, orders = shapes
    source = contraction(spec, a, b)
    found = plan_of(source).tensors
    plain = [list(range(len(tensor.shape))) for tensor in found]
    wanted = [order or own for order, own in zip(orders, plain, strict=True)]
    assert [list(tensor.order) for tensor in found] == wanted
    assert_means(source, lambda A, B: np.einsum(spec, A, B))


def test_a_sum_of_products_of_whole_tiles_keeps_them() -> None:
    """Rows and columns of tiles are no part of the product: it would be one of single elements."""
    shapes = {"A": (2, 3, 40, 70), "B": (2, 3, 40, 70)}
    body = """
    n = te.reduce_axis((0, 3), name="n")
    C = te.compute((2, 2, 40, 70), lambda a, b, i, j: te.sum(A[a, n, i, j] * B[b, n, i, j], n))
    """
    source = te(shapes, body)
    assert all(tensor.order == (0, 1, 2, 3) for tensor in plan_of(source).tensors)
    assert_means(source, lambda A, B: np.einsum("anij,bnij->abij", A, B))


def test_what_is_said_wins() -> None:
    source = contraction("bshd,bthd->bhst", (2, 40, 3, 70), (2, 33, 3, 70))
    with pytest.raises(LoweringError, match="reductions run over the last two dimensions"):
        plan_of(source, layouts={"A": {"order": [0, 1, 2, 3]}})


# Refused ------------------------------------------------------------------------------------------

ROW_SUMS = te(
    {"A": (3, 40, 64)},
    'n = te.reduce_axis((0, 64), name="n")\n'
    "C = te.compute((3, 40), lambda b, i: te.sum(A[b, i, n], axis=n), name='C')",
)
BLOCKS = """
@T.prim_func
def k(A: T.Buffer((64, 64), "bfloat16"), B: T.Buffer((64, 64), "bfloat16")):
    T.device_entry()
    by, bx = T.cta_id([2, 2])
    Tx.copy(B[by * 32 : by * 32 + 32, bx * 32 : bx * 32 + 32],
            A[by * 32 : by * 32 + 32, bx * 32 : bx * 32 + 32])
"""
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "fewer": (ADD, {"A": {"order": [0, 1]}}, r"order is \[0, 1\]; it has each .*\n.*\[0, 1, 2\]"),
    "twice": (ADD, {"A": {"order": [0, 1, 1]}}, r"order is \[0, 1, 1\]; it has each dimension"),
    "no list": (ADD, {"A": {"order": "row_major"}}, "order is 'row_major'; it has each"),
    "one of three": (
        ADD,
        {"A": {"order": TURNED}},
        r"dimension i1 makes tiles of the output.*\n.*`layouts: \{A: \{order: \[0, 1, 2\]\}\}`",
    ),
    "either of two": (
        TRANSPOSE,
        {},
        r"dimension ax1 makes tiles of the output.*\n.*`layouts: \{A: \{order: \[1, 0, 2\]\}\}`",
    ),
    "lost columns": (
        ROW_SUMS,
        {"A": {"order": TURNED}, "C": {"order": [1, 0]}},
        "layout of C: order is .* the output is made of columns of tiles",
    ),
    "blocks of a grid": (
        "from tvm.script.tirx import tile as Tx\n" + BLOCKS,
        {name: {"order": [1, 0]} for name in "AB"},
        r"blocks of the grid are of an output .* in the order \[1, 0\]\n.*`partition`",
    ),
}


@pytest.mark.parametrize(("source", "layouts", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_no_order_helps_is_refused(source: str, layouts: dict[str, Any], says: str) -> None:
    with pytest.raises(LoweringError, match=rf"(?s)^kernels/k.py:\d.*{says}"):
        plan_of(source, layouts=layouts)


# Beside ttnn --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layouts", "call"),
    [({"A": {"order": TURNED}}, "clone(A)"), ({}, "transpose(A, -3, -2)")],
)
def test_the_counterpart_takes_tensors_as_they_lie(layouts: dict[str, Any], call: str) -> None:
    made = kernel(TRANSPOSE)
    module = InferTTLayout("wormhole_b0", layouts)(kernel_module(made))
    assert str(counterpart(meaning(module[made.function]))) == call
