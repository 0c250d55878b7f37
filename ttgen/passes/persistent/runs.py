"""Runs: neighbours in a row of output tiles that a core makes one after the other.

What does not depend on a tile's column is made once for a run, and kept in L1 until it ends: the
maximum and the sum of a softmax, the first product of two chained ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tvm
from tvm import tirx
from tvm.tirx.stmt import Bind

from ttgen.passes.persistent.ir import Body, loop
from ttgen.passes.persistent.stages import Nest, Scope, Stage

#: The order of tiles in which those of a row are neighbours.
_ORDER = "row_major"


def with_runs(nest: Nest, partition: Mapping[str, Any], constants: Mapping[str, int]) -> Nest:
    """The nest with the stages of runs first, and marked, where its tiles come row by row.

    ``constants`` are the extents of its loops.
    """
    is_by_rows = partition["tile_order"] == _ORDER and partition["mode"] == "global"
    if not is_by_rows or nest.columns is None or constants[str(nest.columns.extent.name)] == 1:
        return nest
    per_tile = _reached(nest.stages, [s for s in nest.stages if _moves_with(s, nest.columns)])
    per_block = _with_streams(nest.stages, per_tile)
    stages = [replace(s, scope=_scope(s.target.buffer, per_tile, per_block)) for s in nest.stages]
    of_runs = [stage for stage in stages if stage.scope == "run"]
    return replace(nest, stages=(*of_runs, *(s for s in stages if s.scope != "run")))


def _with_streams(stages: Sequence[Stage], per_tile: set[str]) -> set[str]:
    """The buffers of ``per_tile``, of streams that make any of them, and what is made of those.

    Such a stream goes on from tiles of several columns, of which a block is held.
    """
    found = per_tile
    while True:
        streams = {stage.chunks for stage in stages if stage.target.buffer in found} - {None}
        more = _reached(
            stages, [s for s in stages if s.chunks in streams or s.target.buffer in found]
        )
        if more == found:
            return found
        found = more


def _scope(made: str, per_tile: Collection[str], per_block: Collection[str]) -> Scope:
    return "tile" if made in per_tile else "block" if made in per_block else "run"


def _moves_with(stage: Stage, columns: tirx.For) -> bool:
    operands = [stage.target, *(o for step in stage.steps for o in step.operands)]
    return any(operand.moves_with([columns]) for operand in operands)


def _reached(stages: Sequence[Stage], first: Sequence[Stage]) -> set[str]:
    """The buffers that ``first`` make, and those that are made of them, all that it takes."""
    reached = {stage.target.buffer for stage in first}
    while True:
        more = {
            stage.target.buffer
            for stage in stages
            if any(operand.buffer in reached for operand in stage.temporaries())
        }
        if more <= reached:
            return reached
        reached |= more


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
