"""The functions that legacy code calls, each with a DeprecationWarning: what to call today.

Each takes a module and returns one, as it did. A legacy module may come in: its attributes are
converted (:mod:`ttgen.compat.convert`). Then the passes run that have not run yet, up to the one
that does today what the function did, so that old code may call them in its own order; what a
module has been through already is not done twice. Errors are raised where the old functions logged
or counted them. ``arch`` is the chip, which the old functions could not be told.
"""

from __future__ import annotations

import warnings
from typing import Any, Protocol

from tvm.ir import IRModule
from tvm.tirx import BufferType, PrimFunc

from ttgen.annotate import with_layout_desc
from ttgen.compat.convert import to_new
from ttgen.compat.layouts import WORDS
from ttgen.passes import attrs
from ttgen.passes.base import TTPass
from ttgen.passes.grid_to_persistent_tt import GridToPersistentTT
from ttgen.passes.infer_tt_layout import InferTTLayout
from ttgen.passes.lower_tt_tile_intrinsics import LowerTTTileIntrinsics
from ttgen.passes.pipeline import PASSES, build_tt_pipeline
from ttgen.passes.propagate_tt_layout import PropagateTTLayout
from ttgen.passes.tt_tiles_to_core_map import TTTilesToCoreMap
from ttgen.passes.verify_tt_ir import VerifyTTIR

#: The chip that legacy code was for.
ARCH = "wormhole_b0"
#: The attribute that tells that a pass has run; VerifyTTIR leaves none, and runs whenever asked.
_LEFT: dict[type[TTPass], str] = {
    InferTTLayout: attrs.LAYOUT_DESC,
    PropagateTTLayout: attrs.ROLES,
    TTTilesToCoreMap: attrs.PARTITION,
    LowerTTTileIntrinsics: attrs.CONSTANTS,
    GridToPersistentTT: attrs.PROGRAM,
}


class LegacyPass(Protocol):
    """A function of old."""

    def __call__(self, module: IRModule, *, arch: str = ARCH) -> IRModule:
        """The module after it."""


def _redirect(name: str, last: type[TTPass], today: str) -> LegacyPass:
    """The legacy function ``name``, whose work is done when ``last`` has run."""

    def legacy(module: IRModule, *, arch: str = ARCH) -> IRModule:
        _warn(name, today)
        return _through(module, last, arch)

    legacy.__name__ = legacy.__qualname__ = name
    legacy.__doc__ = f"Deprecated: {today}."
    return legacy


def _warn(name: str, today: str) -> None:
    """Warn whoever has called the function that calls this."""
    warnings.warn(f"{name} is deprecated: {today}", DeprecationWarning, stacklevel=3)


def _through(module: IRModule, last: type[TTPass], arch: str) -> IRModule:
    """The module after all passes up to ``last``; what is no PrimFunc stays as it is."""
    steps = build_tt_pipeline(arch=arch)[: PASSES.index(last) + 1]
    result: dict[Any, Any] = {}
    groups: dict[int, dict[Any, PrimFunc]] = {}
    for var, func in module.functions.items():
        if isinstance(func, PrimFunc):
            func = to_new(func)
            groups.setdefault(_passed(func), {})[var] = func
        else:
            result[var] = func
    for passed, group in groups.items():
        part = IRModule(group)
        for step in steps[passed:]:
            part = step(part)
        result.update(part.functions.items())
    return IRModule(result)


def _passed(func: PrimFunc) -> int:
    """How many passes ``func`` has been through."""
    known = attrs.of(func)
    return max((n for n, cls in enumerate(PASSES, 1) if _LEFT.get(cls) in known), default=0)


infer_tt_layout = _redirect(
    "infer_tt_layout", InferTTLayout, "call ttgen.passes.infer_tt_layout.InferTTLayout"
)
propagate_tt_layout = _redirect(
    "propagate_tt_layout",
    PropagateTTLayout,
    "call ttgen.passes.propagate_tt_layout.PropagateTTLayout",
)
infer_default_tt_shard = _redirect(
    "infer_default_tt_shard",
    PropagateTTLayout,
    "InferTTLayout has the defaults, and PropagateTTLayout the padding: call "
    "ttgen.passes.pipeline.build_tt_pipeline",
)
tile_pad_tt = _redirect(
    "tile_pad_tt",
    PropagateTTLayout,
    "padding is part of ttgen.passes.propagate_tt_layout.PropagateTTLayout",
)
infer_default_tt_schedule = _redirect(
    "infer_default_tt_schedule",
    TTTilesToCoreMap,
    "call ttgen.passes.tt_tiles_to_core_map.TTTilesToCoreMap, which deals output tiles to cores",
)
layout_aware_work_partition_tt = _redirect(
    "layout_aware_work_partition_tt",
    TTTilesToCoreMap,
    "call ttgen.passes.tt_tiles_to_core_map.TTTilesToCoreMap",
)
tt_tiles_to_core_map = _redirect(
    "tt_tiles_to_core_map",
    TTTilesToCoreMap,
    "call ttgen.passes.tt_tiles_to_core_map.TTTilesToCoreMap",
)
apply_tt_metadata_passes = _redirect(
    "apply_tt_metadata_passes",
    TTTilesToCoreMap,
    "call ttgen.passes.pipeline.build_tt_pipeline, and the first three of its passes",
)
apply_layout_aware_metadata_passes = _redirect(
    "apply_layout_aware_metadata_passes",
    TTTilesToCoreMap,
    "call ttgen.passes.pipeline.build_tt_pipeline, and the first three of its passes",
)
lower_gemm_to_tt_intrinsics = _redirect(
    "lower_gemm_to_tt_intrinsics",
    LowerTTTileIntrinsics,
    "call ttgen.passes.lower_tt_tile_intrinsics.LowerTTTileIntrinsics",
)
grid_to_persistent_tt = _redirect(
    "grid_to_persistent_tt",
    GridToPersistentTT,
    "call ttgen.passes.grid_to_persistent_tt.GridToPersistentTT",
)
memory_space_lower_tt = _redirect(
    "memory_space_lower_tt",
    GridToPersistentTT,
    "circular buffers are part of ttgen.passes.grid_to_persistent_tt.GridToPersistentTT",
)
apply_tt_transform_passes = _redirect(
    "apply_tt_transform_passes",
    VerifyTTIR,
    "call ttgen.passes.pipeline.run_pipeline, which makes the plan as well",
)


def verify_tt_ir(module: IRModule, *, arch: str = ARCH) -> IRModule:
    """Deprecated: ``module`` as it came, once what is made of it has been verified."""
    _warn(
        "verify_tt_ir",
        "each pass verifies what it leaves, and ttgen.passes.verify_tt_ir.VerifyTTIR the whole",
    )
    _through(module, VerifyTTIR, arch)
    return module


def apply_tt_defaults(module: IRModule) -> IRModule:
    """Deprecated: the default layout, for functions that ask for nothing themselves.

    Their order of tiles was row by row, which it is anyway.
    """
    _warn("apply_tt_defaults", "nothing is to be called, as the passes have these defaults")
    return IRModule({var: _with_defaults(func) for var, func in module.functions.items()})


def _with_defaults(func: Any) -> Any:
    if not isinstance(func, PrimFunc) or any(key.startswith("tt") for key in attrs.of(func)):
        return func
    tensors = [param.name for param in func.params if isinstance(param.ty, BufferType)]
    return with_layout_desc(func, dict.fromkeys(tensors, WORDS["dram_interleaved"]))
