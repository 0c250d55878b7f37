"""The spelling that a kernel's attributes are read in: today's, or the legacy one.

``TT_USE_NEW_PIPELINE`` is the switch, and this is the only place that reads it. With ``false``,
:mod:`ttgen.compat` turns the legacy attributes of each kernel that is loaded into today's;
otherwise it is not even imported, and a kernel that has some is refused.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ttgen.errors import Location, TTError

if TYPE_CHECKING:
    from tvm.tirx import PrimFunc

VARIABLE = "TT_USE_NEW_PIPELINE"
_VALUES = {"true": True, "1": True, "false": False, "0": False}
_GUIDE = "docs/LEGACY_MIGRATION.md"

_GRID, _RANGES, _WORK, _LAYOUT = (
    "tt.core_grid",
    "tt.core_ranges",
    "tt.work_partition",
    "tt.user_layout",
)
#: Every legacy attribute, and the one that says it today; ``<b>`` stands for a tensor's name. None:
#: a legacy pass has left it in a function that is no kernel any more, and nothing reads it.
LEGACY: dict[str, str | None] = {
    "tt.grid": _GRID,
    "tt_core_ranges": _RANGES,
    "tt.block_shape": _WORK,
    "tt.runtime_args": _WORK,
    "tt.start_tile": _WORK,
    "tt_core_runtime_args": _WORK,
    "tt_grid_x": _WORK,
    "tt_grid_y": _WORK,
    "tt_grid_z": _WORK,
    "tt_num_cores": _WORK,
    "tt_num_tiles": _WORK,
    "tt_runtime_args": _WORK,
    "tt_schedule": _WORK,
    "tt_schedule_order": _WORK,
    "tt_schedule_policy": _WORK,
    "tt_tiles_per_core": _WORK,
    "tt_buffer_<b>_layout": _LAYOUT,
    "tt_buffer_<b>_needs_padding": _LAYOUT,
    "tt_buffer_<b>_num_tiles_height": _LAYOUT,
    "tt_buffer_<b>_num_tiles_width": _LAYOUT,
    "tt_buffer_<b>_padded_shape": _LAYOUT,
    "tt_buffer_<b>_tile_shape": _LAYOUT,
    "tt_layout_type": _LAYOUT,
    "tt_shard": _LAYOUT,
    "tt_tile_height": _LAYOUT,
    "tt_tile_width": _LAYOUT,
    "tt_circular_buffers": None,
    "tt_has_tensorize": None,
    "tt_ir_validated": None,
    "tt_matmul_patterns": None,
    "tt_num_cbs": None,
    "tt_num_matmuls": None,
    "tt_padding_info": None,
    "tt_persistent_iteration_ndims": None,
    "tt_persistent_loop": None,
    "tt_validation_error_count": None,
    "tt_validation_warning_count": None,
}


def uses_new_pipeline() -> bool:
    """What the switch says; TTError at a value that it does not have."""
    value = os.environ.get(VARIABLE, "true")
    if value.lower() not in _VALUES:
        raise TTError(f"{VARIABLE} is '{value}'", hint=f"it is one of: {', '.join(_VALUES)}")
    return _VALUES[value.lower()]


def current(func: PrimFunc, at: Location) -> PrimFunc:
    """``func``, as a source has it, in today's spelling."""
    if uses_new_pipeline():
        return func
    from ttgen.compat import to_new

    return to_new(func, at)


def is_legacy(key: str) -> bool:
    """Whether an attribute is in the legacy spelling, known or not."""
    return key.startswith("tt_") or key in LEGACY


def known_as(key: str) -> tuple[str, str | None] | None:
    """The entry of :data:`LEGACY` for ``key``, and the tensor that it names; None for no entry."""
    if key in LEGACY:
        return key, None
    for known in LEGACY:
        before, tensor, after = known.partition("<b>")
        if tensor and key.startswith(before) and key.endswith(after):
            return known, key[len(before) : -len(after)]
    return None


def advice(key: str) -> str:
    """What to do about the legacy attribute ``key``."""
    entry = known_as(key)
    if entry is None:
        import difflib  # builds with nothing to do come by this module, and do without

        near = difflib.get_close_matches(key, LEGACY, n=1)
        return f"did you mean '{near[0]}'?" if near else f"known ones are in {_GUIDE}"
    today = LEGACY[entry[0]]
    if today is None:
        return f"a legacy pass has left it: give the kernel as it was before that ({_GUIDE})"
    convert = f"set {VARIABLE}=false" if uses_new_pipeline() else "call ttgen.compat.to_new"
    return f"write '{today}' ({_GUIDE}), or {convert}"
