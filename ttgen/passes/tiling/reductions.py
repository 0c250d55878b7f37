"""Reductions to loops over tiles in DST: matrix products, sums and maxima."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tvm import tirx

from ttgen.analysis import Binary, Dim, Expr, Load, Reduce, loads
from ttgen.errors import Location, LoweringError
from ttgen.formats import nearest_bf16
from ttgen.passes import intrin
from ttgen.passes.device_shape import ONE, TILE, as_tiles, free_dims, tile_dims
from ttgen.passes.tiling.dimensions import Dimensions, Frame
from ttgen.passes.tiling.marks import REDUCE
from ttgen.passes.tiling.padding import kept_finite, masked, zero_beyond
from ttgen.passes.tiling.stages import Stages, Tile, sequence, span

_POOLS = {"add": "SUM", "max": "MAX"}


@dataclass
class Reductions:
    """Lowers reductions. ``tile`` makes an operand: an expression as a tile in a frame."""

    dims: Dimensions
    stages: Stages
    tile: Callable[[Expr, Frame, Location], Tile]

    def scales(self, expr: Reduce, frame: Frame) -> bool:
        """Whether the sum ``expr`` can be scaled while it is made."""
        is_product = _factors_of_product(_flattened(expr), frame) is not None
        return expr.op == "add" and not is_product and _reduces_tiles(expr)

    def into_dst(self, expr: Reduce, frame: Frame, scale: float = 1.0) -> list[tirx.Stmt]:
        """Loops that leave ``expr`` times ``scale`` in DST; ``frame`` is the result's."""
        expr = _one_side_at_a_time(_flattened(expr), frame)
        in_tiles = set(tile_dims(expr.value))
        self.dims.declare_reduced(expr, in_tiles)
        loops = sorted(expr.dims, key=lambda dim: dim in in_tiles)
        with self.stages.inside((*self.stages.loops, *loops)):
            step = self._step(expr, frame, scale)
        for dim in reversed(loops):
            step = self.dims.loop(dim, step, REDUCE)
            if dim in self.dims.reduced:  # the same sum once more: no two loops share a variable
                step = self.dims.with_own_variable(step, dim)
            self.dims.reduced.add(dim)
        return [step]

    def _step(self, expr: Reduce, frame: Frame, scale: float) -> tirx.Stmt:
        """What is done in each iteration."""
        factors = _factors_of_product(expr, frame)
        if factors is not None:
            return self._product(expr, frame, *factors)
        reduced = [dim for dim in _tiled(expr.value) if dim in expr.dims]
        if not reduced:
            return self._added_up(expr, frame)
        return self._pooled(expr, frame, reduced, scale)

    def _product(
        self, expr: Reduce, frame: Frame, left: Expr, right: Expr, inner: Dim
    ) -> tirx.Stmt:
        """A matrix product over ``inner``."""
        if inner.extent % TILE:
            left, right = (kept_finite(factor, inner, expr.at) for factor in (left, right))
        is_safe = zero_beyond(left, inner) or zero_beyond(right, inner)
        if inner.extent % TILE and not is_safe:
            left = self._masked(Reduce(expr.op, expr.dims, left, expr.at), [inner])
        first = self.tile(left, Frame(frame.rows, inner), expr.at)
        stored = Frame(inner, frame.columns)
        if isinstance(right, Load):  # the unit transposes the second factor itself
            stored = Frame(*as_tiles(right.access.dims)[-2:])
        second = self.tile(right, stored, expr.at)
        is_transposed = int(stored.rows != inner)
        args = [0, first.buffer, first.page, second.buffer, second.page, is_transposed]
        return intrin.call("matmul", args, span(expr.at))

    def _pooled(self, expr: Reduce, frame: Frame, reduced: list[Dim], scale: float) -> tirx.Stmt:
        """A reduction of tiles along their rows, columns or both.

        Every addend is multiplied by a tile of ``scale``, in bf16; what that has rounded away is a
        second tile.
        """
        inside = _inside(expr, frame, reduced)
        down, along = inside.rows in reduced, inside.columns in reduced
        words = {(True, True): "REDUCE_SCALAR", (True, False): "REDUCE_COL"}
        word = words.get((down, along), "REDUCE_ROW")
        value = self._masked(expr, [dim for dim in reduced if dim.extent % TILE])
        tile = self.tile(value, inside, expr.at)
        parts = _in_bf16(scale)
        scales = self.stages.constant(*parts)
        operands = [[tile.buffer, tile.page, scales, page] for page in range(len(parts))]
        return sequence(
            [
                intrin.call("reduce", [0, *each, _POOLS[expr.op], word], span(expr.at))
                for each in operands
            ]
        )

    def _masked(self, expr: Reduce, ragged: list[Dim]) -> Expr:
        return masked(expr, ragged, self.stages.working.lowest)

    def _added_up(self, expr: Reduce, frame: Frame) -> tirx.Stmt:
        """A sum of whole tiles: over batch dimensions alone."""
        if expr.op != "add":
            raise LoweringError(
                f"'{expr}' does not lower yet",
                at=expr.at,
                hint="a maximum runs over one of the last two dimensions of a tensor; over "
                "others it takes that of two tiles, which needs the vector unit (SFPU)",
            )
        tile, zero = self.tile(expr.value, frame, expr.at), self.stages.constant(0.0)
        args = [0, tile.buffer, tile.page, zero, 0]
        return intrin.call("accumulate", args, span(expr.at))


def _flattened(expr: Reduce) -> Reduce:
    """Without a reduction inside a reduction, where both are the same and one runs over batches."""
    inner = expr.value
    while isinstance(inner, Reduce) and inner.op == expr.op and not _reduces_tiles(expr):
        if set(inner.dims) & set(expr.dims):
            break
        expr = Reduce(expr.op, (*expr.dims, *inner.dims), inner.value, inner.at)
        inner = expr.value
    return expr


def _one_side_at_a_time(expr: Reduce, frame: Frame) -> Reduce:
    """A sum over rows and columns as a sum over rows of sums over columns.

    The unit that does both at once passes on sums of columns in the format of a source register,
    rounded towards zero, and scales everything twice.
    """
    reduced = [dim for dim in _tiled(expr.value) if dim in expr.dims]
    if expr.op != "add" or len(reduced) < 2 or _factors_of_product(expr, frame):
        return expr
    columns = _inside(expr, frame, reduced).columns
    others = tuple(dim for dim in expr.dims if dim != columns)
    return Reduce(expr.op, others, Reduce(expr.op, (columns,), expr.value, expr.at), expr.at)


def _in_bf16(value: float) -> list[float]:
    """One or two numbers that bf16 holds, which add up to (nearly) ``value``."""
    upper = nearest_bf16(value)
    return [upper] if upper == value else [upper, nearest_bf16(value - upper)]


def _reduces_tiles(expr: Reduce) -> bool:
    return any(dim in expr.dims for dim in _tiled(expr.value))


def _tiled(expr: Expr) -> list[Dim]:
    """The dimensions that the value depends on and that make tiles of its tensors, in order."""
    free = free_dims(expr)
    return [dim for dim in tile_dims(expr) if dim.axes and dim in free]


# Matrix products ------------------------------------------------------------------------------


def _factors_of_product(expr: Reduce, frame: Frame) -> tuple[Expr, Expr, Dim] | None:
    """The two factors and the inner dimension of ``sum(a * b)``, if it is a matrix product.

    The first has no other tile dimensions than the rows of the result and the inner dimension, the
    second none but that and the columns.
    """
    match expr:
        case Reduce(op="add", value=Binary(op="mul", a=a, b=b)):
            pass
        case _:
            return None
    for left, right in ((a, b), (b, a)):
        for inner in _tiled(left):
            is_product = _is_over(left, frame.rows, inner) and _is_over(right, frame.columns, inner)
            if inner in expr.dims and is_product:
                return left, right, inner
    return None


def _is_over(factor: Expr, outer: Dim, inner: Dim) -> bool:
    """Whether the value's tiles are over ``outer`` (or nothing) and ``inner``."""
    return set(_tiled(factor)) == {dim for dim in (outer, inner) if dim.axes}


# Sums and maxima ------------------------------------------------------------------------------


def _inside(expr: Reduce, frame: Frame, reduced: Sequence[Dim]) -> Frame:
    """The frame of the tiles that are reduced: the result's, with the reduced dimensions."""
    tiled = _tiled(expr.value)
    for candidate in _frames(expr.value, frame, reduced):
        kept_rows = candidate.rows in reduced or candidate.rows == frame.rows
        kept_columns = candidate.columns in reduced or candidate.columns == frame.columns
        if kept_rows and kept_columns and {*tiled} <= {candidate.rows, candidate.columns}:
            return candidate
    raise LoweringError(
        f"'{expr}' does not lower yet",
        at=expr.at,
        hint="reductions run over the last two dimensions of a tensor, one of them or both",
    )


def _frames(value: Expr, frame: Frame, reduced: Sequence[Dim]) -> Iterator[Frame]:
    """Frames that might do: those of tensors first, which need not be transposed then."""
    free = free_dims(value)
    for access in loads(value):
        yield Frame(*(dim if dim in free else ONE for dim in as_tiles(access.dims)[-2:]))
    first, second = (*reduced, ONE)[:2]
    yield Frame(frame.rows, first)
    yield Frame(first, frame.columns)
    yield Frame(first, second)
