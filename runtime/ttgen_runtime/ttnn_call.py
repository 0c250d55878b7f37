"""Calls of ttnn's own operations, which kernels are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttgen.counterpart import Argument, Counterpart
from ttgen.plan.model import Plan
from ttgen_runtime import program

#: What each operation takes besides its arguments, so that it computes as the plan does and on as
#: many cores: of which type and where the result is, how the FPU computes, which cores. An
#: operation without cores takes all that the chip has.
_TAKES: dict[str, tuple[str, ...]] = {
    "matmul": ("dtype", "memory_config", "compute_kernel_config"),
    "linear": ("dtype", "memory_config", "compute_kernel_config"),
    "add": ("dtype", "memory_config", "sub_core_grids"),
    "subtract": ("dtype", "memory_config", "sub_core_grids"),
    "multiply": ("dtype", "memory_config", "sub_core_grids"),
    "maximum": ("dtype", "memory_config", "sub_core_grids"),
    "sum": ("memory_config", "compute_kernel_config", "sub_core_grids"),
    "mean": ("memory_config", "compute_kernel_config", "sub_core_grids"),
    "max": ("memory_config", "compute_kernel_config", "sub_core_grids"),
    "relu": ("memory_config", "sub_core_grids"),
    "transpose": ("memory_config",),
    "permute": ("memory_config",),
    "clone": ("dtype", "memory_config"),
    "slice": ("memory_config", "sub_core_grids"),
    "concat": ("memory_config", "sub_core_grids"),
}


def call(ttnn: Any, device: Any, plan: Plan, meant: Counterpart, tensors: Mapping[str, Any]) -> Any:
    """The result of ``meant`` on device tensors by name; what ttnn raises where it cannot."""
    output = next(tensor for tensor in plan.tensors if tensor.role == "output")
    given = {
        "dtype": lambda: program.data_type(ttnn, output.layout.dtype),
        "memory_config": lambda: program.memory_config(ttnn, output),
        "compute_kernel_config": lambda: ttnn.init_device_compute_kernel_config(
            device.arch(),
            math_fidelity=getattr(ttnn.MathFidelity, plan.compute.fidelity),
            math_approx_mode=plan.compute.math_approx,
            fp32_dest_acc_en=plan.compute.fp32_dest_acc,
        ),
        "sub_core_grids": lambda: program.core_range_set(ttnn, plan.core_ranges),
    }
    keywords = {name: _value(value, tensors) for name, value in meant.keywords.items()}
    keywords |= {name: given[name]() for name in _TAKES[meant.operation]}
    arguments = [_value(argument, tensors) for argument in meant.arguments]
    return getattr(ttnn, meant.operation)(*arguments, **keywords)


def _value(argument: Argument, tensors: Mapping[str, Any]) -> Any:
    if isinstance(argument, tuple):
        return [tensors[item] if isinstance(item, str) else item for item in argument]
    return tensors[argument] if isinstance(argument, str) else argument
