"""The stages of an output tile, in the order in which they run, and the tiles between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import tvm
from tvm import tirx

from ttgen.analysis import Dim, Mask
from ttgen.errors import Location
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

    ``loop`` is the loop of the reduction whose operands are being made, if there is one: a
    temporary tile that moves with it is made in each of its iterations.
    """

    dims: Dimensions
    output: tirx.BufferType
    parts: list[tirx.Stmt] = field(default_factory=list)
    buffers: list[tvm.ir.Var] = field(default_factory=list)
    const_tiles: dict[str, tuple[ConstantPage, ...]] = field(default_factory=dict)
    loop: Dim | None = None
    _constants: dict[tuple[ConstantPage, ...], tvm.ir.Var] = field(default_factory=dict)

    @contextmanager
    def inside(self, loop: Dim | None) -> Iterator[None]:
        """What is added meanwhile is an operand in the reduction over ``loop``."""
        outer, self.loop = self.loop, loop
        yield
        self.loop = outer

    def page(self) -> Any:
        """The page of a temporary tile that moves with the current loop."""
        return 0 if self.loop is None else self.dims.variable(self.loop)

    def add(self, operations: list[tirx.Stmt], target: tvm.ir.Var, page: Any, at: Location) -> None:
        """Operations and a pack; in a loop of their own where they make a tile per iteration."""
        stage = [*operations, intrin.call(intrin.PACK, [0, target, page], span(at))]
        if self.loop is None:
            self.parts += stage
            return
        # The loop that reads these tiles has the same extent, but a variable of its own.
        loop = self.dims.loop(self.loop, sequence(stage), MAP)
        self.parts.append(self.dims.with_own_variable(loop, self.loop))

    def temporary(self) -> tvm.ir.Var:
        """A buffer for tiles that one stage makes and another reads."""
        return self._new_buffer("tmp", TEMPORARY)

    def constant(self, value: float) -> tvm.ir.Var:
        """A buffer of one tile that holds one number everywhere."""
        text = re.sub(r"\W", "_", f"{value:g}".replace("-", "minus_"))
        return self._constant(f"const_{text}", (ConstantPage(value),))

    def mask(self, mask: Mask, frame: Frame) -> Tile:
        """A tile of ``mask``: it has a page of its own for the last tile along the dimension."""
        pages, page = self.dims.last_page(mask.dim)
        left = mask.dim.extent % TILE
        part = {"rows": left} if mask.dim == frame.rows else {"columns": left}
        last = ConstantPage(mask.inside, mask.outside, **part)
        others = (ConstantPage(mask.inside),) * (pages - 1)
        wish = f"{'mask' if mask.inside else 'lowest'}_{mask.dim.name}"
        return Tile(self._constant(wish, (*others, last)), page, frame)

    def _constant(self, wish: str, pages: tuple[ConstantPage, ...]) -> tvm.ir.Var:
        if pages not in self._constants:
            self._constants[pages] = self._new_buffer(wish, CONSTANT)
            self.const_tiles[str(self._constants[pages].name)] = pages
        return self._constants[pages]

    def _new_buffer(self, wish: str, scope: str) -> tvm.ir.Var:
        # Functions with blocks print buffers without a layout, others with the default one.
        layout = {"layout": None} if self.output.layout is None else {}
        name = self.dims.names.fresh(wish)
        buffer = tirx.decl_buffer((TILE, TILE), self.output.dtype, name, scope=scope, **layout)
        self.buffers.append(buffer)
        return buffer


def sequence(body: Sequence[tirx.Stmt]) -> tirx.Stmt:
    """The statements as one."""
    return body[0] if len(body) == 1 else tirx.SeqStmt(list(body))


def span(at: Location) -> Any:
    """The place as TVM writes it down."""
    return tvm.ir.Span(tvm.ir.SourceName(at.path), at.line, at.line, at.column, at.column)
