"""The reader: tiles from DRAM into circular buffers, in the order in which compute uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import tvm
from tvm import tirx
from tvm.ir import prim
from tvm.tirx.stmt import Bind

from ttgen.passes.device_shape import TILE
from ttgen.passes.persistent.buffers import fill_word
from ttgen.passes.persistent.ir import ONE, Body, loop, over_chunks, slots, substitute
from ttgen.passes.persistent.program import ProgramEmitter
from ttgen.passes.persistent.runs import Run
from ttgen.passes.persistent.stages import Operand, Stage, by_stream
from ttgen.passes.tiling.marks import ConstantPage

#: The values of coordinates and loop variables.
_Values: TypeAlias = Mapping[tvm.ir.Var, prim.Expr]
#: From a slot of a block to the values there.
_Here: TypeAlias = Callable[[Any], _Values]


@dataclass(frozen=True)
class ReaderEmitter(ProgramEmitter):
    """Builds the reader's body."""

    def opening(self, constants: Sequence[Operand]) -> Body:
        """The constant tiles of all parts, made once."""
        return [part for constant in constants for part in self._fill(constant)]

    def body(self) -> Body:
        """For each block of output tiles, what its stages read."""
        if not any(stage.streams() for stage in self.nest.stages):
            return []
        flat = None if self.nest.has_runs else self._flat_stage()
        if flat is not None:
            tile = tirx.Var("tile", "int32")
            return [loop(tile, self.start, self.count, self._read_loops(flat, tile))]
        return [self.over_output(partial(self._read_stages, self.nest.of_blocks))]

    @property
    def has_tiles(self) -> bool:
        """Whether more is read than what stages of runs need."""
        return any(stage.streams() for stage in self.nest.of_blocks)

    def before_tiles(self, run: Run) -> Body:
        """What the stages of runs read."""
        return self._read_stages(self.nest.of_runs, run.start, ONE)

    def _flat_stage(self) -> Stage | None:
        """The only stage that reads, if all it reads moves with its loops.

        No blocks of output tiles are needed then.
        """
        reading = [stage for stage in self.nest.stages if stage.streams()]
        if len(reading) != 1 or reading[0].at_level(None, reading[0].streams()):
            return None
        return reading[0] if reading[0].stream is None else None

    def _fill(self, constant: Operand) -> Body:
        body: Body = []
        for page in self.nest.const_tiles[constant.buffer]:
            body += [
                self.op("cb_reserve_back", constant.buffer, 1),
                *self._fill_page(constant, page),
                self.op("cb_push_back", constant.buffer, 1),
            ]
        return body

    def _fill_page(self, constant: Operand, page: ConstantPage) -> Body:
        def word(value: float) -> prim.Expr:
            return prim.IntImm("uint32", fill_word(value, self.formats[constant.buffer]))

        name = constant.buffer
        if page.is_uniform:
            return [self.op("fill_page", name, word(page.value))]
        rest, value = self.op("fill_page", name, word(page.beyond)), word(page.value)
        if page.diagonal is None:
            return [rest, self.op("fill_corner", name, page.rows, page.columns, value)]
        return [rest, self.op("fill_triangle", name, TILE + page.diagonal, value)]

    def _read_stages(self, stages: Sequence[Stage], block: tvm.ir.Var, tiles: prim.Expr) -> Body:
        body: Body = []
        for stream, group in by_stream(stages):
            reads = [part for one in group for part in self._read_stage(one, block, tiles)]
            body += reads if stream is None or not reads else [over_chunks(stream, reads)]
        return body

    def _read_stage(self, stage: Stage, block: tvm.ir.Var, tiles: prim.Expr) -> Body:
        tiles = tiles if stage.is_per_tile else ONE
        streams = stage.streams()
        still = stage.at_level(None, streams)

        def read(slot: prim.Expr) -> Body:
            uses = [(o.page, self._reading_into(o, slot)) for o in still]
            return self.coordinates.at_tile(block + slot, uses)

        def read_loops(slot: prim.Expr) -> Body:
            tile = tirx.Var("tile", "int32")
            return [Bind(tile, block + slot), *self._read_loops(stage, tile)]

        body: Body = []
        if still:
            body += self._reading(still, self.blocks.at_once(stage), slots(tiles, read))
        if len(still) < len(streams):
            body.append(slots(tiles, read_loops))
        return body

    def _read_loops(self, stage: Stage, tile: tvm.ir.Var) -> Body:
        """What moves with the loops of a stage, for one output tile."""
        bindings, at = self.coordinates.bind(tile, [operand.page for operand in stage.streams()])
        read = self._read_map if stage.maps else self._read_reduced
        return [*bindings, *read(stage, at)]

    def _read_map(self, stage: Stage, at: _Values) -> Body:
        around = stage.maps[-1]
        operands = stage.at_level(around, stage.streams())
        inner = stage.at_level(stage.reduces[-1], stage.streams()) if stage.reduces else []

        def of_block(block: tvm.ir.Var, tiles: prim.Expr) -> Body:
            def here(slot: prim.Expr) -> _Values:
                return {**at, around.loop_var: block + slot}

            body = self._read_block(operands, around, tiles, here) if operands else []
            if inner:
                body.append(slots(tiles, lambda slot: self._read_reduced(stage, here(slot))))
            return body

        return [self.over(stage.maps, of_block)]

    def _read_reduced(self, stage: Stage, at: _Values) -> Body:
        innermost = stage.reduces[-1]
        operands = stage.at_level(innermost, stage.streams())

        def of_block(block: tvm.ir.Var, tiles: prim.Expr) -> Body:
            def here(slot: prim.Expr) -> _Values:
                return {**at, innermost.loop_var: block + slot}

            return self._read_block(operands, innermost, tiles, here)

        return [self.over(stage.reduces, of_block)]

    def _read_block(
        self,
        operands: Sequence[Operand],
        along: tirx.For,
        tiles: prim.Expr,
        here: Callable[[Any], _Values],
    ) -> Body:
        """One block of each of ``operands`` along a loop; ``here`` gives a slot's coordinates."""

        def read(slot: prim.Expr) -> Body:
            return [self._read(o, substitute(o.page, here(slot)), slot) for o in operands]

        return self._reading(operands, self.blocks.size(along), slots(tiles, read))

    def _reading(self, operands: Sequence[Operand], size: int, reads: tirx.Stmt) -> Body:
        return [
            *(self.op("cb_reserve_back", operand.buffer, size) for operand in operands),
            reads,
            self.op("read_barrier"),
            *(self.op("cb_push_back", operand.buffer, size) for operand in operands),
        ]

    def _reading_into(self, operand: Operand, slot: prim.Expr) -> Callable[[prim.Expr], tirx.Stmt]:
        return lambda page: self._read(operand, page, slot)

    def _read(self, operand: Operand, page: prim.Expr, slot: prim.Expr) -> tirx.Stmt:
        where = (operand.tensor, page, operand.buffer, slot)
        if operand.name in self.scratch:
            return self.op("read_rows", *where, self.scratch[operand.name])
        return self.op("read_page", *where)
