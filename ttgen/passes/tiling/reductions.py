"""Reductions to loops over tiles in DST: matrix products, sums and maxima."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tvm import tirx

from ttgen.analysis import Access, Binary, Dim, Expr, Load, Reduce, loads
from ttgen.errors import Location, LoweringError
from ttgen.passes import intrin
from ttgen.passes.device_shape import ONE, TILE, as_tiles, tile_dims
from ttgen.passes.tiling.dimensions import Dimensions, Frame
from ttgen.passes.tiling.marks import REDUCE
from ttgen.passes.tiling.padding import masked
from ttgen.passes.tiling.stages import Stages, Tile, span

_POOLS = {"add": "SUM", "max": "MAX"}


@dataclass
class Reductions:
    """Lowers reductions. ``tile`` makes an operand: an expression as a tile in a frame."""

    dims: Dimensions
    stages: Stages
    tile: Callable[[Expr, Frame, Location], Tile]
    _seen: set[Dim] = field(default_factory=set)

    def into_dst(self, expr: Reduce, frame: Frame) -> list[tirx.Stmt]:
        """Loops that leave ``expr`` in DST; ``frame`` is the result's."""
        in_tiles = tile_dims(expr.value)
        self.dims.declare_reduced(expr, in_tiles)
        product = self._product(expr, frame)
        step = product if product is not None else self._pooled(expr, frame)
        for dim in sorted(expr.dims, key=lambda dim: dim in in_tiles, reverse=True):
            step = self.dims.loop(dim, step, REDUCE)
            if dim in self._seen:  # the same sum once more: no two loops share a variable
                step = self.dims.with_own_variable(step, dim)
            self._seen.add(dim)
        return [step]

    # Matrix products --------------------------------------------------------------------------

    def _product(self, expr: Reduce, frame: Frame) -> tirx.Stmt | None:
        """``sum(a * b)`` over an inner dimension: a matrix product, if it is one."""
        match expr:
            case Reduce(op="add", value=Binary(op="mul", a=Load(access=a), b=Load(access=b))):
                pass
            case _:
                return None
        for left, right in ((a, b), (b, a)):
            rows, inner = _pair(left, frame.rows)
            columns, other = _pair(right, frame.columns)
            if inner is None or inner != other or inner not in expr.dims or not rows or not columns:
                continue
            return self._matmul(expr, frame, left, right, inner)
        return None

    def _matmul(
        self, expr: Reduce, frame: Frame, left: Access, right: Access, inner: Dim
    ) -> tirx.Stmt:
        if as_tiles(left.dims)[-1] != inner and len(expr.dims) > 1:
            raise LoweringError(
                f"'{expr}' does not lower yet",
                at=expr.at,
                hint="transpose the first factor in a block of its own",
            )
        with self.stages.inside(inner):
            first = self.tile(Load(left), Frame(frame.rows, inner), expr.at)
        stored = Frame(*as_tiles(right.dims)[-2:])  # the unit transposes the second factor itself
        second = self.tile(Load(right), stored, expr.at)
        is_transposed = int(stored.rows != inner)
        args = [0, first.buffer, first.page, second.buffer, second.page, is_transposed]
        return intrin.call("matmul", args, span(expr.at))

    # Sums and maxima --------------------------------------------------------------------------

    def _pooled(self, expr: Reduce, frame: Frame) -> tirx.Stmt:
        """A reduction of tiles along their rows, columns or both."""
        candidates = [dim for dim in expr.dims if dim in tile_dims(expr.value)]
        inside = _inside(expr, frame, candidates)
        down, along = inside.rows in expr.dims, inside.columns in expr.dims
        words = {(True, True): "REDUCE_SCALAR", (True, False): "REDUCE_COL"}
        word = words.get((down, along), "REDUCE_ROW")
        value = masked(expr, [dim for dim in candidates if dim.extent % TILE])
        if len(expr.dims) > 1 and not isinstance(value, Load):
            raise LoweringError(
                f"'{expr}' does not lower yet",
                at=expr.at,
                hint="reduce over one dimension, or a tensor as it is",
            )
        with self.stages.inside(candidates[-1] if candidates else None):
            tile = self.tile(value, inside, expr.at)
        one = self.stages.constant(1.0)
        args = [0, tile.buffer, tile.page, one, 0, _POOLS[expr.op], word]
        return intrin.call("reduce", args, span(expr.at))


def _inside(expr: Reduce, frame: Frame, candidates: list[Dim]) -> Frame:
    """The frame of the tiles that are reduced: the result's, with the reduced dimensions."""
    rows = [frame.rows] if frame.rows.axes else []
    columns = [frame.columns] if frame.columns.axes else []
    allowed = [*rows, *columns, *candidates, ONE]
    for access in loads(expr.value):
        inside = Frame(*as_tiles(access.dims)[-2:])
        kept_rows = inside.rows in expr.dims or inside.rows in [*rows, ONE]
        kept_columns = inside.columns in expr.dims or inside.columns in [*columns, ONE]
        is_reduced = inside.rows in expr.dims or inside.columns in expr.dims
        fits = inside.rows in allowed and inside.columns in allowed
        if kept_rows and kept_columns and is_reduced and fits:
            return inside
    raise LoweringError(
        f"'{expr}' does not lower yet",
        at=expr.at,
        hint="reductions run over the last two dimensions of a tensor, one of them or both",
    )


def _pair(access: Access, wanted: Dim) -> tuple[bool, Dim | None]:
    """Whether one of the tile dimensions is ``wanted``, and the other one."""
    first, second = as_tiles(access.dims)[-2:]
    if first == wanted:
        return True, second
    if second == wanted:
        return True, first
    return False, None
