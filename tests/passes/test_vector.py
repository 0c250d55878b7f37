"""The vector unit's operations wherever a kernel has them; padding never becomes an infinity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sources import lower, plan_of, run, sum_over, te

from ttgen.errors import LoweringError
from ttgen.vector import NEAREST

MATRIX = {"A": (40, 70)}
ONE = 'te.const(1, "bfloat16")'
HUNDRED = 'te.const(100, "bfloat16")'


def values(plan: Any) -> dict[str, Any]:
    """Numbers from 1 to 3, of both signs, for each input."""
    random = np.random.default_rng(5)
    inputs = [tensor for tensor in plan.tensors if tensor.role == "input"]
    return {
        t.name: (random.uniform(1, 3, t.shape) * random.choice([-1, 1], t.shape)).astype(np.float32)
        for t in inputs
    }


def elementwise(value: str) -> str:
    return f'C = te.compute((40, 70), lambda i, j: {value}, name="C")'


#: A kernel and its meaning.
PROGRAMS: dict[str, tuple[str, Callable[..., Any]]] = {
    "in a tree": (
        te(MATRIX, elementwise("te.exp(A[i, j]) * te.sigmoid(A[i, j] - te.exp(A[i, j]))")),
        lambda A: np.exp(A) / (1 + np.exp(np.exp(A) - A)),
    ),
    "of each other": (
        te(MATRIX, elementwise(f"te.sqrt(te.abs(te.sin(A[i, j])) + {ONE})")),
        lambda A: np.sqrt(np.abs(np.sin(A)) + 1),
    ),
    "of a number": (
        te(MATRIX, elementwise("A[i, j] * te.exp(te.const(0, 'bfloat16'))")),
        lambda A: A,
    ),
    "a division": (
        te(MATRIX, elementwise(f"A[i, j] / (te.abs(A[i, j]) + {ONE})")),
        lambda A: A / (np.abs(A) + 1),
    ),
    "of a column": (
        te({**MATRIX, "B": (40, 1)}, elementwise("A[i, j] * te.exp(B[i, 0])")),
        lambda A, B: A * np.exp(B),
    ),
    "of a sum": (
        te(
            MATRIX,
            'n = te.reduce_axis((0, 70), name="n")\n'
            'S = te.compute((40,), lambda i: te.sum(A[i, n], axis=n), name="S")\n'
            'C = te.compute((40,), lambda i: te.tanh(te.const(0.125, "bfloat16") * S[i]))',
        ),
        lambda A: np.tanh(A.sum(axis=1) / 8),
    ),
    "summed": (
        te(MATRIX, sum_over(70, (40,), "i", "te.exp(A[i, n])")),
        lambda A: np.exp(A).sum(axis=1),
    ),
    "summed, infinite in the padding": (
        te(MATRIX, sum_over(70, (40,), "i", f"{ONE} / A[i, n]")),
        lambda A: (1 / A).sum(axis=1),
    ),
    "summed, infinite in the padding for what an operand is there": (
        te(MATRIX, sum_over(70, (40,), "i", f"te.exp({HUNDRED} - {HUNDRED} * A[i, n] * A[i, n])")),
        lambda A: np.exp(100 - 100 * A * A).sum(axis=1),
    ),
    "the largest": (
        te(MATRIX, sum_over(70, (40,), "i", "te.rsqrt(te.abs(A[i, n]))", "max")),
        lambda A: (1 / np.sqrt(np.abs(A))).max(axis=1),
    ),
    "a factor of a product": (
        te(
            {**MATRIX, "B": (70, 36)},
            'n = te.reduce_axis((0, 70), name="n")\n'
            "C = te.compute((40, 36), lambda i, j: "
            'te.sum(te.log(te.abs(A[i, n])) * B[n, j], axis=n), name="C")',
        ),
        lambda A, B: np.log(np.abs(A)) @ B,
    ),
    "softmax": (
        te(MATRIX, "from tvm import topi\nC = topi.nn.softmax(A, axis=-1)"),
        lambda A: np.exp(A) / np.exp(A).sum(axis=1, keepdims=True),
    ),
    "fast softmax": (
        te(MATRIX, "from tvm import topi\nC = topi.nn.fast_softmax(A, axis=-1)"),
        lambda A: np.exp(A) / np.exp(A).sum(axis=1, keepdims=True),
    ),
    "softmax of columns": (
        te(MATRIX, "from tvm import topi\nC = topi.nn.softmax(A, axis=0)"),
        lambda A: np.exp(A) / np.exp(A).sum(axis=0),
    ),
    "layer norm, in float32": (
        te(
            {**MATRIX, "B": (70,), "D": (70,)},
            "from tvm import topi\n"
            'wide = [topi.cast(tensor, "float32") for tensor in (A, B, D)]\n'
            'C = topi.cast(topi.nn.layer_norm(*wide, [1]), "bfloat16")',
        ),
        lambda A, B, D: (
            (A - A.mean(axis=1, keepdims=True)) / np.sqrt(A.var(axis=1, keepdims=True) + 1e-5) * B
            + D
        ),
    ),
    "RMS norm": (
        te({**MATRIX, "B": (70,)}, "from tvm import topi\nC = topi.nn.rms_norm(A, B, [1])"),
        lambda A, B: A / np.sqrt((A * A).mean(axis=1, keepdims=True) + 1e-5) * B,
    ),
    "log softmax": (
        te(MATRIX, "from tvm import topi\nC = topi.nn.log_softmax(A, axis=-1)"),
        lambda A: A - np.log(np.exp(A).sum(axis=1, keepdims=True)),
    ),
}


@pytest.mark.parametrize(("source", "meaning"), PROGRAMS.values(), ids=PROGRAMS)
def test_it_means_what_the_source_does(source: str, meaning: Callable[..., Any]) -> None:
    plan = plan_of(source)
    inputs = values(plan)
    (result,) = run(plan, inputs).values()
    expected = meaning(**{name: array.astype(np.float64) for name, array in inputs.items()})
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("function", ["tan", "log2", "round", "atan"])
def test_what_has_no_device_form_is_refused_with_the_nearest(function: str) -> None:
    nearest = f"the nearest that has one is {NEAREST.get(function)}"
    hint = nearest if function in NEAREST else "operations that lower today"
    with pytest.raises(LoweringError, match=f"{function}.* is not supported") as caught:
        lower(te(MATRIX, elementwise(f"te.{function}(A[i, j])")))
    assert hint in (caught.value.hint or "")
    assert str(caught.value.at).startswith("kernels/k.py:")
