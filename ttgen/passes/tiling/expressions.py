"""Expressions to stages: elementwise operations, broadcasts and transpositions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import tvm
from tvm import tirx

from ttgen.analysis import (
    Access,
    Binary,
    Const,
    Dim,
    Expr,
    Held,
    Load,
    Mask,
    Reduce,
    Triangle,
    Vector,
    helds,
    reductions,
)
from ttgen.analysis.orders import with_last
from ttgen.errors import Location, LoweringError
from ttgen.passes import intrin
from ttgen.passes.device_shape import ONE, as_tiles, device_view, free_dims, tile_dims
from ttgen.passes.tiling.dimensions import Dimensions, Frame
from ttgen.passes.tiling.reductions import Reductions
from ttgen.passes.tiling.stages import Stages, Tile, span
from ttgen.passes.tiling.streaming import Stream, replaced, rescaling, weights
from ttgen.vector import VECTOR

_COMMUTES = ("add", "mul")
#: What a temporary tile holds: a value, in a frame, for each iteration of some loops.
_Key: TypeAlias = tuple[Expr, Frame, tuple[Dim, ...]]


@dataclass(frozen=True)
class _Scope:
    """The chunks of ``dim``, which are worked on with what is in ``held``.

    What depends on neither is made before them, by ``around``.
    """

    dim: Dim
    held: frozenset[Held]
    around: Expressions

    def has(self, expr: Expr) -> bool:
        """Whether ``expr`` has another value in another chunk."""
        return self.dim in free_dims(expr) or not self.held.isdisjoint(helds(expr))


@dataclass
class Expressions:
    """Lowers expressions of one kernel. ``frame``: the output's; ``dst_tiles``: the registers.

    ``shared`` are values that are used more than once: they are tiles in memory, made once. So are
    the sums of ``streams``.

    A value is left in a DST register. What is worked out for it meanwhile is in registers behind
    that one. Register 0 is the first that a stage uses, and zero until then: there a reduction may
    be added up. Others may hold what an earlier operand has left there.

    ``scope`` is where something is worked out for each chunk of a stream.
    """

    dims: Dimensions
    stages: Stages
    frame: Frame
    shared: Collection[Expr]
    dst_tiles: int
    streams: Collection[Stream] = ()
    scope: _Scope | None = None
    _made: dict[_Key, Tile] = field(default_factory=dict)
    _reductions: Reductions = field(init=False)

    def __post_init__(self) -> None:
        self._reductions = Reductions(self.dims, self.stages, self.tile)

    def finish(self, expr: Expr, frame: Frame, target: tvm.ir.Var, page: Any, at: Location) -> None:
        """A stage that computes ``expr`` in ``frame`` and packs it into a page of ``target``."""
        self.stages.add(self._into_dst(expr, frame, at), target, page, at)

    def tile(self, expr: Expr, frame: Frame, at: Location) -> Tile:
        """``expr`` as a tile in memory, in the frame that it has values in."""
        match expr:
            case Const(value=value):
                return Tile(self.stages.constant(value), 0, frame)
            case Mask():
                return self.stages.mask(expr, frame)
            case Triangle():
                return self.stages.triangle(expr, frame)
            case Held(buffer=buffer, dims=dims):
                return Tile(buffer, 0, Frame(*dims))
            case Load(access=access):
                return self._loaded(access, frame, at)
            case _:
                return self._temporary(expr, frame.narrowed(expr), at)

    def _into_dst(self, expr: Expr, frame: Frame, at: Location, dst: int = 0) -> list[tirx.Stmt]:
        """Operations that leave ``expr`` in ``dst``; earlier stages are added as it needs them."""
        if self._in_memory(expr, frame) or not self._fits(expr, frame, dst):
            return self._load(self.tile(expr, frame, at), frame, at, dst)
        return self._computed(expr, frame, at, dst)

    def _fits(self, expr: Expr, frame: Frame, dst: int) -> bool:
        """Whether there are registers for it: a reduction is made in register 0 alone."""
        match expr:
            case Vector(operands=operands) if len(operands) > 1:
                return dst + len(operands) <= self.dst_tiles
            case Reduce():
                return dst == 0
            case Binary(op="mul"):
                return dst == 0 or self._scaled_sum(expr, frame) is None
            case _:
                return True

    def _scaled_sum(self, expr: Expr, frame: Frame) -> tuple[Reduce, float] | None:
        """A sum, and the number that it is multiplied by while it is made."""
        match expr:
            case (
                Binary(op="mul", a=Reduce() as total, b=Const(value=scale))
                | Binary(op="mul", a=Const(value=scale), b=Reduce() as total)
            ) if not self._in_memory(total, frame) and self._reductions.scales(total, frame):
                return total, scale
            case _:
                return None

    def _computed(self, expr: Expr, frame: Frame, at: Location, dst: int = 0) -> list[tirx.Stmt]:
        """``expr`` by its own operation."""
        scaled = self._scaled_sum(expr, frame)
        if scaled is not None:
            return self._reductions.into_dst(scaled[0], frame, scaled[1])
        match expr:
            case Binary():
                return self._binary(expr, frame, at, dst)
            case Vector():
                return self._vector(expr, frame, at, dst)
            case Reduce():
                return self._reductions.into_dst(expr, frame)
            case Load() | Const() | Mask() | Triangle() | Held():
                return self._load(self.tile(expr, frame, at), frame, at, dst)

    def _in_memory(self, expr: Expr, frame: Frame) -> bool:
        """Whether the value is a tile in memory in any case: as it is, or to be broadcast."""
        is_leaf = isinstance(expr, Load | Const | Mask | Triangle | Held)
        is_made = expr in self.shared or self._stream_of(expr) is not None
        return is_leaf or is_made or frame.narrowed(expr) != frame

    def _temporary(self, expr: Expr, frame: Frame, at: Location) -> Tile:
        """A tile of its own for ``expr``, made by an earlier stage."""
        if self.scope is not None and not self.scope.has(expr):
            with self.stages.before_stream():
                return self.scope.around._temporary(expr, frame, at)
        stream = self._stream_of(expr)
        is_new = self._key(expr, frame) not in self._made
        if stream is not None and is_new and frame == self.frame.narrowed(expr):
            self._made |= self._streamed(stream, at)
        return self._once(expr, frame, lambda: self._computed(expr, frame, at), at)

    def _once(
        self, expr: Expr, frame: Frame, operations: Callable[[], list[tirx.Stmt]], at: Location
    ) -> Tile:
        """A temporary tile of ``expr`` in ``frame``, made by ``operations`` the first time.

        It moves with no more loops than it has to.
        """
        if self.scope is not None and not self.scope.has(expr):
            with self.stages.before_stream():
                return self.scope.around._once(expr, frame, operations, at)
        key = self._key(expr, frame)
        if key not in self._made:
            buffer = self.stages.temporary()
            with self.stages.inside(key[-1]):
                tile = Tile(buffer, self.stages.page(), frame)
                self.stages.add(operations(), buffer, tile.page, at)
            self._made[key] = tile
        return self._made[key]

    def _key(self, expr: Expr, frame: Frame) -> _Key:
        return expr, frame, self.stages.moving_with(free_dims(expr))

    # Streams ----------------------------------------------------------------------------------

    def _stream_of(self, expr: Expr) -> Stream | None:
        """The stream that ``expr`` is a sum of."""
        return next((stream for stream in self.streams if expr in stream.sums), None)

    def _streamed(self, stream: Stream, at: Location) -> dict[_Key, Tile]:
        """The sums of ``stream``, which are made in one loop over its chunks.

        From one chunk to the next it holds the largest value so far, and the sums below that. The
        largest is the least finite number at first: minus infinity, less itself, is none.
        """
        peak = stream.peak
        self.dims.declare_reduced(peak, set(tile_dims(peak.value)))
        largest = self._held(peak, self.stages.working.lowest, at)
        held = {total: self._held(total, 0.0, at) for total in stream.sums}
        grown = Vector("max", (peak, largest), peak.at)
        factors = {
            total: rescaling(weight, peak, largest, grown)
            for total in stream.sums
            for weight in weights(total, peak)
        }
        others = [one for one in self.shared if one != peak and one not in stream.sums]
        inside = replace(
            self,
            shared={grown, *factors.values(), *(replaced(one, peak, grown) for one in others)},
            scope=_Scope(stream.dim, frozenset((largest, *held.values())), self),
            _made={},
        )
        with self.stages.streaming(stream.dim, stream.tiles):
            for total in stream.sums:
                before = Binary("mul", held[total], factors[total], total.at)
                now = Binary("add", replaced(total, peak, grown), before, total.at)
                inside.finish(now, Frame(*held[total].dims), held[total].buffer, 0, at)
            inside.finish(grown, Frame(*largest.dims), largest.buffer, 0, at)
        return {
            self._key(total, frame): Tile(tile.buffer, 0, frame)
            for total, tile in held.items()
            for frame in [Frame(*tile.dims)]
        }

    def _held(self, expr: Expr, start: float, at: Location) -> Held:
        """A tile for ``expr`` that is ``start`` everywhere, to be gone on with."""
        frame, buffer = self.frame.narrowed(expr), self.stages.temporary()
        with self.stages.inside(()):
            first = self._load(Tile(self.stages.constant(start), 0, frame), frame, at)
            self.stages.add(first, buffer, 0, at)
        return Held(buffer, (frame.rows, frame.columns))

    # Elementwise operations -------------------------------------------------------------------

    def _load(self, tile: Tile, frame: Frame, at: Location, dst: int = 0) -> list[tirx.Stmt]:
        word = frame.broadcast_of(tile.frame)
        args = [tile.buffer, tile.page]
        if word is None:
            return [intrin.call("copy", [dst, *args], span(at))]
        # Not the unit's own copy with broadcast: into fp32 DST it fills no more than 8 rows.
        zero = self.stages.constant(0.0)
        return [intrin.call("add_bcast", [dst, zero, 0, *args, word], span(at))]

    def _vector(self, expr: Vector, frame: Frame, at: Location, dst: int) -> list[tirx.Stmt]:
        """Each operand in a register of its own, from ``dst`` on; the result is in ``dst``.

        The one that takes most work comes first, while most registers are free.
        """
        here = expr.at if expr.at.path else at
        row = VECTOR[expr.op]
        order = sorted(range(row.operands), key=lambda n: -self._work(expr.operands[n], frame))
        found = {n: dst + place for place, n in enumerate(order)}
        operations = [
            operation
            for n in order
            for operation in self._into_dst(expr.operands[n], frame, here, found[n])
        ]
        registers = [found[n] for n in range(row.operands)] if row.operands > 1 else []
        args = [dst, *registers, expr.op]
        return [*operations, intrin.call(row.form, args, span(here))]

    def _work(self, expr: Expr, frame: Frame) -> int:
        """How much is to be done for it in DST: nothing for a tile, most for a reduction."""
        if self._in_memory(expr, frame):
            return 0
        return 2 if any(reductions(expr)) else 1

    def _binary(self, expr: Binary, frame: Frame, at: Location, dst: int) -> list[tirx.Stmt]:
        here = expr.at if expr.at.path else at
        op, a, b = expr.op, expr.a, expr.b
        if self._in_memory(a, frame) and self._in_memory(b, frame):
            return self._of_tiles(op, a, b, frame, here, dst)
        if self._in_memory(a, frame):  # the work is in b
            return self._with_tile(
                f"{op}_dst" if op in _COMMUTES else f"r{op}_dst", b, a, frame, here, dst
            )
        return self._with_tile(f"{op}_dst", a, b, frame, here, dst)

    def _with_tile(
        self, name: str, first: Expr, other: Expr, frame: Frame, at: Location, dst: int
    ) -> list[tirx.Stmt]:
        """``first`` in DST, and then the operation with a tile of ``other``."""
        tile = self._plain(other, frame, at)
        operations = self._into_dst(first, frame, at, dst)
        return [*operations, intrin.call(name, [dst, tile.buffer, tile.page], span(at))]

    def _of_tiles(
        self, op: str, a: Expr, b: Expr, frame: Frame, at: Location, dst: int
    ) -> list[tirx.Stmt]:
        """Both operands are tiles in memory; the unit broadcasts the second of two."""
        left, right = self.tile(a, frame, at), self.tile(b, frame, at)
        if op in _COMMUTES and self._is_better_second(left, right, frame):
            left, right, a, b = right, left, b, a
        if op == "mul" and dst:  # the multiplier adds to what a register holds
            return self._with_tile("mul_dst", b, a, frame, at, dst)
        if frame.broadcast_of(left.frame):
            left = self._plain(a, frame, at)
        args = [dst, left.buffer, left.page, right.buffer, right.page]
        word = frame.broadcast_of(right.frame)
        if word is None:
            return [intrin.call(op, args, span(at))]
        return [intrin.call(f"{op}_bcast", [*args, word], span(at))]

    def _is_better_second(self, left: Tile, right: Tile, frame: Frame) -> bool:
        """Whether ``left`` is to be broadcast, or narrower than ``right``.

        The unit reads both operands in the format of the first.
        """
        if frame.broadcast_of(left.frame) or frame.broadcast_of(right.frame):
            return frame.broadcast_of(left.frame) is not None
        wide = self.stages.format_of(right).is_wide, self.stages.format_of(left).is_wide
        return wide == (True, False)

    def _plain(self, expr: Expr, frame: Frame, at: Location) -> Tile:
        """``expr`` as a tile in memory that needs no broadcast."""
        tile = self.tile(expr, frame, at)
        if frame.broadcast_of(tile.frame) is None:
            return tile
        return self._once(expr, frame, lambda: self._load(tile, frame, at), at)

    # Tensors ----------------------------------------------------------------------------------

    def _loaded(self, access: Access, frame: Frame, at: Location) -> Tile:
        dims = as_tiles(access.dims)
        rows, columns = dims[-2:]
        self._check_batch(access, dims, frame, at)
        page = self.dims.page(device_view(access), access.beside)
        tile = Tile(access.buffer, page, Frame(rows, columns))
        if rows in (frame.rows, ONE) and columns in (frame.columns, ONE):
            return tile
        if rows in (frame.columns, ONE) and columns in (frame.rows, ONE):
            turned = Frame(columns, rows)
            args = [0, tile.buffer, tile.page]
            turn = intrin.call("transpose", args, span(at))
            return self._once(Load(access), turned, lambda: [turn], at)
        raise LoweringError(
            f"{access} does not line up with tiles over {frame.rows.name} and {frame.columns.name}",
            at=at,
            hint="the last two dimensions of a tensor make its tiles; they may be transposed, "
            f"but not mixed with others{_order_hint(access, frame)}",
        )

    def _check_batch(self, access: Access, dims: Sequence[Dim], frame: Frame, at: Location) -> None:
        for dim in dims[:-2]:
            if dim.axes and dim in self.dims.tiled:
                where = "the output" if dim in (self.frame.rows, self.frame.columns) else "others"
                raise LoweringError(
                    f"{access}: dimension {dim.name} makes tiles of {where}, but not of "
                    f"{access.buffer.name}",
                    at=at,
                    hint="only the last two dimensions of a tensor make tiles"
                    f"{_order_hint(access, frame)}",
                )


def _order_hint(access: Access, frame: Frame) -> str:
    """How a layout would have the dimensions last that make tiles, if it can."""
    order = with_last(access, frozenset((*frame.rows.axes, *frame.columns.axes)))
    if order is None or order == access.order:
        return ""
    return f"; `layouts: {{{access.buffer.name}: {{order: {list(order)}}}}}` puts others there"
