"""TIRX tile primitives as loops and stores, and their grid as loops around them.

TVM has these for chips with a dispatcher for each primitive. Here a primitive is what its
documentation says that it computes, written out, so that passes and golden values start from the
same plain function. Spans stay those of the primitives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import TensorRegion, Var, prim
from tvm.tirx import PrimFunc

from ttgen.errors import Location, LoweringError
from ttgen.frontend.places import location

_GRID = 1  # of the enum ScopeBinding: ids of blocks in the kernel, ``T.cta_id``
_SCOPE_CALLS = {
    0: "T.cluster_id",
    2: "T.cta_id_in_cluster",
    3: "T.warpgroup_id",
    4: "T.warp_id",
    5: "T.warp_id_in_wg",
    6: "T.lane_id",
    7: "T.thread_id",
    8: "T.thread_id_in_wg",
    9: "T.cta_id_in_pair",
}
#: A block has no threads here, so that one of them does what all of them do.
_SCOPES = ("thread", "cta")
_ENTRY = "tirx.device_entry"


def has_tile_primitives(func: PrimFunc) -> bool:
    """Whether there is anything for :func:`expanded` to do."""
    found: list[Any] = []
    kinds = (tirx.TilePrimitiveCall, tirx.ScopeIdDefStmt, tirx.AttrStmt)
    tvm_ffi.structural_walk(func.body, [(kind, found.append) for kind in kinds])
    return any(not isinstance(node, tirx.AttrStmt) or node.attr_key == _ENTRY for node in found)


def expanded(func: PrimFunc, at: Location) -> tuple[PrimFunc, tuple[tuple[Var, int], ...]]:
    """``func`` without tile primitives and grid, and the grid: its variables and extents.

    The grid's loops stand around all that the device does, the first id innermost: as TVM
    numbers blocks, that one moves fastest. LoweringError at what has no meaning here.
    """
    grid = _Grid(at)
    problems: list[LoweringError] = []

    def told(rewrite: Callable[[Any], tirx.Stmt]) -> Callable[[Any], tirx.Stmt]:
        """Keep what is refused: on its way through TVM an exception loses its type."""

        def rewritten(node: tirx.Stmt) -> tirx.Stmt:
            try:
                return rewrite(node)
            except LoweringError as problem:
                problems.append(problem)
                return node

        return rewritten

    def entry(node: tirx.AttrStmt) -> tirx.Stmt:
        return grid.around(node.body) if node.attr_key == _ENTRY else node

    body = tvm_ffi.structural_map(
        func.body,
        [
            (tirx.TilePrimitiveCall, told(lambda call: _expansion(call, at))),
            (tirx.ScopeIdDefStmt, told(grid.define)),
            (tirx.AttrStmt, entry),
        ],
        order="post",
    )
    if problems:
        raise problems[0]
    if grid.ids and not grid.is_placed:
        body = grid.around(body)
    return func.with_body(body), tuple(grid.ids)


class _Grid:
    """The ids of blocks, once they are defined."""

    def __init__(self, at: Location) -> None:
        self._at = at
        self.ids: list[tuple[Var, int]] = []
        self.is_placed = False

    def define(self, node: tirx.ScopeIdDefStmt) -> tirx.Stmt:
        """Note the ids; nothing is left in the place of their definition."""
        at, definition = location(node.span, self._at), getattr(node, "def")
        if definition.scope != _GRID:
            name = _SCOPE_CALLS.get(definition.scope, "this scope")
            raise LoweringError(
                f"{name} is not supported: a core does the work of a block alone",
                at=at,
                hint="known: T.cta_id([...]), the grid of blocks",
            )
        if self.ids:
            raise LoweringError(
                "the grid is defined twice, so that both move in step",
                at=at,
                hint="define it once: bx, by = T.cta_id([columns, rows])",
            )
        if definition.extents is None or definition.preferred_extents is not None:
            raise LoweringError("T.cta_id needs extents, and only them", at=at)
        for var, extent in zip(definition.def_ids, definition.extents, strict=True):
            self.ids.append((var, _number(extent, "an extent of the grid", at)))
        return tirx.Evaluate(prim.IntImm("int32", 0))

    def around(self, body: tirx.Stmt) -> tirx.Stmt:
        """``body`` in the loops of the grid, without what is left of its definition."""
        self.is_placed = True
        body = _without_nothing(body)
        for var, extent in self.ids:
            body = _loop(var, extent, body, None)
        return body


def _without_nothing(body: tirx.Stmt) -> tirx.Stmt:
    def kept(node: tirx.SeqStmt) -> tirx.Stmt:
        rest = [part for part in node.seq if not _is_nothing(part)] or [node.seq[0]]
        return tirx.SeqStmt(rest, node.span) if len(rest) > 1 else rest[0]

    return tvm_ffi.structural_map(body, [(tirx.SeqStmt, kept)], order="post")


def _is_nothing(node: tirx.Stmt) -> bool:
    return isinstance(node, tirx.Evaluate) and isinstance(node.value, prim.IntImm)


# Primitives -----------------------------------------------------------------------------------


class _Call:
    """A primitive's arguments, and how to refuse them."""

    def __init__(self, call: tirx.TilePrimitiveCall, at: Location) -> None:
        self.name = str(call.op.name).removeprefix("tirx.tile.")
        self.args, self.span = list(call.args), call.span
        self.at = location(call.span, at)

    def refuse(self, problem: str, hint: str | None = None) -> LoweringError:
        return LoweringError(f"Tx.{self.name}: {problem}", at=self.at, hint=hint)


def _expansion(call: tirx.TilePrimitiveCall, at: Location) -> tirx.Stmt:
    this = _Call(call, at)
    if this.name not in _PRIMITIVES:
        known = ", ".join(f"Tx.{name}" for name in _PRIMITIVES)
        raise LoweringError(f"Tx.{this.name} does not lower", at=this.at, hint=f"known: {known}")
    if call.scope.name not in _SCOPES:
        raise this.refuse(
            f"the scope {call.scope.name} is not supported", f"known: {', '.join(_SCOPES)}"
        )
    asked = [*call.config, *(["workspace"] if call.workspace else [])]
    asked += ["dispatch"] if call.dispatch is not None else []
    if asked:
        raise this.refuse(f"{', '.join(map(str, asked))} has no meaning here", "leave it out")
    return _PRIMITIVES[this.name](this)


def _elementwise(value: Callable[[list[prim.Expr], str], prim.Expr]) -> Any:
    """A primitive whose elements are ``value(operands, type of the result)``."""

    def expand(call: _Call) -> tirx.Stmt:
        target, *operands = call.args
        extents = [extent for extent in _extents(call, target) if extent != 1]
        for operand in operands:
            if not isinstance(operand, TensorRegion):
                continue
            own = [extent for extent in _extents(call, operand) if extent != 1]
            if own != extents:
                raise call.refuse(f"a region of {own} does not fit one of {extents}")
            if operand.source.same_as(target.source) and not _is_same(operand, target):
                raise call.refuse(f"'{target.source.name}' is read and written, at other elements")
        loops = _variables(extents)
        elements = [_element(call, operand, loops) for operand in operands]
        dtype = _dtype(target)
        stored = _cast(value(elements, dtype), dtype)
        return _nest(loops, extents, _store(call, target, loops, stored), call.span)

    return expand


def _copied(call: _Call) -> tirx.Stmt:
    target, source = call.args
    if _dtype(target) != _dtype(source):
        raise call.refuse(
            f"{_dtype(source)} into {_dtype(target)}", "Tx.cast changes the type of elements"
        )
    stmt: tirx.Stmt = _elementwise(lambda operands, _: operands[0])(call)
    return stmt


def _gemm(call: _Call) -> tirx.Stmt:
    """D = alpha * A @ B + beta * C, in the type of D."""
    target, a, b, c, *flags = call.args
    turned = [bool(_number(flag, "transpose", call.at)) for flag in flags[:2]]
    alpha, beta = (_factor(call, factor) for factor in flags[2:])
    (m, k), (k_b, n) = (
        _matrix(call, region)[:: -1 if is_turned else 1]
        for region, is_turned in zip((a, b), turned, strict=True)
    )
    shapes = {"D": _matrix(call, target), "C": _matrix(call, c)}
    if k != k_b or any(shape != (m, n) for shape in shapes.values()):
        text = ", ".join(f"{name} is {rows}x{cols}" for name, (rows, cols) in shapes.items())
        raise call.refuse(f"A is {m}x{k}, B {k_b}x{n} after transposing, {text}")
    for factor in (a, b):
        if factor.source.same_as(target.source):
            raise call.refuse(f"'{target.source.name}' is a factor and the product")
    product = _Product(a, b, turned, (m, n, k))
    start = _gemm_start(call, target, c, beta)
    if alpha == 1.0:
        return _sequence([*start, product.added_to(call, target)], call)
    return _sequence([*start, *_scaled(call, target, product, alpha)], call)


@dataclass(frozen=True)
class _Product:
    """``A @ B``, either one transposed, of ``extents`` m, n and k."""

    a: Any
    b: Any
    turned: Sequence[bool]
    extents: tuple[int, int, int]

    def added_to(self, call: _Call, target: Any) -> tirx.Stmt:
        """``target += A @ B`` in the type of ``target``; factors are multiplied in the widest."""
        i, j, inner = loops = _variables(self.extents)
        left = _matrix_element(self.a, [i, inner][:: -1 if self.turned[0] else 1])
        right = _matrix_element(self.b, [inner, j][:: -1 if self.turned[1] else 1])
        wide = _widest([_dtype(target), _dtype(self.a), _dtype(self.b)])
        product = prim.Mul(_cast(left, wide), _cast(right, wide), call.span)
        added = _cast(product, _dtype(target))
        total = prim.Add(_matrix_element(target, [i, j]), added, call.span)
        update = _matrix_store(call, target, [i, j], total)
        return _nest(loops, self.extents, update, call.span)


def _scaled(call: _Call, target: Any, product: _Product, alpha: float) -> Iterator[tirx.Stmt]:
    """``target += alpha * A @ B``: the product is complete before it is multiplied."""
    extents, dtype = product.extents[:2], _dtype(target)
    scratch = tirx.decl_buffer(extents, dtype, "product")
    whole = scratch[0 : extents[0], 0 : extents[1]]
    yield tirx.AllocBuffer(scratch)
    yield from _gemm_start(call, whole, whole, 0.0)
    yield product.added_to(call, whole)
    loops = _variables(extents)
    scaled = prim.Mul(_matrix_element(whole, loops), prim.FloatImm(dtype, alpha), call.span)
    total = prim.Add(_matrix_element(target, loops), scaled, call.span)
    yield _nest(loops, extents, _matrix_store(call, target, loops, total), call.span)


def _sequence(statements: list[tirx.Stmt], call: _Call) -> tirx.Stmt:
    return statements[0] if len(statements) == 1 else tirx.SeqStmt(statements, call.span)


def _gemm_start(call: _Call, target: Any, c: Any, beta: float) -> Iterator[tirx.Stmt]:
    """What D holds before products are added: ``beta * C``; nothing where that is D itself."""
    dtype, extents = _dtype(target), list(_matrix(call, target))
    if beta != 0.0 and c.source.same_as(target.source) and not _is_same(c, target):
        raise call.refuse(f"'{target.source.name}' is C and D, at other elements")
    if beta == 1.0 and _is_same(c, target):
        return
    loops = _variables(extents)
    value: prim.Expr = prim.FloatImm(dtype, 0.0)
    if beta != 0.0:
        value = _cast(_matrix_element(c, loops), dtype)
    if beta not in (0.0, 1.0):
        value = prim.Mul(value, prim.FloatImm(dtype, beta), call.span)
    yield _nest(loops, extents, _matrix_store(call, target, loops, value), call.span)


def _binary(operation: Any) -> Any:
    return _elementwise(lambda ab, dtype: operation(_cast(ab[0], dtype), _cast(ab[1], dtype)))


_PRIMITIVES: dict[str, Callable[[_Call], tirx.Stmt]] = {
    "add": _binary(prim.Add),
    "cast": _elementwise(lambda operands, _: operands[0]),
    "copy": _copied,
    "fill": _elementwise(lambda operands, _: operands[0]),
    "gemm": _gemm,
    "mul": _binary(prim.Mul),
    "sub": _binary(prim.Sub),
    "zero": _elementwise(lambda _, dtype: _zero(dtype)),
}


# Regions --------------------------------------------------------------------------------------


def _extents(call: _Call, region: Any) -> list[int]:
    return [_number(r.extent, f"an extent of {region}", call.at) for r in region.region]


def _matrix(call: _Call, region: Any) -> tuple[int, int]:
    """Rows and columns of a region, whose other dimensions are single elements."""
    *others, rows, columns = [1, *_extents(call, region)]
    if len(region.region) < 2 or any(extent != 1 for extent in others):
        raise call.refuse(f"{region} is no matrix", "the last two dimensions are rows and columns")
    return rows, columns


def _element(call: _Call, operand: Any, loops: Sequence[Var]) -> prim.Expr:
    """An element of a region, where ``loops`` run over its extents above 1; or a number."""
    if not isinstance(operand, TensorRegion):
        return operand
    return tirx.BufferLoad(operand.source, _indices(call, operand, loops))


def _store(call: _Call, region: Any, loops: Sequence[Var], value: prim.Expr) -> tirx.Stmt:
    return tirx.BufferStore(region.source, value, _indices(call, region, loops), call.span)


def _indices(call: _Call, region: Any, loops: Sequence[Var]) -> list[prim.Expr]:
    remaining = iter(loops)
    return [
        _plus(dim.min, next(remaining) if extent != 1 else None)
        for dim, extent in zip(region.region, _extents(call, region), strict=True)
    ]


def _matrix_element(region: Any, index: Sequence[prim.Expr]) -> prim.Expr:
    return tirx.BufferLoad(region.source, _matrix_index(region, index))


def _matrix_store(
    call: _Call, region: Any, index: Sequence[prim.Expr], value: prim.Expr
) -> tirx.Stmt:
    return tirx.BufferStore(region.source, value, _matrix_index(region, index), call.span)


def _matrix_index(region: Any, index: Sequence[prim.Expr]) -> list[prim.Expr]:
    starts = [dim.min for dim in region.region]
    return [*starts[:-2], _plus(starts[-2], index[0]), _plus(starts[-1], index[1])]


def _plus(start: prim.Expr, loop: prim.Expr | None) -> prim.Expr:
    if loop is None:
        return start
    is_zero = isinstance(start, prim.IntImm) and int(start.value) == 0
    return loop if is_zero else start + loop


def _is_same(a: Any, b: Any) -> bool:
    equal = tvm_ffi.structural_equal
    return a.source.same_as(b.source) and all(
        equal(x.min, y.min) and equal(x.extent, y.extent)
        for x, y in zip(a.region, b.region, strict=True)
    )


# Small things ---------------------------------------------------------------------------------


def _variables(extents: Sequence[int]) -> list[Var]:
    names = _names()
    return [tirx.Var(next(names), "int32") for _ in extents]


def _names() -> Iterator[str]:
    yield from "ijk"
    number = 3
    while True:
        yield f"i{number}"
        number += 1


def _nest(loops: Sequence[Var], extents: Sequence[int], body: tirx.Stmt, span: Any) -> tirx.Stmt:
    for var, extent in reversed(list(zip(loops, extents, strict=True))):
        body = _loop(var, extent, body, span)
    return body


def _loop(var: Var, extent: int, body: tirx.Stmt, span: Any) -> tirx.For:
    zero, trips = (prim.IntImm(str(var.ty), value) for value in (0, extent))
    return tirx.For(var, zero, trips, tirx.ForKind.SERIAL, body, span=span)


def _dtype(region: Any) -> str:
    return str(region.source.ty.dtype)


def _cast(value: prim.Expr, dtype: str) -> prim.Expr:
    """``value`` in the type ``dtype``; numbers are made anew."""
    if str(value.ty.dtype) == dtype:
        return value
    if isinstance(value, prim.FloatImm | prim.IntImm) and "float" in dtype:
        return prim.FloatImm(dtype, float(value.value))
    return prim.Cast(dtype, value)


def _zero(dtype: str) -> prim.Expr:
    return prim.FloatImm(dtype, 0.0) if "float" in dtype else prim.IntImm(dtype, 0)


def _widest(dtypes: Sequence[str]) -> str:
    return "float32" if "float32" in dtypes else dtypes[0]


def _number(value: Any, what: str, at: Location) -> int:
    if isinstance(value, int):
        return value
    known = tvm.sym.Analyzer().simplify(value)
    if isinstance(known, prim.IntImm):
        return int(known.value)
    raise LoweringError(f"{what}, '{value}', must be a number when the kernel is lowered", at=at)


def _factor(call: _Call, value: Any) -> float:
    if isinstance(value, prim.FloatImm | prim.IntImm):
        return float(value.value)
    if isinstance(value, int | float):
        return float(value)
    raise call.refuse(f"the factor '{value}' is no number", "alpha and beta are numbers")
