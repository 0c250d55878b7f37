"""What code for the legacy back end calls and writes, in today's terms: docs/LEGACY_MIGRATION.md.

``to_new`` and ``to_legacy`` convert a kernel's attributes; the others are the functions of old. A
build comes here only with ``TT_USE_NEW_PIPELINE=false`` (:mod:`ttgen.frontend.spelling`).
"""

from ttgen.compat.convert import to_legacy, to_new
from ttgen.compat.passes import (
    apply_layout_aware_metadata_passes,
    apply_tt_defaults,
    apply_tt_metadata_passes,
    apply_tt_transform_passes,
    grid_to_persistent_tt,
    infer_default_tt_schedule,
    infer_default_tt_shard,
    infer_tt_layout,
    layout_aware_work_partition_tt,
    lower_gemm_to_tt_intrinsics,
    memory_space_lower_tt,
    propagate_tt_layout,
    tile_pad_tt,
    tt_tiles_to_core_map,
    verify_tt_ir,
)

__all__ = [
    "apply_layout_aware_metadata_passes",
    "apply_tt_defaults",
    "apply_tt_metadata_passes",
    "apply_tt_transform_passes",
    "grid_to_persistent_tt",
    "infer_default_tt_schedule",
    "infer_default_tt_shard",
    "infer_tt_layout",
    "layout_aware_work_partition_tt",
    "lower_gemm_to_tt_intrinsics",
    "memory_space_lower_tt",
    "propagate_tt_layout",
    "tile_pad_tt",
    "to_legacy",
    "to_new",
    "tt_tiles_to_core_map",
    "verify_tt_ir",
]
