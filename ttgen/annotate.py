"""What a kernel's source may ask for itself, as functions that set attributes of a PrimFunc.

Each returns the function with the attribute, which may as well be written in the source with
``T.func_attr``. What a build spec says overrides cores and layouts. Nothing is checked here but
the form: the passes check meaning, and their errors say where the kernel stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tvm.tirx import PrimFunc

from ttgen.partition import WorkItem
from ttgen.passes import attrs
from ttgen.plan.model import CoreRange

__all__ = [
    "CoreRange",
    "WorkItem",
    "with_core_grid",
    "with_core_ranges",
    "with_layout_desc",
    "with_work_partition",
]

#: A rectangle of cores: itself, or x, y, width and height.
Rectangle: TypeAlias = CoreRange | Sequence[int]
#: One output tile: itself, or a mapping with ``io`` and ``jo``, and perhaps the others.
Item: TypeAlias = WorkItem | Mapping[str, Any]


def with_core_grid(func: PrimFunc, columns: int, rows: int) -> PrimFunc:
    """Run on the first ``columns`` x ``rows`` cores, idle ones included."""
    return func.with_attr(attrs.CORE_GRID, [columns, rows])


def with_core_ranges(func: PrimFunc, ranges: Sequence[Rectangle]) -> PrimFunc:
    """Run on these rectangles of cores, in this order; they may lie apart."""
    rectangles = [
        [*r.start, *r.extent] if isinstance(r, CoreRange) else [int(value) for value in r]
        for r in ranges
    ]
    return func.with_attr(attrs.CORE_RANGES, rectangles)


def with_layout_desc(func: PrimFunc, layouts: Mapping[str, Mapping[str, Any]]) -> PrimFunc:
    """Lay out tensors, by name; see :mod:`ttgen.layouts`. Keys that are not given stay open."""
    known = attrs.optional(func, attrs.USER_LAYOUT) or {}
    return func.with_attr(attrs.USER_LAYOUT, {**known, **attrs.plain(layouts)})


def with_work_partition(
    func: PrimFunc, work: Mapping[tuple[int, int] | str, Sequence[Item]]
) -> PrimFunc:
    """Each core's output tiles, in its order: ``{(x, y): [WorkItem(io, jo), …]}``.

    ``io`` and ``jo`` are the row and the column of a tile. The passes refuse work that loses a tile
    or does one twice.
    """
    items = {_key(core): [_item(item) for item in tiles] for core, tiles in work.items()}
    return func.with_attr(attrs.WORK_PARTITION, items)


def _key(core: tuple[int, int] | str) -> str:
    return core if isinstance(core, str) else f"({core[0]}, {core[1]})"


def _item(item: Item) -> dict[str, Any]:
    if not isinstance(item, WorkItem):
        return dict(item)
    found = {"io": item.io, "jo": item.jo, "len_k": item.len_k, "tile_order": item.tile_order}
    return {key: value for key, value in found.items() if value is not None}
