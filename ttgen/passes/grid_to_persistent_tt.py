"""GridToPersistentTT: from loops over all output tiles to the three programs of each core.

The reader brings tiles from DRAM into circular buffers, the compute program works on them in DST,
and the writer takes the results back. Each loops over its core's share of the output tiles and
moves tiles in *blocks*: one barrier, one push and one pop for several tiles. A block is always
pushed whole, even where its last tiles are not filled, so that blocks never straddle the end of a
circular buffer.

:mod:`.stages` takes the lowered function apart; here its stages become programs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import IRModule, prim
from tvm.tirx import PrimFunc
from tvm.tirx.stmt import Bind

from ttgen.arch import architecture
from ttgen.errors import LoweringError
from ttgen.formats import FORMATS
from ttgen.ops import PROGRAM_NAMES, TILE_OPS, ProgramName
from ttgen.partition import TILE_ORDERS
from ttgen.passes import attrs, intrin
from ttgen.passes.base import TTPass
from ttgen.passes.stages import Nest, Operand, Stage, Step, parse

Body: TypeAlias = list[tirx.Stmt]


@dataclass(frozen=True)
class GridToPersistentTT(TTPass):
    """Replaces each function by ``<name>_reader``, ``<name>_compute`` and ``<name>_writer``.

    ``block_tiles`` is how many tiles share a barrier at most; ``buffering`` how many blocks a
    circular buffer holds (2: one is filled while the other is used). Sets ``tt.cb_desc`` and
    ``tt.program``, and narrows ``tt.constants`` to what each program uses.
    """

    name: ClassVar[str] = "tir.tenstorrent.GridToPersistentTT"
    block_tiles: int = 8
    buffering: int = 2

    def transform(self, module: IRModule) -> IRModule:
        """Split every PrimFunc; LoweringError at a body that is not tile loops."""
        if self.block_tiles < 1 or self.buffering < 1:
            raise LoweringError("block_tiles and buffering are at least 1")
        result: dict[str, PrimFunc] = {}
        for var, func in module.functions.items():
            if not isinstance(func, PrimFunc):
                continue
            attrs.check_known(func)
            for program, split in self._split(func).items():
                name = f"{var.name_hint}_{program}"
                result[name] = split.with_attr("global_symbol", name)
        return IRModule(result)

    def _split(self, func: PrimFunc) -> dict[ProgramName, PrimFunc]:
        nest = parse(func)
        blocks = self._blocks(func, nest)
        buffers = _circular_buffers(func, nest, blocks)
        _check_l1(func, buffers)
        emitter = _Emitter(nest, blocks, buffers, attrs.require(func, attrs.PARTITION, self.name))
        arguments = [emitter.start, emitter.count]
        bodies: dict[ProgramName, Body] = {
            "reader": emitter.reader(),
            "compute": emitter.compute(),
            "writer": emitter.writer(),
        }
        return {
            program: _program(func, program, bodies[program], arguments, buffers)
            for program in PROGRAM_NAMES
        }

    def _blocks(self, func: PrimFunc, nest: Nest) -> _Blocks:
        config = attrs.require(func, attrs.COMPUTE_CONFIG, self.name)
        work = attrs.require(func, attrs.WORK_PARTITION, self.name)
        arch = architecture(attrs.require(func, attrs.ARCH, self.name))
        constants = attrs.require(func, attrs.CONSTANTS, self.name)
        dst = arch.dst_tiles(
            fp32_dest_acc=config["fp32_dest_acc"], dst_full_sync=config["dst_full_sync"]
        )
        counts = {count for *_, count in work if count}
        limit = min(self.block_tiles, max(counts))
        if any(not stage.loops for stage in nest.stages):  # a block of results is in DST at once
            limit = min(limit, dst)
        has_map = any(stage.is_map for stage in nest.stages)
        if has_map:  # temporary tiles of one output tile at a time
            limit = 1
        inner = {}
        for stage in nest.stages:
            if stage.loops:
                extent = constants[stage.loops[-1].extent.name]
                cap = min(self.block_tiles, dst) if has_map else self.block_tiles
                inner[stage.loops[-1].loop_var.name] = _divisor_or_limit(extent, cap)
        return _Blocks(
            output=limit,
            output_is_even=all(count % limit == 0 for count in counts),
            inner=inner,
            inner_extent={
                stage.loops[-1].loop_var.name: constants[stage.loops[-1].extent.name]
                for stage in nest.stages
                if stage.loops
            },
            buffering=self.buffering,
        )


def _divisor_or_limit(extent: int, limit: int) -> int:
    """Tiles of a block along a loop: a divisor of ``extent`` if one is near the limit.

    A divisor makes every block full; where the best one is under half of the limit, a partly
    filled last block costs less than small blocks do.
    """
    limit = min(limit, extent)
    best = max(size for size in range(1, limit + 1) if extent % size == 0)
    return best if 2 * best >= limit else limit


@dataclass(frozen=True)
class _Blocks:
    """Tiles per block: of the output, and along each loop over inner tiles, by its variable."""

    output: int
    output_is_even: bool
    inner: dict[str, int]
    inner_extent: dict[str, int]
    buffering: int

    def of(self, stage: Stage, operand: Operand) -> int:
        """Tiles of ``operand`` that move at a time."""
        if stage.loops and operand.moves_with(stage.loops):
            return self.inner[stage.loops[-1].loop_var.name]
        return self.output


@dataclass
class _Emitter:
    """Builds the bodies of the three programs."""

    nest: Nest
    blocks: _Blocks
    buffers: list[dict[str, Any]]
    partition: dict[str, Any]
    start: tvm.ir.Var = field(default_factory=lambda: tirx.Var("start", "int32"))
    count: tvm.ir.Var = field(default_factory=lambda: tirx.Var("count", "int32"))

    # Reader -----------------------------------------------------------------------------------

    def reader(self) -> Body:
        """DRAM to circular buffers, in the order in which the compute program uses tiles."""
        fills = [part for constant in self.nest.constants for part in self._fill(constant)]
        if not any(self._streams(stage) for stage in self.nest.stages):
            return fills
        flat = self._flat_stage()
        if flat is not None:  # one reduction and nothing else: no blocks of output tiles needed
            tile = tirx.Var("tile", "int32")
            return [*fills, _for(tile, self.start, self.count, self._read_inner(flat, tile))]
        return [*fills, self._output_blocks(self.start, self._read_stages)]

    def _flat_stage(self) -> Stage | None:
        streaming = [stage for stage in self.nest.stages if self._streams(stage)]
        if len(streaming) != 1 or not streaming[0].loops:
            return None
        stage = streaming[0]
        moving = all(operand.moves_with(stage.loops) for operand in self._streams(stage))
        return stage if moving else None

    def _fill(self, constant: Operand) -> Body:
        (desc,) = [desc for desc in self.buffers if desc["name"] == constant.buffer]
        word = _word(self.nest.const_tiles[constant.buffer], desc["dtype"])
        return [
            self._op("cb_reserve_back", constant.buffer, 1),
            self._op("fill_page", constant.buffer, prim.IntImm("uint32", word)),
            self._op("cb_push_back", constant.buffer, 1),
        ]

    def _read_stages(self, block: tvm.ir.Var, tiles: prim.Expr) -> Body:
        return [
            part for stage in self.nest.stages for part in self._read_stage(stage, block, tiles)
        ]

    def _read_stage(self, stage: Stage, block: tvm.ir.Var, tiles: prim.Expr) -> Body:
        still = [o for o in self._streams(stage) if not o.moves_with(stage.loops)]
        moving = [o for o in self._streams(stage) if o.moves_with(stage.loops)]
        body: Body = []
        if still:
            body += self._reading(
                still, self.blocks.output, _slots(tiles, self._reads(still, block))
            )
        if moving:
            read = _slots(tiles, lambda slot: self._read_inner_at(stage, moving, block + slot))
            body.append(read)
        return body

    def _reads(self, operands: list[Operand], block: tvm.ir.Var) -> Callable[[Any], Body]:
        def read(slot: prim.Expr) -> Body:
            return self._at_tile(block + slot, [(o.page, self._reader(o, slot)) for o in operands])

        return read

    def _reader(self, operand: Operand, slot: prim.Expr) -> Callable[[prim.Expr], tirx.Stmt]:
        return lambda page: self._read(operand, page, slot)

    def _read_inner_at(self, stage: Stage, operands: list[Operand], tile: prim.Expr) -> Body:
        number = tirx.Var("tile", "int32")
        return [Bind(number, tile), *self._read_inner(stage, number, operands)]

    def _read_inner(
        self, stage: Stage, tile: tvm.ir.Var, operands: list[Operand] | None = None
    ) -> Body:
        """The blocks along the loops of a stage, for one output tile."""
        moving = operands if operands is not None else self._streams(stage)
        size = self.blocks.inner[stage.loops[-1].loop_var.name]

        bindings, fresh = self._coordinates(tile, [operand.page for operand in moving])

        def block_of(block: tvm.ir.Var, tiles: prim.Expr) -> Body:
            def read(slot: prim.Expr) -> Body:
                at = {**fresh, stage.loops[-1].loop_var: block + slot}
                return [self._read(o, _substitute(o.page, at), slot) for o in moving]

            return self._reading(moving, size, _slots(tiles, read))

        return [*bindings, self._inner_loops(stage, block_of)]

    def _reading(self, operands: Sequence[Operand], size: int, reads: tirx.Stmt) -> Body:
        return [
            *(self._op("cb_reserve_back", operand.buffer, size) for operand in operands),
            reads,
            self._op("read_barrier"),
            *(self._op("cb_push_back", operand.buffer, size) for operand in operands),
        ]

    def _read(self, operand: Operand, page: prim.Expr, slot: prim.Expr) -> tirx.Stmt:
        return self._op("read_page", operand.tensor, page, operand.buffer, slot)

    def _streams(self, stage: Stage) -> list[Operand]:
        """The operands of a stage that come from DRAM, one per circular buffer."""
        found = {o.buffer: o for step in stage.steps for o in step.operands if o.kind == "tensor"}
        return list(found.values())

    # Compute ----------------------------------------------------------------------------------

    def compute(self) -> Body:
        """Circular buffers through DST to circular buffers, stage by stage."""
        steps = [step for stage in self.nest.stages for step in stage.steps]
        first = steps[0]
        buffers = [operand.buffer for operand in first.operands]
        pair = buffers if len(buffers) == 2 else buffers * 2
        set_up = [self._op(first.math.startup, *pair, self.nest.stages[0].target.buffer)]
        is_only = len(steps) == 1
        if is_only:
            set_up += self._init(first, self.nest.stages[0])
        constants = [constant.buffer for constant in self.nest.constants]
        return [
            *set_up,
            *(self._op("cb_wait_front", name, 1) for name in constants),
            self._output_blocks(prim.IntImm("int32", 0), self._compute_stages),
            *(self._uninit(first) if is_only else []),
            *(self._op("cb_pop_front", name, 1) for name in constants),
        ]

    def _compute_stages(self, _: tvm.ir.Var, tiles: prim.Expr) -> Body:
        body: Body = []
        for stage in self.nest.stages:
            if stage.is_map:
                body += self._compute_map(stage)
            elif stage.loops:
                body += self._compute_reduction(stage, tiles)
            else:
                body += self._compute_block(stage, tiles)
        return body

    def _compute_block(self, stage: Stage, tiles: prim.Expr) -> Body:
        """A block of independent results: all of it in DST at once."""
        moved = self._moved(stage)
        size = self.blocks.output
        return [
            *(self._op("cb_wait_front", operand.buffer, size) for operand in moved),
            self._op("tile_regs_acquire"),
            *self._steps(stage, stage.steps, tiles),
            self._op("tile_regs_commit"),
            *(self._op("cb_pop_front", operand.buffer, size) for operand in moved),
            self._op("cb_reserve_back", stage.target.buffer, size),
            self._op("tile_regs_wait"),
            _slots(tiles, lambda slot: [self._pack(stage, slot, slot)]),
            self._op("tile_regs_release"),
            self._op("cb_push_back", stage.target.buffer, size),
        ]

    def _compute_map(self, stage: Stage) -> Body:
        """Temporary tiles along a loop, in blocks that fit DST; one output tile at a time."""
        still = [o for o in self._moved(stage) if not o.moves_with(stage.loops)]
        moving = [o for o in self._moved(stage) if o.moves_with(stage.loops)]
        size = self.blocks.inner[stage.loops[-1].loop_var.name]

        def one_block(_: tvm.ir.Var, tiles: prim.Expr) -> Body:
            return [
                *(self._op("cb_wait_front", operand.buffer, size) for operand in moving),
                self._op("tile_regs_acquire"),
                *self._steps(stage, stage.steps, tiles),
                self._op("tile_regs_commit"),
                *(self._op("cb_pop_front", operand.buffer, size) for operand in moving),
                self._op("cb_reserve_back", stage.target.buffer, size),
                self._op("tile_regs_wait"),
                _slots(tiles, lambda s: [self._pack(stage, s, s)]),
                self._op("tile_regs_release"),
                self._op("cb_push_back", stage.target.buffer, size),
            ]

        return [
            *(self._op("cb_wait_front", operand.buffer, 1) for operand in still),
            self._inner_loops(stage, one_block),
            *(self._op("cb_pop_front", operand.buffer, 1) for operand in still),
        ]

    def _compute_reduction(self, stage: Stage, tiles: prim.Expr) -> Body:
        """A block of reductions, one after the other: each stays in DST until it is complete."""
        reducing, *rest = stage.steps
        moving = [o for o in self._moved(stage) if o.moves_with(stage.loops)]
        still = [o for o in self._moved(stage) if not o.moves_with(stage.loops)]
        size = self.blocks.inner[stage.loops[-1].loop_var.name]
        several = sum(len(s.steps) for s in self.nest.stages) > 1

        def add_up(_: tvm.ir.Var, inner: prim.Expr) -> Body:
            return [
                *(self._op("cb_wait_front", operand.buffer, size) for operand in moving),
                _slots(inner, lambda slot: [self._math(stage, reducing, slot, 0)], "inner"),
                *(self._op("cb_pop_front", operand.buffer, size) for operand in moving),
            ]

        def one(slot: prim.Expr) -> Body:
            return [
                *(self._init(reducing, stage) if several else []),
                self._op("tile_regs_acquire"),
                self._inner_loops(stage, add_up),
                *(
                    part
                    for step in rest
                    for part in [*self._init(step, stage), self._math(stage, step, slot, 0)]
                ),
                self._op("tile_regs_commit"),
                self._op("tile_regs_wait"),
                self._pack(stage, 0, slot),
                self._op("tile_regs_release"),
                *(self._uninit(reducing) if several else []),
            ]

        output = self.blocks.output
        return [
            *(self._op("cb_wait_front", operand.buffer, output) for operand in still),
            self._op("cb_reserve_back", stage.target.buffer, output),
            _slots(tiles, one),
            self._op("cb_push_back", stage.target.buffer, output),
            *(self._op("cb_pop_front", operand.buffer, output) for operand in still),
        ]

    def _steps(self, stage: Stage, steps: Sequence[Step], tiles: prim.Expr) -> Body:
        """The operations of a stage, each on every tile of the block."""
        several = sum(len(s.steps) for s in self.nest.stages) > 1
        body: Body = []
        for step in steps:
            if several:
                body += self._init(step, stage)
            body.append(_slots(tiles, self._each_slot(stage, step)))
        return body

    def _each_slot(self, stage: Stage, step: Step) -> Callable[[Any], Body]:
        return lambda slot: [self._math(stage, step, slot, slot)]

    def _moved(self, stage: Stage) -> list[Operand]:
        """The operands that are waited for and popped: all but constant tiles."""
        found = {o.buffer: o for step in stage.steps for o in step.operands}
        return [operand for operand in found.values() if operand.kind != "constant"]

    def _init(self, step: Step, stage: Stage) -> Body:
        available = {**step.arguments(), "out": stage.target.buffer}
        names = [name for name, _ in TILE_OPS[step.math.init].params]
        return [self._op(step.math.init, *(available[name] for name in names))]

    def _uninit(self, step: Step) -> Body:
        if step.math.uninit is None:
            return []
        names = [name for name, _ in TILE_OPS[step.math.uninit].params]
        return [self._op(step.math.uninit, *(step.arguments()[name] for name in names))]

    def _math(self, stage: Stage, step: Step, slot: Any, dst: Any) -> tirx.Stmt:
        available = {**step.arguments(), "dst": dst}
        for number, operand in enumerate(step.operands):
            is_inner = bool(stage.loops) and operand.moves_with(stage.loops)
            still = bool(stage.loops) and stage.is_map and not is_inner
            available[f"tile{number}"] = 0 if operand.kind == "constant" or still else slot
        names = [name for name, _ in TILE_OPS[step.math.device].params]
        return self._op(step.math.device, *(available[name] for name in names))

    def _pack(self, stage: Stage, dst: Any, slot: Any) -> tirx.Stmt:
        return self._op("pack_tile", dst, stage.target.buffer, slot)

    # Writer -----------------------------------------------------------------------------------

    def writer(self) -> Body:
        """The output's circular buffer to DRAM."""
        return [self._output_blocks(self.start, self._write_block)]

    def _write_block(self, block: tvm.ir.Var, tiles: prim.Expr) -> Body:
        output, size = self.nest.output, self.blocks.output

        def write(slot: prim.Expr) -> Body:
            def emit(page: prim.Expr) -> tirx.Stmt:
                return self._op("write_page", output.tensor, page, output.buffer, slot)

            return self._at_tile(block + slot, [(output.page, emit)])

        return [
            self._op("cb_wait_front", output.buffer, size),
            _slots(tiles, write),
            self._op("write_barrier"),
            self._op("cb_pop_front", output.buffer, size),
        ]

    # Blocks -----------------------------------------------------------------------------------

    def _output_blocks(self, start: prim.Expr, body: Callable[..., Body]) -> tirx.Stmt:
        """``for block in range(start, start + count, step)``, with the tiles that it holds."""
        block, size = tirx.Var("block", "int32"), self.blocks.output
        tiles, binding = _tiles(size, start + self.count - block, self.blocks.output_is_even)
        return _for(block, start, self.count, [*binding, *body(block, tiles)], step=size)

    def _inner_loops(self, stage: Stage, body: Callable[..., Body]) -> tirx.Stmt:
        """The loops of a stage, the innermost one in blocks."""
        *outer, innermost = stage.loops
        key = innermost.loop_var.name
        extent, size = innermost.extent, self.blocks.inner[key]
        name = key.removesuffix("_tile")
        block = tirx.Var(f"{name}_block", "int32")
        is_even = self.blocks.inner_extent[key] % size == 0
        tiles, binding = _tiles(size, extent - block, is_even, f"{name}_tiles")
        result: tirx.Stmt = _for(block, 0, extent, [*binding, *body(block, tiles)], step=size)
        for loop in reversed(outer):
            result = _for(loop.loop_var, 0, loop.extent, [result])
        return result

    # From a running tile number to pages ------------------------------------------------------

    def _at_tile(
        self, tile: prim.Expr, uses: list[tuple[prim.Expr, Callable[[prim.Expr], tirx.Stmt]]]
    ) -> Body:
        """A statement for each page of output tile ``tile``, after the bindings that they need."""
        pages = [self._page_of(tile, page) for page, _ in uses]
        simple = [page for page in pages if page is not None]
        if len(simple) == len(uses):
            return [emit(page) for page, (_, emit) in zip(simple, uses, strict=True)]
        number = tirx.Var("tile", "int32")
        bindings, fresh = self._coordinates(number, [page for page, _ in uses])
        statements = [emit(_substitute(page, fresh)) for page, emit in uses]
        return [Bind(number, tile), *bindings, *statements]

    def _page_of(self, tile: prim.Expr, page: prim.Expr) -> prim.Expr | None:
        """``page`` without the tile's coordinates, where that needs no division."""
        inlined = _substitute(page, dict(self._values(tile)))
        simple = tvm.sym.Analyzer().simplify(inlined)
        return None if _divides(simple) else simple

    def _coordinates(
        self, tile: tvm.ir.Var, pages: Iterable[prim.Expr]
    ) -> tuple[Body, dict[tvm.ir.Var, prim.Expr]]:
        """Bindings of those of the tile's coordinates that ``pages`` use, and their variables.

        Every binding has a variable of its own, since a program may need the same coordinate at
        several places.
        """
        used = {var for page in pages for var in _variables(page)}
        wanted = [(var, value) for var, value in self._values(tile) if var in used]
        fresh = {var: tirx.Var(var.name, "int32") for var, _ in wanted}
        return [Bind(fresh[var], value) for var, value in wanted], dict(fresh)

    def _values(self, tile: prim.Expr) -> list[tuple[tvm.ir.Var, prim.Expr]]:
        """Each coordinate of output tile ``tile``, outermost first."""
        order = TILE_ORDERS[self.partition["tile_order"]]
        zero = prim.IntImm("int32", 0)
        has_columns = self.nest.columns is not None
        extent = self.nest.columns.extent if self.nest.columns is not None else None
        rows_extent: Any = prim.IntImm("int32", 1)
        for loop in self.nest.rows:
            rows_extent = loop.extent if _is_one(rows_extent) else rows_extent * loop.extent
        row, column = order(tile, rows_extent, extent) if has_columns else (tile, zero)
        values: list[tuple[tvm.ir.Var, prim.Expr]] = []
        if self.nest.columns is not None:
            values.append((self.nest.columns.loop_var, column if self.nest.rows else tile))
        for number, loop in enumerate(reversed(self.nest.rows)):
            is_outermost = number == len(self.nest.rows) - 1
            values.append((loop.loop_var, row if is_outermost else row % loop.extent))
            row = row if is_outermost else row // loop.extent
        return values[::-1]

    def _op(self, name: str, *args: Any) -> tirx.Stmt:
        assert len(args) == len(TILE_OPS[name].params), name
        return intrin.call(name, list(args), self.nest.span)


def _is_one(value: Any) -> bool:
    return isinstance(value, prim.IntImm) and int(value.value) == 1


def _tiles(size: int, left: prim.Expr, is_even: bool, name: str = "tiles") -> tuple[Any, Body]:
    """How many tiles of a block are filled, and the binding of that number."""
    if is_even:
        return prim.IntImm("int32", size), []
    tiles = tirx.Var(name, "int32")
    return tiles, [Bind(tiles, tirx.min(left, size))]


def _slots(extent: prim.Expr, body: Callable[[Any], Body], name: str = "slot") -> tirx.Stmt:
    """``body`` for each tile of a block; no loop around a block of one tile."""
    if _is_one(extent):
        return _sequence(body(prim.IntImm("int32", 0)))
    slot = tirx.Var(name, "int32")
    return _for(slot, 0, extent, body(slot))


def _for(var: tvm.ir.Var, start: Any, extent: Any, body: Body, step: int | None = None) -> tirx.For:
    steps = None if step in (None, 1) else step
    return tirx.For(var, start, extent, tirx.ForKind.SERIAL, _sequence(body), step=steps)


def _sequence(body: Body) -> tirx.Stmt:
    flat = [
        part for stmt in body for part in (stmt.seq if isinstance(stmt, tirx.SeqStmt) else [stmt])
    ]
    return flat[0] if len(flat) == 1 else tirx.SeqStmt(flat)


def _substitute(expr: prim.Expr, values: dict[tvm.ir.Var, prim.Expr]) -> prim.Expr:
    return tvm_ffi.structural_map(expr, (tvm.ir.Var, lambda var: values.get(var, var)))


def _variables(node: Any) -> list[tvm.ir.Var]:
    """Every variable that occurs in ``node``, buffers included, in order, without repeats."""
    found: list[tvm.ir.Var] = []

    def visit(var: tvm.ir.Var) -> None:
        if var not in found:
            found.append(var)

    tvm_ffi.structural_walk(node, (tvm.ir.Var, visit))
    return found


def _divides(expr: prim.Expr) -> bool:
    found: list[prim.Expr] = []

    def visit(node: prim.Expr) -> None:
        found.append(node)

    tvm_ffi.structural_walk(expr, ((prim.FloorDiv, prim.FloorMod), visit))
    return bool(found)


def _word(value: float, dtype: str) -> int:
    """32 bits of a page that holds ``value`` everywhere."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    if FORMATS[dtype].name == "bf16":
        rounded = (int(bits) + 0x7FFF + ((int(bits) >> 16) & 1)) >> 16
        return rounded << 16 | rounded
    return int(bits)


def _circular_buffers(func: PrimFunc, nest: Nest, blocks: _Blocks) -> list[dict[str, Any]]:
    """One per operand, temporary, constant and output, in the order in which they are used."""
    layouts = attrs.require(func, attrs.LAYOUT_DESC, GridToPersistentTT.name)
    output = layouts[nest.output.tensor.name]
    found: dict[str, dict[str, Any]] = {}
    for stage in nest.stages:
        for operand in (o for step in stage.steps for o in step.operands):
            if operand.kind == "tensor":
                size = blocks.of(stage, operand) * blocks.buffering
                found[operand.buffer] = _buffer(
                    operand, "input", layouts[operand.tensor.name], size
                )
            elif operand.kind == "constant":
                found[operand.buffer] = _buffer(operand, "intermediate", output, 1)
        size = blocks.output
        if stage.is_map:
            key = stage.loops[-1].loop_var.name
            block = blocks.inner[key]
            size = -(-blocks.inner_extent[key] // block) * block
        if stage.target.kind == "temporary":
            found[stage.target.buffer] = _buffer(stage.target, "intermediate", output, size)
    found[nest.output.buffer] = _buffer(
        nest.output, "output", output, blocks.output * blocks.buffering
    )
    return list(found.values())


def _buffer(operand: Operand, role: str, layout: dict[str, Any], pages: int) -> dict[str, Any]:
    return {
        "name": operand.buffer,
        "tensor": operand.tensor.name if operand.kind == "tensor" else None,
        "role": role,
        "dtype": layout["dtype"],
        "page_bytes": layout["page_bytes"],
        "pages": pages,
    }


def _check_l1(func: PrimFunc, buffers: list[dict[str, Any]]) -> None:
    arch = architecture(attrs.require(func, attrs.ARCH, GridToPersistentTT.name))
    sizes = {buffer["name"]: buffer["page_bytes"] * buffer["pages"] for buffer in buffers}
    if sum(sizes.values()) > arch.l1_bytes:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise LoweringError(
            f"the circular buffers take {sum(sizes.values())} bytes of L1 ({listed}); "
            f"{arch.name} has {arch.l1_bytes}",
            at=attrs.kernel_place(func),
            hint="lower block_tiles or buffering",
        )


def _program(
    func: PrimFunc,
    program: ProgramName,
    body: Body,
    arguments: list[tvm.ir.Var],
    buffers: list[dict[str, Any]],
) -> PrimFunc:
    """A program as a function of the tensors, runtime arguments and constants that it uses."""
    stmt = _sequence(body)
    used = _variables(stmt)
    constants = attrs.require(func, attrs.CONSTANTS, GridToPersistentTT.name)
    params = [param for param in func.params if param in used]
    tensors = [param for param in params if isinstance(param.ty, tirx.BufferType)]
    runtime = [var for var in arguments if var in used]
    symbols = [param for param in params if not isinstance(param.ty, tirx.BufferType)]
    # Functions of one module share no variables, or the printed module does not parse to itself.
    result = s_tir.renew_defs(PrimFunc([*tensors, *runtime, *symbols], stmt, attrs=func.attrs))
    return result.with_attrs(
        {
            attrs.CB_DESC: buffers,
            attrs.CONSTANTS: {var.name: constants[var.name] for var in symbols},
            attrs.PROGRAM: program,
        }
    )
