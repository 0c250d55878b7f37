"""A plan as a program of ttnn: circular buffers, kernels, arguments.

The contract with generated kernels. Compile-time arguments: those of the TensorAccessors of
``program.tensors``, in that order; constants are named compile-time arguments. Runtime arguments:
``runtime_args.names`` in that order, per core. Common runtime arguments: the addresses of
``program.tensors``, in that order.

Every function takes the module ``ttnn`` that the session has imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttgen.errors import DeviceError
from ttgen.formats import FORMATS, TILE_COLUMNS, TILE_ROWS
from ttgen.ops import ProgramName
from ttgen.plan.model import CoreRange, NdShard, Plan, Program, Tensor
from ttgen.plan.shards import sharding

#: The five ELFs of a program: the core that runs each, by program.
ELFS: dict[ProgramName, tuple[str, ...]] = {
    "reader": ("ncrisc.elf",),
    "compute": ("trisc0.elf", "trisc1.elf", "trisc2.elf"),
    "writer": ("brisc.elf",),
}

#: Modes that tt-metal wants: one for each circular buffer that any of its chips has.
_UNPACK_MODES = 64


def source_path(folder: Path, program: ProgramName) -> Path:
    """Where the source of a program lies, absolute."""
    return (folder / f"{program}.cpp").absolute()


def build_program(ttnn: Any, plan: Plan, folder: Path, tensors: Mapping[str, Any]) -> Any:
    """The ``ttnn.ProgramDescriptor`` of ``plan``, for device tensors by name."""
    cores = core_range_set(ttnn, plan.core_ranges)
    return ttnn.ProgramDescriptor(
        kernels=[
            _kernel(ttnn, plan, name, program, source_path(folder, name), cores, tensors)
            for name, program in plan.programs.items()
        ],
        semaphores=[
            ttnn.SemaphoreDescriptor(
                id=semaphore.index, core_ranges=cores, initial_value=semaphore.initial
            )
            for semaphore in plan.semaphores
        ],
        cbs=_circular_buffers(ttnn, plan, cores),
    )


def _circular_buffers(ttnn: Any, plan: Plan, cores: Any) -> list[Any]:
    return [
        ttnn.CBDescriptor(
            total_size=cb.pages * cb.page_bytes,
            core_ranges=cores,
            format_descriptors=[
                ttnn.CBFormatDescriptor(
                    buffer_index=cb.index,
                    data_format=data_type(ttnn, cb.dtype),
                    page_size=cb.page_bytes,
                )
            ],
        )
        for cb in plan.circular_buffers
    ]


#: Writes a NaN (bf16 and fp32 alike; a large exponent in block formats) into every face of every
#: page of the circular buffers that its arguments list: index, pages, words of a page.
_POISON_SOURCE = """\
#include <cstdint>
#include "api/dataflow/dataflow_api.h"

void kernel_main() {
    const uint32_t buffers = get_common_arg_val<uint32_t>(0);
    for (uint32_t i = 0; i < buffers; ++i) {
        const uint32_t index = get_common_arg_val<uint32_t>(3 * i + 1);
        const uint32_t pages = get_common_arg_val<uint32_t>(3 * i + 2);
        const uint32_t words = get_common_arg_val<uint32_t>(3 * i + 3);
        auto base = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(get_write_ptr(index));
        for (uint32_t face = 0; face < 4 * pages; ++face) {
            base[face * (words / 4)] = 0x7FC07FC0;
        }
    }
}
"""


def poison_program(ttnn: Any, plan: Plan) -> Any:
    """A program that spoils what the circular buffers of ``plan`` hold from an earlier run.

    L1 keeps its contents: a kernel that forgets to write a tile would find the right one there
    when the same plan has run before.
    """
    cores = core_range_set(ttnn, plan.core_ranges)
    arguments = [len(plan.circular_buffers)]
    for cb in plan.circular_buffers:
        arguments += [cb.index, cb.pages, cb.page_bytes // 4]
    kernel = ttnn.KernelDescriptor(
        kernel_source=_POISON_SOURCE,
        source_type=ttnn.KernelDescriptor.SourceType.SOURCE_CODE,
        core_ranges=cores,
        common_runtime_args=arguments,
        config=ttnn.WriterConfigDescriptor(),
    )
    buffers = _circular_buffers(ttnn, plan, cores)
    return ttnn.ProgramDescriptor(kernels=[kernel], semaphores=[], cbs=buffers)


def core_range_set(ttnn: Any, ranges: Sequence[CoreRange]) -> Any:
    """The worker cores of a plan as ttnn has them: both corners inclusive."""
    return ttnn.CoreRangeSet(
        [
            ttnn.CoreRange(
                ttnn.CoreCoord(*r.start),
                ttnn.CoreCoord(r.start[0] + r.extent[0] - 1, r.start[1] + r.extent[1] - 1),
            )
            for r in ranges
        ]
    )


def data_type(ttnn: Any, dtype: str) -> Any:
    """``ttnn.DataType`` of a format; DeviceError where the SDK's tensors do not know it."""
    found = getattr(ttnn, FORMATS[dtype].ttnn or "", None)
    if not isinstance(found, ttnn.DataType):
        raise DeviceError(f"ttnn {ttnn.__version__} has no tensors of format '{dtype}'")
    return found


def page_layout(ttnn: Any, tensor: Tensor) -> Any:
    """``ttnn.Layout`` of a tensor: pages of tiles, or of rows."""
    return {"tile": ttnn.TILE_LAYOUT, "row": ttnn.ROW_MAJOR_LAYOUT}[tensor.layout.page]


def memory_config(ttnn: Any, tensor: Tensor) -> Any:
    """``ttnn.MemoryConfig`` of a tensor's layout; DeviceError for what is not supported yet."""
    layout = tensor.layout
    if tuple(layout.tile_shape) != (TILE_ROWS, TILE_COLUMNS):
        raise DeviceError(f"tensor '{tensor.name}': tiles of {layout.tile_shape} cannot be run yet")
    if layout.nd_shard is not None:
        return _sharded(ttnn, layout.nd_shard, getattr(ttnn.BufferType, layout.memory))
    interleaved = {"DRAM": ttnn.DRAM_MEMORY_CONFIG, "L1": ttnn.L1_MEMORY_CONFIG}
    return interleaved[layout.memory]


#: Orders of shards as ttnn calls them.
ORIENTATIONS = {"row_major": "ROW_MAJOR", "column_major": "COL_MAJOR"}


def _sharded(ttnn: Any, shard: NdShard, memory: Any) -> Any:
    kind = getattr(ttnn.TensorMemoryLayout, f"{sharding(shard.grid).upper()}_SHARDED")
    orientation = getattr(ttnn.ShardOrientation, ORIENTATIONS[shard.order])
    cores = core_range_set(ttnn, shard.cores)
    spec = ttnn.ShardSpec(cores, list(shard.shard_shape), orientation)
    return ttnn.MemoryConfig(kind, memory, spec)


def _kernel(
    ttnn: Any,
    plan: Plan,
    name: ProgramName,
    program: Program,
    path: Path,
    cores: Any,
    tensors: Mapping[str, Any],
) -> Any:
    used = [tensors[tensor] for tensor in program.tensors]
    accessors = [arg for t in used for arg in ttnn.TensorAccessorArgs(t).get_compile_time_args()]
    return ttnn.KernelDescriptor(
        kernel_source=str(path),
        source_type=ttnn.KernelDescriptor.SourceType.FILE_PATH,
        core_ranges=cores,
        compile_time_args=accessors,
        named_compile_time_args=[(constant.name, constant.value) for constant in program.constants],
        # tt-metal recognises a kernel by its path and arguments. With this, a kernel whose text
        # has changed is another kernel, within a session as well as in the JIT's cache.
        defines=[("TTGEN_SOURCE", _text_key(path))],
        runtime_args=_runtime_args(ttnn, plan, program),
        common_runtime_args=[tensor.buffer_address() for tensor in used],
        config=_config(ttnn, name, plan),
    )


def _text_key(path: Path) -> str:
    return "0x" + hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _runtime_args(ttnn: Any, plan: Plan, program: Program) -> Any:
    args = ttnn.RuntimeArgs()
    for work, values in zip(plan.partition.cores, program.runtime_args.values, strict=True):
        x, y = work.core
        args[x][y] = list(values)
    return args


def _config(ttnn: Any, name: ProgramName, plan: Plan) -> Any:
    if name == "reader":
        return ttnn.ReaderConfigDescriptor()
    if name == "writer":
        return ttnn.WriterConfigDescriptor()
    compute = plan.compute
    config = ttnn.ComputeConfigDescriptor(
        math_fidelity=getattr(ttnn.MathFidelity, compute.fidelity),
        math_approx_mode=compute.math_approx,
        fp32_dest_acc_en=compute.fp32_dest_acc,
        dst_full_sync_en=compute.dst_full_sync,
    )
    direct = {buffer.index for buffer in plan.circular_buffers if buffer.unpack_to_dst}
    if direct:
        modes = (ttnn.UnpackToDestMode.Default, ttnn.UnpackToDestMode.UnpackToDestFp32)
        config.unpack_to_dest_mode = [modes[i in direct] for i in range(_UNPACK_MODES)]
    return config
