"""From the running number of an output tile to the pages that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import prim
from tvm.tirx.stmt import Bind

from ttgen.partition import TILE_ORDERS
from ttgen.passes.persistent.ir import Body, divides, is_one, substitute, variables
from ttgen.passes.persistent.stages import Nest

#: A page, and the statement that uses it once it has been worked out.
PageUse = tuple[prim.Expr, Callable[[prim.Expr], tirx.Stmt]]


@dataclass(frozen=True)
class Coordinates:
    """Where output tiles lie, when they are numbered in ``tile_order``."""

    nest: Nest
    tile_order: str

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
        wanted = [(var, value) for var, value in self._values(tile) if var in used]
        fresh = {var: tirx.Var(var.name, "int32") for var, _ in wanted}
        return [Bind(fresh[var], value) for var, value in wanted], dict(fresh)

    def _page_of(self, tile: prim.Expr, page: prim.Expr) -> prim.Expr | None:
        """``page`` without the tile's coordinates, where that needs no division."""
        inlined = substitute(page, dict(self._values(tile)))
        simple = tvm.sym.Analyzer().simplify(inlined)
        return None if divides(simple) else simple

    def _values(self, tile: prim.Expr) -> list[tuple[tvm.ir.Var, prim.Expr]]:
        """Each coordinate of output tile ``tile``, outermost first."""
        order = TILE_ORDERS[self.tile_order]
        columns = self.nest.columns
        rows_extent: Any = prim.IntImm("int32", 1)
        for loop in self.nest.rows:
            rows_extent = loop.extent if is_one(rows_extent) else rows_extent * loop.extent
        row, column = tile, tile
        if columns is not None and self.nest.rows:
            row, column = order(tile, rows_extent, columns.extent)
        values: list[tuple[tvm.ir.Var, prim.Expr]] = []
        if columns is not None:
            values.append((columns.loop_var, column))
        for number, loop in enumerate(reversed(self.nest.rows)):
            is_outermost = number == len(self.nest.rows) - 1
            values.append((loop.loop_var, row if is_outermost else row % loop.extent))
            row = row if is_outermost else row // loop.extent
        return values[::-1]
