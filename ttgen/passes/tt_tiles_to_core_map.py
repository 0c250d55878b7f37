"""TTTilesToCoreMap: which core computes which output tiles."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, get_args

from tvm.tirx import PrimFunc

from ttgen.analysis import Computation
from ttgen.arch import Architecture, architecture
from ttgen.errors import LoweringError
from ttgen.layouts import core_ranges, nd_shard, shown
from ttgen.partition import STRATEGIES, WorkItem, balanced, block_rows
from ttgen.passes import attrs
from ttgen.passes.base import FuncPass
from ttgen.passes.device_shape import steps, tiles_along
from ttgen.passes.infer_tt_layout import tiles
from ttgen.passes.meaning import meaning
from ttgen.passes.work import Dealt, Share, check_cover, dealt, ranges_of, read_work
from ttgen.plan.model import CoreRange, NdShard, PartitionMode
from ttgen.plan.shards import Grid, cores_of, first_cores, range_problem, shard_shares


@dataclass(frozen=True)
class TTTilesToCoreMap(FuncPass):
    """Sets ``tt.core_grid``, ``tt.core_ranges``, ``tt.partition`` and ``tt.work_partition``.

    ``grid`` is (columns, rows) of cores to use, all of them, idle ones included; without it, as
    many cores of the architecture as there are output tiles. ``core_ranges`` are the cores
    themselves, as rectangles [x, y, width, height]; with both, ``grid`` is how the cores count as
    columns and rows. ``partition`` names a tile order. With ``partition_mode`` ``local_shard``
    every core computes its own shard of the output.

    A kernel may set ``tt.core_grid`` and ``tt.core_ranges``, which the options override, and
    ``tt.work_partition``, which decides alone: each core's output tiles. Where neither it nor an
    option says how to deal, the blocks of the kernel's own grid (``tt.author_grid``) stay whole
    and in their order.
    """

    name: ClassVar[str] = "tir.tenstorrent.TTTilesToCoreMap"
    grid: Grid | None = None
    core_ranges: Sequence[Sequence[int]] | None = None
    partition: str | None = None
    partition_mode: str = "global"

    def apply(self, func: PrimFunc) -> PrimFunc:
        """Add the attributes; LoweringError at cores or work that cannot be."""
        self._check_options(func)
        computation = meaning(func)
        attrs.require(func, attrs.ROLES, self.name)
        layouts = attrs.require(func, attrs.LAYOUT_DESC, self.name)
        output = layouts[computation.output.name]
        grid_of_tiles = _grid_of_tiles(computation, output)
        try:
            asked = _Asked.of(self, func)
            self._check_parts(computation, asked)
            if self._keeps_grid(func, asked):
                grid = attrs.optional(func, attrs.AUTHOR_GRID)
                deal = _kept(asked, grid, output, computation)
            else:
                deal = self._deal(asked, output, grid_of_tiles, reduction_tiles(computation))
        except LoweringError as error:
            raise self._error(func, error.message, error.hint) from None
        return func.with_attrs(
            {
                attrs.CORE_GRID: list(deal.grid),
                attrs.CORE_RANGES: [[*r.start, *r.extent] for r in deal.ranges],
                attrs.PARTITION: {
                    "mode": self.partition_mode,
                    "tile_order": deal.dealt.tile_order,
                    "tiles": list(grid_of_tiles),
                    "block": deal.dealt.block and list(deal.dealt.block),
                    "len_k": reduction_tiles(computation),
                },
                attrs.WORK_PARTITION: [[*s.core, s.start, s.count] for s in deal.dealt.shares],
            }
        )

    def _keeps_grid(self, func: PrimFunc, asked: _Asked) -> bool:
        """Whether the kernel's own grid decides, as nothing else is asked for."""
        is_asked = self.partition is not None or self.partition_mode != "global"
        return attrs.optional(func, attrs.AUTHOR_GRID) is not None and not (is_asked or asked.work)

    def _deal(
        self, asked: _Asked, output: Mapping[str, Any], rows_columns: Grid, len_k: int
    ) -> _Deal:
        shards = nd_shard(output)
        shard = None if shards is None else _shard_tiles(shards, output)
        if asked.work is not None:
            return self._given(asked, rows_columns, len_k, shard)
        order = self._order(shards)
        if self.partition_mode == "local_shard":
            assert shards is not None
            assert shard is not None
            return _own_shards(asked, shards, Dealt(order, shard, ()), rows_columns)
        grid, ranges = asked.cores(prod(rows_columns), shards if order == "match_shard" else None)
        cores = [core for core_range in ranges for core in core_range.cores()]
        if order == "match_shard" and not asked.is_given:
            assert shards is not None
            cores = cores_of(shards)
        block = shard if order == "match_shard" else None
        if order == "block":
            block = (block_rows(rows_columns, len(cores), asked.logical), rows_columns[1])
        work = zip(cores, balanced(prod(rows_columns), len(cores)), strict=True)
        shares = tuple(Share(core, start, count) for core, (start, count) in work)
        return _Deal(grid, ranges, Dealt(order, block, shares))

    def _order(self, shards: NdShard | None) -> str:
        """The tile order; ``local_shard`` has but one."""
        is_local = self.partition_mode == "local_shard"
        order = self.partition or ("match_shard" if is_local else "row_major")
        if is_local and order != "match_shard":
            raise LoweringError(
                f"partition_mode is local_shard, and partition is {order}",
                hint="cores take the tiles of their own shards: leave out partition",
            )
        if order == "match_shard" and shards is None:
            what = "partition_mode local_shard" if is_local else "partition match_shard"
            raise LoweringError(
                f"{what} follows the shards of the output, which is interleaved",
                hint="give the output a layout with nd_shard",
            )
        return order

    def _given(self, asked: _Asked, tiles: Grid, len_k: int, shard: Grid | None) -> _Deal:
        """The work that the kernel itself deals out."""
        assert asked.work is not None
        if self.partition is not None or self.partition_mode != "global":
            raise LoweringError(
                "the kernel has a work partition, and the spec asks for another",
                hint="leave out partition and partition_mode, or tt.work_partition",
            )
        check_cover(asked.work, tiles, len_k)
        if asked.is_given:
            grid, ranges = asked.cores(prod(tiles), None)
            cores = [core for core_range in ranges for core in core_range.cores()]
            for core in asked.work:
                if core not in cores:
                    raise LoweringError(f"the work partition has core {core}, the grid has not")
        else:
            grid, cores = asked.arch.grid, list(asked.work)
            ranges = ranges_of(cores)
            check_inside(ranges, asked.arch)
        found = dealt(asked.work, tiles, shard)
        shares = {share.core: share for share in found.shares}
        listed = tuple(shares.get(core, Share(core, 0, 0)) for core in cores)
        return _Deal(grid, ranges, Dealt(found.tile_order, found.block, listed))

    def _check_parts(self, computation: Computation, asked: _Asked) -> None:
        """Tiles are numbered part by part, which no shard and no list of tiles is.

        So they are block by block, where columns are blocks side by side.
        """
        parts, is_beside = len(computation.parts), _is_beside(computation)
        if asked.work is not None:
            what = "a work partition"
        elif self.partition_mode == "local_shard":
            what = "partition_mode local_shard"
        elif self.partition == "match_shard" and is_beside:
            what = "partition match_shard"
        else:
            return
        if parts > 1:
            raise LoweringError(
                f"the output is stored in {parts} parts, and {what} says which core makes what",
                hint="parts are dealt one after the other: leave it out",
            )
        if is_beside:
            raise LoweringError(
                f"the output's columns are several dimensions, and {what} says which core makes "
                "what",
                hint="blocks of columns are dealt one after the other: leave it out",
            )

    def _check_options(self, func: PrimFunc) -> None:
        for what, name, known in (
            ("partition", self.partition, list(STRATEGIES)),
            ("partition_mode", self.partition_mode, list(get_args(PartitionMode))),
        ):
            if name is not None and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else None
                message = f"unknown {what} '{name}'; known: {', '.join(known)}"
                raise self._error(func, message, hint)

    def _error(self, func: PrimFunc, message: str, hint: str | None) -> LoweringError:
        return LoweringError(message, at=attrs.kernel_place(func), hint=hint)


@dataclass(frozen=True)
class _Deal:
    """A logical grid, the cores' rectangles, and who does what."""

    grid: Grid
    ranges: Sequence[CoreRange]
    dealt: Dealt


@dataclass(frozen=True)
class _Asked:
    """What options and the kernel's own attributes ask for."""

    arch: Architecture
    logical: Grid | None
    ranges: tuple[CoreRange, ...] | None
    work: dict[Grid, list[WorkItem]] | None

    @staticmethod
    def of(step: TTTilesToCoreMap, func: PrimFunc) -> _Asked:
        """Options first; attributes only where they are not this pass's own."""
        is_source = attrs.optional(func, attrs.PARTITION) is None

        def own(key: str) -> Any:
            return attrs.optional(func, key) if is_source else None

        grid, ranges, work = step.grid, step.core_ranges, own(attrs.WORK_PARTITION)
        if grid is None and ranges is None:
            grid, ranges = own(attrs.CORE_GRID), own(attrs.CORE_RANGES)
        return _Asked(
            arch=architecture(attrs.require(func, attrs.ARCH, step.name)),
            logical=None if grid is None else core_grid(grid),
            ranges=None if ranges is None else core_ranges(ranges, "core_ranges"),
            work=None if work is None else read_work(work),
        )

    @property
    def is_given(self) -> bool:
        """Whether anybody has said which cores take part."""
        return self.logical is not None or self.ranges is not None

    def cores(self, output_tiles: int, shards: NdShard | None) -> tuple[Grid, list[CoreRange]]:
        """The logical grid, and the cores that take part: by default, those of ``shards``."""
        arch = self.arch
        if self.ranges is not None:
            check_inside(self.ranges, arch)
            total = sum(prod(core_range.extent) for core_range in self.ranges)
            if self.logical is not None and prod(self.logical) != total:
                columns, rows = self.logical
                raise LoweringError(
                    f"the core grid is {columns}x{rows}, the core ranges have {total} cores"
                )
            return self.logical or arch.grid, list(self.ranges)
        if self.logical is None:
            if shards is not None:
                return arch.grid, list(shards.cores)
            return arch.grid, first_cores(min(output_tiles, prod(arch.grid)), arch.grid)
        columns, rows = self.logical
        if columns > arch.grid[0] or rows > arch.grid[1]:
            raise LoweringError(
                f"the core grid is {columns}x{rows}; {arch.name} has {arch.grid[0]} columns "
                f"and {arch.grid[1]} rows",
                hint="give `grid: [columns, rows]` within that",
            )
        return self.logical, first_cores(columns * rows, self.logical)


def core_grid(asked: Any) -> Grid:
    """Columns and rows of cores; LoweringError where ``asked`` is none of it."""
    values = list(asked) if isinstance(asked, Sequence) and not isinstance(asked, str) else []
    if len(values) != 2 or not all(type(value) is int and value > 0 for value in values):
        text = "x".join(str(value) for value in values) if len(values) == 2 else shown(asked)
        hint = "give columns and rows of cores, for example [4, 2]"
        raise LoweringError(f"the core grid is {text}", hint=hint)
    return values[0], values[1]


def check_inside(ranges: Sequence[CoreRange], arch: Architecture) -> None:
    """LoweringError at rectangles that overlap or leave the chip."""
    problem = range_problem(ranges, arch.grid)
    if problem is not None:
        raise LoweringError(f"core ranges: {problem} ({arch.name})")


def _shard_tiles(shards: NdShard, layout: Mapping[str, Any]) -> Grid:
    (rows, columns), (height, width) = shards.shard_shape, layout["tile_shape"]
    return rows // height, columns // width


def _own_shards(asked: _Asked, shards: NdShard, dealt: Dealt, tiles: Grid) -> _Deal:
    """Every core computes the shard that it holds; cores without one are idle."""
    assert dealt.block is not None
    held = cores_of(shards)
    runs = zip(held, shard_shares(tiles, dealt.block), strict=True)
    shares = [Share(core, start, count) for core, (start, count) in runs]
    grid, ranges = asked.cores(len(shares), shards)
    cores = [core for core_range in ranges for core in core_range.cores()]
    for core in held:
        if core not in cores:
            raise LoweringError(
                f"core {core} holds a shard of the output and takes no part",
                hint="let `grid` or `core_ranges` cover the shards, or leave it out",
            )
    idle = [Share(core, 0, 0) for core in cores if core not in held]
    return _Deal(grid, ranges, Dealt(dealt.tile_order, dealt.block, (*shares, *idle)))


def _kept(
    asked: _Asked, grid: Mapping[str, Any], output: Mapping[str, Any], computation: Computation
) -> _Deal:
    """The blocks of the kernel's own grid, each whole on a core, dealt in their order.

    Within a block tiles have no order of the author's.
    """
    hint = "or name an order of tiles: `partition` in the spec"
    lies = list(output.get("order", ()))
    if lies != sorted(lies):
        raise LoweringError(
            f"the blocks of the grid are of an output whose dimensions lie in the order {lies}",
            hint=hint.removeprefix("or "),
        )
    if grid["order"] is None or len(computation.parts) > 1 or _is_beside(computation):
        raise LoweringError(
            "the blocks of the grid are no equal parts of the output, one after the other",
            hint=f"let each block store its own, row by row or column by column of blocks; {hint}",
        )
    extents = tiles(output)
    block = _block_tiles(grid["block"], output)
    if block is None:
        rows, columns = grid["block"]
        raise LoweringError(
            f"the blocks of the grid are {rows}x{columns} elements, no whole tiles",
            hint=f"use multiples of {output['tile_shape']}; {hint}",
        )
    # A result of fewer dimensions may lie as columns: a run of its elements is one of tiles then.
    if _matrix_tiles(output) != extents and (
        grid["order"] != "row_major"
        or grid["block"][0] != 1
        or grid["blocks"] * prod(block) != prod(extents)
    ):
        raise LoweringError(
            f"the blocks of the grid are no runs of the {extents[0]}x{extents[1]} output tiles",
            hint=f"one element of a dropped dimension has a tile of its own; {hint}",
        )
    order, block_of_order = _order_of_blocks(grid["order"], block, extents)
    logical, ranges = asked.cores(grid["blocks"], None)
    cores = [core for core_range in ranges for core in core_range.cores()]
    work = zip(cores, balanced(grid["blocks"], len(cores)), strict=True)
    shares = tuple(Share(c, first * prod(block), n * prod(block)) for c, (first, n) in work)
    return _Deal(logical, ranges, Dealt(order, block_of_order, shares))


def _is_beside(computation: Computation) -> bool:
    """Whether the output's columns are blocks side by side, whose tiles are numbered one by one."""
    return any(part.output.beside for part in computation.parts)


def _grid_of_tiles(computation: Computation, output: Mapping[str, Any]) -> Grid:
    """Rows and columns of output tiles as they are numbered.

    Columns are those of one block where blocks lie side by side, which are numbered one by one.
    """
    rows, columns = tiles(output)
    if len(computation.parts) > 1 or not _is_beside(computation):
        return rows, columns
    own = tiles_along(computation.parts[0].output.view[-1].extent)
    return rows * columns // own, own


def _matrix_tiles(output: Mapping[str, Any]) -> Grid:
    """Rows and columns of tiles of a tensor whose last two dimensions make them."""
    shape: list[int] = [1, *output["shape"]]
    *leading, rows, columns = shape
    height, width = output["tile_shape"]
    return prod(leading) * -(-rows // height), -(-columns // width)


def _block_tiles(block: Sequence[int], output: Mapping[str, Any]) -> Grid | None:
    """Rows and columns in tiles; a dimension may end within a tile where the tensor does."""
    shape = [1, *output["shape"]][-2:]
    counts = []
    for size, extent, tile in zip(block, shape, output["tile_shape"], strict=True):
        if size % tile and size != extent:
            return None
        counts.append(-(-size // tile))
    return counts[0], counts[1]


def _order_of_blocks(order: str, block: Grid, extents: Grid) -> tuple[str, Grid | None]:
    """The simplest order of tiles in which blocks follow each other in ``order``."""
    is_row_major = order == "row_major"
    if block[1] == extents[1] or (is_row_major and block[0] == 1):
        return "row_major", None
    if block[0] == extents[0] or (not is_row_major and block[1] == 1):
        return "column_major", None
    return ("match_shard" if is_row_major else "column_blocks"), block


def reduction_tiles(computation: Computation) -> int:
    """Tiles that one output tile is reduced over, 1 where there is no reduction."""
    return max(steps(part.value) for part in computation.parts)
