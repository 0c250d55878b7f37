"""How long the passes take in Python and in C++, and what memory they need.

    python benchmarks/passes.py                  200 kernels: the library's, and variants
    python benchmarks/passes.py --kernels 20 --repeat 1

Each kind runs in a process of its own, so that its peak of memory is its own. A pass is timed as it
is called: with the checks of what it has been given and of what it has made. First alone, over the
modules of all kernels in turn: this is what the limits are for. Then in its place within planning,
where each finds the processor's caches full of something else, and an analysis that an earlier pass
has made is shared.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import planning

if TYPE_CHECKING:
    from ttgen.frontend.kernel import Kernel

#: How many times faster C++ has to be: the passes that analyse and set attributes, and those that
#: rewrite bodies.
ANALYSING, REWRITING = 5.0, 2.0
LIMITS = {
    "InferTTLayout": ANALYSING,
    "PropagateTTLayout": ANALYSING,
    "TTTilesToCoreMap": ANALYSING,
    "LowerTTTileIntrinsics": REWRITING,
    "GridToPersistentTT": REWRITING,
    "VerifyTTIR": ANALYSING,
}


def main() -> int:
    """Print the figures; 1 where a pass is not as much faster as it is to be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kernels", type=int, default=200)
    parser.add_argument(
        "--repeat", type=int, default=5, help="the fastest counts, kernel by kernel"
    )
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(_measured(options.kernels, options.repeat)))
        return 0
    found = {kind: _in_process(kind, options) for kind in ("python", "cpp")}
    return 0 if _report(found["python"], found["cpp"], options.kernels) else 1


def _in_process(kind: str, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", "--kernels", str(options.kernels)]
    command += ["--repeat", str(options.repeat)]
    environment = {**os.environ, "TTGEN_PASSES": kind}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _report(python: dict[str, Any], cpp: dict[str, Any], kernels: int) -> bool:
    print(f"{'microseconds per kernel':28}{'Python':>10}{'C++':>10}{'ratio':>8}{'at least':>10}")
    good = True
    for name, limit in LIMITS.items():
        slow, fast = python["alone"][name], cpp["alone"][name]
        good = good and slow / fast >= limit
        _line(name, slow, fast, f"{limit:10g}")
    print("within planning:")
    for step in python["steps"]:
        _line(step, python["steps"][step], cpp["steps"][step])
    passes = [sum(kind["steps"][step] for step in LIMITS) for kind in (python, cpp)]
    whole = [sum(kind["steps"].values()) for kind in (python, cpp)]
    _line("all passes", *passes)
    _line("from source to plan", *whole)
    memory = [kind["peak"] / 1e6 for kind in (python, cpp)]
    print(f"{'peak of memory, MB':28}{memory[0]:10.0f}{memory[1]:10.0f}")
    shares = [f"{own / everything:.0%}" for own, everything in zip(passes, whole, strict=True)]
    print(f"{kernels} kernels; passes are {shares[0]} of planning in Python, {shares[1]} in C++")
    print("within the limits" if good else "BELOW A LIMIT")
    return good


def _line(name: str, slow: float, fast: float, limit: str = "") -> None:
    print(f"{name:28}{slow:10.0f}{fast:10.0f}{slow / fast:8.1f}{limit}")


def _measured(kernels: int, repeat: int) -> dict[str, Any]:
    """Mean microseconds of each step over the kernels, and the peak of memory in bytes."""
    from ttgen import planner

    planner.collect_rarely()
    rounds = [_round(kernels) for _ in range(repeat + 1)][1:]  # the first warms caches up
    steps = {
        step: statistics.mean(min(one[step][i] for one in rounds) for i in range(kernels)) * 1e3
        for step in rounds[0]
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"steps": steps, "peak": peak, "alone": _alone(kernels, repeat)}


def _alone(kernels: int, repeat: int) -> dict[str, float]:
    """Mean microseconds of each pass, by itself on what the passes before it make."""
    from ttgen.passes.pipeline import build_tt_pipeline, kernel_module
    from ttgen.passes.record import short_name

    given: dict[str, list[tuple[Any, Any]]] = {name: [] for name in LIMITS}
    with tempfile.TemporaryDirectory() as folder:
        for load, options in _kernels(kernels, Path(folder)):
            module = kernel_module(load())
            for step in build_tt_pipeline(**options):
                given[short_name(step)].append((step, module))
                module = step(module)
    best = {name: [float("inf")] * kernels for name in LIMITS}
    for _ in range(repeat):
        for name, pairs in given.items():
            for number, (step, module) in enumerate(pairs):
                begin = time.perf_counter()
                step(module)
                taken = time.perf_counter() - begin
                best[name][number] = min(best[name][number], taken)
    return {name: statistics.mean(times) * 1e6 for name, times in best.items()}


def _round(kernels: int) -> dict[str, list[float]]:
    """Milliseconds that each step takes for each kernel; nothing is left of the round before."""
    from ttgen import planner
    from ttgen.passes.pipeline import run_pipeline

    planner.forget()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "tt.plan.json"
        for load, options in _kernels(kernels, Path(folder)):
            begin = time.perf_counter()
            kernel = load()
            times.setdefault("source", []).append((time.perf_counter() - begin) * 1e3)
            for timing in run_pipeline(kernel, plan_path=plan, **options).timings:
                times.setdefault(timing.step, []).append(timing.milliseconds)
    return times


def _kernels(count: int, folder: Path) -> Iterator[tuple[Callable[[], Kernel], dict[str, Any]]]:
    """What loads each kernel, and the options that it is lowered with."""
    from ttgen.frontend.kernel import find_kernel
    from ttgen.frontend.source import load_source
    from ttgen.planner import load_kernel

    jobs = planning.library()[:count]
    for job in jobs:
        yield partial(load_kernel, job), {"arch": job.arch, **job.variant.options}
    file = folder / "variant.py"
    file.write_text(planning.SOURCE)
    source = load_source(file, folder)
    for arch, parameters, options in planning.draw(count - len(jobs)):
        yield partial(find_kernel, source, "variant", parameters), {"arch": arch, **options}


if __name__ == "__main__":
    sys.exit(main())
