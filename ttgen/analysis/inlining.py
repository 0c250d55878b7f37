"""Loads of what has been stored: the loops of the store in terms of those of the reader."""

from __future__ import annotations

from ttgen.analysis.expr import Access
from ttgen.analysis.index import Affine, Axis, dimension, divided
from ttgen.errors import Location, LoweringError


def solved(target: Access, read: Access, at: Location) -> dict[Axis, Affine]:
    """The axes that ``target`` moves with, where it stores the element that ``read`` means.

    LoweringError where that is no affine expression; Restart where it is one once a loop of the
    reader is split.
    """
    values: dict[Axis, Affine] = {}
    for stored, wanted in zip(target.indices, read.indices, strict=True):
        found = dimension(stored, 0)
        if found is None or found.step != 1:
            raise LoweringError(
                f"{target} is stored in steps that {read} does not take",
                at=at,
                hint="store intermediate values without gaps",
            )
        rest = wanted - Affine({}, found.start)
        for axis in reversed(found.dim.axes[1:]):
            parts = divided(rest, axis.extent)
            if parts is None:
                raise LoweringError(f"{read} does not line up with the loops of {target}", at=at)
            rest, values[axis] = parts
        for axis in found.dim.axes[:1]:
            values[axis] = rest
    return values
