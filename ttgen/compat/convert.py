"""Attributes of a kernel from the legacy spelling into today's, and back.

:data:`RULES` is the table: for each of today's attributes, how it is read from the legacy ones and
written as such; :data:`ttgen.frontend.spelling.LEGACY` says which legacy attribute belongs to which
of them. What cannot be converted is an error that names the attribute, what it held, and what to
write instead: no work is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tvm.tirx import PrimFunc

from ttgen.annotate import with_core_grid, with_core_ranges, with_layout_desc, with_work_partition
from ttgen.compat import layouts, work
from ttgen.compat.legacy import Legacy
from ttgen.errors import Location
from ttgen.frontend import spelling
from ttgen.passes import attrs
from ttgen.plan.shards import Grid


@dataclass(frozen=True)
class Rule:
    """One of today's attributes: what legacy ones say of it, how it is set, and the way back.

    ``read`` gives None where they say nothing that is not there already.
    """

    read: Callable[[Legacy], Any]
    attach: Callable[[PrimFunc, Any], PrimFunc]
    write: Callable[[PrimFunc], dict[str, Any]]


def to_new(func: PrimFunc, at: Location | None = None) -> PrimFunc:
    """``func`` without legacy attributes, and with today's in their place.

    A function that has none is handed back as it is. ``at`` is where the kernel stands.
    LoweringError at what cannot be converted.
    """
    legacy = Legacy.of(func, at)
    found = {key: rule.read(legacy) for key, rule in RULES.items()}
    for key in [key for key in attrs.of(func) if spelling.is_legacy(key)]:
        func = func.without_attr(key)
    for key, value in found.items():
        if value is not None:
            func = RULES[key].attach(func, value)
    return func


def to_legacy(func: PrimFunc) -> PrimFunc:
    """``func`` with what it says in the legacy spelling; LoweringError at what that cannot say.

    :func:`to_new` of the result has the attributes of ``func``.
    """
    given = [key for key in RULES if key in attrs.of(func)]
    legacy = {name: value for key in given for name, value in RULES[key].write(func).items()}
    for key in given:
        func = func.without_attr(key)
    return func.with_attrs(legacy) if legacy else func


def _read_grid(legacy: Legacy) -> Grid | None:
    for key, value in legacy.given("tt.grid"):
        grid = legacy.integers(key, value, "columns and rows of cores", (2, 3))
        if grid[2:] not in ([], [1]):
            raise legacy.error(key, value, "cores have columns and rows (x, y)", _GRID_INSTEAD)
        if 0 in grid:
            raise legacy.error(key, value, "it is columns and rows of cores", _GRID_INSTEAD)
        known = attrs.optional(legacy.func, attrs.CORE_GRID)
        if known not in (None, grid[:2]):
            problem = f"{attrs.CORE_GRID} is {known}"
            raise legacy.error(key, value, problem, "leave out one of them")
        return (grid[0], grid[1]) if known is None else None
    return None


_GRID_INSTEAD = f"write {attrs.CORE_GRID}: [columns, rows]"


def _write_grid(func: PrimFunc) -> dict[str, Any]:
    return {"tt.grid": attrs.optional(func, attrs.CORE_GRID)}


def _read_ranges(legacy: Legacy) -> list[list[int]] | None:
    """Rectangles from their first and last cores; those with runs of tiles are work."""
    for key, value in legacy.given("tt_core_ranges"):
        found = [
            [x, y, last_x - x + 1, last_y - y + 1]
            for x, y, last_x, last_y, *run in work.ranges(legacy, value)
            if not run
        ]
        known = attrs.optional(legacy.func, attrs.CORE_RANGES)
        if found and known not in (None, found):
            problem = f"{attrs.CORE_RANGES} is {known}"
            raise legacy.error(key, value, problem, "leave out one of them")
        return found if known is None and found else None
    return None


def _write_ranges(func: PrimFunc) -> dict[str, Any]:
    rectangles = attrs.optional(func, attrs.CORE_RANGES)
    return {"tt_core_ranges": [[x, y, x + w - 1, y + h - 1] for x, y, w, h in rectangles]}


#: By today's attributes.
RULES: dict[str, Rule] = {
    attrs.CORE_GRID: Rule(_read_grid, lambda func, grid: with_core_grid(func, *grid), _write_grid),
    attrs.CORE_RANGES: Rule(_read_ranges, with_core_ranges, _write_ranges),
    attrs.WORK_PARTITION: Rule(work.read, with_work_partition, work.write),
    attrs.USER_LAYOUT: Rule(layouts.read, with_layout_desc, layouts.write),
}
