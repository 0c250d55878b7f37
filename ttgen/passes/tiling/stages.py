"""The stages of an output tile, in the order in which they run, and the tiles between them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import tvm
from tvm import tirx

from ttgen.analysis import Dim, Mask, Triangle
from ttgen.errors import Location, LoweringError
from ttgen.formats import FORMATS, Format, working_format
from ttgen.passes import intrin
from ttgen.passes.device_shape import TILE
from ttgen.passes.tiling.dimensions import Dimensions, Frame
from ttgen.passes.tiling.marks import CONSTANT, MAP, TEMPORARY, ConstantPage


@dataclass(frozen=True)
class Tile:
    """A tile in memory: page ``page`` of ``buffer``, in ``frame``."""

    buffer: tvm.ir.Var
    page: Any
    frame: Frame


@dataclass
class Stages:
    """What has been emitted so far. ``output``: the type of the output, which others follow.

    ``formats`` are the tensors', by name.

    ``before``: while a stream is made, the stages before it.

    ``loops`` are those of the reductions whose operands are being made, outermost first: a
    temporary tile that moves with some of them is made in each of their iterations.
    """

    dims: Dimensions
    output: tirx.BufferType
    formats: Mapping[str, str]
    parts: list[tirx.Stmt] = field(default_factory=list)
    before: list[tirx.Stmt] = field(default_factory=list)
    buffers: list[tvm.ir.Var] = field(default_factory=list)
    const_tiles: dict[tuple[ConstantPage, ...], tvm.ir.Var] = field(default_factory=dict)
    loops: tuple[Dim, ...] = ()

    @property
    def working(self) -> Format:
        """The format of temporary and constant tiles."""
        return working_format(self.formats.values())

    def format_of(self, tile: Tile) -> Format:
        """The format that the tile is kept in."""
        name = self.formats.get(str(tile.buffer.name))
        return self.working if name is None else FORMATS[name]

    @contextmanager
    def inside(self, loops: Sequence[Dim]) -> Iterator[None]:
        """What is added meanwhile is made for each iteration of ``loops``."""
        outer, self.loops = self.loops, tuple(loops)
        yield
        self.loops = outer

    @contextmanager
    def streaming(self, dim: Dim, tiles: int) -> Iterator[None]:
        """What is added meanwhile is made for each chunk of ``tiles`` along ``dim``."""
        around, self.before, self.parts = self.before, self.parts, []
        with self.dims.in_chunks(dim, tiles) as loop, self.inside(()):
            yield
            self.before.append(loop(sequence(self.parts)))
        self.parts, self.before = self.before, around

    @contextmanager
    def before_stream(self) -> Iterator[None]:
        """What is added meanwhile is made once, before the current stream."""
        chunk, self.parts = self.parts, self.before
        with self.dims.undivided():
            yield
        self.parts = chunk

    def moving_with(self, dims: Collection[Dim]) -> tuple[Dim, ...]:
        """The current loops over any of ``dims``.

        One of which the last chunk has fewer is innermost: elsewhere it leaves pages in between.
        """
        found = (loop for loop in self.loops if loop in dims)
        return tuple(sorted(found, key=self.dims.is_uneven))

    def page(self) -> Any:
        """The page of a temporary tile that moves with the current loops."""
        return self.dims.number(self.loops)

    def add(self, operations: list[tirx.Stmt], target: tvm.ir.Var, page: Any, at: Location) -> None:
        """Operations and a pack; in loops of their own where they make a tile per iteration."""
        stage = [*operations, intrin.call(intrin.PACK, [0, target, page], span(at))]
        if not self.loops:
            self.parts += stage
            return
        body = sequence(stage)
        for dim in reversed(self.loops):
            # The loop that reads these tiles has the same extent, but a variable of its own.
            body = self.dims.with_own_variable(self.dims.loop(dim, body, MAP), dim)
        self.parts.append(body)

    def temporary(self) -> tvm.ir.Var:
        """A buffer for tiles that one stage makes and another reads."""
        return self._new_buffer("tmp", TEMPORARY)

    def constant(self, *values: float) -> tvm.ir.Var:
        """A buffer of tiles that hold one number everywhere."""
        text = re.sub(r"\W", "_", f"{sum(values):g}".replace("-", "minus_"))
        return self._constant(f"const_{text}", tuple(ConstantPage(value) for value in values))

    def mask(self, mask: Mask, frame: Frame) -> Tile:
        """A tile of ``mask``: it has a page of its own for the last tile along the dimension."""
        pages, page = self.dims.last_page(mask.dim)
        left = mask.dim.extent % TILE
        part = {"rows": left} if mask.dim == frame.rows else {"columns": left}
        last = ConstantPage(mask.inside, mask.outside, **part)
        others = (ConstantPage(mask.inside),) * (pages - 1)
        kinds = {(1.0, 0.0): "mask", (0.0, 1.0): "beyond"}
        wish = f"{kinds.get((mask.inside, mask.outside), 'lowest')}_{mask.dim.name}"
        return Tile(self._constant(wish, (*others, last)), page, frame)

    def triangle(self, triangle: Triangle, frame: Frame) -> Tile:
        """A tile of ``triangle``: its pages are for tiles beside the diagonal and across it.

        LoweringError where the triangle is not one of the rows and columns of ``frame``.
        """
        over, under = triangle.dims
        offset = triangle.difference.offset
        inside, outside = 1.0, 0.0
        if (over, under) == (frame.columns, frame.rows):
            # Not in the triangle of columns that come before rows, which begins one further on.
            inside, outside, offset = outside, inside, -offset - 1
        elif (over, under) != (frame.rows, frame.columns):
            raise LoweringError(
                f"the condition '{triangle}' does not line up with tiles over {frame.rows.name} "
                f"and {frame.columns.name}",
                at=triangle.at,
                hint="conditions compare the indices of the two dimensions that make tiles",
            )
        diagonals, page = self.dims.across_diagonal(frame, offset)
        pages = tuple(_triangular(diagonal, inside, outside) for diagonal in diagonals)
        wish = f"{over.name}_from_{under.name}"
        return Tile(self._constant(wish, pages), page, frame)

    def _constant(self, wish: str, pages: tuple[ConstantPage, ...]) -> tvm.ir.Var:
        if pages not in self.const_tiles:
            self.const_tiles[pages] = self._new_buffer(wish, CONSTANT)
        return self.const_tiles[pages]

    def _new_buffer(self, wish: str, scope: str) -> tvm.ir.Var:
        # Functions with blocks print buffers without a layout, others with the default one.
        layout = {"layout": None} if self.output.layout is None else {}
        name = self.dims.names.fresh(wish)
        buffer = tirx.decl_buffer((TILE, TILE), self.output.dtype, name, scope=scope, **layout)
        self.buffers.append(buffer)
        return buffer


def _triangular(diagonal: int, inside: float, outside: float) -> ConstantPage:
    """A page of a triangle; of one number where the diagonal is beside the tile."""
    if diagonal <= -TILE:
        return ConstantPage(outside)
    return ConstantPage(inside, outside, diagonal=diagonal if diagonal < TILE - 1 else None)


def sequence(body: Sequence[tirx.Stmt]) -> tirx.Stmt:
    """The statements as one."""
    return body[0] if len(body) == 1 else tirx.SeqStmt(list(body))


def span(at: Location) -> Any:
    """The place as TVM writes it down."""
    return tvm.ir.Span(tvm.ir.SourceName(at.path), at.line, at.line, at.column, at.column)
