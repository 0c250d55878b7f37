"""Expression trees over tensor accesses: what the right-hand side of a store means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import tvm
from tvm.ir import prim

from ttgen.analysis.conditions import is_on_values, truth
from ttgen.analysis.index import Affine, Axis, Dim, Index, Scope, affine
from ttgen.errors import Location, LoweringError
from ttgen.vector import CALLS, NEAREST, UNARY

_NOWHERE = Location("")
_T = TypeVar("_T")


def _hashed_once(made: type[_T]) -> type[_T]:
    """A frozen dataclass that keeps its hash: trees are looked up in sets at every turn."""
    hash_of = made.__hash__

    def __hash__(self: _T) -> int:
        kept = self.__dict__
        if "_hash" not in kept:
            kept["_hash"] = hash_of(self)
        return int(kept["_hash"])

    made.__hash__ = __hash__  # type: ignore[assignment]
    return made


@_hashed_once
@dataclass(frozen=True)
class Access:
    """A buffer at ``indices``.

    ``view`` is how the dimensions of the computation visit it, outermost first: one entry for each
    index, or several where an index runs over several dimensions. The last two make tiles.
    """

    buffer: tvm.ir.Var
    indices: tuple[Affine, ...]
    view: tuple[Index, ...] = ()

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The dimensions of ``view``."""
        return tuple(index.dim for index in self.view)

    @property
    def axes(self) -> set[Axis]:
        """The loops that it moves with."""
        return {axis for index in self.indices for axis in index.terms}

    def index_over(self, dim: Dim) -> Index | None:
        """Where ``dim`` stands in the view."""
        return next((index for index in self.view if index.dim == dim), None)

    def __str__(self) -> str:
        parts = self.view or self.indices
        return f"{self.buffer.name}[{', '.join(_index(part) for part in parts)}]"


def _index(part: Index | Affine) -> str:
    if isinstance(part, Index):
        return "one" if part == Index(Dim(()), 1) else str(part)
    parts = [(c, a.name if abs(c) == 1 else f"{abs(c)} * {a.name}") for a, c in part.terms.items()]
    parts += [(part.offset, str(abs(part.offset)))] if part.offset or not parts else []
    (sign, text), *rest = sorted(parts, key=lambda signed: signed[0] < 0)
    first = text if sign >= 0 else f"-{text}"
    return first + "".join(f" {'-' if sign < 0 else '+'} {text}" for sign, text in rest)


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


@_hashed_once
@dataclass(frozen=True)
class Binary:
    """``op`` is one of the values of :data:`_BINARY`; ``at`` is where it stands in the source."""

    op: str
    a: Expr
    b: Expr
    at: Location = field(default=_NOWHERE, compare=False)

    def __str__(self) -> str:
        return f"{self.op}({self.a}, {self.b})"


@_hashed_once
@dataclass(frozen=True)
class Unary:
    """``op`` is one of the rows of :data:`UNARY`; ``at`` is where it stands in the source."""

    op: str
    a: Expr
    at: Location = field(default=_NOWHERE, compare=False)

    def __str__(self) -> str:
        return f"{self.op}({self.a})"


@_hashed_once
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


Expr: TypeAlias = "Load | Const | Mask | Binary | Unary | Reduce"

#: TVM's expression nodes that have a meaning here. A new operation is a row, and its lowering.
_BINARY = {prim.Add: "add", prim.Sub: "sub", prim.Mul: "mul", prim.Max: "max"}
#: The meaning of a binary operation on numbers, for folding constants.
_FOLD: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "max": max,
}
_ZERO = Const(0.0)
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def operands(expr: Expr) -> tuple[Expr, ...]:
    """What ``expr`` is made of, left to right."""
    match expr:
        case Binary(a=a, b=b):
            return a, b
        case Unary(a=a):
            return (a,)
        case Reduce(value=value):
            return (value,)
        case Load() | Const() | Mask():
            return ()


def loads(expr: Expr) -> Iterator[Access]:
    """Every access that ``expr`` reads, left to right, repeated ones included."""
    if isinstance(expr, Load):
        yield expr.access
    for operand in operands(expr):
        yield from loads(operand)


def reductions(expr: Expr) -> Iterator[Reduce]:
    """Every reduction in ``expr``, outer ones first."""
    if isinstance(expr, Reduce):
        yield expr
    for operand in operands(expr):
        yield from reductions(operand)


def replaced(expr: Expr, value_of: Callable[[Access], Expr]) -> Expr:
    """``expr`` with ``value_of(access)`` in the place of every load."""
    match expr:
        case Load(access=access):
            return value_of(access)
        case Binary(op=op, a=a, b=b, at=at):
            return binary(op, replaced(a, value_of), replaced(b, value_of), at)
        case Unary(op=op, a=a, at=at):
            return unary(op, replaced(a, value_of), at)
        case Reduce(op=op, dims=dims, value=value, at=at):
            return Reduce(op, dims, replaced(value, value_of), at)
        case Const() | Mask():
            return expr


def moved(expr: Expr, values: Mapping[Axis, Affine]) -> Expr:
    """``expr`` with other indices in the place of some axes."""

    def load(access: Access) -> Expr:
        return Load(Access(access.buffer, tuple(index.of(values) for index in access.indices)))

    return replaced(expr, load)


def binary(op: str, a: Expr, b: Expr, at: Location) -> Expr:
    """The operation, computed here if both operands are numbers; the larger of a and 0 is relu."""
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(_FOLD[op](a.value, b.value))
    if op == "max" and _ZERO in (a, b):
        return Unary("relu", a if b == _ZERO else b, at)
    return Binary(op, a, b, at)


def unary(op: str, a: Expr, at: Location) -> Expr:
    """The operation, computed here if its operand is a number."""
    folded = UNARY[op].folded(a.value) if isinstance(a, Const) else None
    return Unary(op, a, at) if folded is None else Const(folded)


def quotient(a: Expr, b: Expr, at: Location) -> Expr:
    """a / b: a product with 1 / b."""
    inverse = unary("recip", b, at)
    return inverse if a == Const(1.0) else binary("mul", a, inverse, at)


def access(buffer: tvm.ir.Var, indices: list[prim.Expr], scope: Scope, at: Location) -> Access:
    """The access ``buffer[indices]``; LoweringError where an index leaves the buffer."""
    found = tuple(affine(index, scope, at) for index in indices)
    for position, (index, extent) in enumerate(zip(found, buffer.ty.shape, strict=True)):
        size = static_extent(extent, buffer, at)
        low, high = index.bounds
        if low < 0 or high >= size:
            raise LoweringError(
                f"index {position} of {buffer.name}, '{indices[position]}', runs from {low} to "
                f"{high}, outside of its {size} elements",
                at=at,
            )
    return Access(buffer, found)


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
    pass through, and the golden values are computed in float32 throughout. Of a choice by indices
    only the part chosen is left; Restart asks for loops in which the choice is always the same.
    """
    match value:
        case tvm.ir.TensorLoad():
            return Load(access(value.source, list(value.indices), scope, at))
        case prim.FloatImm() | prim.IntImm():
            return Const(float(value.value))
        case prim.Cast() if {str(value.ty.dtype), str(value.value.ty.dtype)} <= set(_FLOATS):
            return expression(value.value, scope, at)
        case prim.Cast():
            raise LoweringError(
                f"a cast from {value.value.ty.dtype} to {value.ty.dtype} does not lower yet",
                at=at,
                hint="casts between float types do",
            )
        case prim.Div() if str(value.ty.dtype) in _FLOATS:
            a, b = (expression(operand, scope, at) for operand in (value.a, value.b))
            return quotient(a, b, at)
        case tvm.ir.Call() if (name := _function(value)) in CALLS:
            return unary(CALLS[name].name, expression(value.args[0], scope, at), at)
        case _ if type(value) in _BINARY and str(value.ty.dtype) in _FLOATS:
            a, b = (expression(operand, scope, at) for operand in (value.a, value.b))
            return binary(_BINARY[type(value)], a, b, at)
        case _ if (choice := _choice(value)) is not None:
            condition, if_true, if_false = choice
            chosen = if_true if truth(condition, scope, at) else if_false
            return expression(chosen, scope, at)
        case _:
            raise _unsupported(value, at)


def _choice(value: prim.Expr) -> tuple[prim.Expr, prim.Expr, prim.Expr] | None:
    """Condition, value and other value of a choice between two values."""
    match value:
        case prim.Select():
            return value.condition, value.true_value, value.false_value
        case tvm.ir.Call() if str(value.op.name).endswith(".if_then_else"):
            condition, if_true, if_false = value.args
            return condition, if_true, if_false
        case _:
            return None


def _function(call: tvm.ir.Call) -> str:
    """The name of what is called, without that of the dialect which it is from."""
    return str(getattr(call.op, "name", call.op)).rpartition(".")[2]


def _unsupported(value: prim.Expr, at: Location) -> LoweringError:
    if is_on_values(value):
        return LoweringError(
            f"'{_shorten(value)}' compares values, which does not lower yet",
            at=at,
            hint="it needs the vector unit (SFPU); conditions on indices do lower",
        )
    known = ", ".join(sorted({*_BINARY.values(), *CALLS}))
    hint = f"operations that lower today: {known}, division, float casts"
    if isinstance(value, tvm.ir.Call) and (nearest := NEAREST.get(_function(value))):
        hint = f"it has no device form; the nearest that has one is {nearest}"
    if str(value.ty.dtype) not in _FLOATS:
        hint = "integers can be moved, but the FPU does not compute with them"
    return LoweringError(f"'{_shorten(value)}' is not supported", at=at, hint=hint)


def _shorten(value: prim.Expr, limit: int = 60) -> str:
    """The value as TVMScript, without the declarations that TVM prints above it."""
    text = str(value).splitlines()[-1]
    return text if len(text) <= limit else text[: limit - 1] + "…"
