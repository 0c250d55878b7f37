"""Expressions to stages: elementwise operations, broadcasts and transpositions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import tvm
from tvm import tirx

from ttgen.analysis import Access, Binary, Const, Dim, Expr, Load, Mask, Reduce, Unary
from ttgen.errors import Location, LoweringError
from ttgen.passes import intrin
from ttgen.passes.device_shape import ONE, as_tiles, device_view, free_dims
from ttgen.passes.tiling.dimensions import Dimensions, Frame
from ttgen.passes.tiling.reductions import Reductions
from ttgen.passes.tiling.stages import Stages, Tile, span

_COMMUTES = ("add", "mul")
#: What a temporary tile holds: a value, in a frame, for each iteration of some loops.
_Key: TypeAlias = tuple[Expr, Frame, tuple[Dim, ...]]


@dataclass
class Expressions:
    """Lowers expressions of one kernel. ``frame``: the output's.

    ``shared`` are values that are used more than once: they are tiles in memory, made once.
    """

    dims: Dimensions
    stages: Stages
    frame: Frame
    shared: Collection[Expr]
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
            case Load(access=access):
                return self._loaded(access, frame, at)
            case _:
                return self._temporary(expr, frame.narrowed(expr), at)

    def _into_dst(self, expr: Expr, frame: Frame, at: Location) -> list[tirx.Stmt]:
        """Operations that leave ``expr`` in DST; earlier stages are added where it needs them."""
        if self._in_memory(expr, frame):
            return self._load(self.tile(expr, frame, at), frame, at)
        return self._computed(expr, frame, at)

    def _computed(self, expr: Expr, frame: Frame, at: Location) -> list[tirx.Stmt]:
        """``expr`` by its own operation."""
        match expr:
            case (
                Binary(op="mul", a=Reduce() as total, b=Const(value=scale))
                | Binary(op="mul", a=Const(value=scale), b=Reduce() as total)
            ) if not self._in_memory(total, frame) and self._reductions.scales(total, frame):
                return self._reductions.into_dst(total, frame, scale)
            case Binary(op="max"):
                raise LoweringError(
                    f"'{expr}' does not lower yet",
                    at=expr.at if expr.at.path else at,
                    hint="the maximum over a dimension does, and that of a value and 0; that of "
                    "two values needs the vector unit (SFPU)",
                )
            case Binary():
                return self._binary(expr, frame, at)
            case Unary(op=op, a=a):
                here = expr.at if expr.at.path else at
                return [*self._into_dst(a, frame, here), intrin.call("unary", [0, op], span(here))]
            case Reduce():
                return self._reductions.into_dst(expr, frame)
            case Load() | Const() | Mask():
                return self._load(self.tile(expr, frame, at), frame, at)

    def _in_memory(self, expr: Expr, frame: Frame) -> bool:
        """Whether the value is a tile in memory in any case: as it is, or to be broadcast."""
        is_leaf = isinstance(expr, Load | Const | Mask)
        return is_leaf or expr in self.shared or frame.narrowed(expr) != frame

    def _temporary(self, expr: Expr, frame: Frame, at: Location) -> Tile:
        """A tile of its own for ``expr``, made by an earlier stage."""
        return self._once(expr, frame, lambda: self._computed(expr, frame, at), at)

    def _once(
        self, expr: Expr, frame: Frame, operations: Callable[[], list[tirx.Stmt]], at: Location
    ) -> Tile:
        """A temporary tile of ``expr`` in ``frame``, made by ``operations`` the first time.

        It moves with no more loops than it has to.
        """
        loops = self.stages.moving_with(free_dims(expr))
        key = expr, frame, loops
        if key not in self._made:
            buffer = self.stages.temporary()
            with self.stages.inside(loops):
                tile = Tile(buffer, self.stages.page(), frame)
                self.stages.add(operations(), buffer, tile.page, at)
            self._made[key] = tile
        return self._made[key]

    # Elementwise operations -------------------------------------------------------------------

    def _load(self, tile: Tile, frame: Frame, at: Location) -> list[tirx.Stmt]:
        word = frame.broadcast_of(tile.frame)
        args = [tile.buffer, tile.page]
        if word is None:
            return [intrin.call("copy", [0, *args], span(at))]
        # Not the unit's own copy with broadcast: into fp32 DST it fills no more than 8 rows.
        zero = self.stages.constant(0.0)
        return [intrin.call("add_bcast", [0, zero, 0, *args, word], span(at))]

    def _binary(self, expr: Binary, frame: Frame, at: Location) -> list[tirx.Stmt]:
        here = expr.at if expr.at.path else at
        op, a, b = expr.op, expr.a, expr.b
        if self._in_memory(a, frame) and self._in_memory(b, frame):
            return self._of_tiles(op, a, b, frame, here)
        if self._in_memory(a, frame):  # the work is in b
            other = self._plain(a, frame, here)
            name = f"{op}_dst" if op in _COMMUTES else f"r{op}_dst"
            first = self._into_dst(b, frame, here)
        else:
            other = self._plain(b, frame, here)
            name = f"{op}_dst"
            first = self._into_dst(a, frame, here)
        return [*first, intrin.call(name, [0, other.buffer, other.page], span(here))]

    def _of_tiles(self, op: str, a: Expr, b: Expr, frame: Frame, at: Location) -> list[tirx.Stmt]:
        """Both operands are tiles in memory; the unit broadcasts the second of two."""
        left, right = self.tile(a, frame, at), self.tile(b, frame, at)
        if op in _COMMUTES and self._is_better_second(left, right, frame):
            left, right, a = right, left, b
        if frame.broadcast_of(left.frame):
            left = self._plain(a, frame, at)
        args = [0, left.buffer, left.page, right.buffer, right.page]
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
        self._check_batch(access, dims, at)
        tile = Tile(access.buffer, self.dims.page(device_view(access)), Frame(rows, columns))
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
            "but not mixed with others",
        )

    def _check_batch(self, access: Access, dims: Sequence[Dim], at: Location) -> None:
        for dim in dims[:-2]:
            if dim.axes and dim in self.dims.tiled:
                where = "the output" if dim in (self.frame.rows, self.frame.columns) else "others"
                raise LoweringError(
                    f"{access}: dimension {dim.name} makes tiles of {where}, but not of "
                    f"{access.buffer.name}",
                    at=at,
                    hint="only the last two dimensions of a tensor make tiles",
                )
