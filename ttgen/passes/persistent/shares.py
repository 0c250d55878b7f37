"""The parts of an output in the running numbers of its tiles, and a core's share of each.

Parts are numbered one after the other, each in the order of tiles that the partition asks for. A
core has a contiguous range of numbers, which may lie in one part, in several, or in none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import tvm
from tvm import tirx
from tvm.ir import prim
from tvm.tirx.stmt import Bind

from ttgen.passes.persistent.ir import Body
from ttgen.passes.persistent.runs import runs_of
from ttgen.passes.persistent.stages import Nest
from ttgen.plan.shards import Grid


@dataclass(frozen=True)
class Mine:
    """What a core does of a part: ``count`` tiles from ``start``, both counted in the part."""

    start: tvm.ir.Var
    count: tvm.ir.Var
    bindings: tuple[Bind, ...] = ()

    def bound(self, body: Body) -> Body:
        """``body`` after the bindings that it needs."""
        return [*self.bindings, *body] if body else []


@dataclass(frozen=True)
class Share:
    """A part: ``grid`` (rows, columns) output tiles, which are numbered from ``base`` on.

    ``number`` counts the parts from 1; it is 0 where a part is the whole output.
    """

    base: int
    grid: Grid
    number: int

    @property
    def tiles(self) -> int:
        """Output tiles."""
        return prod(self.grid)

    def tiles_together(self, start: int, count: int, *, in_runs: bool) -> list[int]:
        """How many of the tiles from ``start`` on belong to this part; ``in_runs``: of each run."""
        end = self.base + self.tiles
        first = max(start, self.base)
        tiles = max(0, min(start + count, end) - first)
        if in_runs and tiles:
            return list(runs_of(first - self.base, tiles, self.grid[1]))
        return [tiles]

    def of(self, start: tvm.ir.Var, count: tvm.ir.Var) -> Mine:
        """The core's share, bound to new variables where this is not all of the output."""
        if not self.number:
            return Mine(start, count)
        first = tirx.Var(f"start_{self.number}", "int32")
        mine = tirx.Var(f"count_{self.number}", "int32")
        bindings = Bind(first, self._within(start)), Bind(mine, self._within(start + count) - first)
        return Mine(first, mine, bindings)

    def _within(self, tile: prim.Expr) -> prim.Expr:
        """How many tiles of this part come before ``tile``."""
        if not self.base:
            return tirx.min(tile, self.tiles)
        return tirx.min(tirx.max(tile, self.base), self.base + self.tiles) - self.base


def shares_of(nests: Sequence[Nest], constants: Mapping[str, int]) -> list[Share]:
    """The shares of all parts; ``constants`` are the extents of their loops."""
    shares: list[Share] = []
    base = 0
    for number, nest in enumerate(nests, 1):
        rows = prod(constants[str(loop.extent.name)] for loop in nest.rows)
        columns = 1 if nest.columns is None else constants[str(nest.columns.extent.name)]
        shares.append(Share(base, (rows, columns), number if len(nests) > 1 else 0))
        base += rows * columns
    return shares
