"""Expression trees over tensor accesses: what the right-hand side of a store means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias, TypeVar

import tvm
from tvm.ir import prim

from ttgen.analysis.conditions import is_below, is_difference, is_on_values, order, truth
from ttgen.analysis.index import Affine, Axis, Dim, Index, Scope, affine
from ttgen.errors import Location, LoweringError
from ttgen.vector import CALLS, EXCHANGED, NEAREST, TRUTHS, VECTOR

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

    ``view`` is how the dimensions of the computation visit it on the device, outermost first: one
    entry for each index, or several where an index runs over several dimensions. The last two make
    tiles. ``order`` says which of the buffer's dimensions comes where in it. Where columns run over
    several dimensions, as those of heads side by side, the outer ones stand before the rows:
    ``beside`` is how many.
    """

    buffer: tvm.ir.Var
    indices: tuple[Affine, ...]
    view: tuple[Index, ...] = ()
    order: tuple[int, ...] = ()
    beside: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The buffer's extents in the order that it has in the view."""
        return tuple(int(self.buffer.ty.shape[position]) for position in self.order)

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
        is_plain = self.order == tuple(range(len(self.indices))) and not self.beside
        parts = self.view if self.view and is_plain else self.indices
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
class Vector:
    """``op`` is one of the rows of :data:`VECTOR`; ``at`` is where it stands in the source."""

    op: str
    operands: tuple[Expr, ...]
    at: Location = field(default=_NOWHERE, compare=False)

    def __str__(self) -> str:
        return f"{self.op}({', '.join(map(str, self.operands))})"


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


@_hashed_once
@dataclass(frozen=True)
class Triangle:
    """1 where ``difference``, one index less another, is not negative, and 0 elsewhere.

    ``dims``: the dimension that adds to the difference and the one that takes from it, which then
    has no other terms (see :mod:`.views`). ``at`` is where the condition stands in the source.
    """

    difference: Affine
    dims: tuple[Dim, ...] = ()
    at: Location = field(default=_NOWHERE, compare=False)

    def __str__(self) -> str:
        if not self.dims:
            return f"{_index(self.difference)} >= 0"
        over, under = self.dims
        return f"{over.name} - {under.name} + {self.difference.offset} >= 0"


@dataclass(frozen=True)
class Held:
    """What lowering keeps in a tile of its own, in ``buffer``; ``dims``: its rows and columns.

    No source means this: it stands for what stages before have left there.
    """

    buffer: tvm.ir.Var
    dims: tuple[Dim, Dim]

    def __str__(self) -> str:
        return f"{self.buffer.name}[{', '.join(dim.name for dim in self.dims)}]"


#: What has no operands, but is a tile: in memory it is from the start.
Leaf: TypeAlias = "Load | Const | Mask | Triangle | Held"
Expr: TypeAlias = "Leaf | Binary | Vector | Reduce"

#: TVM's expression nodes that the FPU has an operation for, and those of the vector unit. A new
#: operation is a row, and its lowering.
_BINARY = {prim.Add: "add", prim.Sub: "sub", prim.Mul: "mul"}
_VECTOR = {prim.Max: "max", prim.Min: "min"}
_COMPARED = {
    prim.LT: "lt",
    prim.LE: "le",
    prim.GT: "gt",
    prim.GE: "ge",
    prim.EQ: "eq",
    prim.NE: "ne",
}
#: The meaning of a binary operation on numbers, for folding constants.
_FOLD: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
}
_ZERO, _ONE = Const(0.0), Const(1.0)
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def operands(expr: Expr) -> tuple[Expr, ...]:
    """What ``expr`` is made of, left to right."""
    match expr:
        case Binary(a=a, b=b):
            return a, b
        case Vector(operands=those):
            return those
        case Reduce(value=value):
            return (value,)
        case Load() | Const() | Mask() | Triangle() | Held():
            return ()


def with_operands(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """``expr`` of what ``change`` makes of its operands; nothing is computed here."""
    match expr:
        case Binary(op=op, a=a, b=b, at=at):
            return Binary(op, change(a), change(b), at)
        case Vector(op=op, operands=those, at=at):
            return Vector(op, tuple(map(change, those)), at)
        case Reduce(op=op, dims=dims, value=value, at=at):
            return Reduce(op, dims, change(value), at)
        case Load() | Const() | Mask() | Triangle() | Held():
            return expr


def loads(expr: Expr) -> Iterator[Access]:
    """Every access that ``expr`` reads, left to right, repeated ones included."""
    return (part.access for part in _parts(expr) if type(part) is Load)


def reductions(expr: Expr) -> Iterator[Reduce]:
    """Every reduction in ``expr``, outer ones first."""
    return (part for part in _parts(expr) if type(part) is Reduce)


def vectors(expr: Expr) -> Iterator[Vector]:
    """Every operation of the vector unit in ``expr``, outer ones first."""
    return (part for part in _parts(expr) if type(part) is Vector)


def triangles(expr: Expr) -> Iterator[Triangle]:
    """Every triangle in ``expr``, left to right, repeated ones included."""
    return (part for part in _parts(expr) if type(part) is Triangle)


def helds(expr: Expr) -> Iterator[Held]:
    """Every tile of lowering's own in ``expr``, left to right, repeated ones included."""
    return (part for part in _parts(expr) if type(part) is Held)


def _parts(expr: Expr) -> Iterator[Expr]:
    """``expr`` and all that it is made of: each before its operands, these left to right."""
    pending = [expr]
    while pending:
        part = pending.pop()
        yield part
        pending += reversed(operands(part))


def rebuilt(
    expr: Expr,
    value_of: Callable[[Leaf], Expr],
    dims_of: Callable[[Reduce, Expr], tuple[Dim, ...]] = lambda reduce, _: reduce.dims,
) -> Expr:
    """``expr`` with ``value_of(leaf)`` in the place of every leaf; what numbers make is folded.

    ``dims_of(reduce, value)``: the dimensions of a reduction that is of ``value`` then.
    """

    def visit(part: Expr) -> Expr:
        match part:
            case Binary(op=op, a=a, b=b, at=at):
                return binary(op, visit(a), visit(b), at)
            case Vector(op=op, operands=those, at=at):
                return vector(op, *map(visit, those), at=at)
            case Reduce(op=op, at=at):
                value = visit(part.value)
                return Reduce(op, dims_of(part, value), value, at)
            case _:
                return value_of(part)

    return visit(expr)


def replaced(expr: Expr, value_of: Callable[[Access], Expr]) -> Expr:
    """``expr`` with ``value_of(access)`` in the place of every load."""
    return rebuilt(expr, lambda leaf: value_of(leaf.access) if isinstance(leaf, Load) else leaf)


def moved(expr: Expr, values: Mapping[Axis, Affine]) -> Expr:
    """``expr`` with other indices in the place of some axes."""

    def at_values(leaf: Leaf) -> Expr:
        match leaf:
            case Load(access=access):
                indices = tuple(index.of(values) for index in access.indices)
                return Load(Access(access.buffer, indices))
            case Triangle(difference=difference, at=at):
                return not_negative(difference.of(values), at)
            case _:
                return leaf

    return rebuilt(expr, at_values)


def not_negative(value: Affine, at: Location, *, may_change: bool = True) -> Expr:
    """Whether ``value`` is not negative: a number, or a triangle where it is a difference.

    Restart asks for loops in which it is always the same, if it is none or not ``may_change``.
    """
    low, high = value.bounds
    if may_change and low < 0 <= high and is_difference(value):
        return Triangle(value, at=at)
    return Const(float(not is_below(value, 0)))


def binary(op: str, a: Expr, b: Expr, at: Location) -> Expr:
    """The operation, computed here if both operands are numbers."""
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(_FOLD[op](a.value, b.value))
    return Binary(op, a, b, at)


def vector(op: str, *operands: Expr, at: Location) -> Expr:
    """The operation, computed here if its operands are numbers; in a simpler form if it has one."""
    numbers = [one.value for one in operands if isinstance(one, Const)]
    if len(numbers) == len(operands):
        folded = VECTOR[op].folded(*numbers)
        if folded is not None:
            return Const(folded)
    simpler = _simpler(op, operands, at)
    return Vector(op, operands, at) if simpler is None else simpler


def _simpler(op: str, operands: tuple[Expr, ...], at: Location) -> Expr | None:
    """The same by an operation of fewer operands, if there is one."""
    match operands:
        case (Const(value=0.0), a) | (a, Const(value=0.0)) if op == "max":
            return Vector("relu", (a,), at)
        case (Const() as number, a) if op in EXCHANGED:
            return vector(EXCHANGED[op], a, number, at=at)
        case (a, Const(value=0.0)) if op in EXCHANGED:
            return vector(f"{op}z", a, at=at)
        case (Vector(op=inner) as a,) if op in ("gtz", "nez") and inner in TRUTHS:
            return a
        case (Const(value=chosen), a, b) if op == "where":
            return a if chosen else b
        case (Vector(op=inner) as a, Const(value=1.0), Const(value=0.0)) if op == "where":
            return a if inner in TRUTHS else None
        case _:
            return None


def quotient(a: Expr, b: Expr, at: Location) -> Expr:
    """a / b: a product with 1 / b."""
    inverse = vector("recip", b, at=at)
    return inverse if a == _ONE else binary("mul", a, inverse, at)


#: Exponents that have an operation of their own.
_POWERS = {0.5: "sqrt", -0.5: "rsqrt", -1.0: "recip"}
#: The largest exponent that becomes products.
_MOST_FACTORS = 8


def power(a: Expr, b: Expr, at: Location) -> Expr:
    """a to the power of b: roots and products where b is a number that allows for that."""
    if not isinstance(b, Const) or isinstance(a, Const):
        return vector("pow", a, b, at=at)
    exponent = b.value
    if exponent in _POWERS:
        return vector(_POWERS[exponent], a, at=at)
    if not exponent.is_integer() or abs(exponent) > _MOST_FACTORS:
        return vector("pow", a, b, at=at)
    product = _product(a, abs(int(exponent)), at)
    return vector("recip", product, at=at) if exponent < 0 else product


def _product(a: Expr, factors: int, at: Location) -> Expr:
    """``a`` multiplied ``factors`` times, by squares."""
    if factors == 0:
        return _ONE
    half = _product(a, factors // 2, at)
    square = half if half == _ONE else binary("mul", half, half, at)
    if factors % 2 == 0:
        return square
    return a if square == _ONE else binary("mul", square, a, at)


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
    only the part chosen is left; Restart asks for loops in which the choice is always the same. A
    condition on values is 1 or 0.
    """
    match value:
        case tvm.ir.TensorLoad():
            return Load(access(value.source, list(value.indices), scope, at))
        case prim.FloatImm() | prim.IntImm():
            return Const(float(value.value))
        case prim.Cast() if {str(value.ty.dtype), str(value.value.ty.dtype)} <= set(_FLOATS):
            return expression(value.value, scope, at)
        case prim.Cast() if (condition := _as_condition(value)) is not None:
            return truth_value(condition, scope, at)
        case prim.Cast():
            raise LoweringError(
                f"a cast from {value.value.ty.dtype} to {value.ty.dtype} does not lower yet",
                at=at,
                hint="casts between float types do, and those of a condition to a float type",
            )
        case prim.Div() if str(value.ty.dtype) in _FLOATS:
            a, b = (expression(operand, scope, at) for operand in (value.a, value.b))
            return quotient(a, b, at)
        case tvm.ir.Call() if (name := _function(value)) in CALLS:
            operands = (expression(operand, scope, at) for operand in value.args)
            return vector(CALLS[name].name, *operands, at=at)
        case tvm.ir.Call() if _function(value) == "pow" and str(value.ty.dtype) in _FLOATS:
            base, exponent = (expression(operand, scope, at) for operand in value.args)
            return power(base, exponent, at)
        case _ if type(value) in _BINARY and str(value.ty.dtype) in _FLOATS:
            a, b = (expression(operand, scope, at) for operand in (value.a, value.b))
            return binary(_BINARY[type(value)], a, b, at)
        case _ if type(value) in _VECTOR and str(value.ty.dtype) in _FLOATS:
            a, b = (expression(operand, scope, at) for operand in (value.a, value.b))
            return vector(_VECTOR[type(value)], a, b, at=at)
        case _ if (choice := _choice(value)) is not None:
            return _chosen(*choice, scope, at)
        case _ if str(value.ty.dtype) == "bool":
            return truth_value(value, scope, at)
        case _:
            raise _unsupported(value, at)


def _chosen(
    condition: prim.Expr, if_true: prim.Expr, if_false: prim.Expr, scope: Scope, at: Location
) -> Expr:
    """A choice; what is never chosen is not even looked at."""
    chosen = truth_value(condition, scope, at)
    if isinstance(chosen, Const):
        return expression(if_true if chosen.value else if_false, scope, at)
    if str(if_true.ty.dtype) not in (*_FLOATS, "bool"):
        raise _unsupported(if_true, at)
    a, b = expression(if_true, scope, at), expression(if_false, scope, at)
    return vector("where", chosen, a, b, at=at)


def truth_value(condition: prim.Expr, scope: Scope, at: Location) -> Expr:
    """``condition`` as a tree that is 1 or 0; a number where it depends on indices alone.

    Restart asks for loops in which what depends on indices is always the same.
    """
    match condition:
        case tvm.ir.TensorLoad():
            return expression(condition, scope, at)
        case prim.Not():
            return vector("eqz", truth_value(condition.a, scope, at), at=at)
        case prim.And():
            return _joined("min", _ZERO, condition, scope, at)
        case prim.Or():
            return _joined("max", _ONE, condition, scope, at)
        case _ if (choice := _choice(condition)) is not None:
            return _chosen(*choice, scope, at)
        case tvm.ir.Call():
            raise _unsupported(condition, at)
        case _ if (inner := _as_condition(condition)) is not None:
            return truth_value(inner, scope, at)
        case _ if type(condition) in _COMPARED and is_on_values(condition):
            a, b = (_compared(operand, scope, at) for operand in (condition.a, condition.b))
            return vector(_COMPARED[type(condition)], a, b, at=at)
        case _ if differences := order(condition, scope, at):
            hold = [not_negative(difference, at) for difference in differences]
            both = reduce(lambda a, b: _combined("min", _ZERO, a, b, at), hold)
            return vector("eqz", both, at=at) if isinstance(condition, prim.NE) else both
        case _:
            return Const(float(truth(condition, scope, at)))


def _joined(op: str, decides: Const, condition: Any, scope: Scope, at: Location) -> Expr:
    """Two conditions by ``op``; where the first one is ``decides``, it is that alone."""
    a = truth_value(condition.a, scope, at)
    if a == decides:
        return decides
    return _combined(op, decides, a, truth_value(condition.b, scope, at), at)


def _combined(op: str, decides: Const, a: Expr, b: Expr, at: Location) -> Expr:
    """Two truth values by ``op``, which is ``decides`` where one of them is."""
    if decides in (a, b):
        return decides
    if isinstance(a, Const):
        return b
    if isinstance(b, Const):
        return a
    return vector(op, a, b, at=at)


def _compared(value: prim.Expr, scope: Scope, at: Location) -> Expr:
    """An operand of a comparison: a float, or a condition, which TVM may make an integer of."""
    if (condition := _as_condition(value)) is not None:
        return truth_value(condition, scope, at)
    if str(value.ty.dtype) == "bool":
        return truth_value(value, scope, at)
    if isinstance(value, prim.IntImm) or str(value.ty.dtype) in _FLOATS:
        return expression(value, scope, at)
    raise _unsupported(value, at)


def _as_condition(value: prim.Expr) -> prim.Expr | None:
    """The condition that ``value`` is 1 or 0 for."""
    while isinstance(value, prim.Cast):
        value = value.value
        if str(value.ty.dtype) == "bool":
            return value
    return None


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
    known = ", ".join(sorted({*_BINARY.values(), *_VECTOR.values(), *CALLS, "pow"}))
    hint = f"operations that lower today: {known}, division, comparisons, choices, float casts"
    if isinstance(value, tvm.ir.Call) and (nearest := NEAREST.get(_function(value))):
        hint = f"it has no device form; the nearest that has one is {nearest}"
    elif str(value.ty.dtype) not in _FLOATS:
        hint = "integers can be moved, but the FPU does not compute with them"
    return LoweringError(f"'{_shorten(value)}' is not supported", at=at, hint=hint)


def _shorten(value: prim.Expr, limit: int = 60) -> str:
    """The value as TVMScript, without the declarations that TVM prints above it."""
    text = str(value).splitlines()[-1]
    return text if len(text) <= limit else text[: limit - 1] + "…"
