"""Boxes: the part of a tensor that a store fills."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import tvm

from ttgen.analysis.conditions import is_below
from ttgen.analysis.expr import Access
from ttgen.analysis.index import dimension
from ttgen.analysis.stores import Store
from ttgen.errors import Location, LoweringError


@dataclass(frozen=True)
class Side:
    """``count`` elements along a dimension, from ``start`` in steps of ``step``."""

    start: int
    count: int
    step: int

    @property
    def stop(self) -> int:
        """The element after the last one."""
        return self.start + self.step * (self.count - 1) + 1

    def meets(self, other: Side) -> bool:
        """Whether there may be an element in both."""
        if self.step == other.step and (self.start - other.start) % self.step:
            return False
        return self.start < other.stop and other.start < self.stop


@dataclass(frozen=True)
class Box:
    """One side for each index of a buffer."""

    sides: tuple[Side, ...]

    @property
    def elements(self) -> int:
        """How many there are."""
        return prod(side.count for side in self.sides)

    def meets(self, other: Box) -> bool:
        """Whether the boxes overlap."""
        return all(a.meets(b) for a, b in zip(self.sides, other.sides, strict=True))

    def holds(self, read: Access) -> bool:
        """Whether all of ``read`` is inside, or nothing; Restart where a part of it is."""
        bounds = [index.bounds for index in read.indices]
        for side, (low, high) in zip(self.sides, bounds, strict=True):
            if high < side.start or low >= side.stop:
                return False
        for side, index in zip(self.sides, read.indices, strict=True):
            if is_below(index, side.start) or not is_below(index, side.stop):
                return False
        return True


def box_of(target: Access, at: Location) -> Box:
    """What a store fills; LoweringError where that is no box."""
    sides = []
    for position, index in enumerate(target.indices):
        found = dimension(index, 0)
        if found is None:
            raise LoweringError(
                f"index {position} of {target} does not visit its elements once each, in order",
                at=at,
                hint="index with a loop, or with the parts of a loop that was split",
            )
        count, step = found.dim.extent, found.step
        first = found.start if step > 0 else found.start + step * (count - 1)
        sides.append(Side(first, count, abs(step)))
    return Box(tuple(sides))


def separate(stores: list[Store]) -> dict[Box, list[Store]]:
    """What is stored to each box, in order; Restart where two boxes overlap in part."""
    parts: dict[Box, list[Store]] = {}
    for store in stores:
        box = box_of(store.target, store.at)
        for other, (first, *_) in parts.items():
            if other != box and other.meets(box):
                other.holds(store.target)
                box.holds(first.target)
                raise LoweringError(
                    f"{store.target} and {first.target} overlap in part",
                    at=store.at,
                    hint="store the same elements, or others",
                )
        parts.setdefault(box, []).append(store)
    return parts


def check_covers(buffer: tvm.ir.Var, boxes: list[Box], at: Location) -> None:
    """The boxes, which do not overlap, leave no element of ``buffer`` out."""
    shape = [int(extent) for extent in buffer.ty.shape]
    stored = sum(box.elements for box in boxes)
    if stored == prod(shape):
        return
    for position, extent in enumerate(shape):
        reached = {side for box in boxes for side in [box.sides[position]]}
        if sum(side.count for side in reached) < extent:
            seen = ", ".join(
                f"{side.start} to {side.stop - 1}" for side in sorted(reached, key=_by_start)
            )
            raise LoweringError(
                f"index {position} of {buffer.name} visits elements {seen} of {extent}: the rest "
                "is never stored",
                at=at,
                hint="a kernel stores all of its output",
            )
    raise LoweringError(
        f"{stored} of the {prod(shape)} elements of {buffer.name} are stored",
        at=at,
        hint="a kernel stores all of its output",
    )


def _by_start(side: Side) -> tuple[int, int, int]:
    return side.start, side.count, side.step
