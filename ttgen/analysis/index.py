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
class Affine:
    """``sum(coefficient * axis) + offset``; axes of extent 1 and zero coefficients are left out."""

    terms: Mapping[Axis, int]
    offset: int

    def __add__(self, other: Affine) -> Affine:
        terms = dict(self.terms)
        for axis, coefficient in other.terms.items():
            terms[axis] = terms.get(axis, 0) + coefficient
        return Affine({a: c for a, c in terms.items() if c}, self.offset + other.offset)

    def scaled(self, factor: int) -> Affine:
        """This times ``factor``."""
        if factor == 0:
            return Affine({}, 0)
        return Affine({a: c * factor for a, c in self.terms.items()}, self.offset * factor)


#: What each variable in scope stands for.
Scope = Mapping[tvm.ir.Var, Affine]


def affine(index: prim.Expr, scope: Scope, at: Location) -> Affine:
    """``index`` as an affine expression of axes; LoweringError where it is not one."""
    match index:
        case prim.IntImm():
            return Affine({}, int(index.value))
        case tvm.ir.Var() if index in scope:
            return scope[index]
        case prim.Add():
            return affine(index.a, scope, at) + affine(index.b, scope, at)
        case prim.Sub():
            return affine(index.a, scope, at) + affine(index.b, scope, at).scaled(-1)
        case prim.Mul():
            a, b = affine(index.a, scope, at), affine(index.b, scope, at)
            if not a.terms:
                return b.scaled(a.offset)
            if not b.terms:
                return a.scaled(b.offset)
        case prim.Cast():
            return affine(index.value, scope, at)
        case _:
            pass
    raise LoweringError(
        f"index '{index}' is not affine", at=at, hint="use sums of loop variables times constants"
    )


def dimension(index: Affine, extent: int) -> Dim | None:
    """The dimension that ``index`` runs over, if it visits 0 to ``extent`` - 1 once each.

    The axes must form a positional number system: the innermost counts in ones, and each further
    axis counts in the product of the extents below it.
    """
    weight = 1
    digits: list[Axis] = []
    for axis, coefficient in sorted(index.terms.items(), key=lambda term: term[1]):
        if coefficient != weight:
            return None
        digits.insert(0, axis)
        weight *= axis.extent
    if index.offset or weight != extent:
        return None
    return Dim(tuple(digits))
