"""TTTilesToCoreMap: which core computes which output tiles."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from tvm.tirx import PrimFunc

from ttgen.analysis import Computation, analyse, reductions
from ttgen.arch import architecture
from ttgen.errors import LoweringError
from ttgen.partition import TILE_ORDERS, Grid, balanced, first_cores
from ttgen.passes import attrs
from ttgen.passes.base import FuncPass
from ttgen.passes.device_shape import trips
from ttgen.passes.infer_tt_layout import tiles


@dataclass(frozen=True)
class TTTilesToCoreMap(FuncPass):
    """Sets ``tt.core_grid``, ``tt.core_ranges``, ``tt.partition`` and ``tt.work_partition``.

    ``grid`` is (columns, rows) of cores to use, all of them, idle ones included; without it, as
    many cores of the architecture as there are output tiles. ``partition`` names a tile order.
    """

    name: ClassVar[str] = "tir.tenstorrent.TTTilesToCoreMap"
    grid: Grid | None = None
    partition: str = "row_major"

    def apply(self, func: PrimFunc) -> PrimFunc:
        """Add the attributes; LoweringError at a grid that the chip does not have."""
        if self.partition not in TILE_ORDERS:
            raise self._error(func, *_unknown_partition(self.partition))
        computation = analyse(func, attrs.kernel_place(func))
        attrs.require(func, attrs.ROLES, self.name)
        layouts = attrs.require(func, attrs.LAYOUT_DESC, self.name)
        rows_columns = tiles(layouts[computation.output.buffer.name])
        grid, used = self._cores(func, prod(rows_columns))
        ranges = first_cores(used, grid)
        cores = [core for core_range in ranges for core in core_range.cores()]
        work = zip(cores, balanced(prod(rows_columns), used), strict=True)
        return func.with_attrs(
            {
                attrs.CORE_GRID: list(grid),
                attrs.CORE_RANGES: [[*r.start, *r.extent] for r in ranges],
                attrs.PARTITION: {
                    "mode": "global",
                    "tile_order": self.partition,
                    "tiles": list(rows_columns),
                    "len_k": _reduction_tiles(computation),
                },
                attrs.WORK_PARTITION: [[x, y, start, count] for (x, y), (start, count) in work],
            }
        )

    def _cores(self, func: PrimFunc, output_tiles: int) -> tuple[Grid, int]:
        """The logical grid, and how many of its cores take part."""
        arch = architecture(attrs.require(func, attrs.ARCH, self.name))
        if self.grid is None:
            return arch.grid, min(output_tiles, prod(arch.grid))
        columns, rows = self.grid
        if not (1 <= columns <= arch.grid[0] and 1 <= rows <= arch.grid[1]):
            raise self._error(
                func,
                f"the core grid is {columns}x{rows}; {arch.name} has {arch.grid[0]} columns "
                f"and {arch.grid[1]} rows",
                "give `grid: [columns, rows]` within that",
            )
        return self.grid, columns * rows

    def _error(self, func: PrimFunc, message: str, hint: str | None) -> LoweringError:
        return LoweringError(message, at=attrs.kernel_place(func), hint=hint)


def _unknown_partition(name: str) -> tuple[str, str | None]:
    near = difflib.get_close_matches(name, TILE_ORDERS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else None
    return f"unknown partition '{name}'; known: {', '.join(TILE_ORDERS)}", hint


def _reduction_tiles(computation: Computation) -> int:
    """Tiles that one output tile is reduced over, 1 where there is no reduction."""
    return max((trips(reduce) for reduce in reductions(computation.value)), default=1)
