"""Expression trees over tensor accesses: what the right-hand side of a store means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import tvm
from tvm.ir import prim

from ttgen.analysis.index import Axis, Dim, Scope, affine, dimension
from ttgen.errors import Location, LoweringError

_NOWHERE = Location("")


@dataclass(frozen=True)
class Access:
    """A buffer with the dimension that each of its indices runs over."""

    buffer: tvm.ir.Var
    dims: tuple[Dim, ...]

    def __str__(self) -> str:
        return f"{self.buffer.name}[{', '.join(dim.name for dim in self.dims)}]"


@dataclass(frozen=True)
class Load:
    """The value of a buffer at an access."""

    access: Access

    def __str__(self) -> str:
        return str(self.access)


@dataclass(frozen=True)
class Const:
    """A number."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:g}"


@dataclass(frozen=True)
class Binary:
    """``op`` is one of the values of :data:`_BINARY`; ``at`` is where it stands in the source."""

    op: str
    a: Expr
    b: Expr
    at: Location = field(default=_NOWHERE, compare=False)

    def __str__(self) -> str:
        return f"{self.op}({self.a}, {self.b})"


@dataclass(frozen=True)
class Reduce:
    """``op`` (add or max) of ``value`` over ``dims``, starting from nothing."""

    op: str
    dims: tuple[Dim, ...]
    value: Expr
    at: Location = field(default=_NOWHERE, compare=False)

    def __str__(self) -> str:
        return f"{self.op} over {', '.join(dim.name for dim in self.dims)} of {self.value}"


@dataclass(frozen=True)
class Mask:
    """``inside`` for what a dimension counts, ``outside`` in the padding of its last tile.

    No source means this: lowering puts it where padding would reach a result.
    """

    dim: Dim
    inside: float
    outside: float

    def __str__(self) -> str:
        return f"{self.inside:g} up to {self.dim.name}, then {self.outside:g}"


Expr: TypeAlias = "Load | Const | Mask | Binary | Reduce"

#: TVM's expression nodes that have a meaning here. A new operation is a row, and its lowering.
_BINARY = {prim.Add: "add", prim.Sub: "sub", prim.Mul: "mul", prim.Max: "max"}
#: The meaning of a binary operation on numbers, for folding constants.
_FOLD: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "max": max,
}
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def loads(expr: Expr) -> Iterator[Access]:
    """Every access that ``expr`` reads, left to right, repeated ones included."""
    match expr:
        case Load(access=access):
            yield access
        case Binary(a=a, b=b):
            yield from loads(a)
            yield from loads(b)
        case Reduce(value=value):
            yield from loads(value)
        case Const() | Mask():
            pass


def reductions(expr: Expr) -> Iterator[Reduce]:
    """Every reduction in ``expr``, outer ones first."""
    match expr:
        case Binary(a=a, b=b):
            yield from reductions(a)
            yield from reductions(b)
        case Reduce(value=value):
            yield expr
            yield from reductions(value)
        case Load() | Const() | Mask():
            pass


def replaced(expr: Expr, values: Mapping[tvm.ir.Var, Callable[[Access], Expr]]) -> Expr:
    """``expr`` with the loads of some buffers replaced by expressions."""
    match expr:
        case Load(access=access) if access.buffer in values:
            return values[access.buffer](access)
        case Binary(op=op, a=a, b=b, at=at):
            return binary(op, replaced(a, values), replaced(b, values), at)
        case Reduce(op=op, dims=dims, value=value, at=at):
            return Reduce(op, dims, replaced(value, values), at)
        case _:
            return expr


def renamed(expr: Expr, dims: Mapping[Dim, Dim]) -> Expr:
    """``expr`` over other dimensions."""
    match expr:
        case Load(access=access):
            return Load(Access(access.buffer, tuple(dims.get(d, d) for d in access.dims)))
        case Binary(op=op, a=a, b=b, at=at):
            return Binary(op, renamed(a, dims), renamed(b, dims), at)
        case Reduce(op=op, dims=own, value=value, at=at):
            return Reduce(op, own, renamed(value, dims), at)
        case Const() | Mask():
            return expr


def binary(op: str, a: Expr, b: Expr, at: Location) -> Expr:
    """The operation, computed here if both operands are numbers."""
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(_FOLD[op](a.value, b.value))
    return Binary(op, a, b, at)


def access(buffer: tvm.ir.Var, indices: list[prim.Expr], scope: Scope, at: Location) -> Access:
    """The access ``buffer[indices]``; LoweringError where it does not cover the whole buffer."""
    dims = []
    for position, (index, extent) in enumerate(zip(indices, buffer.ty.shape, strict=True)):
        size = static_extent(extent, buffer, at)
        dim = dimension(affine(index, scope, at), size)
        if dim is None:
            raise LoweringError(
                f"index {position} of {buffer.name}, '{index}', does not visit its {size} elements "
                "once each, in order",
                at=at,
                hint="slices, strides and offsets are not supported yet",
            )
        dims.append(dim)
    _check_independent(buffer, dims, at)
    return Access(buffer, tuple(dims))


def _check_independent(buffer: tvm.ir.Var, dims: list[Dim], at: Location) -> None:
    """Two indices that move together visit a diagonal, each of them completely."""
    seen: set[Axis] = set()
    for axis in (axis for dim in dims for axis in dim.axes):
        if axis in seen:
            raise LoweringError(
                f"loop {axis.name} runs over two dimensions of {buffer.name}: that is a diagonal, "
                "not all of its elements",
                at=at,
                hint="every index needs loops of its own",
            )
        seen.add(axis)


def static_extent(extent: prim.Expr, buffer: tvm.ir.Var, at: Location) -> int:
    """A buffer's extent as an integer; LoweringError where it is symbolic."""
    if isinstance(extent, prim.IntImm | int):
        return int(extent)
    raise LoweringError(
        f"{buffer.name} has the symbolic extent '{extent}'",
        at=at,
        hint="give it a value: `parameters:` in the spec, or --set on the command line",
    )


def expression(value: prim.Expr, scope: Scope, at: Location) -> Expr:
    """``value`` as an expression tree; LoweringError names the first node that has no meaning.

    Casts between float types vanish: tiles have the formats of the tensors and buffers that they
    pass through, and the golden values are computed in float32 throughout.
    """
    match value:
        case tvm.ir.TensorLoad():
            return Load(access(value.source, list(value.indices), scope, at))
        case prim.FloatImm() | prim.IntImm():
            return Const(float(value.value))
        case prim.Cast() if {str(value.ty.dtype), str(value.value.ty.dtype)} <= set(_FLOATS):
            return expression(value.value, scope, at)
        case prim.Div() if isinstance(value.b, prim.FloatImm) and float(value.b.value) != 0:
            factor = Const(1.0 / float(value.b.value))
            return binary("mul", expression(value.a, scope, at), factor, at)
        case _ if type(value) in _BINARY and str(value.ty.dtype) in _FLOATS:
            a, b = (expression(operand, scope, at) for operand in (value.a, value.b))
            return binary(_BINARY[type(value)], a, b, at)
        case _:
            known = ", ".join(sorted(_BINARY.values()))
            hint = f"operations that lower today: {known}, division by a number, float casts"
            if str(value.ty.dtype) not in _FLOATS:
                hint = "integers can be moved, but the FPU does not compute with them"
            raise LoweringError(f"'{_shorten(value)}' is not supported", at=at, hint=hint)


def _shorten(value: prim.Expr, limit: int = 60) -> str:
    """The value as TVMScript, without the declarations that TVM prints above it."""
    text = str(value).splitlines()[-1]
    return text if len(text) <= limit else text[: limit - 1] + "…"
