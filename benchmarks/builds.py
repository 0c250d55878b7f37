"""How long builds of many kernels take: the figures that ttgen promises.

    python benchmarks/builds.py                     1, 10, 100 and 1,000 kernels: plans and sources
    python benchmarks/builds.py --elfs              1, 10 and 100 kernels, compiled too
    python benchmarks/builds.py --kernels 100 --repeat 9

For each number a project is generated, the same one every time: a Python file and a spec for each
kernel, all for one architecture. Then SCons runs in it, and what counts is the whole process, from
Python's start to its end:

cold      nothing is there yet
null      nothing is to be done; the median of ``--repeat`` runs
edit      one kernel's source was changed; the median too
memory    the resident memory of SCons' own process at its peak, in the cold build

The limits are for a machine of two cores that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
#: What is promised, by number of kernels: seconds, and bytes.
NULL_LIMITS, EDIT_LIMITS, COLD_LIMITS = {100: 0.2, 1000: 1.0}, {1000: 2.0}, {1000: 40.0}
MEMORY_LIMITS = {1000: 600e6}

_SCONSTRUCT = """\
DefaultEnvironment(tools=[])
env = Environment(tools=["ttgen"], TT_ARCH="wormhole_b0")
env.TTKernels("kernels")
"""
_KERNEL = """\
from tvm import te


def {name}(M: int = {rows}, N: int = {columns}):
    A = te.placeholder((M, N), "bfloat16", name="A")
    B = te.placeholder((M, N), "bfloat16", name="B")
    C = te.compute((M, N), lambda i, j: A[i, j] {operator} B[i, j], name="C")
    return te.create_prim_func([A, B, C])
"""


@dataclass(frozen=True)
class Run:
    """One process: ``seconds`` of wall time, and its memory at the peak in bytes."""

    seconds: float
    memory: int


@dataclass(frozen=True)
class Figures:
    """Of a project with ``kernels`` kernels; see the module's text."""

    kernels: int
    cold: Run
    null: float
    edit: float


def main() -> int:
    """Print the figures; 1 where one is above its limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kernels", type=int, action="append")
    parser.add_argument("--elfs", action="store_true", help="compile the kernels too")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    numbers = options.kernels or ([1, 10, 100] if options.elfs else [1, 10, 100, 1000])
    target = "kernels" if options.elfs else "sources"
    print(f"{'kernels':>7}  {'cold':>8}  {'null':>7}  {'edit':>7}  {'memory':>7}")
    excesses = []
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder), number, target, options.repeat)
        print(
            f"{number:7}  {figures.cold.seconds:6.2f} s  {figures.null:5.3f} s  "
            f"{figures.edit:5.3f} s  {figures.cold.memory / 1e6:4.0f} MB",
            flush=True,
        )
        excesses += [f"{name} at {number} kernels" for name in _above_limits(figures)]
    print("within the limits" if not excesses else f"ABOVE A LIMIT: {', '.join(excesses)}")
    return 1 if excesses else 0


def measure(folder: Path, kernels: int, target: str, repeat: int) -> Figures:
    """Generate a project in ``folder`` and build it again and again."""
    generate(folder, kernels)
    cold = run(folder, target)
    run(folder, target)
    null = [run(folder, target).seconds for _ in range(repeat)]
    edit = []
    for i in range(repeat):
        source = folder / "kernels" / f"k{kernels // 2}.py"
        source.write_text(_KERNEL.format(name=source.stem, rows=64 + i, columns=96, operator="-"))
        edit.append(run(folder, target).seconds)
    return Figures(kernels, cold, statistics.median(null), statistics.median(edit))


def generate(folder: Path, kernels: int) -> None:
    """A project: shapes and operations differ from kernel to kernel."""
    (folder / "kernels").mkdir()
    (folder / "site_scons").symlink_to(ROOT / "site_scons")
    (folder / "SConstruct").write_text(_SCONSTRUCT)
    for i in range(kernels):
        shape = {"rows": 32 * (1 + i % 4), "columns": 32 * (1 + i // 4 % 25)}
        text = _KERNEL.format(name=f"k{i}", operator="+-*"[i % 3], **shape)
        (folder / "kernels" / f"k{i}.py").write_text(text)
        (folder / "kernels" / f"k{i}.yaml").write_text("buffering: 2\n")


def run(folder: Path, target: str) -> Run:
    """Run SCons in ``folder``; RuntimeError with what it said where it fails."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "runtime")])
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "SCons", "-Q", f"-j{os.cpu_count()}", target],
        cwd=folder,
        env={**env, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        peak = _watch_memory(process.pid)
        out, _ = process.communicate()
        seconds = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(out)
    return Run(seconds, peak[0])


def _watch_memory(pid: int) -> list[int]:
    """The memory of a process at its peak so far, for as long as it lives."""
    peak = [0]

    def watch() -> None:
        try:
            process = psutil.Process(pid)
            while process.status() != psutil.STATUS_ZOMBIE:
                peak[0] = max(peak[0], process.memory_info().rss)
                time.sleep(0.05)
        except psutil.NoSuchProcess:
            pass

    threading.Thread(target=watch, daemon=True).start()
    return peak


def _above_limits(figures: Figures) -> list[str]:
    measured = {
        "cold": (figures.cold.seconds, COLD_LIMITS),
        "null": (figures.null, NULL_LIMITS),
        "edit": (figures.edit, EDIT_LIMITS),
        "memory": (figures.cold.memory, MEMORY_LIMITS),
    }
    return [
        name
        for name, (value, limits) in measured.items()
        if value > limits.get(figures.kernels, float("inf"))
    ]


if __name__ == "__main__":
    sys.exit(main())
