"""Runs: neighbours in a row of output tiles that a core makes one after the other.

What does not depend on a tile's column is made once for a run, and kept in L1 until it ends: the
maximum and the sum of a softmax, the first product of two chained ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import tvm
from tvm import tirx
from tvm.tirx.stmt import Bind

from ttgen.passes.persistent.ir import Body, loop
from ttgen.passes.persistent.stages import Nest, Stage

#: The order of tiles in which those of a row are neighbours.
_ORDER = "row_major"


def with_runs(nest: Nest, partition: Mapping[str, Any], constants: Mapping[str, int]) -> Nest:
    """The nest with the stages of runs first, and marked, where its tiles come row by row.

    ``constants`` are the extents of its loops.
    """
    is_by_rows = partition["tile_order"] == _ORDER and partition["mode"] == "global"
    if not is_by_rows or nest.columns is None or constants[str(nest.columns.extent.name)] == 1:
        return nest
    of_tiles: list[Stage] = []
    of_runs: list[Stage] = []
    for stage in nest.stages:
        made_per_tile = {one.target.buffer for one in of_tiles}
        operands = [stage.target, *(o for step in stage.steps for o in step.operands)]
        is_per_tile = any(
            operand.moves_with([nest.columns]) or operand.buffer in made_per_tile
            for operand in operands
        )
        if is_per_tile:
            of_tiles.append(stage)
        else:
            of_runs.append(replace(stage, is_per_run=True))
    return replace(nest, stages=(*of_runs, *of_tiles))


def runs_of(start: int, count: int, columns: int) -> Iterator[int]:
    """How many tiles each run of the tiles from ``start`` on has."""
    end = start + count
    for row in range(start // columns, -(-end // columns)):
        yield min(end, (row + 1) * columns) - max(start, row * columns)


@dataclass(frozen=True)
class Run:
    """A run: ``count`` output tiles from ``start`` on."""

    start: tvm.ir.Var
    count: tvm.ir.Var


def over_runs(
    start: tvm.ir.Var, count: tvm.ir.Var, columns: Any, body: Callable[[Run], Body]
) -> tirx.For:
    """A loop over the runs of the tiles from ``start`` on, in rows of ``columns``.

    A core without tiles has none, as its ``start`` begins a row.
    """
    number, row = tirx.Var("run", "int32"), tirx.Var("row", "int32")
    run = Run(tirx.Var("run_start", "int32"), tirx.Var("run_count", "int32"))
    first, end = start // columns, start + count
    bindings: Body = [
        Bind(row, first + number),
        Bind(run.start, tirx.max(start, row * columns)),
        Bind(run.count, tirx.min(end, row * columns + columns) - run.start),
    ]
    rows = (end + columns - 1) // columns - first
    return loop(number, 0, rows, [*bindings, *body(run)])
