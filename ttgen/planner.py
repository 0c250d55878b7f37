"""The planner: a process that has imported TVM once and plans many kernels.

``python -m ttgen.planner`` serves the requests of :mod:`ttgen.service`.
"""

from __future__ import annotations

import gc
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ttgen.lazy import load_when_used
from ttgen.service import serve
from ttgen.spec import Variant

if TYPE_CHECKING:
    from ttgen.frontend.kernel import Kernel
    from ttgen.frontend.source import SourceModule


#: Parts of TVM that few kernel sources need, and that take a third of the time of its import.
_RARELY_USED = (
    "tvm.relax",
    "tvm.s_tir.backend",
    "tvm.s_tir.dlight",
    "tvm.s_tir.meta_schedule",
    "tvm.topi",
)


class Request(msgspec.Struct, frozen=True):
    """What to plan: a variant of a kernel below ``project``, for one architecture.

    ``path`` is the source's file, where it is not ``project / variant.source``.
    """

    project: str
    variant: Variant
    arch: str
    path: str | None = None

    def source(self) -> Path:
        """The kernel source's file."""
        return Path(self.path) if self.path else Path(self.project) / self.variant.source


def plan(request: dict[str, Any], plan_path: str, dump_ir: str | None = None) -> dict[str, str]:
    """Plan a :class:`Request` and write the plan, and IR dumps into the folder ``dump_ir``.

    The reply holds ``timing``: how long each step took, as a table.
    """
    from ttgen.passes.pipeline import run_pipeline
    from ttgen.passes.record import Recorder, table

    wanted = msgspec.convert(request, Request)
    variant = wanted.variant
    loading = Recorder()
    with loading.step("load"):
        kernel = load_kernel(wanted)
    lowered = run_pipeline(
        kernel,
        name=variant.name,
        plan_path=Path(plan_path),
        dump_ir=Path(dump_ir) if dump_ir else None,
        tolerance=variant.tolerance,
        templates=variant.templates,
        arch=wanted.arch,
        **variant.options,
    )
    return {"timing": table([*loading.timings, *lowered.timings])}


def golden(request: dict[str, Any], plan_path: str, golden_path: str) -> None:
    """Evaluate a :class:`Request` on the CPU for the tensors of its plan, and write the values."""
    from ttgen.golden import golden as evaluate
    from ttgen.plan import load

    kernel = load_kernel(msgspec.convert(request, Request))
    evaluate(kernel, load(Path(plan_path))).save(Path(golden_path))


def counterpart(request: dict[str, Any]) -> dict[str, Any]:
    """The call of ttnn's own that means what a :class:`Request` does: ``call``, or None."""
    from ttgen.analysis.counterpart import counterpart as find
    from ttgen.passes.infer_tt_layout import InferTTLayout
    from ttgen.passes.meaning import meaning
    from ttgen.passes.pipeline import kernel_module
    from ttgen.passes.propagate_tt_layout import PropagateTTLayout

    wanted = msgspec.convert(request, Request)
    kernel = load_kernel(wanted)
    layouts = wanted.variant.options.get("layouts", {})
    laid_out = PropagateTTLayout()(InferTTLayout(wanted.arch, layouts)(kernel_module(kernel)))
    return {"call": msgspec.to_builtins(find(meaning(laid_out[kernel.function])))}


def load_kernel(wanted: Request) -> Kernel:
    """The kernel of a request, parsed once for all architectures, plans and golden values."""
    parameters = tuple(sorted(wanted.variant.parameters.items()))
    return _kernel(wanted.source(), Path(wanted.project), wanted.variant.function, parameters)


@lru_cache(maxsize=64)
def _kernel(
    path: Path, project: Path, function: str | None, parameters: tuple[tuple[str, int], ...]
) -> Kernel:
    from ttgen.frontend.kernel import find_kernel

    return find_kernel(_source(path, project), function, dict(parameters))


@lru_cache(maxsize=64)
def _source(path: Path, project: Path) -> SourceModule:
    """A source, run once for all of its variants; a planner does not outlive a build."""
    from ttgen.frontend.source import load_source

    source = load_source(path, project)
    # What TVM and a source import stays to the end: to look through it for garbage, time and again,
    # takes as long as to plan a kernel.
    gc.freeze()
    return source


def forget() -> None:
    """Forget all sources and kernels, as in a new process."""
    _source.cache_clear()
    _kernel.cache_clear()


def import_without_errors() -> None:
    """Leave out of TVM what it can do without, and would fail to import.

    It catches such errors, but the first one of a process reads the debug information of all of
    TVM, which takes a third of a planner's start. The environment may ask for back ends of its own.
    """
    sys.modules["tvm.runtime.disco"] = None  # type: ignore[assignment]
    os.environ.setdefault("TVM_DEVICE_BACKEND_AUTOLOAD", "0")


def import_passes() -> None:
    """Import what every request needs, TVM above all."""
    import ttgen.passes.pipeline  # noqa: F401


def collect_rarely() -> None:
    """What planning leaves for the garbage collector is little, and may wait."""
    gc.set_threshold(20_000)


def main() -> None:
    """Serve until the parent has had enough of it."""
    collect_rarely()
    import_without_errors()
    load_when_used(*_RARELY_USED)
    serve({"plan": plan, "golden": golden, "counterpart": counterpart}, prepare=import_passes)
    sys.stdout.flush()
    # Nothing is left to be done, and TVM takes its time to say so.
    os._exit(0)


if __name__ == "__main__":
    main()
