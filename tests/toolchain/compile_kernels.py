"""Compiles programs on ttnn's mock device, in a process of its own.

``python compile_kernels.py REQUEST``: REQUEST is JSON, a list of programs, each a mapping of
``reader``, ``compute`` and ``writer`` to a C++ file. Prints JSON: a list with null for a program
that was built, or the exception's text. TT_METAL_MOCK_CLUSTER_DESC_PATH names the chip.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import ttnn

TILES = 2
TILE_BYTES = 2048


def tensor(device: Any) -> Any:
    return ttnn.Tensor(
        np.zeros((32, 32 * TILES), dtype=np.float32),
        data_type=ttnn.bfloat16,
        device=device,
        layout=ttnn.TILE_LAYOUT,
        mem_config=ttnn.DRAM_MEMORY_CONFIG,
    )


def build(device: Any, files: dict[str, str]) -> None:
    a, b, out = tensor(device), tensor(device), tensor(device)
    core = ttnn.CoreCoord(0, 0)
    cores = ttnn.CoreRangeSet([ttnn.CoreRange(core, core)])

    def accessors(*tensors: Any) -> list[int]:
        return [n for t in tensors for n in ttnn.TensorAccessorArgs(t).get_compile_time_args()]

    def kernel(role: str, compile_time: list[int], values: list[int], config: Any) -> Any:
        arguments = ttnn.RuntimeArgs()
        arguments[0][0] = values
        return ttnn.KernelDescriptor(
            kernel_source=files[role],
            source_type=ttnn.KernelDescriptor.SourceType.FILE_PATH,
            core_ranges=cores,
            compile_time_args=compile_time,
            runtime_args=arguments,
            config=config,
        )

    def buffer(index: int) -> Any:
        page = ttnn.CBFormatDescriptor(
            buffer_index=index, data_format=ttnn.bfloat16, page_size=TILE_BYTES
        )
        return ttnn.CBDescriptor(
            total_size=2 * TILE_BYTES, core_ranges=cores, format_descriptors=[page]
        )

    addresses = [a.buffer_address(), b.buffer_address(), TILES]
    kernels = [
        kernel("reader", accessors(a, b), addresses, ttnn.ReaderConfigDescriptor()),
        kernel("writer", accessors(out), [out.buffer_address(), 1], ttnn.WriterConfigDescriptor()),
        kernel("compute", [], [TILES], ttnn.ComputeConfigDescriptor()),
    ]
    program = ttnn.ProgramDescriptor(
        kernels=kernels, semaphores=[], cbs=[buffer(i) for i in (0, 1, 16)]
    )
    ttnn.generic_op([a, b, out], program)


def main() -> None:
    device = ttnn.open_device(device_id=0)
    results: list[str | None] = []
    for files in json.loads(sys.argv[1]):
        try:
            build(device, files)
            results.append(None)
        except RuntimeError as error:
            results.append(str(error))
    ttnn.close_device(device)
    print("\n" + json.dumps(results))


if __name__ == "__main__":
    main()
