"""What Relax writes (``LegalizeOps``, ``FuseOps``) lowers as it is (E2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sources import legalised, run
from tvm.relax import op
from tvm.relax.op import nn

from ttgen.golden import golden
from ttgen.passes.pipeline import run_pipeline

Operation = Callable[..., Any]
Shapes = list[tuple[int, ...]]

OPERATIONS: dict[str, Operation] = {
    "gelu": lambda x, y: nn.gelu(x),
    "gelu_tanh": lambda x, y: nn.gelu_tanh(x),
    "silu": lambda x, y: nn.silu(x),
    "leakyrelu": lambda x, y: nn.leakyrelu(x, 0.125),
    "relu6": lambda x, y: nn.relu6(x),
    "softplus": lambda x, y: nn.softplus(x),
    "softmax": lambda x, y: nn.softmax(x, -1),
    "log_softmax": lambda x, y: nn.log_softmax(x, -1),
    "maximum": op.maximum,
    "minimum": op.minimum,
    "clip": lambda x, y: op.clip(x, -1, 1),
    "sign": lambda x, y: op.sign(x),
    "square": lambda x, y: op.square(x),
    "negative": lambda x, y: op.negative(x),
    "tril": lambda x, y: op.tril(x, 1),
    "triu": lambda x, y: op.triu(x, -1),
    "power": lambda x, y: op.power(op.abs(x), y),
}
#: TVM has no power of bfloat16.
CASES = [
    (name, dtype)
    for name in OPERATIONS
    for dtype in ("bfloat16", "float32")
    if (name, dtype) != ("power", "bfloat16")
]
#: How far results may be off: numbers are tiles of bf16 beside bf16 tensors.
OFF = {"bfloat16": 2.0**-8, "float32": 2.0**-18}


def check(operation: Operation, shapes: Shapes, dtype: str, *, fused: bool = False) -> list[str]:
    """Every PrimFunc of ``operation`` gives its golden values; their names."""
    kernels = legalised(operation, shapes, dtype, fused=fused)
    for kernel in kernels:
        plan = run_pipeline(kernel, arch="wormhole_b0").plan
        values = golden(kernel, plan)
        ((output, expected),) = values.outputs.items()
        result = run(plan, values.inputs)[output]
        np.testing.assert_allclose(result, expected, rtol=OFF[dtype], atol=OFF[dtype])
    return [kernel.function for kernel in kernels]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_operations_of_relax(name: str, dtype: str) -> None:
    assert check(OPERATIONS[name], [(40, 70)] * 2, dtype)


def mlp(x: Any, w: Any, b: Any) -> Any:
    return nn.gelu(op.add(op.matmul(x, w), b))


def gated(x: Any, gate: Any, up: Any) -> Any:
    return op.multiply(nn.silu(op.matmul(x, gate)), op.matmul(x, up))


def in_float32(x: Any, weight: Any, bias: Any) -> Any:
    """A layer norm as a bf16 model has it; Relax has none of bf16."""
    wide = (op.astype(one, "float32") for one in (x, weight, bias))
    return op.astype(nn.layer_norm(*wide, axes=[-1]), "bfloat16")


#: Blocks of a transformer: what is written, the shapes, and the kernels that are fused of it.
BLOCKS: dict[str, tuple[Operation, Shapes, str, list[str]]] = {
    "layer norm": (
        lambda x, w, b: nn.layer_norm(x, w, b, axes=[-1]),
        [(2, 50, 70), (70,), (70,)],
        "float32",
        ["layer_norm"],
    ),
    "layer norm of bf16": (
        in_float32,
        [(50, 70), (70,), (70,)],
        "bfloat16",
        ["cast", "cast1", "fused_layer_norm_cast2"],
    ),
    "RMS norm": (
        lambda x, w: nn.rms_norm(x, w, axes=[-1]),
        [(2, 50, 70), (70,)],
        "bfloat16",
        ["rms_norm"],
    ),
    "RMS norm, float32": (
        lambda x, w: nn.rms_norm(x, w, axes=[-1]),
        [(64, 96), (96,)],
        "float32",
        ["rms_norm"],
    ),
    "softmax of a batch": (
        lambda x: nn.softmax(x, -1),
        [(2, 50, 70)],
        "bfloat16",
        ["softmax"],
    ),
    "MLP": (mlp, [(50, 40), (40, 70), (70,)], "bfloat16", ["fused_matmul_add_gelu"]),
    "MLP, float32": (mlp, [(2, 64, 32), (32, 96), (96,)], "float32", ["fused_matmul_add_gelu"]),
    "gated product": (
        gated,
        [(50, 40), (40, 70), (40, 70)],
        "bfloat16",
        ["fused_matmul_silu_multiply", "matmul"],
    ),
    "linear": (
        lambda x, w, b: nn.gelu_tanh(op.linear(x, w, b)),
        [(50, 40), (70, 40), (70,)],
        "bfloat16",
        ["fused_matmul_add_gelu_tanh", "transpose"],
    ),
}


@pytest.mark.parametrize(
    ("operation", "shapes", "dtype", "names"), BLOCKS.values(), ids=BLOCKS.keys()
)
def test_blocks_of_relax(
    operation: Operation, shapes: Shapes, dtype: str, names: list[str]
) -> None:
    assert sorted(check(operation, shapes, dtype, fused=True)) == names


HEADS = (2, 48, 3, 32)
FEW = (1, 40, 2, 32)
#: Attention of (B, S, H, D): options, and the shapes of query, key, value and perhaps a bias.
ATTENTION: dict[str, tuple[dict[str, Any], Shapes]] = {
    "plain": ({}, [HEADS] * 3),
    "scaled": ({"scale": 0.25}, [FEW] * 3),
    "with a bias": ({}, [*[FEW] * 3, (1, 2, 40, 40)]),
    "causal": ({"causal_mask": "TopLeft"}, [HEADS] * 3),
    "causal, with a bias of all heads": (
        {"causal_mask": "TopLeft"},
        [*[HEADS] * 3, (2, 1, 48, 48)],
    ),
    "ragged": ({}, [(1, 40, 2, 50), (1, 33, 2, 50), (1, 33, 2, 70)]),
    "causal from the end, ragged": (
        {"causal_mask": "BottomRight"},
        [(1, 40, 2, 50), (1, 67, 2, 50), (1, 67, 2, 70)],
    ),
    "of one query": ({}, [(2, 1, 3, 32), HEADS, HEADS]),
    "of one head": ({}, [(2, 40, 1, 32)] * 3),
}


def attention(
    q: Any, k: Any, v: Any, bias: Any = 0.0, scale: float | None = None, causal_mask: str = ""
) -> Any:
    """What it means, by NumPy: TVM takes seconds to build it for a CPU."""
    scores = np.einsum("bshd,bthd->bhst", q, k) * (scale or q.shape[-1] ** -0.5) + bias
    row, column = np.ogrid[: scores.shape[-2], : scores.shape[-1]]
    shift = scores.shape[-1] - scores.shape[-2] if causal_mask == "BottomRight" else 0
    if causal_mask:
        scores = np.where(column <= row + shift, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("bhst,bthd->bshd", weights, v)


def check_attention(options: dict[str, Any], shapes: Shapes, dtype: str) -> None:
    (kernel,) = legalised(lambda *tensors: nn.attention(*tensors, **options), shapes, dtype)
    plan = run_pipeline(kernel, arch="wormhole_b0").plan
    random = np.random.default_rng(7)
    inputs = [random.standard_normal(shape, np.float32) for shape in shapes]
    names = (tensor.name for tensor in plan.tensors)
    (result,) = run(plan, dict(zip(names, inputs, strict=False))).values()
    expected = attention(*inputs, **options)
    np.testing.assert_allclose(result, expected, rtol=OFF[dtype], atol=OFF[dtype])


@pytest.mark.parametrize(("options", "shapes"), ATTENTION.values(), ids=ATTENTION.keys())
def test_attention_of_relax(options: dict[str, Any], shapes: Shapes) -> None:
    """Heads lie beside each other in memory: the products decide that tensors lie in heads."""
    check_attention(options, shapes, "float32")


def test_attention_of_relax_in_bf16() -> None:
    check_attention({}, [FEW] * 3, "bfloat16")
