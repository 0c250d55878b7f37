"""Golden values: the source function itself, built for the CPU by TVM.

The device computes in formats narrower than the CPU's. So that only the kernel is judged, inputs
are rounded to the format that the device sees, and the function is evaluated with every narrower
float in it widened to float32: exact products, sums in float32, one rounding at the very end less.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tvm
import tvm.s_tir.pipeline  # build() looks it up by name: a planner may not have imported it yet
import tvm_ffi
from tvm import tirx
from tvm.tirx import PrimFunc

from ttgen.errors import SourceError
from ttgen.files import write_bytes_atomically
from ttgen.formats import FORMATS
from ttgen.frontend.kernel import Kernel
from ttgen.plan.model import Plan, Tensor
from ttgen_runtime.interp.formats import STORAGE
from ttgen_runtime.ordering import in_source, on_device

Array = npt.NDArray[Any]

#: Values of inputs are the same in every run and on every machine, and others for every kernel:
#: what one kernel leaves behind must not pass for the result of the next.
_SEED = 20260101
#: More than this takes LLVM longer and gains nothing: sums keep their order.
_CPU = {"kind": "llvm", "opt-level": 1}

#: Values in a row that may share an exponent: such blocks are filled up with zeros.
_BLOCK = 16


def as_stored(values: Array, dtype: str) -> Array:
    """How float32 values look after a trip through a device format."""
    columns = values.shape[-1]
    padding = [(0, 0)] * (values.ndim - 1) + [(0, -columns % _BLOCK)]
    stored = STORAGE[dtype].host(np.pad(values, padding))
    return np.ascontiguousarray(stored[..., :columns])


#: Integers are drawn from all that 32 bits hold: a copy that drops some shows.
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Golden:
    """Inputs and expected outputs by tensor name: float32, in the source's shape."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]

    def save(self, path: Path) -> None:
        """Write ``in_<name>`` and ``out_<name>`` arrays as .npz; equal values give equal bytes."""
        arrays = {f"in_{name}": array for name, array in self.inputs.items()}
        arrays |= {f"out_{name}": array for name, array in self.outputs.items()}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_bytes_atomically(path, buffer.getvalue())


def golden(kernel: Kernel, plan: Plan) -> Golden:
    """Evaluate ``kernel`` on inputs that suit ``plan``; SourceError where TVM cannot build it."""
    random = np.random.default_rng([_SEED, zlib.crc32(plan.kernel.encode())])
    arrays = {tensor.name: _initial(tensor, random) for tensor in plan.tensors}
    _evaluate(kernel, [arrays[tensor.name] for tensor in plan.tensors])
    return Golden(
        inputs={t.name: arrays[t.name] for t in plan.tensors if t.role == "input"},
        outputs={t.name: arrays[t.name] for t in plan.tensors if t.role == "output"},
    )


def _initial(tensor: Tensor, random: np.random.Generator) -> Array:
    """Normally distributed values for an input; NaN for an output, so that gaps show.

    Integers are distributed evenly, and an output starts from the smallest one.
    """
    if FORMATS[tensor.layout.dtype].kind == "integer":
        if tensor.role == "output":
            return np.full(tensor.shape, _INT32.min, dtype=np.int32)
        return random.integers(_INT32.min, _INT32.max, tensor.shape, np.int32, endpoint=True)
    if tensor.role == "output":
        return np.full(tensor.shape, np.nan, dtype=np.float32)
    values = random.standard_normal(tensor.shape, dtype=np.float32)
    return in_source(tensor, as_stored(on_device(tensor, values), tensor.layout.dtype))


def _evaluate(kernel: Kernel, arrays: list[Array]) -> None:
    """Run the widened function on ``arrays``, which hold its parameters, in place."""
    func = sequential(widened(kernel.func)).with_attr("global_symbol", "golden")
    try:
        built = tvm.tirx.build(tvm.IRModule({"golden": func}), target=_CPU)
    except Exception as error:
        raise SourceError(f"TVM cannot build it for the CPU: {error}", at=kernel.at) from error
    tensors = [tvm.runtime.tensor(array) for array in arrays]
    built["golden"](*tensors)
    for array, tensor in zip(arrays, tensors, strict=True):
        array[...] = tensor.numpy()


def sequential(func: PrimFunc) -> PrimFunc:
    """``func`` with plain loops in the place of threads: a CPU has no thread blocks."""

    def plain_loop(loop: tirx.For) -> tirx.For:
        if loop.kind not in (tirx.ForKind.THREAD_BINDING, tirx.ForKind.PARALLEL):
            return loop
        return _serial(loop.loop_var, loop.min, loop.extent, loop.body)

    def launched(node: tirx.AttrStmt) -> tirx.Stmt:
        if node.attr_key != "thread_extent":
            return node
        return _serial(node.node.var, 0, node.value, node.body)

    body = tvm_ffi.structural_map(
        func.body, [(tirx.For, plain_loop), (tirx.AttrStmt, launched)], order="post"
    )
    return func.with_body(body)


def _serial(var: tvm.ir.Var, start: Any, extent: Any, body: tirx.Stmt) -> tirx.For:
    return tirx.For(var, start, extent, tirx.ForKind.SERIAL, body)


def widened(func: PrimFunc) -> PrimFunc:
    """``func`` with float32 for every narrower float: buffers, constants and casts alike."""
    document = tvm.ir.save_json(func)
    for narrow in ("bfloat16", "float16"):
        document = document.replace(f'"dtype":"{narrow}"', '"dtype":"float32"')
    return tvm.ir.load_json(document)
