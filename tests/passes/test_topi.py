"""What TVM's own topi writes lowers as it is, or is refused (E2).

Each function, on tensors of the given shapes, against NumPy; plans are interpreted
(:func:`sources.run`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sources import lower, plan_of, run, values

from ttgen.errors import LoweringError


@dataclass(frozen=True)
class Function:
    """``call`` on tensors A, B, … of ``shapes``, and what NumPy makes of them."""

    call: str
    shapes: tuple[tuple[int, ...], ...]
    meaning: Callable[..., Any]

    @property
    def source(self) -> str:
        names = "ABDE"[: len(self.shapes)]
        tensors = "".join(
            f'    {name} = te.placeholder({shape}, dtype="bfloat16", name="{name}")\n'
            for name, shape in zip(names, self.shapes, strict=True)
        )
        result = ", ".join([*names, self.call])
        return f"from tvm import topi\ndef k():\n{tensors}    return [{result}]\n"


M, N, K = 40, 70, 64
MATRIX, BATCH, ROW, COLUMN = (M, K), (3, M, K), (K,), (M, 1)
WHOLE = (3, 64, 96)


RAGGED = (3, M, N)


#: Axes of a reduction.
AXES = (-1, -2, (1, 2), (0, 1), (0, 2), None)


def _reduction(name: str, axis: Any, keepdims: bool, shape: tuple[int, ...]) -> Function:
    written = list(axis) if isinstance(axis, tuple) else axis
    call = f"topi.{name}(A, axis={written}, keepdims={keepdims})"
    relation = getattr(np, name)
    return Function(call, (shape,), lambda A: relation(A, axis=axis, keepdims=keepdims))


LOWERS = {
    "a lower triangle": Function(
        'topi.trilu(A, te.const(2, "int32"), False)', (RAGGED,), lambda A: np.tril(A, 2)
    ),
    "an upper triangle": Function(
        'topi.trilu(A, te.const(-1, "int32"), True)', (MATRIX,), lambda A: np.triu(A, -1)
    ),
    "dense": Function("topi.nn.dense(A, B)", (MATRIX, (N, K)), lambda A, B: A @ B.T),
    "dense with a bias": Function(
        "topi.nn.dense(A, B, D)", (MATRIX, (N, K), (N,)), lambda A, B, D: A @ B.T + D
    ),
    "matmul": Function("topi.matmul(A, B)", (MATRIX, (K, N)), lambda A, B: A @ B),
    "matmul, first transposed": Function(
        "topi.matmul(A, B, True, False)", ((K, M), (K, N)), lambda A, B: A.T @ B
    ),
    "matmul, second transposed": Function(
        "topi.matmul(A, B, False, True)", (MATRIX, (N, K)), lambda A, B: A @ B.T
    ),
    "matmul, both transposed": Function(
        "topi.matmul(A, B, True, True)", ((K, M), (N, K)), lambda A, B: A.T @ B.T
    ),
    "nn.matmul": Function(
        "topi.nn.matmul(A, B, D)", (MATRIX, (K, N), (N,)), lambda A, B, D: A @ B + D
    ),
    "batch_matmul": Function(
        "topi.nn.batch_matmul(A, B)", (BATCH, (3, N, K)), lambda A, B: A @ B.transpose(0, 2, 1)
    ),
    "batch_matmul of a shared factor": Function(
        "topi.nn.batch_matmul(A, B)", (BATCH, (1, N, K)), lambda A, B: A @ B.transpose(0, 2, 1)
    ),
    "batch_matmul, not transposed": Function(
        "topi.nn.batch_matmul(A, B, transpose_b=False)", (BATCH, (3, K, N)), lambda A, B: A @ B
    ),
    "einsum": Function("topi.einsum('bij,bjk->bik', A, B)", (BATCH, (3, K, N)), lambda A, B: A @ B),
    "einsum, matrix and vector": Function(
        "topi.einsum('ij,j->i', A, B)", (MATRIX, ROW), lambda A, B: A @ B
    ),
    "einsum, outer product": Function(
        "topi.einsum('i,j->ij', A, B)", ((M,), (N,)), lambda A, B: np.outer(A, B)
    ),
    "tensordot": Function("topi.tensordot(A, B, 1)", (MATRIX, (K, N)), lambda A, B: A @ B),
    "add": Function("topi.add(A, B)", (MATRIX, MATRIX), lambda A, B: A + B),
    "add a row": Function("topi.add(A, B)", (MATRIX, ROW), lambda A, B: A + B),
    "subtract a column": Function("topi.subtract(A, B)", (MATRIX, COLUMN), lambda A, B: A - B),
    "subtract from a row": Function("topi.subtract(B, A)", (MATRIX, ROW), lambda A, B: B - A),
    "subtract a matrix from a batch": Function(
        "topi.subtract(A, B)", (BATCH, MATRIX), lambda A, B: A - B
    ),
    "subtract itself": Function("topi.subtract(A, A)", (MATRIX,), lambda A: A - A),
    "multiply both ways": Function("topi.multiply(A, B)", (COLUMN, ROW), lambda A, B: A * B),
    "multiply by a number": Function(
        'topi.multiply(A, te.const(3, "bfloat16"))', (MATRIX,), lambda A: 3 * A
    ),
    "multiply by a scalar": Function("topi.multiply(A, B)", (MATRIX, ()), lambda A, B: A * B),
    "multiply batches": Function(
        "topi.multiply(A, B)", ((3, 1, M, K), (2, 1, K)), lambda A, B: A * B
    ),
    "scale and shift": Function(
        "topi.add(topi.multiply(A, B), D)", (BATCH, ROW, ROW), lambda A, B, D: A * B + D
    ),
    "divide": Function('topi.divide(A, te.const(4, "bfloat16"))', (MATRIX,), lambda A: A / 4),
    "negative": Function("topi.negative(A)", (MATRIX,), lambda A: -A),
    "identity": Function("topi.identity(A)", (MATRIX,), lambda A: A),
    "cast": Function('topi.cast(topi.cast(A, "float32"), "bfloat16")', (MATRIX,), lambda A: A),
    "elemwise_sum": Function("topi.elemwise_sum([A, B])", (MATRIX, MATRIX), lambda A, B: A + B),
    **{
        f"{name} over {axis} of {what}, {'kept' if keepdims else 'dropped'}": _reduction(
            name, axis, keepdims, shape
        )
        for name in ("sum", "max", "min")
        for axis in AXES
        for keepdims in (True, False)
        for what, shape in (("whole tiles", WHOLE), ("ragged ones", RAGGED))
    },
    "sum of rows in two batches": Function(
        "topi.sum(A, axis=2)", ((2, 3, M, N),), lambda A: A.sum(axis=2)
    ),
    "sum of matrices in two batches": Function(
        "topi.sum(A, axis=[2, 3])", ((2, 3, M, N),), lambda A: A.sum(axis=(2, 3))
    ),
    "sum of rows and a batch": Function(
        "topi.sum(A, axis=[1, 2])", ((2, 3, M, N),), lambda A: A.sum(axis=(1, 2))
    ),
    "sum of rows of one column": Function(
        "topi.sum(A, axis=1)", ((3, M, 1),), lambda A: A.sum(axis=1)
    ),
    "sum of matrices as a column": Function(
        "topi.expand_dims(topi.sum(A, axis=[1, 2]), 1)",
        (RAGGED,),
        lambda A: A.sum(axis=(1, 2))[:, None],
    ),
    "mean of rows": Function(
        'topi.divide(topi.sum(A, axis=1), te.const(64, "bfloat16"))',
        (WHOLE,),
        lambda A: A.mean(axis=1),
    ),
    "squares of sums of rows": Function(
        "topi.multiply(topi.sum(A, axis=1), topi.sum(A, axis=1))",
        (RAGGED,),
        lambda A: A.sum(axis=1) ** 2,
    ),
    "sum of rows, and a row": Function(
        "topi.add(topi.sum(A, axis=1), B)", (RAGGED, (N,)), lambda A, B: A.sum(axis=1) + B
    ),
    "sums of rows of a reshape": Function(
        "topi.reshape(topi.sum(A, axis=2), (6, 70))",
        ((2, 3, M, N),),
        lambda A: A.sum(axis=2).reshape(6, N),
    ),
    "products of vectors and matrices": Function(
        "topi.einsum('i,bij->bj', A, B)", ((M,), RAGGED), lambda A, B: A @ B
    ),
    "sum of a vector": Function("topi.sum(A)", ((N,),), lambda A: A.sum()),
    "ragged sum": Function("topi.sum(A, axis=-1)", ((M, N),), lambda A: A.sum(axis=-1)),
    "ragged max": Function("topi.max(A, axis=-1)", ((M, N),), lambda A: A.max(axis=-1)),
    "sum over two batches": Function(
        "topi.sum(A, axis=[1, 3])", ((2, 3, M, K),), lambda A: A.sum(axis=(1, 3))
    ),
    "mean": Function(
        'topi.divide(topi.sum(A, axis=-1), te.const(64, "bfloat16"))',
        (MATRIX,),
        lambda A: A.mean(axis=-1),
    ),
    "less the mean": Function(
        "topi.subtract(A, topi.divide(topi.sum(A, axis=-1, keepdims=True), "
        'te.const(64, "bfloat16")))',
        (MATRIX,),
        lambda A: A - A.mean(axis=-1, keepdims=True),
    ),
    "sum of squares": Function(
        "topi.sum(topi.multiply(A, A), axis=-1)", (MATRIX,), lambda A: (A * A).sum(axis=-1)
    ),
    "transpose": Function("topi.transpose(A)", (MATRIX,), lambda A: A.T),
    "transpose in a batch": Function(
        "topi.transpose(A, (0, 2, 1))", (BATCH,), lambda A: A.transpose(0, 2, 1)
    ),
    "transpose of batches": Function(
        "topi.transpose(A, (1, 0, 2, 3))", ((2, 3, M, K),), lambda A: A.transpose(1, 0, 2, 3)
    ),
    "expand_dims": Function("topi.expand_dims(A, 0)", (MATRIX,), lambda A: A[None]),
    "expand_dims to a column": Function("topi.expand_dims(A, 1)", (ROW,), lambda A: A[:, None]),
    "squeeze": Function("topi.squeeze(A)", ((1, M, K),), lambda A: A[0]),
    "squeeze rows": Function("topi.squeeze(A, 1)", ((3, 1, N),), lambda A: A[:, 0]),
    "squeeze rows and columns": Function(
        "topi.squeeze(A, [1, 2])", ((3, 1, 1),), lambda A: A[:, 0, 0]
    ),
    "squeeze a column": Function("topi.squeeze(A, 2)", ((3, M, 1),), lambda A: A[..., 0]),
    "reshape that drops a dimension": Function(
        "topi.reshape(A, (40, 64))", ((1, M, K),), lambda A: A[0]
    ),
    "reshape that adds dimensions": Function(
        "topi.reshape(A, (1, 1, 40, 64))", (MATRIX,), lambda A: A[None, None]
    ),
    "reshape of a batch": Function(
        "topi.reshape(A, (2, 3, 40, 64))", ((6, M, K),), lambda A: A.reshape(2, 3, M, K)
    ),
    "reshape of two batches": Function(
        "topi.reshape(A, (6, 40, 64))", ((2, 3, M, K),), lambda A: A.reshape(6, M, K)
    ),
    "reshape of rows": Function(
        "topi.reshape(A, (192, 64))", ((3, 64, 64),), lambda A: A.reshape(192, 64)
    ),
    "reshape to rows": Function(
        "topi.reshape(A, (3, 64, 64))", ((192, 64),), lambda A: A.reshape(3, 64, 64)
    ),
    "flatten": Function("topi.nn.flatten(A)", (MATRIX,), lambda A: A),
    "broadcast_to": Function(
        "topi.broadcast_to(A, (40, 64))", (ROW,), lambda A: np.broadcast_to(A, MATRIX)
    ),
    "broadcast_to of a column": Function(
        "topi.broadcast_to(A, (40, 64))", (COLUMN,), lambda A: np.broadcast_to(A, MATRIX)
    ),
    "broadcast_to of a batch": Function(
        "topi.broadcast_to(A, (3, 40, 64))", (MATRIX,), lambda A: np.broadcast_to(A, BATCH)
    ),
    "full": Function('topi.full((40, 64), "bfloat16", 3.0)', (), lambda: np.full(MATRIX, 3)),
    "full_like": Function("topi.full_like(A, 3.0)", (MATRIX,), lambda A: np.full_like(A, 3)),
    "concatenate": Function(
        "topi.concatenate((A, B, D), 1)",
        ((64, 32), (64, 96), (64, 5)),
        lambda A, B, D: np.concatenate((A, B, D), axis=1),
    ),
    "concatenate rows": Function(
        "topi.concatenate((A, B), 0)", ((64, N), (M, N)), lambda A, B: np.concatenate((A, B))
    ),
    "concatenate batches": Function(
        "topi.concatenate((A, B), 0)",
        ((2, M, N), (3, M, N)),
        lambda A, B: np.concatenate((A, B)),
    ),
    "stack": Function("topi.stack((A, B), 0)", (MATRIX, MATRIX), lambda A, B: np.stack((A, B))),
    "strided_slice": Function(
        "topi.strided_slice(A, [32, 64], [96, 100])", ((96, 100),), lambda A: A[32:, 64:]
    ),
    "strided_slice of a batch": Function(
        "topi.strided_slice(A, [1, 0, 0], [6, 40, 64], [2, 1, 1])",
        ((6, M, K),),
        lambda A: A[1::2],
    ),
    "split": Function("topi.split(A, 2, axis=1)[1]", ((64, 128),), lambda A: A[:, 64:]),
    "flip": Function("topi.flip(A, 0)", (BATCH,), lambda A: A[::-1]),
    "repeat": Function("topi.repeat(A, 2, 0)", (BATCH,), lambda A: A.repeat(2, axis=0)),
    "tile": Function("topi.tile(A, (2, 1))", ((64, 64),), lambda A: np.tile(A, (2, 1))),
    "relu": Function("topi.nn.relu(A)", (MATRIX,), lambda A: np.maximum(A, 0)),
    "maximum": Function("topi.maximum(A, B)", (MATRIX, COLUMN), lambda A, B: np.maximum(A, B)),
    "minimum": Function("topi.minimum(A, B)", (RAGGED, (N,)), lambda A, B: np.minimum(A, B)),
    "minimum of a number": Function(
        "topi.minimum(A, 1.5)", (MATRIX,), lambda A: np.minimum(A, 1.5)
    ),
    "clip": Function("topi.clip(A, -2, 3)", (MATRIX,), lambda A: np.clip(A, -2, 3)),
    "leaky_relu": Function(
        "topi.nn.leaky_relu(A, 0.25)", (RAGGED,), lambda A: np.where(A > 0, A, A / 4)
    ),
    "prelu": Function(
        "topi.nn.prelu(A, B, 1)", (MATRIX, (K,)), lambda A, B: np.where(A > 0, A, A * B)
    ),
    "sign": Function("topi.sign(A)", (MATRIX,), lambda A: np.sign(A)),
    "where": Function(
        'topi.where(topi.greater(A, te.const(0, "bfloat16")), A, B)',
        (MATRIX, MATRIX),
        lambda A, B: np.where(A > 0, A, B),
    ),
    "where a condition holds of two tensors": Function(
        "topi.where(topi.logical_or(topi.equal(A, B), topi.less(B, D)), B, D)",
        (MATRIX, MATRIX, COLUMN),
        lambda A, B, D: np.where((A == B) | (B < D), B, D),
    ),
    "a condition that is cast": Function(
        'topi.cast(topi.logical_not(topi.less_equal(A, B)), "bfloat16")',
        (MATRIX, MATRIX),
        lambda A, B: A > B,
    ),
    "power": Function("topi.power(A, 2.0)", (MATRIX,), lambda A: A * A),
    "abs": Function("topi.abs(A)", (MATRIX,), lambda A: np.abs(A)),
    "floor": Function("topi.floor(A)", (MATRIX,), lambda A: np.floor(A)),
    "pad": Function(
        "topi.nn.pad(A, (0, 32), (32, 0))", ((64, K),), lambda A: np.pad(A, ((0, 32), (32, 0)))
    ),
}


@pytest.mark.parametrize("function", LOWERS.values(), ids=LOWERS.keys())
def test_topi_lowers_as_it_is(function: Function) -> None:
    plan = plan_of(function.source)
    inputs = values(plan)
    (result,) = run(plan, inputs).values()
    expected = np.asarray(function.meaning(**inputs))
    assert result.shape == expected.shape
    assert np.array_equal(result, expected)


#: What does not lower yet, and what its refusal speaks of.
REFUSED = {
    "argmax": Function("topi.argmax(A, axis=-1)", (MATRIX,), lambda A: "kernels/k.py"),
    "prod": Function("topi.prod(A, axis=-1)", (MATRIX,), lambda A: "no reduction"),
    "transpose of rows and batch": Function(
        "topi.transpose(A, (1, 0, 2))", (BATCH,), lambda A: "makes tiles of the output"
    ),
    "concatenate inside of tiles": Function(
        "topi.concatenate((A, B), 0)", (MATRIX, MATRIX), lambda A: "ends at element 40 of 80"
    ),
    "reshape of columns into rows": Function(
        "topi.reshape(A, (40, 2, 32))", (MATRIX,), lambda A: "makes tiles of the output, but not of"
    ),
}


@pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED.keys())
def test_what_topi_writes_beyond_that_is_refused(function: Function) -> None:
    with pytest.raises(LoweringError, match=function.meaning(None)) as caught:
        lower(function.source)
    assert str(caught.value.at).startswith("kernels/k.py:")
