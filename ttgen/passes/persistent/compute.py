"""The compute program: circular buffers through DST to circular buffers, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeAlias

import tvm
from tvm import tirx
from tvm.ir import prim
from tvm.tirx.stmt import Bind

from ttgen.formats import FORMATS
from ttgen.ops import TILE_OPS
from ttgen.passes.persistent.ir import ONE, Body, over_chunks, slots, substitute
from ttgen.passes.persistent.program import ProgramEmitter
from ttgen.passes.persistent.runs import Run
from ttgen.passes.persistent.stages import Operand, Stage, Step, by_stream

_ZERO = prim.IntImm("int32", 0)


@dataclass(frozen=True)
class _Place:
    """Where the emitter stands: slots in the blocks around it, and the values of loop variables.

    ``output`` counts in ``block``, a block of output tiles, ``inner`` in the blocks along loops, by
    loop.
    """

    block: tvm.ir.Var
    output: Any = _ZERO
    inner: Mapping[tvm.ir.Var, Any] = field(default_factory=dict)
    values: Mapping[tvm.ir.Var, prim.Expr] = field(default_factory=dict)

    def within(self, loop: tirx.For, block: tvm.ir.Var, slot: Any) -> _Place:
        """This place, at ``slot`` of a block along ``loop``."""
        var = loop.loop_var
        inner, values = {**self.inner, var: slot}, {**self.values, var: block + slot}
        return replace(self, inner=inner, values=values)


#: From a slot of a block to the place that it stands for.
_Here: TypeAlias = Callable[[Any], _Place]


@dataclass(frozen=True)
class ComputeEmitter(ProgramEmitter):
    """Builds the compute program's body.

    ``stages``: those of all parts of the output.
    """

    stages: Sequence[Stage]

    def opening(self, constants: Sequence[Operand]) -> Body:
        """Set-up; constant tiles are there throughout."""
        stage = self.nest.stages[0]
        first = stage.steps[0]
        buffers = [operand.buffer for operand in first.operands]
        pair = buffers if len(buffers) == 2 else buffers * 2
        if first.is_row_sum:
            pair = pair[::-1]
        return [
            self.op(first.math.startup, *pair, stage.target.buffer),
            *([] if self._has_several else self._init(first, stage)),
            *(self.op("cb_wait_front", c.buffer, self._held(c)) for c in constants),
        ]

    def body(self) -> Body:
        """Every block of output tiles."""
        return [self.over_output(partial(self._stages, self.nest.of_blocks))]

    @property
    def first_tile(self) -> Any:
        """Which tiles they are makes a difference only where a constant tile depends on it."""
        return self.start if any(map(self._moves_with_tiles, self.nest.constant_uses)) else _ZERO

    def before_tiles(self, run: Run) -> Body:
        """The stages of runs."""
        return self._stages(self.nest.of_runs, run.start, ONE)

    def after_tiles(self) -> Body:
        """What those have made for all tiles of a run is done with."""
        return self._pop_temporaries(self._kept_for_run)

    @cached_property
    def _kept_for_run(self) -> list[Operand]:
        """The temporaries of runs that stages of tiles and blocks read."""
        read = {t.buffer: t for stage in self.nest.of_blocks for t in stage.temporaries()}
        return [t for t in read.values() if self.nest.maker(t).scope == "run"]

    def closing(self, constants: Sequence[Operand]) -> Body:
        """The units and the constant tiles are left as they were found."""
        first = self.nest.stages[0].steps[0]
        return [
            *([] if self._has_several else self._uninit(first)),
            *(self.op("cb_pop_front", c.buffer, self._held(c)) for c in constants),
        ]

    @cached_property
    def _has_several(self) -> bool:
        """Whether the units have to be set up anew for every step."""
        return sum(len(stage.steps) for stage in self.stages) > 1

    def _held(self, constant: Operand) -> int:
        return len(self.nest.const_tiles[constant.buffer])

    def _stages(self, stages: Sequence[Stage], block: tvm.ir.Var, tiles: prim.Expr) -> Body:
        body: Body = []
        for stream, group in by_stream(stages):
            made: Body = []
            for stage in group:
                made += self._stage(stage, block, tiles)
                made += self._pop_temporaries(self._not_kept(self.nest.last_used_by(stage)))
            if stream is None:
                body += made
                continue
            done = self._not_kept(self.nest.last_used_by_stream(group))
            waits = self._wait_temporaries(done)
            body += [over_chunks(stream, made), *waits, *self._pop_temporaries(done)]
        return body

    def _not_kept(self, temporaries: Sequence[Operand]) -> list[Operand]:
        kept = {temporary.buffer for temporary in self._kept_for_run}
        return [t for t in temporaries if t.buffer not in kept]

    def _wait_temporaries(self, temporaries: Sequence[Operand]) -> Body:
        return [self.op("cb_wait_front", t.buffer, self._pages(t)) for t in temporaries]

    def _pop_temporaries(self, temporaries: Sequence[Operand]) -> Body:
        return [self.op("cb_pop_front", t.buffer, self._pages(t)) for t in temporaries]

    def _stage(self, stage: Stage, block: tvm.ir.Var, tiles: prim.Expr) -> Body:
        tiles = tiles if stage.is_per_tile else ONE
        still = stage.at_level(None, stage.streams())
        waits = self._wait_temporaries(stage.temporaries())
        if not stage.maps:

            def at_slot(slot: Any) -> _Place:
                return _Place(block, slot)

            size = self.blocks.at_once(stage)
            return [*waits, *self._results(stage, still, size, tiles, at_slot)]
        innermost = stage.maps[-1]
        moving = stage.at_level(innermost, stage.streams())

        def of_block(along: tvm.ir.Var, inner: prim.Expr) -> Body:
            def here(slot: Any) -> _Place:
                return _Place(block).within(innermost, along, slot)

            return self._results(stage, moving, self.blocks.size(innermost), inner, here)

        return [
            *waits,
            *self._waits(still, 1),
            self.over(stage.maps, of_block),
            *self._pops(still, 1),
        ]

    def _results(
        self, stage: Stage, operands: Sequence[Operand], size: int, tiles: prim.Expr, here: _Here
    ) -> Body:
        """A block of ``size`` results, of which ``tiles`` are wanted, from a block of operands."""
        make = self._one_by_one if stage.reduces else self._together
        return make(stage, operands, size, tiles, here)

    def _together(
        self, stage: Stage, operands: Sequence[Operand], size: int, tiles: prim.Expr, here: _Here
    ) -> Body:
        """Independent results: all of the block is in DST at once."""

        def each(step: Step) -> tirx.Stmt:
            return slots(tiles, lambda slot: self._math(stage, step, here(slot), slot))

        return [
            *self._waits(operands, size),
            self.op("tile_regs_acquire"),
            *(part for step in stage.steps for part in (*self._set_up(step, stage), each(step))),
            self.op("tile_regs_commit"),
            *self._pops(operands, size),
            self.op("cb_reserve_back", stage.target.buffer, size),
            *self._packer(stage),
            self.op("tile_regs_wait"),
            slots(tiles, lambda slot: [self._packed(stage, slot)]),
            self.op("tile_regs_release"),
            self.op("cb_push_back", stage.target.buffer, size),
        ]

    def _one_by_one(
        self, stage: Stage, operands: Sequence[Operand], size: int, tiles: prim.Expr, here: _Here
    ) -> Body:
        """Reductions, one after the other: each stays in DST until it is complete."""
        reducing, rest = stage.steps[0], stage.steps[stage.reducing :]

        def one(slot: Any) -> Body:
            place = here(slot)
            return [
                *self._set_up(reducing, stage),
                self.op("tile_regs_acquire"),
                self._reduction(stage, place),
                *(
                    part
                    for step in rest
                    for part in (*self._set_up(step, stage), *self._math(stage, step, place, 0))
                ),
                self.op("tile_regs_commit"),
                self.op("tile_regs_wait"),
                self.op("pack_tile", 0, stage.target.buffer, slot),
                self.op("tile_regs_release"),
                *(self._uninit(reducing) if self._has_several else []),
            ]

        return [
            *self._waits(operands, size),
            self.op("cb_reserve_back", stage.target.buffer, size),
            *self._packer(stage),
            slots(tiles, one),
            self.op("cb_push_back", stage.target.buffer, size),
            *self._pops(operands, size),
        ]

    def _reduction(self, stage: Stage, place: _Place) -> tirx.Stmt:
        innermost = stage.reduces[-1]
        operands = stage.at_level(innermost, stage.streams())
        size = self.blocks.size(innermost)

        def of_block(block: tvm.ir.Var, tiles: prim.Expr) -> Body:
            def add(slot: Any) -> Body:
                here = place.within(innermost, block, slot)
                steps = stage.steps[: stage.reducing]
                return [part for step in steps for part in self._math(stage, step, here, 0)]

            return [
                *self._waits(operands, size),
                slots(tiles, add, "inner"),
                *self._pops(operands, size),
            ]

        return self.over(stage.reduces, of_block)

    # Parts ------------------------------------------------------------------------------------

    def _waits(self, operands: Sequence[Operand], pages: int) -> Body:
        return [self.op("cb_wait_front", operand.buffer, pages) for operand in operands]

    def _pops(self, operands: Sequence[Operand], pages: int) -> Body:
        return [self.op("cb_pop_front", operand.buffer, pages) for operand in operands]

    def _pages(self, temporary: Operand) -> int:
        return self.blocks.made_by(self.nest.maker(temporary))

    def _set_up(self, step: Step, stage: Stage) -> Body:
        if not self._has_several:
            return []
        return [*self._reconfigured(step), *self._init(step, stage)]

    def _reconfigured(self, step: Step) -> Body:
        """Tell unpackers and FPU the formats of what ``step`` reads, where steps differ in them.

        What comes from DST has no format of its own: it loses the bits that the format which its
        source is set to has not, so that is set to the widest there is.
        """
        formats = {self.formats[operand.buffer] for operand in self._operands}
        if len(formats) == 1 or not step.sources:
            return []
        available = {**step.arguments(), "dst": self._widest}
        sources = [available[name] for name in step.sources]
        return [self.op("reconfig_sources" if len(sources) == 2 else "reconfig_source_a", *sources)]

    def _packer(self, stage: Stage) -> Body:
        """Tell the packer the format of this stage's results, where stages differ in it."""
        targets = {self.formats[stage.target.buffer] for stage in self.stages}
        return [self.op("reconfig_pack", stage.target.buffer)] if len(targets) > 1 else []

    @cached_property
    def _operands(self) -> list[Operand]:
        """Everything that is unpacked."""
        return [o for stage in self.stages for step in stage.steps for o in step.operands]

    @cached_property
    def _widest(self) -> str:
        """A circular buffer of the widest format that is unpacked."""
        widest = max(self._operands, key=lambda o: FORMATS[self.formats[o.buffer]].tile_bytes)
        return widest.buffer

    def _init(self, step: Step, stage: Stage) -> Body:
        available = {**step.arguments(), "out": stage.target.buffer}
        names = [name for name, _ in TILE_OPS[step.math.init].params]
        return [self.op(step.math.init, *(available[name] for name in names))]

    def _uninit(self, step: Step) -> Body:
        if step.math.uninit is None:
            return []
        names = [name for name, _ in TILE_OPS[step.math.uninit].params]
        return [self.op(step.math.uninit, *(step.arguments()[name] for name in names))]

    def _packed(self, stage: Stage, slot: Any) -> tirx.Stmt:
        """The result in a slot of the block leaves DST for the same slot of the target."""
        return self.op("pack_tile", _register(stage, slot, 0), stage.target.buffer, slot)

    def _math(self, stage: Stage, step: Step, place: _Place, slot: Any) -> Body:
        """``step`` in the registers of the block's result ``slot``."""
        bindings, place = self._with_coordinates(step, place)
        available = {**step.arguments(), "dst": _register(stage, slot, step.dst)}
        for letter, number in zip("abc", step.registers, strict=False):
            available[f"dst_{letter}"] = _register(stage, slot, number)
        for number, operand in enumerate(step.operands):
            available[f"tile{number}"] = self._tile(stage, operand, place)
        names = [name for name, _ in TILE_OPS[step.math.device].params]
        return [*bindings, self.op(step.math.device, *(available[name] for name in names))]

    def _with_coordinates(self, step: Step, place: _Place) -> tuple[Body, _Place]:
        """Bindings of the output tile's coordinates, as far as constant tiles depend on them."""
        pages = [o.page for o in step.operands if self._moves_with_tiles(o)]
        if not pages:
            return [], place
        number = tirx.Var("tile", "int32")
        bindings, fresh = self.coordinates.bind(number, pages)
        at = replace(place, values={**place.values, **fresh})
        return [Bind(number, place.block + place.output), *bindings], at

    def _moves_with_tiles(self, operand: Operand) -> bool:
        """Whether it is another constant tile for another output tile."""
        return operand.kind == "constant" and operand.moves_with(self.nest.loops)

    def _tile(self, stage: Stage, operand: Operand, place: _Place) -> Any:
        """The page from the read pointer that ``operand`` is on."""
        if operand.kind == "constant":
            return substitute(operand.page, place.values)
        if operand.kind == "temporary":
            maker = self.nest.maker(operand)
            if maker.maps:
                return substitute(operand.page, place.values)
            return place.output if maker.is_per_tile else _ZERO
        loop = stage.innermost(operand)
        return place.output if loop is None else place.inner[loop.loop_var]


def _register(stage: Stage, slot: Any, number: int) -> Any:
    """The DST register ``number`` of those that the block's result ``slot`` has."""
    if stage.registers == 1:
        return slot
    return slot * stage.registers + number
