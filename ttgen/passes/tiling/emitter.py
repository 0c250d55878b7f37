"""The tile loops of one computation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import tvm
from tvm import tirx

from ttgen.analysis import Computation, Part
from ttgen.passes.device_shape import Form, device_view, output_form
from ttgen.passes.tiling.alignment import check_aligned
from ttgen.passes.tiling.common_dims import with_common_dims
from ttgen.passes.tiling.dimensions import Dimensions, Frame, Names
from ttgen.passes.tiling.expressions import Expressions
from ttgen.passes.tiling.factors import with_factors_outside
from ttgen.passes.tiling.marks import PARALLEL, ConstantPage
from ttgen.passes.tiling.sharing import used_again
from ttgen.passes.tiling.stages import Stages, sequence
from ttgen.passes.tiling.streaming import with_streams


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


def tile_loops(
    computation: Computation, formats: Mapping[str, str], *, dst_tiles: int, stream_tiles: int
) -> TileLoops:
    """The loops over output tiles, around the stages that make one, for each part of the output.

    ``formats``: those of the kernel's tensors, whose names no new variable may have. ``dst_tiles``:
    how many DST holds. ``stream_tiles``: how many of what is streamed are made at a time, at most.
    LoweringError at an expression that has no tile operation yet, and at parts that are no whole
    tiles.
    """
    parts, form = computation.parts, output_form(computation)
    suffixes = [""] if len(parts) == 1 else [f"_{number}" for number in range(1, len(parts) + 1)]
    sizes = {f"{size}{suffix}" for size in ("Mt", "Nt", "Kt") for suffix in suffixes}
    names = Names({*formats, *sizes})
    shared = _Shared(formats, dst_tiles, stream_tiles)
    for part, suffix in zip(parts, suffixes, strict=True):
        check_aligned(part, form)
        _add_part(part, form, Dimensions(names, suffix), shared)
    body = sequence([*(tirx.AllocBuffer(buffer) for buffer in shared.buffers), *shared.loops])
    const_tiles = {str(buffer.name): pages for pages, buffer in shared.const_tiles.items()}
    return TileLoops(body, shared.symbols, shared.constants, const_tiles)


@dataclass(frozen=True)
class _Shared:
    """What the parts of an output have in common, and what they have become."""

    formats: Mapping[str, str]
    dst_tiles: int
    stream_tiles: int
    loops: list[tirx.Stmt] = field(default_factory=list)
    symbols: list[tvm.ir.Var] = field(default_factory=list)
    constants: dict[str, int] = field(default_factory=dict)
    buffers: list[tvm.ir.Var] = field(default_factory=list)
    const_tiles: dict[tuple[ConstantPage, ...], tvm.ir.Var] = field(default_factory=dict)


def _add_part(part: Part, form: Form, dims: Dimensions, shared: _Shared) -> None:
    view = device_view(part.output, form)
    *batch, rows, columns = (index.dim for index in view)
    frame = Frame(rows, columns)
    # Mt and Nt are all of the output's rows and columns, of which the inner of several are not.
    beside = part.output.beside
    is_split = len(part.output.view) - beside > len(part.output.indices)
    dims.declare_output(
        batch,
        frame,
        rows=f"{rows.name}_tiles" if is_split else "Mt",
        columns=f"{columns.name}_tiles" if beside else "Nt",
    )
    output = part.output.buffer
    stages = Stages(
        dims, output.ty, shared.formats, buffers=shared.buffers, const_tiles=shared.const_tiles
    )
    value = with_common_dims(with_factors_outside(part.value))
    value, streams = with_streams(value, {*batch, rows, columns}, shared.stream_tiles)
    expressions = Expressions(dims, stages, frame, used_again(value), shared.dst_tiles, streams)
    expressions.finish(value, frame, output, dims.page(view, beside), part.at)
    body = sequence(stages.parts)
    for dim in reversed([*batch, rows, columns]):
        if dim in dims:
            body = dims.loop(dim, body, PARALLEL)
    shared.loops.append(body)
    shared.symbols.extend(dims.symbols())
    shared.constants.update(dims.constants())
