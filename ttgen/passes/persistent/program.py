"""What the emitters of all three programs share: loops over blocks of tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx

from ttgen.passes.persistent.blocks import Blocks
from ttgen.passes.persistent.coordinates import Coordinates
from ttgen.passes.persistent.ir import BlockBody, Body, blocks, loop, operation
from ttgen.passes.persistent.runs import Run, over_runs
from ttgen.passes.persistent.stages import Nest, longest


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

    def over_output(self, of_block: BlockBody) -> tirx.Stmt:
        """Loops over this core's output tiles in blocks, numbered as in the nest.

        Where the nest has runs, around each of them what is done once for it.
        """
        if not self.nest.has_runs:
            return self._in_blocks(self.first_tile, self.count, of_block)
        assert self.nest.columns is not None

        def of_run(run: Run) -> Body:
            tiles = [self._in_blocks(run.start, run.count, of_block)] if self.has_tiles else []
            return [*self.before_tiles(run), *tiles, *self.after_tiles()]

        return over_runs(self.start, self.count, self.nest.columns.extent, of_run)

    @property
    def first_tile(self) -> Any:
        """From where on tiles are numbered in a nest without runs."""
        return self.start

    @property
    def has_tiles(self) -> bool:
        """Whether there is anything to be done for each tile of a run."""
        return True

    def before_tiles(self, run: Run) -> Body:
        """What is done once for a run, before its tiles."""
        return []

    def after_tiles(self) -> Body:
        """What is done once for a run, behind its tiles."""
        return []

    def _in_blocks(self, start: Any, count: Any, body: BlockBody) -> tirx.Stmt:
        size, is_even = self.blocks.output, self.blocks.output_is_even
        return blocks("", start, count, size, is_even=is_even, body=body)

    def along(self, inner: tirx.For, body: BlockBody) -> tirx.Stmt:
        """``inner`` in blocks."""
        name = str(inner.loop_var.name).removesuffix("_tile")
        size, is_even = self.blocks.size(inner), self.blocks.is_even(inner)
        extent = longest(inner)
        there = None if extent.same_as(inner.extent) else inner.extent
        return blocks(name, 0, extent, size, is_even=is_even, body=body, there=there)

    def over(self, loops: Sequence[tirx.For], body: BlockBody) -> tirx.Stmt:
        """Nested loops, the innermost one in blocks."""
        *outer, innermost = loops
        result: tirx.Stmt = self.along(innermost, body)
        for one in reversed(outer):
            result = loop(one.loop_var, 0, one.extent, [result])
        return result
