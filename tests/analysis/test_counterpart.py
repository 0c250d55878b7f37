"""Which of ttnn's operations means the same as a kernel, by dataflow alone."""

from __future__ import annotations

import pytest
from sources import ELEMENTWISE_FORMS, GEMM_FORMS, elementwise, gemm, kernel

from ttgen.analysis import analyse
from ttgen.analysis.counterpart import counterpart

PRELUDE = """
    from tvm import topi

    def f():
        A = te.placeholder((64, 96), "bfloat16", name="A")
        B = te.placeholder((64, 96), "bfloat16", name="B")
        R = te.placeholder((1, 96), "bfloat16", name="R")
        S = te.placeholder((4, 64, 96), "bfloat16", name="S")
        W = te.placeholder((96, 32), "bfloat16", name="W")
        V = te.placeholder((32, 96), "bfloat16", name="V")
        b = te.placeholder((32,), "bfloat16", name="b")
        c = lambda value: te.const(value, "bfloat16")
        k = te.reduce_axis((0, 96), name="k")
        sum_of = lambda f: te.compute((64, 32), f, name="P")
        """


def call(source: str) -> str:
    made = kernel(source)
    return str(counterpart(analyse(made.func, made.at)))


@pytest.mark.parametrize("form", GEMM_FORMS)
def test_a_product_in_any_form(form: str) -> None:
    assert call(gemm(64, 96, 160, form)) == "matmul(A, B)"


@pytest.mark.parametrize("form", ELEMENTWISE_FORMS)
def test_elementwise_in_any_form(form: str) -> None:
    assert call(elementwise("sub", (64, 96), form)) == "subtract(A, B)"


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("[A, B, topi.add(A, B)]", "add(A, B)"),
        ("[A, R, topi.multiply(R, A)]", "multiply(R, A)"),
        ("[A, topi.subtract(A, c(3))]", "subtract(A, 3.0)"),
        ("[A, topi.multiply(c(3), A)]", "multiply(A, 3.0)"),
        ("[A, topi.sum(A, axis=-1)]", "sum(A, dim=[-1], keepdim=True)"),
        ("[S, topi.max(S, axis=1, keepdims=True)]", "max(S, dim=[-2], keepdim=True)"),
        ("[A, topi.divide(topi.sum(A, axis=0), c(64))]", "mean(A, dim=[-2], keepdim=True)"),
        ("[A, topi.transpose(A)]", "transpose(A, -2, -1)"),
        ("[S, topi.transpose(S, (2, 0, 1))]", "permute(S, [2, 0, 1])"),
        ("[A, te.compute((64, 96), lambda i, j: A[i, j])]", "clone(A)"),
        ("[A, topi.strided_slice(A, [32, 0], [64, 96])]", "slice(A, [32, 0], [64, 96], [1, 1])"),
        ("[A, B, topi.concatenate([B, A], axis=0)]", "concat([B, A], dim=-2)"),
        ("[A, W, sum_of(lambda i, j: te.sum(W[k, j] * A[i, k], k))]", "matmul(A, W)"),
        (
            "[A, W, b, topi.add(sum_of(lambda i, j: te.sum(A[i, k] * W[k, j], k)), b)]",
            "linear(A, W, bias=b)",
        ),
        ("[A, topi.nn.relu(A)]", "relu(A)"),
        (
            "[A, V, sum_of(lambda i, j: te.sum(A[i, k] * V[j, k], k))]",
            "matmul(A, V, transpose_b=True)",
        ),
    ],
)
def test_meanings(returned: str, expected: str) -> None:
    assert call(f"{PRELUDE}return {returned}\n") == expected


@pytest.mark.parametrize(
    "returned",
    [
        "[A, B, topi.add(topi.add(A, B), A)]",
        "[A, topi.subtract(c(3), A)]",
        "[A, topi.divide(topi.sum(A, axis=0), c(63))]",
        "[A, B, topi.sum(topi.multiply(A, B), axis=-1)]",
        "[A, W, topi.multiply(c(2), sum_of(lambda i, j: te.sum(A[i, k] * W[k, j], k)))]",
        "[A, te.compute((32, 96), lambda i, j: A[i + 32, j] + A[i, j])]",
    ],
)
def test_what_takes_several_operations_has_no_counterpart(returned: str) -> None:
    assert call(f"{PRELUDE}return {returned}\n") == "None"


def test_names_do_not_matter() -> None:
    source = elementwise("add", (64, 96), names=("matmul", "A", "transpose"))
    assert call(source) == "add(matmul, A)"
