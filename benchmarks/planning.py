"""How long planning takes, and what it needs: the figures that ttgen promises.

    python benchmarks/planning.py                    the library's kernels, then 1000 variants
    python benchmarks/planning.py --variants 100
    python benchmarks/planning.py --profile          where the time of the library's kernels goes

The inputs are the same every time: the kernel library, and variants of a product with an epilogue
whose shapes, grids and options are drawn with a fixed seed. Variants are planned and rendered by as
many processes as there are cores (``--processes``), as in a build. The limits are for a
machine that does nothing else; what the processors spend (``cpu``) says what is needed on a busy
one too, and counts for the library's kernels. Sources are loaded and kernels are parsed as in a
build: the first architecture of a variant pays for both.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttgen.planner import Request

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURES = ("wormhole_b0", "blackhole")
#: What is promised: milliseconds per kernel, seconds for 1000 variants, bytes of memory.
KERNEL_LIMIT, VARIANTS_LIMIT, MEMORY_LIMIT = 30.0, 40.0, 1.5e9

SOURCE = '''"""A product, scaled, and a tensor added; M x N x K."""
from tvm.script import tirx as T


def variant(M: int, N: int, K: int):
    @T.prim_func
    def variant(
        A: T.Buffer((M, K), "bfloat16"),
        B: T.Buffer((K, N), "bfloat16"),
        D: T.Buffer((M, N), "bfloat16"),
        C: T.Buffer((M, N), "bfloat16"),
    ):
        P = T.alloc_buffer((M, N), "bfloat16")
        for i, j in T.grid(M, N):
            P[i, j] = T.bfloat16(0)
            for k in range(K):
                P[i, j] = P[i, j] + A[i, k] * B[k, j]
        for i, j in T.grid(M, N):
            C[i, j] = P[i, j] * T.bfloat16(0.5) + D[i, j]

    return variant
'''


def main() -> int:
    """Print the figures; 1 where one is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--variants", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeat", type=int, default=5, help="of the library; the median counts")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--share", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.share:
        first, step = map(int, options.share.split("/"))
        return _plan_share(options.variants, first, step)
    if options.profile:
        return _profile(options.repeat)
    worst = _library(options.repeat)
    seconds, memory = _variants(options.variants, options.processes)
    allowed = VARIANTS_LIMIT * options.variants / 1000
    good = worst <= KERNEL_LIMIT and seconds <= allowed and memory <= MEMORY_LIMIT
    print("within the limits" if good else "ABOVE A LIMIT")
    return 0 if good else 1


#: The steps of a kernel whose share is shown; ``write`` includes checking what is written.
_STEPS = ("source", "passes", "verify", "plan", "write")


@dataclass(frozen=True)
class _Took:
    """Milliseconds of one kernel: of each step, of all, of a processor for all; of rendering."""

    steps: dict[str, float]
    wall: float
    cpu: float
    render: float


def _library(repeat: int) -> float:
    """Milliseconds of a processor for the slowest kernel; prints the medians of repeats."""
    rounds = [dict(_plan_library()) for _ in range(repeat + 1)][1:]  # the first warms caches up
    kernels = {name: _median([once[name] for once in rounds]) for name in rounds[0]}
    columns = (*_STEPS, "wall", "cpu", "render")
    print(f"{'milliseconds per kernel':40}" + "".join(f"{column:>9}" for column in columns))
    for name, took in kernels.items():
        values = [*(took.steps[step] for step in _STEPS), took.wall, took.cpu, took.render]
        print(f"{name:40}" + "".join(f"{value:9.1f}" for value in values))
    everything = sum(took.wall for took in kernels.values())
    for kind in ("wall", "cpu"):
        times = {name: getattr(took, kind) for name, took in kernels.items()}
        slowest = max(times, key=lambda name: times[name])
        print(
            f"{len(times)} kernels, {kind}: mean {statistics.mean(times.values()):.1f} ms, "
            f"slowest {times[slowest]:.1f} ({slowest}; limit {KERNEL_LIMIT:g})"
        )
    shares = [sum(took.steps[step] for took in kernels.values()) / everything for step in _STEPS]
    print(", ".join(f"{step} {share:.0%}" for step, share in zip(_STEPS, shares, strict=True)))
    return max(took.cpu for took in kernels.values())


def _median(rounds: list[_Took]) -> _Took:
    return _Took(
        {step: statistics.median(took.steps[step] for took in rounds) for step in _STEPS},
        *(
            statistics.median(getattr(took, kind) for took in rounds)
            for kind in ("wall", "cpu", "render")
        ),
    )


def library() -> list[Request]:
    """Every kernel of the library, for each architecture that it is for."""
    from ttgen.planner import Request
    from ttgen.spec import load_variants

    return [
        Request(str(ROOT), variant, arch)
        for file in sorted((ROOT / "kernels").glob("*.py"))
        for variant in load_variants(file, ROOT)
        for arch in variant.arch
    ]


def _plan_library() -> Iterator[tuple[str, _Took]]:
    """Plan and render each kernel of the library once, as a planner does that is new."""
    from ttgen import planner
    from ttgen.passes.pipeline import run_pipeline
    from ttgen.render import TemplateSet, render

    planner.collect_rarely()
    planner.forget()
    jobs = library()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tt.plan.json"
        for job in jobs:
            begin, begin_cpu = time.perf_counter(), time.process_time()
            kernel = planner.load_kernel(job)
            loaded = time.perf_counter()
            lowered = run_pipeline(
                kernel,
                name=job.variant.name,
                plan_path=path,
                arch=job.arch,
                **job.variant.options,
            )
            planned, planned_cpu = time.perf_counter(), time.process_time()
            render(lowered.plan, TemplateSet())
            rendered = time.perf_counter()
            took = {timing.step: timing.milliseconds for timing in lowered.timings}
            named = {name: took.pop(step) for name, step in _NAMED.items()}
            steps = {"source": (loaded - begin) * 1e3, "passes": sum(took.values()), **named}
            yield (
                f"{job.arch}/{job.variant.name}",
                _Took(
                    steps,
                    wall=(planned - begin) * 1e3,
                    cpu=(planned_cpu - begin_cpu) * 1e3,
                    render=(rendered - planned) * 1e3,
                ),
            )


#: Of the steps that the pipeline times, those that are no passes, or stand alone.
_NAMED = {"verify": "VerifyTTIR", "plan": "plan", "write": "check and write"}


def draw(count: int) -> list[tuple[str, dict[str, int], dict[str, Any]]]:
    """Variants: the architecture, parameters and options of each."""
    generator = random.Random(20260801)
    drawn = []
    for _ in range(count):
        parameters = {name: generator.randint(1, 12) * 16 for name in "MNK"}
        options = {
            "grid": (generator.randint(1, 8), generator.randint(1, 8)),
            "partition": generator.choice(["row_major", "column_major"]),
            "block_tiles": generator.randint(1, 8),
            "fidelity": generator.choice(["LoFi", "HiFi2", "HiFi4"]),
        }
        drawn.append((generator.choice(ARCHITECTURES), parameters, options))
    return drawn


def _variants(count: int, processes: int) -> tuple[float, float]:
    """Seconds and bytes that planning and rendering ``count`` variants takes, start-up included."""
    command = [sys.executable, __file__, "--variants", str(count)]
    begin = time.perf_counter()
    shares = [
        subprocess.Popen([*command, "--share", f"{i}/{processes}"], stdout=subprocess.PIPE)
        for i in range(processes)
    ]
    memory = 0.0
    for share in shares:
        output, _ = share.communicate()
        if share.returncode:
            raise SystemExit(share.returncode)
        memory += float(output)
    seconds = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{count} variants in {processes} processes: {seconds:.1f} s, "
        f"of the processors {used.ru_utime + used.ru_stime:.1f} s "
        f"(limit {VARIANTS_LIMIT * count / 1000:g}), memory {memory / 1e9:.2f} GB "
        f"(limit {MEMORY_LIMIT / 1e9:g})"
    )
    return seconds, memory


def _plan_share(count: int, first: int, step: int) -> int:
    """Plan and render every ``step``-th variant from ``first`` on; prints the bytes needed."""
    from ttgen.frontend.kernel import find_kernel
    from ttgen.frontend.source import load_source
    from ttgen.passes.pipeline import run_pipeline
    from ttgen.render import TemplateSet, write_sources

    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        file = project / "variant.py"
        file.write_text(SOURCE)
        source = load_source(file, project)
        for i, (arch, parameters, options) in list(enumerate(draw(count)))[first::step]:
            kernel = find_kernel(source, "variant", parameters)
            name = f"variant-{i}"
            path = project / name / "tt.plan.json"
            lowered = run_pipeline(kernel, name=name, plan_path=path, arch=arch, **options)
            write_sources(lowered.plan, TemplateSet(), path.parent)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return 0


def _profile(repeat: int) -> int:
    """Profile the library's kernels, after a round that warms up."""
    list(_plan_library())
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(repeat):
        list(_plan_library())
    profiler.disable()
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
