"""LowerTTTileIntrinsics: from loops over elements to loops over tiles with ``tt.*`` operations.

An output tile is made in *stages*. A stage works in one DST register and ends with a ``tt.pack``:
into the output, or into a temporary tile that a later stage reads. What fits in one stage stays in
one: a sum and what is done with it, a chain of operations whose other operands are tiles in memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import prim
from tvm.tirx import PrimFunc

from ttgen.analysis import (
    Access,
    Binary,
    Computation,
    Const,
    Dim,
    Expr,
    Load,
    Reduce,
    analyse,
    loads,
    reductions,
)
from ttgen.arch import architecture
from ttgen.errors import Location, LoweringError
from ttgen.passes import attrs, intrin
from ttgen.passes.base import FuncPass
from ttgen.passes.device_shape import ONE, TILE, as_tiles, device_dims, tile_dims, tiles_along

#: Marks the loops over output tiles, whose iterations are independent of each other.
PARALLEL = {"tt.axis": "parallel"}
#: Marks a loop over the tiles that an output tile is reduced over, in DST.
REDUCE = {"tt.axis": "reduce"}
#: Marks a loop that makes a temporary tile in each iteration.
MAP = {"tt.axis": "map"}
#: Storage scopes of temporary tiles, and of tiles that hold one number.
TEMPORARY, CONSTANT = "tt.cb", "tt.const"
_POOLS = {"add": "SUM", "max": "MAX"}
_COMMUTES = ("add", "mul")


@dataclass(frozen=True)
class LowerTTTileIntrinsics(FuncPass):
    """Rewrites the body, and sets ``tt.constants``, ``tt.const_tiles`` and ``tt.compute_config``.

    The new parameters ``Mt``, ``Nt`` and ``Kt`` are the rows and columns of output tiles and the
    tiles reduced over; extents of batch dimensions are called like their loops. A tile of a tensor
    is the tensor and a page number.

    ``fp32_dest_acc``: DST holds float32. Unless it is said, it does so for sums where the chip
    adds them up without fault (:attr:`ttgen.arch.Architecture.fp32_sums`): with bf16 in DST every
    step of a sum is rounded, and the error grows with its length.
    """

    name: ClassVar[str] = "tir.tenstorrent.LowerTTTileIntrinsics"
    fidelity: Literal["LoFi", "HiFi2", "HiFi3", "HiFi4"] = "HiFi4"
    fp32_dest_acc: bool | None = None
    math_approx: bool = False
    dst_full_sync: bool = False

    def apply(self, func: PrimFunc) -> PrimFunc:
        """Lower the function; LoweringError at an expression that has no tile operation yet."""
        attrs.require(func, attrs.PARTITION, self.name)
        computation = analyse(func, attrs.kernel_place(func))
        names = _Names({param.name for param in func.params} | {"Mt", "Nt", "Kt"})
        emitter = _Emitter(computation, names)
        body = emitter.body()
        lowered = PrimFunc([*func.params, *emitter.symbols()], body, attrs=func.attrs)
        arch = architecture(attrs.require(func, attrs.ARCH, self.name))
        by_default = arch.fp32_sums and any(True for _ in reductions(computation.value))
        fp32 = by_default if self.fp32_dest_acc is None else self.fp32_dest_acc
        return lowered.with_attrs(
            {
                attrs.CONSTANTS: emitter.constants(),
                attrs.CONST_TILES: emitter.const_tiles,
                attrs.COMPUTE_CONFIG: {
                    "fidelity": self.fidelity,
                    "fp32_dest_acc": fp32,
                    "math_approx": self.math_approx,
                    "dst_full_sync": self.dst_full_sync,
                },
            }
        )


class _Names:
    """Names for new variables: identifiers made from the source's, none used twice."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)

    def fresh(self, wish: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_]", "_", wish)
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name


@dataclass(frozen=True)
class _Frame:
    """The dimensions that the rows and columns of a tile run over."""

    rows: Dim
    columns: Dim

    def narrowed(self, expr: Expr) -> _Frame:
        """The frame in which ``expr`` has its values: without the dimensions it does not use."""
        used = _free_dims(expr)
        return _Frame(*(dim if dim in used else ONE for dim in (self.rows, self.columns)))

    def broadcast_of(self, inner: _Frame) -> str | None:
        """How a tile in ``inner`` becomes one in this frame; None where it is one already."""
        rows, columns = inner.rows != self.rows, inner.columns != self.columns
        words = {(False, False): None, (True, False): "ROW", (False, True): "COL"}
        return words.get((rows, columns), "SCALAR")


@dataclass(frozen=True)
class _Tile:
    """A tile in memory: page ``page`` of ``buffer``, in ``frame``."""

    buffer: tvm.ir.Var
    page: Any
    frame: _Frame


@dataclass
class _Emitter:
    """Builds the tile loops of one computation."""

    computation: Computation
    names: _Names
    const_tiles: dict[str, float] = field(default_factory=dict)
    _coordinates: dict[Dim, tvm.ir.Var] = field(default_factory=dict)
    _extents: dict[Dim, tuple[tvm.ir.Var, int]] = field(default_factory=dict)
    _stages: list[tirx.Stmt] = field(default_factory=list)
    _buffers: list[tvm.ir.Var] = field(default_factory=list)
    _consts: dict[float, tvm.ir.Var] = field(default_factory=dict)
    _reduced: set[Dim] = field(default_factory=set)
    _tiled: set[Dim] = field(default_factory=set)
    _loop: Dim | None = None

    def __post_init__(self) -> None:
        *batch, rows, columns = device_dims(self.computation)
        self._batch, self.frame = batch, _Frame(rows, columns)
        for dim in batch:
            self._declare(dim, self.names.fresh(f"{dim.name}_extent"), dim.extent, dim.name)
        self._declare(rows, "Mt", tiles_along(rows), f"{rows.name}_tile")
        self._declare(columns, "Nt", tiles_along(columns), f"{columns.name}_tile")
        self._tiled = {rows, columns}

    def symbols(self) -> list[tvm.ir.Var]:
        """The extents that the body uses, as parameters."""
        return [var for var, _ in self._extents.values()]

    def constants(self) -> dict[str, int]:
        """Their values."""
        return {str(var.name): value for var, value in self._extents.values()}

    def body(self) -> tirx.Stmt:
        """The loops over output tiles, around the stages that make one."""
        output = self.computation.output
        page = self._page([*self._batch, self.frame.rows, self.frame.columns])
        self._finish(self.computation.value, self.frame, output.buffer, page, self.computation.at)
        body: tirx.Stmt = _sequence(self._stages)
        for dim in reversed([*self._batch, self.frame.rows, self.frame.columns]):
            if dim in self._coordinates:
                body = self._for(dim, body, PARALLEL)
        return _sequence([*(tirx.AllocBuffer(buffer) for buffer in self._buffers), body])

    # Dimensions -------------------------------------------------------------------------------

    def _declare(self, dim: Dim, extent_name: str, extent: int, variable: str) -> None:
        """Give a dimension its loop variable and the parameter that holds its extent."""
        if dim.axes and dim not in self._coordinates:
            self._coordinates[dim] = tirx.Var(self.names.fresh(variable), "int32")
            self._extents[dim] = (tirx.Var(extent_name, "int32"), extent)

    def _declare_reduced(self, reduce: Reduce, in_tiles: set[Dim]) -> None:
        self._tiled |= in_tiles & set(reduce.dims)
        for dim in reduce.dims:
            if dim in self._coordinates:
                continue
            if dim in in_tiles:
                taken = {str(var.name) for var, _ in self._extents.values()}
                name = self.names.fresh("Kt") if "Kt" in taken else "Kt"
                self._declare(dim, name, tiles_along(dim), f"{dim.name}_tile")
            else:
                self._declare(dim, self.names.fresh(f"{dim.name}_extent"), dim.extent, dim.name)

    def _for(self, dim: Dim, body: tirx.Stmt, annotations: Mapping[str, Any]) -> tirx.For:
        extent, _ = self._extents[dim]
        var = self._coordinates[dim]
        return tirx.For(var, 0, extent, tirx.ForKind.SERIAL, body, annotations=annotations)

    def _page(self, dims: Sequence[Dim]) -> prim.Expr:
        """The page of the tile at the current coordinates, in a tensor over ``dims``."""
        page: Any = 0
        for dim in dims:
            if dim in self._coordinates:
                extent, _ = self._extents[dim]
                page = (
                    self._coordinates[dim]
                    if _is_zero(page)
                    else page * extent + (self._coordinates[dim])
                )
        return page

    # Stages -----------------------------------------------------------------------------------

    def _finish(
        self, expr: Expr, frame: _Frame, target: tvm.ir.Var, page: Any, at: Location
    ) -> None:
        """A stage that computes ``expr`` in ``frame`` and packs it into a page of ``target``."""
        self._add_stage(self._into_dst(expr, frame, at), target, page, self._loop, at)

    def _add_stage(
        self,
        operations: list[tirx.Stmt],
        target: tvm.ir.Var,
        page: Any,
        loop: Dim | None,
        at: Location,
    ) -> None:
        """Operations and a pack; in a loop of their own where they make a tile per iteration."""
        stage = [*operations, intrin.call(intrin.PACK, [0, target, page], _span(at))]
        if loop is None:
            self._stages += stage
            return
        # The loop that reads these tiles has the same extent, but a variable of its own.
        self._stages.append(self._with_own_variable(self._for(loop, _sequence(stage), MAP), loop))

    def _with_own_variable(self, loop: tirx.For, dim: Dim) -> tirx.For:
        """The loop over ``dim`` with a new variable."""
        old, (extent, _) = self._coordinates[dim], self._extents[dim]
        var = tirx.Var(self.names.fresh(str(old.name)), "int32")
        body = tvm_ffi.structural_map(
            loop.body, (tvm.ir.Var, lambda seen: var if seen.same_as(old) else seen)
        )
        serial = tirx.ForKind.SERIAL
        return tirx.For(var, 0, extent, serial, body, annotations=loop.annotations)

    def _temporary(self, expr: Expr, frame: _Frame, at: Location) -> _Tile:
        """A tile of its own for ``expr``, made by an earlier stage."""
        buffer = self._new_buffer("tmp", TEMPORARY)
        outer, in_loop = self._loop, self._loop
        if in_loop is not None and in_loop not in _free_dims(expr):
            self._loop = None
        page = 0 if self._loop is None else self._coordinates[self._loop]
        self._finish(expr, frame, buffer, page, at)
        self._loop = outer
        return _Tile(buffer, page, frame)

    def _new_buffer(self, wish: str, scope: str) -> tvm.ir.Var:
        output = self.computation.output.buffer.ty
        # Functions with blocks print buffers without a layout, others with the default one.
        layout = {"layout": None} if output.layout is None else {}
        name = self.names.fresh(wish)
        buffer = tirx.decl_buffer((TILE, TILE), output.dtype, name, scope=scope, **layout)
        self._buffers.append(buffer)
        return buffer

    def _constant(self, value: float) -> _Tile:
        """A tile that holds one number everywhere."""
        if value not in self._consts:
            text = re.sub(r"\W", "_", f"{value:g}".replace("-", "minus_"))
            self._consts[value] = self._new_buffer(f"const_{text}", CONSTANT)
            self.const_tiles[str(self._consts[value].name)] = value
        return _Tile(self._consts[value], 0, self.frame)

    # Expressions ------------------------------------------------------------------------------

    def _into_dst(self, expr: Expr, frame: _Frame, at: Location) -> list[tirx.Stmt]:
        """Operations that leave ``expr`` in DST; earlier stages are added where it needs them."""
        match expr:
            case Load() | Const():
                return self._load(self._tile(expr, frame, at), frame, at)
            case Reduce():
                if frame.narrowed(expr) != frame:
                    return self._load(self._tile(expr, frame, at), frame, at)
                return self._reduction(expr, frame)
            case Binary(op="max"):
                raise LoweringError(
                    f"'{expr}' does not lower yet",
                    at=expr.at if expr.at.path else at,
                    hint="the maximum over a dimension does, that of two values not",
                )
            case Binary():
                if frame.narrowed(expr) != frame:
                    return self._load(self._tile(expr, frame, at), frame, at)
                return self._binary(expr, frame, at)

    def _load(self, tile: _Tile, frame: _Frame, at: Location) -> list[tirx.Stmt]:
        word = frame.broadcast_of(tile.frame)
        args = [tile.buffer, tile.page]
        if word is None:
            return [intrin.call("copy", [0, *args], _span(at))]
        # Not the unit's own copy with broadcast: into fp32 DST it fills no more than 8 rows.
        zero = self._constant(0.0)
        return [intrin.call("add_bcast", [0, zero.buffer, 0, *args, word], _span(at))]

    def _binary(self, expr: Binary, frame: _Frame, at: Location) -> list[tirx.Stmt]:
        here = expr.at if expr.at.path else at
        op, a, b = expr.op, expr.a, expr.b
        if _in_memory(a, frame) and _in_memory(b, frame):
            return self._of_tiles(op, a, b, frame, here)
        if _in_memory(a, frame):  # the work is in b
            other = self._plain(a, frame, here)
            name = f"{op}_dst" if op in _COMMUTES else f"r{op}_dst"
            first = self._into_dst(b, frame, here)
        else:
            other = self._plain(b, frame, here)
            name = f"{op}_dst"
            first = self._into_dst(a, frame, here)
        return [*first, intrin.call(name, [0, other.buffer, other.page], _span(here))]

    def _of_tiles(self, op: str, a: Expr, b: Expr, frame: _Frame, at: Location) -> list[tirx.Stmt]:
        """Both operands are tiles in memory; the unit broadcasts the second of two."""
        left, right = self._tile(a, frame, at), self._tile(b, frame, at)
        if frame.broadcast_of(left.frame) and op in _COMMUTES:
            left, right = right, left
        if frame.broadcast_of(left.frame):
            left = self._expanded(left, frame, at)
        args = [0, left.buffer, left.page, right.buffer, right.page]
        word = frame.broadcast_of(right.frame)
        if word is None:
            return [intrin.call(op, args, _span(at))]
        return [intrin.call(f"{op}_bcast", [*args, word], _span(at))]

    def _plain(self, expr: Expr, frame: _Frame, at: Location) -> _Tile:
        """``expr`` as a tile in memory that needs no broadcast."""
        tile = self._tile(expr, frame, at)
        return self._expanded(tile, frame, at) if frame.broadcast_of(tile.frame) else tile

    def _expanded(self, tile: _Tile, frame: _Frame, at: Location) -> _Tile:
        buffer = self._new_buffer("tmp", TEMPORARY)
        page = 0 if self._loop is None else self._coordinates[self._loop]
        self._add_stage(self._load(tile, frame, at), buffer, page, self._loop, at)
        return _Tile(buffer, page, frame)

    def _tile(self, expr: Expr, frame: _Frame, at: Location) -> _Tile:
        """``expr`` as a tile in memory, in the frame that it has values in."""
        match expr:
            case Const(value=value):
                return _Tile(self._constant(value).buffer, 0, frame)
            case Load(access=access):
                return self._loaded(access, frame, at)
            case _:
                return self._temporary(expr, frame.narrowed(expr), at)

    def _loaded(self, access: Access, frame: _Frame, at: Location) -> _Tile:
        dims = as_tiles(access.dims)
        rows, columns = dims[-2:]
        page = self._page(dims)
        self._check_batch(access, dims, at)
        if rows in (frame.rows, ONE) and columns in (frame.columns, ONE):
            return _Tile(access.buffer, page, _Frame(rows, columns))
        if rows in (frame.columns, ONE) and columns in (frame.rows, ONE):
            return self._transposed(_Tile(access.buffer, page, _Frame(rows, columns)), at)
        raise LoweringError(
            f"{access} does not line up with tiles over {frame.rows.name} and {frame.columns.name}",
            at=at,
            hint="the last two dimensions of a tensor make its tiles; they may be transposed, "
            "but not mixed with others",
        )

    def _check_batch(self, access: Access, dims: Sequence[Dim], at: Location) -> None:
        for dim in dims[:-2]:
            if dim.axes and dim in self._tiled:
                where = "the output" if dim in (self.frame.rows, self.frame.columns) else "others"
                raise LoweringError(
                    f"{access}: dimension {dim.name} makes tiles of {where}, but not of "
                    f"{access.buffer.name}",
                    at=at,
                    hint="only the last two dimensions of a tensor make tiles",
                )

    def _transposed(self, tile: _Tile, at: Location) -> _Tile:
        turned = _Frame(tile.frame.columns, tile.frame.rows)
        buffer = self._new_buffer("tmp", TEMPORARY)
        loop = self._loop if self._loop and self._uses(tile.page, self._loop) else None
        page = 0 if loop is None else self._coordinates[loop]
        turn = intrin.call("transpose", [0, tile.buffer, tile.page], _span(at))
        self._add_stage([turn], buffer, page, loop, at)
        return _Tile(buffer, page, turned)

    def _uses(self, page: Any, dim: Dim) -> bool:
        var = self._coordinates[dim]
        found: list[Any] = []

        def visit(seen: tvm.ir.Var) -> None:
            if seen.same_as(var):
                found.append(seen)

        if isinstance(page, int):
            return False
        tvm_ffi.structural_walk(page, (tvm.ir.Var, visit))
        return bool(found)

    # Reductions -------------------------------------------------------------------------------

    def _reduction(self, expr: Reduce, frame: _Frame) -> list[tirx.Stmt]:
        in_tiles = tile_dims(expr.value)
        self._declare_reduced(expr, in_tiles)
        product = self._product(expr, frame)
        step = product if product is not None else self._pooled(expr, frame)
        for dim in sorted(expr.dims, key=lambda dim: dim in in_tiles, reverse=True):
            step = self._for(dim, step, REDUCE)
            if dim in self._reduced:  # the same sum once more: no two loops share a variable
                step = self._with_own_variable(step, dim)
            self._reduced.add(dim)
        return [step]

    def _product(self, expr: Reduce, frame: _Frame) -> tirx.Stmt | None:
        """``sum(a * b)`` over an inner dimension: a matrix product, if it is one."""
        match expr:
            case Reduce(op="add", value=Binary(op="mul", a=Load(access=a), b=Load(access=b))):
                pass
            case _:
                return None
        for left, right in ((a, b), (b, a)):
            rows, inner = _pair(left, frame.rows)
            other, columns = _pair(right, frame.columns)[::-1]
            if inner is None or inner != other or inner not in expr.dims or not rows or not columns:
                continue
            return self._matmul(expr, frame, left, right, inner)
        return None

    def _matmul(
        self, expr: Reduce, frame: _Frame, left: Access, right: Access, inner: Dim
    ) -> tirx.Stmt:
        left_dims, right_dims = as_tiles(left.dims), as_tiles(right.dims)
        self._check_batch(left, left_dims, expr.at)
        self._check_batch(right, right_dims, expr.at)
        first = _Tile(left.buffer, self._page(left_dims), _Frame(*left_dims[-2:]))
        second = _Tile(right.buffer, self._page(right_dims), _Frame(*right_dims[-2:]))
        if first.frame.columns != inner:
            if len(expr.dims) > 1:
                raise LoweringError(
                    f"'{expr}' does not lower yet",
                    at=expr.at,
                    hint="transpose the first factor in a block of its own",
                )
            outer, self._loop = self._loop, inner
            first = self._transposed(first, expr.at)
            self._loop = outer
        is_transposed = int(second.frame.rows != inner)
        args = [0, first.buffer, first.page, second.buffer, second.page, is_transposed]
        return intrin.call("matmul", args, _span(expr.at))

    def _pooled(self, expr: Reduce, frame: _Frame) -> tirx.Stmt:
        """A reduction of tiles along their rows, columns or both."""
        candidates = [dim for dim in expr.dims if dim in tile_dims(expr.value)]
        rows = [frame.rows] if frame.rows.axes else []
        columns = [frame.columns] if frame.columns.axes else []
        inside = self._inside(expr, candidates, rows, columns)
        down, along = inside.rows in expr.dims, inside.columns in expr.dims
        words = {(True, True): "REDUCE_SCALAR", (True, False): "REDUCE_COL"}
        word = words.get((down, along), "REDUCE_ROW")
        self._check_padding(expr, candidates)
        innermost = candidates[-1] if candidates else None
        outer, self._loop = self._loop, innermost
        if isinstance(expr.value, Load):
            tile = self._loaded(expr.value.access, inside, expr.at)
        else:
            if len(expr.dims) > 1:
                raise LoweringError(
                    f"'{expr}' does not lower yet",
                    at=expr.at,
                    hint="reduce over one dimension, or a tensor as it is",
                )
            tile = self._temporary(expr.value, inside, expr.at)
        self._loop = outer
        one = self._constant(1.0)
        args = [0, tile.buffer, tile.page, one.buffer, one.page, _POOLS[expr.op], word]
        return intrin.call("reduce", args, _span(expr.at))

    def _inside(
        self, expr: Reduce, candidates: list[Dim], rows: list[Dim], columns: list[Dim]
    ) -> _Frame:
        """The frame of the tiles that are reduced: the result's, with the reduced dimensions."""
        frames = [_Frame(*as_tiles(access.dims)[-2:]) for access in loads(expr.value)]
        allowed = [*rows, *columns, *candidates, ONE]
        for frame in frames:
            kept_rows = frame.rows in expr.dims or frame.rows in [*rows, ONE]
            kept_columns = frame.columns in expr.dims or frame.columns in [*columns, ONE]
            is_reduced = frame.rows in expr.dims or frame.columns in expr.dims
            fits = frame.rows in allowed and frame.columns in allowed
            if kept_rows and kept_columns and is_reduced and fits:
                return frame
        raise LoweringError(
            f"'{expr}' does not lower yet",
            at=expr.at,
            hint="reductions run over the last two dimensions of a tensor, one of them or both",
        )

    def _check_padding(self, expr: Reduce, dims: list[Dim]) -> None:
        """Padding is zero in every input, so a sum over it must stay zero."""
        ragged = [dim for dim in dims if dim.extent % TILE]
        if not ragged:
            return
        if expr.op != "add" or not all(_zero_beyond(expr.value, dim) for dim in ragged):
            raise LoweringError(
                f"'{expr}' over a dimension that is no multiple of {TILE} does not lower yet",
                at=expr.at,
                hint="padding would reach the result; sums of products of tensors are safe",
            )


def _is_zero(page: Any) -> bool:
    return isinstance(page, int) and page == 0


def _in_memory(expr: Expr, frame: _Frame) -> bool:
    """Whether the value is a tile in memory in any case: as it is, or to be broadcast."""
    return isinstance(expr, Load | Const) or frame.narrowed(expr) != frame


def _pair(access: Access, wanted: Dim) -> tuple[bool, Dim | None]:
    """Whether one of the tile dimensions is ``wanted``, and the other one."""
    first, second = as_tiles(access.dims)[-2:]
    if first == wanted:
        return True, second
    if second == wanted:
        return True, first
    return False, None


def _free_dims(expr: Expr) -> set[Dim]:
    """The dimensions that the value depends on."""
    match expr:
        case Load(access=access):
            return set(access.dims)
        case Binary(a=a, b=b):
            return _free_dims(a) | _free_dims(b)
        case Reduce(dims=dims, value=value):
            return _free_dims(value) - set(dims)
        case Const():
            return set()


def _zero_beyond(expr: Expr, dim: Dim) -> bool:
    """Whether the value is zero in the padding of ``dim``: a tensor is that has the dimension."""
    match expr:
        case Load(access=access):
            return dim in access.dims
        case Const(value=value):
            return value == 0.0
        case Binary(op="mul", a=a, b=b):
            return _zero_beyond(a, dim) or _zero_beyond(b, dim)
        case Binary(op="add" | "sub" | "max", a=a, b=b):
            return _zero_beyond(a, dim) and _zero_beyond(b, dim)
        case _:
            return False


def _sequence(body: Sequence[tirx.Stmt]) -> tirx.Stmt:
    return body[0] if len(body) == 1 else tirx.SeqStmt(list(body))


def _span(at: Location) -> Any:
    return tvm.ir.Span(tvm.ir.SourceName(at.path), at.line, at.line, at.column, at.column)
