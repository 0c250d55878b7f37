"""The writer: the output's circular buffer to DRAM."""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import tirx
from tvm.ir import prim

from ttgen.passes.persistent.ir import Body, slots
from ttgen.passes.persistent.program import ProgramEmitter


@dataclass(frozen=True)
class WriterEmitter(ProgramEmitter):
    """Builds the writer's body."""

    def body(self) -> Body:
        """Every block of output tiles, as compute pushes them."""
        return [self.over_output(self._write_block)]

    def _write_block(self, block: tvm.ir.Var, tiles: prim.Expr) -> Body:
        output, size = self.nest.output, self.blocks.output

        def write(slot: prim.Expr) -> Body:
            def emit(page: prim.Expr) -> tirx.Stmt:
                name = "write_rows" if output.name in self.scratch else "write_page"
                return self.op(name, output.tensor, page, output.buffer, slot)

            return self.coordinates.at_tile(block + slot, [(output.page, emit)])

        return [
            self.op("cb_wait_front", output.buffer, size),
            slots(tiles, write),
            self.op("write_barrier"),
            self.op("cb_pop_front", output.buffer, size),
        ]
