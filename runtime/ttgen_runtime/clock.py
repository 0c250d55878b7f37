"""When programs ran, in cycles of the device: stamps that small programs between them take.

A session that runs several programs on a simulator has one set of counters. Stamps tell what of it
belongs to which program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Stores the cycles since the device was started, low word first, where its argument says.
_STAMP_SOURCE = """\
#include <cstdint>
#include "api/dataflow/dataflow_api.h"

void kernel_main() {
    auto at = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(get_common_arg_val<uint32_t>(0));
    at[0] = *reinterpret_cast<volatile uint32_t*>(RISCV_DEBUG_REG_WALL_CLOCK_L);
    at[1] = *reinterpret_cast<volatile uint32_t*>(RISCV_DEBUG_REG_WALL_CLOCK_H);
}
"""
#: Stamps that one clock takes: two words each in a tile of words.
_STAMPS = 512


@dataclass
class Clock:
    """Stamps of the core (0, 0). They lie in its own L1, so that none is traffic on a NoC."""

    ttnn: Any
    device: Any
    _taken: int = field(default=0, init=False)
    _tensor: Any = field(default=None, init=False)

    def stamp(self) -> None:
        """Take the time, when everything before is done."""
        ttnn = self.ttnn
        core = ttnn.CoreCoord(0, 0)
        cores = ttnn.CoreRangeSet([ttnn.CoreRange(core, core)])
        if self._tensor is None:
            self._tensor = self._memory(cores)
        kernel = ttnn.KernelDescriptor(
            kernel_source=_STAMP_SOURCE,
            source_type=ttnn.KernelDescriptor.SourceType.SOURCE_CODE,
            core_ranges=cores,
            common_runtime_args=[self._tensor.buffer_address() + 8 * self._taken],
            config=ttnn.WriterConfigDescriptor(),
        )
        self._taken += 1
        assert self._taken <= _STAMPS, "a clock has room for so many stamps"
        program = ttnn.ProgramDescriptor(kernels=[kernel], semaphores=[], cbs=[])
        ttnn.generic_op([self._tensor, self._tensor], program)
        ttnn.synchronize_device(self.device)

    def read(self) -> list[int]:
        """All stamps, in cycles. Read them last: on a simulator, reading takes cycles itself."""
        import numpy as np

        words = np.array(np.from_dlpack(self._tensor.cpu().to_numpy())).ravel()
        return [int(low) + (int(high) << 32) for low, high in words.reshape(-1, 2)[: self._taken]]

    def _memory(self, cores: Any) -> Any:
        import numpy as np

        ttnn = self.ttnn
        words = np.zeros((32, 32), np.uint32)
        host = ttnn.Tensor(words, data_type=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT)
        shard = ttnn.ShardSpec(cores, [32, 32], ttnn.ShardOrientation.ROW_MAJOR)
        layout = ttnn.TensorMemoryLayout.HEIGHT_SHARDED
        return host.to(self.device, ttnn.MemoryConfig(layout, ttnn.BufferType.L1, shard))
