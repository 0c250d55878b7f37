"""The passes in order, with their options in one place."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import tvm
from tvm.ir import IRModule

from ttgen.errors import TTError
from ttgen.frontend.kernel import Kernel
from ttgen.ops import PROGRAM_NAMES
from ttgen.passes import attrs
from ttgen.passes.base import TTPass
from ttgen.passes.grid_to_persistent_tt import GridToPersistentTT
from ttgen.passes.infer_tt_layout import InferTTLayout
from ttgen.passes.lower_tt_tile_intrinsics import LowerTTTileIntrinsics
from ttgen.passes.propagate_tt_layout import PropagateTTLayout
from ttgen.passes.record import Recorder, Timing
from ttgen.passes.tt_tiles_to_core_map import TTTilesToCoreMap
from ttgen.passes.verify_tt_ir import VerifyTTIR
from ttgen.plan.from_ir import plan_from_programs
from ttgen.plan.io import save
from ttgen.plan.model import Plan, Tolerance
from ttgen.plan.validate import found_sound

#: The passes, in the order in which they run. Each option belongs to the pass that has the field.
PASSES: tuple[type[TTPass], ...] = (
    InferTTLayout,
    PropagateTTLayout,
    TTTilesToCoreMap,
    LowerTTTileIntrinsics,
    GridToPersistentTT,
    VerifyTTIR,
)


def pipeline_options() -> dict[str, str]:
    """Every option of the pipeline, and the pass that it belongs to."""
    return {option.name: cls.__name__ for cls in PASSES for option in fields(cls)}  # type: ignore[arg-type]


def build_tt_pipeline(**options: Any) -> list[TTPass]:
    """The passes, configured; ``arch`` is required. TTError at an option that no pass has.

    The list may be changed before it is run: passes of one's own go anywhere.
    """
    known = pipeline_options()
    for name in options:
        if name not in known:
            raise TTError(f"unknown pipeline option '{name}'; known: {', '.join(sorted(known))}")
    return [
        cls(**{key: value for key, value in options.items() if known[key] == cls.__name__})
        for cls in PASSES
    ]


@dataclass(frozen=True)
class Lowered:
    """What a pipeline run ends with: the module of programs, the plan made from it, and timings."""

    module: IRModule
    plan: Plan
    timings: tuple[Timing, ...] = ()


def run_pipeline(
    kernel: Kernel,
    *,
    name: str | None = None,
    passes: list[TTPass] | None = None,
    plan_path: Path | None = None,
    dump_ir: Path | None = None,
    tolerance: Tolerance = Tolerance(pcc=0.999, relative_error=0.02),  # noqa: B008 (frozen)
    templates: tuple[str, ...] = (),
    **options: Any,
) -> Lowered:
    """Lower ``kernel`` and make its plan, called ``name``; written to ``plan_path`` if given.

    ``passes`` replaces the pipeline that ``options`` would build. ``dump_ir`` is a folder that
    takes the module after each pass. LoweringError where a pass does not understand the kernel,
    PlanError where the plan breaks a rule; no plan is written then, but the dumps up to there are.
    """
    steps = passes if passes is not None else build_tt_pipeline(**options)
    recorder = Recorder(dump_ir)
    module = kernel_module(kernel)
    recorder.dump_source(module)
    for step in steps:
        module = recorder.run(step, module)
    programs = {program: module[f"{kernel.function}_{program}"] for program in PROGRAM_NAMES}
    with recorder.step("plan"):
        plan = plan_from_programs(
            programs, kernel, name or kernel.function, tolerance=tolerance, templates=templates
        )
        if steps and type(steps[-1]) is VerifyTTIR:
            found_sound(plan)
    if plan_path is not None:
        with recorder.step("check and write"):
            save(plan, plan_path)
    return Lowered(module, plan, tuple(recorder.timings))


def kernel_module(kernel: Kernel) -> IRModule:
    """The kernel as a module of one function that knows where it stands.

    LoweringError at an attribute that the kernel may not set: a pass would overwrite it.
    """
    attrs.check_source(kernel.func, kernel.at)
    source = {"path": kernel.at.path, "line": kernel.at.line, "column": kernel.at.column}
    func = kernel.func.with_attr(attrs.SOURCE, source)
    if kernel.grid is not None:
        func = func.with_attr(attrs.AUTHOR_GRID, asdict(kernel.grid))
    return tvm.IRModule({kernel.function: func})
