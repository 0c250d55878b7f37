"""In which order the dimensions of tensors lie on the device, where matrix products decide it.

The last two dimensions of a tensor make its tiles. A matrix product makes tiles of what it sums
over and of what each of its factors has alone; what they share is a batch. So it is known of each
tensor that a product reads, that goes with it, or that it is stored to, which two dimensions come
last: the others come first, and neither group changes its own order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from ttgen.analysis.expr import (
    Access,
    Binary,
    Expr,
    Load,
    Reduce,
    Triangle,
    Vector,
    loads,
    operands,
)
from ttgen.analysis.index import Axis

#: By a tensor's name, which of its dimensions comes where, outermost first.
Orders: TypeAlias = Mapping[str, tuple[int, ...]]
#: What leaves all of them open.
OPEN: Orders = MappingProxyType({})
#: The axes that make tiles.
_Tiled: TypeAlias = frozenset[Axis]


def plain(access: Access) -> tuple[int, ...]:
    """The order that the source has."""
    return tuple(range(len(access.indices)))


def deduced(parts: Iterable[tuple[Access, Expr]]) -> Orders:
    """The orders that the matrix products in ``parts`` (targets and values) ask for.

    Without tensors that are asked for in several orders, or just in their own.
    """
    wanted: dict[str, set[tuple[int, ...]]] = {}
    accesses: dict[str, Access] = {}
    for target, value in parts:
        for access, tiled in _demands(target, value):
            found = with_last(access, tiled)
            if found is not None:
                wanted.setdefault(access.buffer.name, set()).add(found)
                accesses[access.buffer.name] = access
    agreed = {name: orders.pop() for name, orders in wanted.items() if len(orders) == 1}
    return {name: order for name, order in agreed.items() if order != plain(accesses[name])}


def with_last(access: Access, tiled: _Tiled) -> tuple[int, ...] | None:
    """The order with the dimensions that ``tiled`` visits last, if these are two.

    Where it is one, the last dimension of extent 1 stands beside it.
    """
    last = [n for n, index in enumerate(access.indices) if tiled & set(index.terms)]
    if len(last) == 1:
        single = [n for n, extent in enumerate(access.buffer.ty.shape) if int(extent) == 1]
        last = sorted([*last, *single[-1:]])
    first = [n for n in plain(access) if n not in last]
    return (*first, *last) if len(last) == 2 else None


@dataclass
class _Level:
    """What is worked out element by element: the tensors read, and what their tiles are made of.

    ``around`` is what makes tiles of what the level is worked out for, as far as that is known.
    """

    around: _Tiled
    reads: list[Access] = field(default_factory=list)
    tiled: set[_Tiled] = field(default_factory=set)

    def demands(self) -> Iterator[tuple[Access, _Tiled]]:
        """What is asked of each tensor; nothing where products are not of one mind."""
        if len(self.tiled) == 1:
            (tiled,) = self.tiled
            yield from ((access, tiled) for access in self.reads)


def _demands(target: Access, value: Expr) -> Iterator[tuple[Access, _Tiled]]:
    level = _Level(_last_two([target]), [target])
    yield from _visit(value, level)
    yield from level.demands()


def _visit(expr: Expr, level: _Level) -> Iterator[tuple[Access, _Tiled]]:
    """Enter ``expr`` into the level that it is in; the demands of levels inside of it."""
    match expr:
        case Load(access=access):
            level.reads.append(access)
        case Reduce(value=value):
            reduced = frozenset(axis for dim in expr.dims for axis in dim.axes)
            product = _product(value, reduced, level.around) if expr.op == "add" else None
            if product is None:
                inner = [(value, _Level(level.around | reduced))]
            else:
                level.tiled.add(product.first_own | product.second_own)
                inner = product.inside()
            for part, below in inner:
                yield from _visit(part, below)
                yield from below.demands()
        case Binary() | Vector():
            for operand in operands(expr):
                yield from _visit(operand, level)


@dataclass(frozen=True)
class _Product:
    """A matrix product: its factors, what each has alone, and what is summed over."""

    first: Expr
    second: Expr
    first_own: _Tiled
    second_own: _Tiled
    summed: _Tiled

    def inside(self) -> list[tuple[Expr, _Level]]:
        """Each factor, with the level that it is."""
        factors = (self.first, self.first_own), (self.second, self.second_own)
        tiled = ((factor, own | self.summed) for factor, own in factors)
        return [(factor, _Level(axes, tiled={axes})) for factor, axes in tiled]


def _product(value: Expr, reduced: _Tiled, around: _Tiled) -> _Product | None:
    """The matrix product that the sum of ``value`` over ``reduced`` is.

    A factor may have nothing alone but a dimension of extent 1: a matrix of one row. Of what a
    factor has alone, the rest is a batch where both have something of ``around``. None where no
    part of the product makes tiles in the order that the tensors have: it is a sum of products of
    whole tiles then.
    """
    match value:
        case Binary(op="mul", a=a, b=b):
            first, second = _axes(a), _axes(b)
        case _:
            return None
    summed, own = first & second & reduced, (first - second, second - first)
    if all(axes & around for axes in own):
        own = own[0] & around, own[1] & around
    tiled = _last_two([*loads(a), *loads(b)])
    if not (summed and any(own)) or not tiled & (summed | own[0] | own[1]):
        return None
    if not all(axes or _has_single(factor) for factor, axes in ((a, own[0]), (b, own[1]))):
        return None
    return _Product(a, b, *own, summed)


def _has_single(expr: Expr) -> bool:
    """Whether a tensor that ``expr`` reads has a dimension of extent 1."""
    return any(int(extent) == 1 for access in loads(expr) for extent in access.buffer.ty.shape)


def _last_two(accesses: Iterable[Access]) -> _Tiled:
    """What the last two dimensions are visited by, in the source's order."""
    return frozenset(
        axis for access in accesses for index in access.indices[-2:] for axis in index.terms
    )


def _axes(expr: Expr) -> _Tiled:
    """The axes that the value of ``expr`` moves with."""
    match expr:
        case Load(access=access):
            return frozenset(access.axes)
        case Triangle(difference=difference):
            return frozenset(difference.terms)
        case Reduce(dims=dims, value=value):
            return _axes(value) - {axis for dim in dims for axis in dim.axes}
        case _:
            return frozenset().union(*map(_axes, operands(expr)))
