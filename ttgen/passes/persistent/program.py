"""What the emitters of all three programs share: loops over blocks of tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx

from ttgen.passes.persistent.blocks import Blocks
from ttgen.passes.persistent.coordinates import Coordinates
from ttgen.passes.persistent.ir import BlockBody, blocks, loop, operation
from ttgen.passes.persistent.stages import Nest


@dataclass(frozen=True)
class ProgramEmitter:
    """A nest that becomes a program; ``start`` and ``count`` are its core's output tiles.

    ``formats`` are those of the circular buffers, by name. ``scratch`` has the tensors whose pages
    are rows, and the buffer that their rows pass through on their way to a tile.
    """

    nest: Nest
    blocks: Blocks
    coordinates: Coordinates
    start: tvm.ir.Var
    count: tvm.ir.Var
    formats: Mapping[str, str]
    scratch: Mapping[str, str]

    def op(self, name: str, *args: Any) -> tirx.Stmt:
        """A device operation, standing where the kernel's store does."""
        return operation(name, list(args), self.nest.span)

    def output_blocks(self, start: Any, body: BlockBody) -> tirx.Stmt:
        """A loop over this core's output tiles in blocks, numbered from ``start``."""
        size, is_even = self.blocks.output, self.blocks.output_is_even
        return blocks("", start, self.count, size, is_even=is_even, body=body)

    def along(self, inner: tirx.For, body: BlockBody) -> tirx.Stmt:
        """``inner`` in blocks."""
        name = str(inner.loop_var.name).removesuffix("_tile")
        size, is_even = self.blocks.size(inner), self.blocks.is_even(inner)
        return blocks(name, 0, inner.extent, size, is_even=is_even, body=body)

    def over(self, loops: Sequence[tirx.For], body: BlockBody) -> tirx.Stmt:
        """Nested loops, the innermost one in blocks."""
        *outer, innermost = loops
        result: tirx.Stmt = self.along(innermost, body)
        for one in reversed(outer):
            result = loop(one.loop_var, 0, one.extent, [result])
        return result
