"""GridToPersistentTT: from loops over all output tiles to the three programs of each core.

The reader brings tiles from DRAM into circular buffers, the compute program works on them in DST,
and the writer takes the results back. Each loops over its core's share of the output tiles and
moves tiles in *blocks*: one barrier, one push and one pop for several tiles. A block is always
pushed whole, even where its last tiles are not filled, so that blocks never straddle the end of a
circular buffer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import IRModule, prim
from tvm.tirx import PrimFunc
from tvm.tirx.stmt import Bind

from ttgen.arch import architecture
from ttgen.errors import LoweringError
from ttgen.ops import PROGRAM_NAMES, TILE_OPS, ProgramName
from ttgen.partition import TILE_ORDERS
from ttgen.passes import attrs, intrin
from ttgen.passes.base import TTPass
from ttgen.passes.lower_tt_tile_intrinsics import PARALLEL, REDUCE


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
        if self.block_tiles < 1 or self.buffering < 1:
            raise LoweringError("block_tiles and buffering are at least 1")
        nest = _parse(func)
        blocks = self._blocks(func, nest)
        buffers = _circular_buffers(func, nest, blocks)
        _check_l1(func, buffers)
        emitter = _Emitter(nest, blocks, attrs.require(func, attrs.PARTITION, self.name))
        arguments = [emitter.start, emitter.count]
        bodies: dict[ProgramName, list[tirx.Stmt]] = {
            "reader": emitter.reader(),
            "compute": emitter.compute(),
            "writer": emitter.writer(),
        }
        return {
            program: _program(func, program, bodies[program], arguments, buffers)
            for program in PROGRAM_NAMES
        }

    def _blocks(self, func: PrimFunc, nest: _Nest) -> _Blocks:
        config = attrs.require(func, attrs.COMPUTE_CONFIG, self.name)
        work = attrs.require(func, attrs.WORK_PARTITION, self.name)
        arch = architecture(attrs.require(func, attrs.ARCH, self.name))
        counts = {count for *_, count in work if count}
        limit = min(self.block_tiles, max(counts))
        if nest.reduced is None:  # a block of results is in DST at once
            limit = min(limit, arch.dst_tiles(**_dst_config(config)))
        inner = _divisor_or_limit(attrs.require(func, attrs.PARTITION, self.name)["len_k"], self)
        return _Blocks(
            output=limit,
            output_is_even=all(count % limit == 0 for count in counts),
            inner=inner if nest.reduced is not None else limit,
            buffering=self.buffering,
        )


def _dst_config(config: dict[str, Any]) -> dict[str, bool]:
    return {key: config[key] for key in ("fp32_dest_acc", "dst_full_sync")}


def _divisor_or_limit(extent: int, options: GridToPersistentTT) -> int:
    """Tiles of a block along the reduction: a divisor of ``extent`` if one is near the limit.

    A divisor makes every block full; where the best one is under half of the limit, a partly
    filled last block costs less than small blocks do.
    """
    limit = min(options.block_tiles, extent)
    best = max(size for size in range(1, limit + 1) if extent % size == 0)
    return best if 2 * best >= limit else limit


@dataclass(frozen=True)
class _Blocks:
    """Tiles per block: of the output, and of each operand; ``*_is_even`` if all blocks are full."""

    output: int
    output_is_even: bool
    inner: int
    buffering: int


@dataclass(frozen=True)
class _Operand:
    """A tile that the mathematics reads: page ``page`` of ``tensor``, through ``buffer``."""

    tensor: tvm.ir.Var
    page: prim.Expr
    buffer: str


@dataclass(frozen=True)
class _Nest:
    """The tile loops of a lowered function, taken apart."""

    rows: tirx.For
    columns: tirx.For
    reduced: tirx.For | None
    math: intrin.TileMath
    operands: tuple[_Operand, ...]
    output: _Operand
    span: Any

    def sources(self) -> list[_Operand]:
        """The operands, one per circular buffer: a tile that is used twice is read once."""
        return list({operand.buffer: operand for operand in self.operands}.values())


def _parse(func: PrimFunc) -> _Nest:
    rows = _expect_loop(func, func.body, PARALLEL)
    columns = _expect_loop(func, rows.body, PARALLEL)
    if not isinstance(columns.body, tirx.SeqStmt) or len(columns.body.seq) != 2:
        raise _unexpected(func, columns.body, "one tile operation and its tt.pack")
    first, last = columns.body.seq
    reduced = first if isinstance(first, tirx.For) else None
    if reduced is not None:
        _expect_loop(func, reduced, REDUCE)
    math_name, (_, *operands) = _expect_call(func, reduced.body if reduced else first)
    math = intrin.TILE_MATH.get(math_name)
    if math is None or len(operands) != 2 * math.operands:
        raise _unexpected(func, first, f"one of tt.{', tt.'.join(intrin.TILE_MATH)}")
    pack_name, pack_args = _expect_call(func, last)
    if pack_name != intrin.PACK or len(pack_args) != 3:
        raise _unexpected(func, last, "tt.pack(dst, tensor, page)")
    _, output, page = pack_args
    pairs = list(zip(operands[::2], operands[1::2], strict=True))
    named = _named_operands(pairs, {param.name for param in func.params})
    result = _Operand(output, page, output.name)
    return _Nest(rows, columns, reduced, math, named, result, last.span)


def _named_operands(
    pairs: list[tuple[tvm.ir.Var, prim.Expr]], taken: set[str]
) -> tuple[_Operand, ...]:
    """One circular buffer per distinct tile; a tensor read at two places has two of them.

    The first is called like the tensor, the second as nothing in ``taken`` is.
    """
    named: list[_Operand] = []
    for tensor, page in pairs:
        same = [o for o in named if o.tensor.same_as(tensor)]
        equal = [o for o in same if tvm_ffi.structural_equal(o.page, page)]
        own = _fresh(tensor.name, taken) if same else tensor.name
        buffer = equal[0].buffer if equal else own
        taken = taken | {buffer}
        named.append(_Operand(tensor, page, buffer))
    return tuple(named)


def _fresh(name: str, taken: set[str]) -> str:
    wishes = (f"{name}_{number}" for number in itertools.count(2))
    return next(wish for wish in wishes if wish not in taken)


def _expect_loop(func: PrimFunc, node: tirx.Stmt, kind: dict[str, str]) -> tirx.For:
    if isinstance(node, tirx.For) and attrs.plain(node.annotations) == kind:
        return node
    raise _unexpected(func, node, f"a loop annotated {kind}")


def _expect_call(func: PrimFunc, node: tirx.Stmt) -> tuple[str, list[Any]]:
    if isinstance(node, tirx.Evaluate) and isinstance(node.value, tvm.ir.Call):
        name = node.value.op.name
        if name.startswith("tt.") and node.value.args:
            return name.removeprefix("tt."), list(node.value.args)
    raise _unexpected(func, node, "a tt.* operation on tiles")


def _unexpected(func: PrimFunc, node: Any, wanted: str) -> LoweringError:
    found = str(node).strip().splitlines()[-1].strip() if node is not None else "nothing"
    return LoweringError(
        f"GridToPersistentTT wants {wanted}, found '{found}'",
        at=attrs.kernel_place(func),
        hint="run LowerTTTileIntrinsics first",
    )


@dataclass
class _Emitter:
    """Builds the bodies of the three programs."""

    nest: _Nest
    blocks: _Blocks
    partition: dict[str, Any]
    start: tvm.ir.Var = field(default_factory=lambda: tirx.Var("start", "int32"))
    count: tvm.ir.Var = field(default_factory=lambda: tirx.Var("count", "int32"))

    def reader(self) -> list[tirx.Stmt]:
        """DRAM to circular buffers, in the order in which the compute program uses tiles."""
        if self.nest.reduced is None:
            return [self._output_blocks(self.start, self._read_block)]
        tile = tirx.Var("tile", "int32")
        inner = self._inner_blocks(lambda block, tiles: self._read_inner(tile, block, tiles))
        body = [*self._coordinates(tile, [o.page for o in self.nest.sources()]), inner]
        return [_for(tile, self.start, self.count, body)]

    def compute(self) -> list[tirx.Stmt]:
        """Circular buffers through DST to the output's circular buffer."""
        math, buffers = self.nest.math, [operand.buffer for operand in self.nest.operands]
        pair = buffers if len(buffers) == 2 else buffers * 2
        set_up = [
            self._op(math.startup, *pair, self.nest.output.buffer),
            self._op(math.init, *buffers),
        ]
        block = self._compute_block if self.nest.reduced is None else self._compute_sums
        return [*set_up, self._output_blocks(prim.IntImm("int32", 0), block)]

    def writer(self) -> list[tirx.Stmt]:
        """The output's circular buffer to DRAM."""
        return [self._output_blocks(self.start, self._write_block)]

    # Blocks of output tiles -------------------------------------------------------------------

    def _output_blocks(self, start: prim.Expr, body: Any) -> tirx.Stmt:
        """``for block in range(start, start + count, step)``, with the tiles that it holds."""
        block, size = tirx.Var("block", "int32"), self.blocks.output
        tiles, binding = _tiles(size, start + self.count - block, self.blocks.output_is_even)
        return _for(block, start, self.count, [*binding, *body(block, tiles)], step=size)

    def _read_block(self, block: tvm.ir.Var, tiles: prim.Expr) -> list[tirx.Stmt]:
        def read(slot: tvm.ir.Var) -> list[tirx.Stmt]:
            uses = [(source.page, self._read(source, slot)) for source in self.nest.sources()]
            return self._at_tile(block + slot, uses)

        return self._reading(_slots(tiles, read))

    def _write_block(self, block: tvm.ir.Var, tiles: prim.Expr) -> list[tirx.Stmt]:
        output, size = self.nest.output, self.blocks.output

        def write(slot: tvm.ir.Var) -> list[tirx.Stmt]:
            def emit(page: prim.Expr) -> tirx.Stmt:
                return self._op("write_page", output.tensor, page, output.buffer, slot)

            return self._at_tile(block + slot, [(output.page, emit)])

        return [
            self._op("cb_wait_front", output.buffer, size),
            _slots(tiles, write),
            self._op("write_barrier"),
            self._op("cb_pop_front", output.buffer, size),
        ]

    def _compute_block(self, _: tvm.ir.Var, tiles: prim.Expr) -> list[tirx.Stmt]:
        """A block of independent results: all of it in DST at once."""
        return [
            *self._each_source("cb_wait_front"),
            self._op("tile_regs_acquire"),
            _slots(tiles, lambda slot: [self._math(slot, dst=slot)]),
            self._op("tile_regs_commit"),
            *self._each_source("cb_pop_front"),
            self._op("cb_reserve_back", self.nest.output.buffer, self.blocks.output),
            self._op("tile_regs_wait"),
            _slots(tiles, lambda slot: [self._pack(slot, dst=slot)]),
            self._op("tile_regs_release"),
            self._op("cb_push_back", self.nest.output.buffer, self.blocks.output),
        ]

    def _compute_sums(self, _: tvm.ir.Var, tiles: prim.Expr) -> list[tirx.Stmt]:
        """A block of sums, one after the other: each stays in DST until it is complete."""

        def add_up(block: tvm.ir.Var, inner: prim.Expr) -> list[tirx.Stmt]:
            return [
                *self._each_source("cb_wait_front"),
                _slots(inner, lambda slot: [self._math(slot, dst=0)], "inner"),
                *self._each_source("cb_pop_front"),
            ]

        def one(slot: tvm.ir.Var) -> list[tirx.Stmt]:
            return [
                self._op("tile_regs_acquire"),
                self._inner_blocks(add_up),
                self._op("tile_regs_commit"),
                self._op("tile_regs_wait"),
                self._pack(slot, dst=0),
                self._op("tile_regs_release"),
            ]

        return [
            self._op("cb_reserve_back", self.nest.output.buffer, self.blocks.output),
            _slots(tiles, one),
            self._op("cb_push_back", self.nest.output.buffer, self.blocks.output),
        ]

    # Blocks along the reduction ---------------------------------------------------------------

    def _inner_blocks(self, body: Any) -> tirx.Stmt:
        """``for block in range(0, Kt, step)`` along the reduction."""
        assert self.nest.reduced is not None
        extent, size = self.nest.reduced.extent, self.blocks.inner
        name = self.nest.reduced.loop_var.name.removesuffix("_tile")
        block = tirx.Var(f"{name}_block", "int32")
        is_even = self.partition["len_k"] % size == 0
        inner, binding = _tiles(size, extent - block, is_even, f"{name}_tiles")
        return _for(block, 0, extent, [*binding, *body(block, inner)], step=size)

    def _read_inner(self, tile: tvm.ir.Var, block: tvm.ir.Var, tiles: prim.Expr) -> list[tirx.Stmt]:
        assert self.nest.reduced is not None
        variable = self.nest.reduced.loop_var

        def read(slot: tvm.ir.Var) -> list[tirx.Stmt]:
            at = {variable: block + slot}
            return [
                self._read(source, slot)(_substitute(source.page, at))
                for source in self.nest.sources()
            ]

        return self._reading(_slots(tiles, read))

    # Pieces -----------------------------------------------------------------------------------

    def _reading(self, reads: tirx.Stmt) -> list[tirx.Stmt]:
        return [
            *self._each_source("cb_reserve_back"),
            reads,
            self._op("read_barrier"),
            *self._each_source("cb_push_back"),
        ]

    def _each_source(self, operation: str) -> list[tirx.Stmt]:
        sources = self.nest.sources()
        return [self._op(operation, source.buffer, self.blocks.inner) for source in sources]

    def _read(self, source: _Operand, slot: tvm.ir.Var) -> Any:
        return lambda page: self._op("read_page", source.tensor, page, source.buffer, slot)

    def _math(self, slot: prim.Expr, dst: prim.Expr | int) -> tirx.Stmt:
        buffers = [operand.buffer for operand in self.nest.operands]
        return self._op(self.nest.math.device, *buffers, *[slot] * len(buffers), dst)

    def _pack(self, slot: prim.Expr, dst: prim.Expr | int) -> tirx.Stmt:
        return self._op("pack_tile", dst, self.nest.output.buffer, slot)

    def _op(self, name: str, *args: Any) -> tirx.Stmt:
        assert len(args) == len(TILE_OPS[name].params), name
        return intrin.call(name, list(args), self.nest.span)

    # From a running tile number to pages ------------------------------------------------------

    def _at_tile(self, tile: prim.Expr, uses: list[tuple[prim.Expr, Any]]) -> list[tirx.Stmt]:
        """A statement for each page of output tile ``tile``, after the bindings that they need."""
        simple = [self._page_of(tile, page) for page, _ in uses]
        if None not in simple:
            return [emit(page) for page, (_, emit) in zip(simple, uses, strict=True)]
        number = tirx.Var("tile", "int32")
        coordinates = self._coordinates(number, [page for page, _ in uses])
        return [Bind(number, tile), *coordinates, *(emit(page) for page, emit in uses)]

    def _page_of(self, tile: prim.Expr, page: prim.Expr) -> prim.Expr | None:
        """``page`` without the tile's row and column, where that needs no division."""
        row, column = self._row_column(tile)
        inlined = _substitute(page, {self._row_var: row, self._column_var: column})
        simple = tvm.sym.Analyzer().simplify(inlined)
        return None if _divides(simple) else simple

    def _coordinates(self, tile: tvm.ir.Var, pages: Iterable[prim.Expr]) -> list[tirx.Stmt]:
        """Bindings of the tile's row and column, those that ``pages`` use."""
        used = {var for page in pages for var in _variables(page)}
        values = zip((self._row_var, self._column_var), self._row_column(tile), strict=True)
        return [Bind(var, value) for var, value in values if var in used]

    def _row_column(self, tile: prim.Expr) -> tuple[prim.Expr, prim.Expr]:
        order = TILE_ORDERS[self.partition["tile_order"]]
        return order(tile, self.nest.rows.extent, self.nest.columns.extent)

    @property
    def _row_var(self) -> tvm.ir.Var:
        return self.nest.rows.loop_var

    @property
    def _column_var(self) -> tvm.ir.Var:
        return self.nest.columns.loop_var


def _tiles(
    size: int, left: prim.Expr, is_even: bool, name: str = "tiles"
) -> tuple[prim.Expr, list[tirx.Stmt]]:
    """How many tiles of a block are filled, and the binding of that number."""
    if is_even:
        return prim.IntImm("int32", size), []
    tiles = tirx.Var(name, "int32")
    return tiles, [Bind(tiles, tirx.min(left, size))]


def _slots(extent: prim.Expr, body: Any, name: str = "slot") -> tirx.Stmt:
    """``body`` for each tile of a block; no loop around a block of one tile."""
    if isinstance(extent, prim.IntImm) and int(extent.value) == 1:
        return _sequence(body(prim.IntImm("int32", 0)))
    slot = tirx.Var(name, "int32")
    return _for(slot, 0, extent, body(slot))


def _for(
    var: tvm.ir.Var, start: Any, extent: Any, body: list[tirx.Stmt], step: int | None = None
) -> tirx.For:
    steps = None if step in (None, 1) else step
    return tirx.For(var, start, extent, tirx.ForKind.SERIAL, _sequence(body), step=steps)


def _sequence(body: list[tirx.Stmt]) -> tirx.Stmt:
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


def _circular_buffers(func: PrimFunc, nest: _Nest, blocks: _Blocks) -> list[dict[str, Any]]:
    layouts = attrs.require(func, attrs.LAYOUT_DESC, GridToPersistentTT.name)
    sized = [(source, "input", blocks.inner) for source in nest.sources()]
    sized.append((nest.output, "output", blocks.output))
    return [
        {
            "name": operand.buffer,
            "tensor": operand.tensor.name,
            "role": role,
            "dtype": layouts[operand.tensor.name]["dtype"],
            "page_bytes": layouts[operand.tensor.name]["page_bytes"],
            "pages": size * blocks.buffering,
        }
        for operand, role, size in sized
    ]


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
    body: list[tirx.Stmt],
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
