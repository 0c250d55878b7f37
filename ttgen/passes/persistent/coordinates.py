"""From the running number of an output tile to the pages that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import prim
from tvm.tirx.stmt import Bind

from ttgen.partition import TILE_ORDERS, TileGrid, block_facts
from ttgen.passes.persistent.ir import Body, divides, is_one, substitute, variables
from ttgen.passes.persistent.stages import Nest
from ttgen.plan.shards import shard_count

#: A page, and the statement that uses it once it has been worked out.
PageUse = tuple[prim.Expr, Callable[[prim.Expr], tirx.Stmt]]
#: A variable and its value.
_Value = tuple[tvm.ir.Var, prim.Expr]


@dataclass
class _Expressions:
    """The arithmetic of expressions; what is worked out on the way is kept in ``steps``."""

    steps: list[_Value] = field(default_factory=list)

    def least(self, a: Any, b: Any) -> Any:
        """The smaller one."""
        return tirx.min(a, b)

    def let(self, name: str, value: Any) -> Any:
        """A variable for ``value``, unless it is a number."""
        if isinstance(value, int | prim.IntImm):
            return value
        self.steps.append((tirx.Var(name, "int32"), value))
        return self.steps[-1][0]

    def used_by(self, values: Iterable[_Value]) -> list[_Value]:
        """The steps that ``values`` need, in order."""
        needed = {var for _, value in values for var in variables(value)}
        kept: list[_Value] = []
        for var, value in reversed(self.steps):
            if var in needed:
                kept.append((var, value))
                needed.update(variables(value))
        return kept[::-1]


def partition_constants(partition: Mapping[str, Any]) -> dict[tvm.ir.Var, int]:
    """Compile-time constants of programs that work with coordinates, and their values.

    ``Sm`` and ``Sn`` are the tiles of a shard or block, ``Gy`` and ``Gx`` the shards of the output.
    """
    values: dict[str, int] = {}
    block, order = partition["block"], partition["tile_order"]
    if order == "block":
        values["band_rows"] = block[0]
    elif order in ("match_shard", "column_blocks"):
        values |= zip(("Sm", "Sn"), block, strict=True)
    if partition["mode"] == "local_shard":
        shards = shard_count(tuple(partition["tiles"]), tuple(block))
        values |= zip(("Gy", "Gx"), shards, strict=True)
    return {tirx.Var(name, "int32"): value for name, value in values.items()}


@dataclass(frozen=True)
class Coordinates:
    """Where output tiles lie; ``partition`` is the attribute ``tt.partition``.

    ``start`` is the core's first tile. In the mode ``local_shard`` the core's shard is at
    ``shard`` (row, column of shards), and its tiles are taken row by row. ``constants`` are those
    of :func:`partition_constants`.
    """

    nest: Nest
    partition: Mapping[str, Any]
    start: tvm.ir.Var
    constants: Mapping[tvm.ir.Var, int]
    shard: tuple[tvm.ir.Var, tvm.ir.Var]

    def at_tile(self, tile: prim.Expr, uses: list[PageUse]) -> Body:
        """A statement for each page of output tile ``tile``, after the bindings that they need."""
        pages = [self._page_of(tile, page) for page, _ in uses]
        simple = [page for page in pages if page is not None]
        if len(simple) == len(uses):
            return [emit(page) for page, (_, emit) in zip(simple, uses, strict=True)]
        number = tirx.Var("tile", "int32")
        bindings, fresh = self.bind(number, [page for page, _ in uses])
        statements = [emit(substitute(page, fresh)) for page, emit in uses]
        return [Bind(number, tile), *bindings, *statements]

    def bind(
        self, tile: tvm.ir.Var, pages: Iterable[prim.Expr]
    ) -> tuple[Body, dict[tvm.ir.Var, prim.Expr]]:
        """Bindings of those of the tile's coordinates that ``pages`` use, and their variables.

        Every binding has a variable of its own, since a program may need the same coordinate at
        several places.
        """
        used = {var for page in pages for var in variables(page)}
        values, steps = self._values(tile)
        wanted = [(var, value) for var, value in values if var in used]
        fresh = {var: tirx.Var(var.name, "int32") for var, _ in wanted}
        bindings = [Bind(var, value) for var, value in steps.used_by(wanted)]
        return [*bindings, *(Bind(fresh[var], value) for var, value in wanted)], dict(fresh)

    def _page_of(self, tile: prim.Expr, page: prim.Expr) -> prim.Expr | None:
        """``page`` without the tile's coordinates, where that needs no division."""
        values, steps = self._values(tile)
        if steps.steps:
            return None
        simple = tvm.sym.Analyzer().simplify(substitute(page, dict(values)))
        return None if divides(simple) else simple

    def _values(self, tile: prim.Expr) -> tuple[list[_Value], _Expressions]:
        """Each coordinate of output tile ``tile``, outermost first, and steps on the way there."""
        columns = self.nest.columns
        rows_extent: Any = prim.IntImm("int32", 1)
        for loop in self.nest.rows:
            rows_extent = loop.extent if is_one(rows_extent) else rows_extent * loop.extent
        steps = _Expressions()
        row, column = tile, tile  # every order of a single row or column is this one
        if columns is not None and self.nest.rows:
            row, column = self._place(tile, rows_extent, columns.extent, steps)
        values: list[_Value] = []
        if columns is not None:
            values.append((columns.loop_var, column))
        for number, loop in enumerate(reversed(self.nest.rows)):
            is_outermost = number == len(self.nest.rows) - 1
            values.append((loop.loop_var, row if is_outermost else row % loop.extent))
            row = row if is_outermost else row // loop.extent
        return values[::-1], steps

    def _place(self, tile: Any, rows: Any, columns: Any, steps: _Expressions) -> tuple[Any, Any]:
        tiles, block = self.partition["tiles"], self.partition["block"]
        extents, is_even, halvings = block_facts(tuple(tiles), block and tuple(block))
        own = [*self.constants, *extents]
        grid = TileGrid(rows, columns, (own[0], own[1]), is_even, halvings)
        if self.partition["mode"] == "local_shard":
            row, column = self._in_shard(tile, grid, steps)
        else:
            row, column = TILE_ORDERS[self.partition["tile_order"]](tile, grid, steps)
        if len(self.nest.rows) > 1 and steps.steps:
            row = steps.let("row", row)
        return _as_expr(row), _as_expr(column)

    def _in_shard(self, tile: Any, grid: TileGrid, steps: _Expressions) -> tuple[Any, Any]:
        """A tile of the core's own shard: what comes before it is known."""
        (height, width), (sy, sx) = grid.block, self.shard
        top, left = sy * height, sx * width
        if not grid.is_even[1]:
            width = steps.let("width", steps.least(width, grid.columns - left))
        inside = steps.let("inside", tile - self.start)
        return top + inside // width, left + inside % width


def _as_expr(value: Any) -> prim.Expr:
    return prim.IntImm("int32", value) if isinstance(value, int) else value
