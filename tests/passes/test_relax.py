"""Activations and choices as Relax writes them (``LegalizeOps``) lower as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sources import run
from tvm import relax

from ttgen.errors import Location
from ttgen.frontend.kernel import Kernel
from ttgen.golden import golden
from ttgen.passes.pipeline import run_pipeline

OPERATIONS: dict[str, Callable[..., Any]] = {
    "gelu": lambda x, y: relax.op.nn.gelu(x),
    "gelu_tanh": lambda x, y: relax.op.nn.gelu_tanh(x),
    "silu": lambda x, y: relax.op.nn.silu(x),
    "leakyrelu": lambda x, y: relax.op.nn.leakyrelu(x, 0.125),
    "relu6": lambda x, y: relax.op.nn.relu6(x),
    "softplus": lambda x, y: relax.op.nn.softplus(x),
    "maximum": relax.op.maximum,
    "minimum": relax.op.minimum,
    "clip": lambda x, y: relax.op.clip(x, -1, 1),
    "sign": lambda x, y: relax.op.sign(x),
    "square": lambda x, y: relax.op.square(x),
    "negative": lambda x, y: relax.op.negative(x),
    "tril": lambda x, y: relax.op.tril(x, 1),
    "triu": lambda x, y: relax.op.triu(x, -1),
    "power": lambda x, y: relax.op.power(relax.op.abs(x), y),
}


def legalised(operation: Callable[..., Any], dtype: str) -> list[Kernel]:
    """The PrimFuncs that ``operation`` on two tensors becomes."""
    tensors = [relax.Var(name, relax.TensorType((40, 70), dtype)) for name in "xy"]
    builder = relax.BlockBuilder()
    with builder.function("main", tensors):
        builder.emit_func_output(builder.normalize(operation(*tensors)))
    module = relax.transform.LegalizeOps()(builder.get())
    return [
        Kernel("kernels/k.py", str(var.name_hint), {}, func, Location("kernels/k.py", 1))
        for var, func in module.functions.items()
        if not isinstance(func, relax.Function)
    ]


#: TVM has no power of bfloat16.
CASES = [
    (name, dtype)
    for name in OPERATIONS
    for dtype in ("bfloat16", "float32")
    if (name, dtype) != ("power", "bfloat16")
]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_operations_of_relax(name: str, dtype: str) -> None:
    kernels = legalised(OPERATIONS[name], dtype)
    assert kernels
    # Numbers are tiles of bf16 beside bf16 tensors.
    off = {"bfloat16": 2.0**-8, "float32": 2.0**-20}[dtype]
    for kernel in kernels:
        plan = run_pipeline(kernel, arch="wormhole_b0").plan
        values = golden(kernel, plan)
        ((output, expected),) = values.outputs.items()
        result = run(plan, values.inputs)[output]
        np.testing.assert_allclose(result, expected, rtol=off, atol=off)
