"""Expression trees over tensor accesses: what the right-hand side of a store means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import tvm
from tvm.ir import prim

from ttgen.analysis.index import Axis, Dim, Scope, affine, dimension
from ttgen.errors import Location, LoweringError


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
    """``op`` is one of the values of :data:`_BINARY`."""

    op: str
    a: Expr
    b: Expr

    def __str__(self) -> str:
        return f"{self.op}({self.a}, {self.b})"


Expr: TypeAlias = "Load | Const | Binary"

#: TVM's expression nodes that have a meaning here. A new operation is a row, and its lowering.
_BINARY = {prim.Add: "add", prim.Sub: "sub", prim.Mul: "mul"}


def loads(expr: Expr) -> Iterator[Access]:
    """Every access that ``expr`` reads, left to right, repeated ones included."""
    match expr:
        case Load(access=access):
            yield access
        case Binary(a=a, b=b):
            yield from loads(a)
            yield from loads(b)
        case Const():
            pass


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
    """``value`` as an expression tree; LoweringError names the first node that has no meaning."""
    match value:
        case tvm.ir.TensorLoad():
            return Load(access(value.source, list(value.indices), scope, at))
        case prim.FloatImm() | prim.IntImm():
            return Const(float(value.value))
        case _ if type(value) in _BINARY:
            operands = (expression(operand, scope, at) for operand in (value.a, value.b))
            return Binary(_BINARY[type(value)], *operands)
        case _:
            known = ", ".join(sorted(_BINARY.values()))
            raise LoweringError(
                f"'{_shorten(value)}' is not supported",
                at=at,
                hint=f"operations that lower today: {known}",
            )


def _shorten(value: prim.Expr, limit: int = 60) -> str:
    """The value as TVMScript, without the declarations that TVM prints above it."""
    text = str(value).splitlines()[-1]
    return text if len(text) <= limit else text[: limit - 1] + "…"
