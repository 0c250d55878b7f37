"""The tile loops of one computation."""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import tirx

from ttgen.analysis import Computation
from ttgen.passes.device_shape import device_dims
from ttgen.passes.tiling.dimensions import Dimensions, Frame, Names
from ttgen.passes.tiling.expressions import Expressions
from ttgen.passes.tiling.marks import PARALLEL, ConstantPage
from ttgen.passes.tiling.sharing import used_again
from ttgen.passes.tiling.stages import Stages, sequence


@dataclass(frozen=True)
class TileLoops:
    """A lowered body, and what it stands on.

    ``symbols``: the extents that it uses, as parameters; ``constants``: their values, by name;
    ``const_tiles``: the pages of each constant buffer, by its name.
    """

    body: tirx.Stmt
    symbols: list[tvm.ir.Var]
    constants: dict[str, int]
    const_tiles: dict[str, tuple[ConstantPage, ...]]


def tile_loops(computation: Computation, taken: set[str]) -> TileLoops:
    """The loops over output tiles, around the stages that make one.

    ``taken``: names that no new variable may have. LoweringError at an expression that has no tile
    operation yet.
    """
    *batch, rows, columns = device_dims(computation)
    frame = Frame(rows, columns)
    dims = Dimensions(Names(taken | {"Mt", "Nt", "Kt"}))
    dims.declare_output(batch, frame)
    output = computation.output.buffer
    stages = Stages(dims, output.ty)
    page = dims.page([*batch, rows, columns])
    expressions = Expressions(dims, stages, frame, used_again(computation.value))
    expressions.finish(computation.value, frame, output, page, computation.at)
    body = sequence(stages.parts)
    for dim in reversed([*batch, rows, columns]):
        if dim in dims:
            body = dims.loop(dim, body, PARALLEL)
    body = sequence([*(tirx.AllocBuffer(buffer) for buffer in stages.buffers), body])
    return TileLoops(body, dims.symbols(), dims.constants(), stages.const_tiles)
