"""Axes of iteration and affine index arithmetic over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import tvm
from tvm.ir import prim

from ttgen.errors import Location, LoweringError


@dataclass(frozen=True)
class Axis:
    """One loop: ``extent`` iterations from 0. ``serial`` tells apart loops of the same name."""

    name: str
    extent: int
    serial: int

    def __hash__(self) -> int:
        return self.serial


@dataclass(frozen=True)
class Dim:
    """One logical dimension: a loop, or several that an author split it into, outermost first.

    ``A[by * 32 + ii]`` with ``ii`` below 32 runs over the dimension ``(by, ii)``. Two accesses
    that use the same dimension move together, whatever the buffers and loops are called.
    """

    axes: tuple[Axis, ...]

    @property
    def extent(self) -> int:
        """Elements."""
        return prod(axis.extent for axis in self.axes)

    @property
    def name(self) -> str:
        """The outermost loop's name; ``one`` for a dimension of extent 1."""
        return self.axes[0].name if self.axes else "one"


@dataclass(frozen=True)
class Index:
    """An index as a dimension visits it: ``start + step * n`` for the ``n``-th of ``dim``.

    ``extent`` is that of the tensor's own dimension: the elements that there are.
    """

    dim: Dim
    extent: int
    start: int = 0
    step: int = 1

    @property
    def reaches_end(self) -> bool:
        """Whether the last element visited is the tensor's last one."""
        return self.start + self.step * (self.dim.extent - 1) == self.extent - 1

    def __str__(self) -> str:
        step = "" if self.step == 1 else f"{self.step} * "
        start = f" + {self.start}" if self.start else ""
        return f"{step}{self.dim.name}{start}" if self.dim.axes else str(self.start)


@dataclass(frozen=True)
class Affine:
    """``sum(coefficient * axis) + offset``; axes of extent 1 and zero coefficients are left out."""

    terms: Mapping[Axis, int]
    offset: int

    def __hash__(self) -> int:
        return hash((frozenset(self.terms.items()), self.offset))

    def __add__(self, other: Affine) -> Affine:
        terms = dict(self.terms)
        for axis, coefficient in other.terms.items():
            terms[axis] = terms.get(axis, 0) + coefficient
        return Affine({a: c for a, c in terms.items() if c}, self.offset + other.offset)

    def __sub__(self, other: Affine) -> Affine:
        return self + other.scaled(-1)

    def scaled(self, factor: int) -> Affine:
        """This times ``factor``."""
        if factor == 0:
            return Affine({}, 0)
        return Affine({a: c * factor for a, c in self.terms.items()}, self.offset * factor)

    def of(self, values: Mapping[Axis, Affine]) -> Affine:
        """This with values in the place of some axes."""
        result = Affine({a: c for a, c in self.terms.items() if a not in values}, self.offset)
        for axis, coefficient in self.terms.items():
            if axis in values:
                result += values[axis].scaled(coefficient)
        return result

    @property
    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest value."""
        reach = [c * (axis.extent - 1) for axis, c in self.terms.items()]
        low = sum(value for value in reach if value < 0)
        return self.offset + low, self.offset + sum(reach) - low


class Restart(Exception):
    """The analysis begins again, with ``axis`` in two: as outer and inner loop of ``inner``
    iterations, or, where ``at`` is given, before and from that iteration.
    """

    def __init__(self, axis: Axis, *, inner: int = 0, at: int = 0) -> None:
        super().__init__(axis.name)
        self.axis, self.inner, self.at = axis, inner, at


#: What each variable in scope stands for.
Scope = Mapping[tvm.ir.Var, Affine]


def affine(index: prim.Expr, scope: Scope, at: Location) -> Affine:
    """``index`` as an affine expression of axes; LoweringError where it is not one.

    Quotients and remainders are affine where they are those of a loop's outer and inner part;
    Restart asks for a loop to be taken apart for that.
    """
    match index:
        case prim.IntImm():
            return Affine({}, int(index.value))
        case tvm.ir.Var() if index in scope:
            return scope[index]
        case prim.Add():
            return affine(index.a, scope, at) + affine(index.b, scope, at)
        case prim.Sub():
            return affine(index.a, scope, at) - affine(index.b, scope, at)
        case prim.Mul():
            a, b = affine(index.a, scope, at), affine(index.b, scope, at)
            if not a.terms:
                return b.scaled(a.offset)
            if not b.terms:
                return a.scaled(b.offset)
        case prim.FloorDiv(b=prim.IntImm(value=divisor)) if int(divisor) > 0:
            parts = divided(affine(index.a, scope, at), int(divisor))
            if parts is not None:
                return parts[0]
        case prim.FloorMod(b=prim.IntImm(value=divisor)) if int(divisor) > 0:
            parts = divided(affine(index.a, scope, at), int(divisor))
            if parts is not None:
                return parts[1]
        case prim.Cast():
            return affine(index.value, scope, at)
        case _:
            pass
    raise LoweringError(
        f"index '{index}' is not affine", at=at, hint="use sums of loop variables times constants"
    )


def divided(value: Affine, divisor: int) -> tuple[Affine, Affine] | None:
    """Quotient and remainder, if they are affine; Restart if they are once a loop is in two."""
    whole = {a: c // divisor for a, c in value.terms.items() if c % divisor == 0}
    rest = Affine({a: c for a, c in value.terms.items() if c % divisor}, value.offset)
    low, high = (bound // divisor for bound in rest.bounds)
    if low == high:
        return Affine(whole, low), rest + Affine({}, -low * divisor)
    for axis, coefficient in rest.terms.items():
        inner = divisor // coefficient if coefficient > 0 else 0
        if inner * coefficient == divisor and axis.extent % inner == 0 and inner < axis.extent:
            raise Restart(axis, inner=inner)
    return None


def dimension(index: Affine, extent: int) -> Index | None:
    """How ``index`` visits a dimension of ``extent`` elements, if it visits none of them twice.

    The axes must form a positional number system: the innermost counts in steps of some size, and
    each further axis counts in the product of that and the extents below it.
    """
    terms = sorted(index.terms.items(), key=lambda term: abs(term[1]))
    step = terms[0][1] if terms else 1
    weight = step
    digits: list[Axis] = []
    for axis, coefficient in terms:
        if coefficient != weight:
            return None
        digits.insert(0, axis)
        weight *= axis.extent
    return Index(Dim(tuple(digits)), extent, index.offset, step)
