"""Dimensions as loops over tiles: their variables, their extents, and the pages that they mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import prim

from ttgen.analysis import Dim, Expr, Index, Reduce
from ttgen.passes.device_shape import ONE, TILE, free_dims, tiles_along
from ttgen.passes.tiling.marks import STREAM


class Names:
    """Names for new variables: identifiers made from the source's, none used twice."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)

    def fresh(self, wish: str) -> str:
        """``wish`` as an identifier, with a number where it is taken."""
        base = re.sub(r"[^A-Za-z0-9_]", "_", wish)
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name


@dataclass(frozen=True)
class Frame:
    """The dimensions that the rows and columns of a tile run over."""

    rows: Dim
    columns: Dim

    def narrowed(self, expr: Expr) -> Frame:
        """The frame in which ``expr`` has its values: without the dimensions it does not use."""
        used = free_dims(expr)
        return Frame(*(dim if dim in used else ONE for dim in (self.rows, self.columns)))

    def broadcast_of(self, inner: Frame) -> str | None:
        """How a tile in ``inner`` becomes one in this frame; None where it is one already."""
        rows, columns = inner.rows != self.rows, inner.columns != self.columns
        words = {(False, False): None, (True, False): "ROW", (False, True): "COL"}
        return words.get((rows, columns), "SCALAR")


#: The parameter that holds a size, and its value.
_Size: TypeAlias = tuple[tvm.ir.Var, int]


@dataclass(frozen=True)
class _Chunks:
    """A dimension in ``count`` chunks of ``tiles``; ``at`` is the number of the current one."""

    at: tvm.ir.Var
    tiles: _Size
    count: _Size


@dataclass
class Dimensions:
    """The loops over tiles of one kernel.

    The rows and columns of the output, and what it is reduced over, are counted in tiles (``Mt``,
    ``Nt``, ``Kt``, and ``suffix``), batch dimensions in elements. ``tiled`` holds those that make
    tiles, ``reduced`` those that a reduction has a loop over. Loops over a dimension in chunks run
    over the current one.
    """

    names: Names
    suffix: str = ""
    tiled: set[Dim] = field(default_factory=set)
    reduced: set[Dim] = field(default_factory=set)
    _coordinates: dict[Dim, tvm.ir.Var] = field(default_factory=dict)
    _extents: dict[Dim, _Size] = field(default_factory=dict)
    _chunks: dict[Dim, _Chunks] = field(default_factory=dict)
    _chunk_sizes: dict[tuple[Dim, int], tuple[_Size, _Size]] = field(default_factory=dict)

    def __contains__(self, dim: Dim) -> bool:
        return dim in self._coordinates

    def symbols(self) -> list[tvm.ir.Var]:
        """The extents of all loops, as parameters."""
        return [var for var, _ in self._sizes()]

    def constants(self) -> dict[str, int]:
        """Their values."""
        return {str(var.name): value for var, value in self._sizes()}

    def _sizes(self) -> Iterator[_Size]:
        yield from self._extents.values()
        for sizes in self._chunk_sizes.values():
            yield from sizes

    def declare_output(
        self, batch: Sequence[Dim], frame: Frame, *, rows: str = "Mt", columns: str = "Nt"
    ) -> None:
        """The dimensions of the output; ``rows`` and ``columns`` name the extents of these."""
        for dim in batch:
            self._declare(dim, self.names.fresh(f"{dim.name}_extent"), dim.extent, dim.name)
        for dim, extent in ((frame.rows, rows), (frame.columns, columns)):
            self._declare(dim, extent + self.suffix, tiles_along(dim.extent), f"{dim.name}_tile")
        self.tiled = {frame.rows, frame.columns}

    def declare_reduced(self, reduce: Reduce, in_tiles: set[Dim]) -> None:
        """The dimensions of a reduction, of which those ``in_tiles`` make tiles of its tensors."""
        self.tiled |= in_tiles & set(reduce.dims)
        for dim in reduce.dims:
            if dim in self._coordinates:
                continue
            if dim in in_tiles:
                taken = {str(var.name) for var, _ in self._extents.values()}
                name = f"Kt{self.suffix}"
                name = self.names.fresh(name) if name in taken else name
                self._declare(dim, name, tiles_along(dim.extent), f"{dim.name}_tile")
            else:
                self._declare(dim, self.names.fresh(f"{dim.name}_extent"), dim.extent, dim.name)

    def _declare(self, dim: Dim, extent_name: str, extent: int, variable: str) -> None:
        """Give a dimension its loop variable and the parameter that holds its extent."""
        if dim.axes and dim not in self._coordinates:
            self._coordinates[dim] = tirx.Var(self.names.fresh(variable), "int32")
            self._extents[dim] = (tirx.Var(extent_name, "int32"), extent)

    def loop(self, dim: Dim, body: tirx.Stmt, annotations: Mapping[str, Any]) -> tirx.For:
        """The loop over ``dim`` around ``body``."""
        extent, serial = self._trips(dim), tirx.ForKind.SERIAL
        return tirx.For(self._coordinates[dim], 0, extent, serial, body, annotations=annotations)

    @contextmanager
    def in_chunks(self, dim: Dim, tiles: int) -> Iterator[Callable[[tirx.Stmt], tirx.For]]:
        """Meanwhile ``dim`` is run over in chunks of ``tiles``; the last one may have fewer.

        Gives what makes a loop over these chunks around its body.
        """
        name, whole = dim.name, self._extents[dim][1]
        if (dim, tiles) not in self._chunk_sizes:
            size, count = (self.names.fresh(f"{name}_{what}") for what in ("chunk_tiles", "chunks"))
            made = (tirx.Var(size, "int32"), tiles), (tirx.Var(count, "int32"), -(-whole // tiles))
            self._chunk_sizes[dim, tiles] = made
        at = tirx.Var(self.names.fresh(f"{name}_chunk"), "int32")
        chunks = _Chunks(at, *self._chunk_sizes[dim, tiles])
        around, self._chunks = self._chunks, {dim: chunks}

        def loop(body: tirx.Stmt) -> tirx.For:
            extent, serial = chunks.count[0], tirx.ForKind.SERIAL
            return tirx.For(at, 0, extent, serial, body, annotations=STREAM)

        yield loop
        self._chunks = around

    @contextmanager
    def undivided(self) -> Iterator[None]:
        """Meanwhile no dimension is in chunks."""
        around, self._chunks = self._chunks, {}
        yield
        self._chunks = around

    def with_own_variable(self, loop: tirx.For, dim: Dim) -> tirx.For:
        """The loop over ``dim`` with a new variable."""
        old, extent = self._coordinates[dim], self._trips(dim)
        var = tirx.Var(self.names.fresh(str(old.name)), "int32")
        body = tvm_ffi.structural_map(
            loop.body, (tvm.ir.Var, lambda seen: var if seen.same_as(old) else seen)
        )
        serial = tirx.ForKind.SERIAL
        return tirx.For(var, 0, extent, serial, body, annotations=loop.annotations)

    def page(self, view: Sequence[Index], beside: int = 0) -> prim.Expr:
        """The page of the tile at the current coordinates, in a tensor that is seen as ``view``.

        ``beside``: how many dimensions before the rows are outer parts of the columns.
        """
        *batch, rows, columns = view
        around = len(batch) - beside
        lies = [*batch[:around], rows, *batch[around:], columns]
        page: Any = 0
        for position, index in enumerate(lies):
            in_tiles = position in (around, len(batch) + 1)
            size = tiles_along(index.extent) if in_tiles else index.extent
            if size == 1:
                continue
            if not _is_zero(page):
                page = page * self._size(index.dim, size)
            start = index.start // TILE if in_tiles else index.start
            page = _sum(page, self._along(index, start))
        return page

    def number(self, dims: Sequence[Dim]) -> prim.Expr:
        """The running number of the current iteration of the loops over ``dims``."""
        number: Any = 0
        for dim in dims:
            var, (extent, _) = self._coordinates[dim], self._most_trips(dim)
            number = var if _is_zero(number) else number * extent + var
        return number

    def _size(self, dim: Dim, size: int) -> Any:
        """``size``, by its name if the loop over ``dim`` has as many iterations."""
        var, extent = self._extents.get(dim, (None, 0))
        return var if extent == size else size

    def _along(self, index: Index, start: int) -> Any:
        if index.dim not in self._coordinates:
            assert not index.dim.axes, f"no loop runs over {index.dim.name}"
            return start
        var = self._place(index.dim)
        if index.step < 0:
            return start - (var if index.step == -1 else var * -index.step)
        return _sum(var if index.step == 1 else var * index.step, start)

    def last_page(self, dim: Dim) -> tuple[int, Any]:
        """Pages of a buffer whose last one is for the last tile along ``dim``, and the current one.

        One page that all other tiles share comes first; there is none where there is but one tile.
        """
        extent, tiles = self._extents[dim]
        return (1, 0) if tiles == 1 else (2, self._place(dim) // (extent - 1))

    def across_diagonal(self, frame: Frame, offset: int) -> tuple[list[int], Any]:
        """Pages of a buffer for the tiles of ``frame`` along a diagonal, and the current one.

        The diagonal is where a row's number, less a column's, plus ``offset`` is zero. Each page is
        told by the diagonal of its own rows and columns; all tiles that the diagonal is far from
        share one page on either side of it.
        """
        whole, part = divmod(offset, TILE)
        (row, row_tiles), (column, column_tiles) = map(self._tiles, (frame.rows, frame.columns))
        # A tile's own diagonal is 32 * (its row of tiles - its column + whole) + part.
        first, last = whole - column_tiles + 1, whole + row_tiles - 1
        lowest, highest = max(first, -2 if part else -1), min(last, 1)
        diagonals = [TILE * number + part for number in range(lowest, highest + 1)]
        # No step of this is negative: the device computes with unsigned integers.
        down, along = _sum(row, max(whole - lowest, 0)), _sum(column, max(lowest - whole, 0))
        page = (down if first >= lowest else tirx.max(down, along)) - along
        return diagonals, page if last <= highest else tirx.min(page, highest - lowest)

    def _tiles(self, dim: Dim) -> tuple[Any, int]:
        """The number of the current tile along ``dim``, and how many there are."""
        return self._place(dim), self._extents[dim][1]

    def is_uneven(self, dim: Dim) -> bool:
        """Whether loops over ``dim`` may have fewer iterations in the last chunk."""
        return self._extents[dim][1] % self._most_trips(dim)[1] > 0

    def _most_trips(self, dim: Dim) -> _Size:
        """How many iterations loops over ``dim`` have, at most."""
        return self._chunks[dim].tiles if dim in self._chunks else self._extents[dim]

    def _trips(self, dim: Dim) -> Any:
        """How many iterations they have now."""
        most, _ = self._most_trips(dim)
        if not self.is_uneven(dim):
            return most
        return tirx.min(most, self._extents[dim][0] - self._chunks[dim].at * most)

    def _place(self, dim: Dim) -> Any:
        """The number of the current iteration over all of ``dim``."""
        var, chunks = self._coordinates[dim], self._chunks.get(dim)
        return var if chunks is None else chunks.at * chunks.tiles[0] + var


def _sum(a: Any, b: Any) -> Any:
    return b if _is_zero(a) else a if _is_zero(b) else a + b


def _is_zero(page: Any) -> bool:
    return isinstance(page, int) and page == 0
