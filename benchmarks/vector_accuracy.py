"""How far the vector unit's operations are off, as generated kernels call them.

    python benchmarks/vector_accuracy.py              all operations, both chips, bf16 and float32
    python benchmarks/vector_accuracy.py --arch blackhole --bits 32 tanh exp
    python benchmarks/vector_accuracy.py --fast       those with a faster form, by math_approx: true

Each operation runs on a tile of normally distributed values, or of their magnitudes where it wants
them positive, on Wolfpine, and is held to the row's own meaning in float64: the largest error in
units of the last place of the output, and the largest one as a number. Half a unit is what rounding
takes. A dozen operations share a kernel, which takes about a minute.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ttgen.arch import ARCHITECTURES
from ttgen.build.job import Job, declared
from ttgen.build.steps import Steps
from ttgen.build.workers import Workers
from ttgen.spec import load_variants
from ttgen.vector import TRUTHS, VECTOR
from ttgen_runtime.launch import run_kernel

ROOT = Path(__file__).resolve().parents[1]

Array: TypeAlias = npt.NDArray[np.float64]

MANTISSA = {16: 8, 32: 24}
#: Operations of one kernel: there are circular buffers for so many.
SHARE = 12
#: Those of which the SDK has a faster form, be it by a template argument or by the configuration.
FAST = (*(name for name, row in VECTOR.items() if row.fast is not None), "recip")

#: One operation after the other, of a tile or two each.
SOURCE = """
from tvm import te, tirx, topi

# Whole numbers: many are equal.
WHOLE = {
    "lt": topi.less,
    "le": topi.less_equal,
    "gt": topi.greater,
    "ge": topi.greater_equal,
    "eq": topi.equal,
    "ne": topi.not_equal,
}
OPERATIONS = {
    "relu": lambda x, y, p: topi.nn.relu(x),
    "abs": lambda x, y, p: topi.abs(x),
    "exp": lambda x, y, p: topi.exp(x),
    "log": lambda x, y, p: topi.log(p),
    "log1p": lambda x, y, p: te.compute(p.shape, lambda *at: tirx.log1p(p[at])),
    "sqrt": lambda x, y, p: topi.sqrt(p),
    "rsqrt": lambda x, y, p: topi.rsqrt(p),
    "recip": lambda x, y, p: te.const(1, x.dtype) / x,
    "sigmoid": lambda x, y, p: topi.sigmoid(x),
    "tanh": lambda x, y, p: topi.tanh(x),
    "erf": lambda x, y, p: topi.erf(x),
    "sin": lambda x, y, p: topi.sin(x),
    "cos": lambda x, y, p: topi.cos(x),
    "floor": lambda x, y, p: topi.floor(x),
    "ceil": lambda x, y, p: topi.ceil(x),
    "max": lambda x, y, p: topi.maximum(x, y),
    "min": lambda x, y, p: topi.minimum(x, y),
    "where": lambda x, y, p: topi.where(topi.less(x, y), p, y),
    "pow": lambda x, y, p: topi.cast(
        topi.power(topi.cast(p, "float32"), topi.cast(y, "float32")), x.dtype
    ),
    **{
        name: lambda x, y, p, is_so=is_so: topi.cast(
            is_so(topi.floor(x), topi.floor(y)), x.dtype
        )
        for name, is_so in WHOLE.items()
    },
    **{
        f"{name}z": lambda x, y, p, is_so=is_so: topi.cast(is_so(topi.floor(x), 0.0), x.dtype)
        for name, is_so in WHOLE.items()
    },
}


def every(bits: int = 16):
    dtype = {16: "bfloat16", 32: "float32"}[bits]
    x, y, p = (te.placeholder((32, 32), dtype, name=name) for name in "XYP")
    return [x, y, p, topi.concatenate([OPERATIONS[name](x, y, p) for name in NAMES], 0)]
"""

#: What operations are of, where it is not X, or X and Y.
OPERANDS: dict[str, Callable[[Array, Array, Array], Sequence[Array]]] = {
    **dict.fromkeys(("log", "log1p", "sqrt", "rsqrt"), lambda x, y, p: [p]),
    "pow": lambda x, y, p: [p, y],
    "where": lambda x, y, p: [np.less(x, y).astype(np.float64), p, y],
    **dict.fromkeys(TRUTHS, lambda x, y, p: [np.floor(x), np.floor(y)]),
}


@dataclass(frozen=True)
class Error:
    """The largest one: in units of the last place of the result, and as a number."""

    ulps: float
    size: float


def errors(
    arch: str,
    bits: int,
    names: Sequence[str],
    workers: Workers,
    folder: Path,
    *,
    math_approx: bool = False,
    device: str = "wolfpine",
) -> dict[str, Error]:
    """What is measured of the operations, which share one kernel that is made in ``folder``."""
    source = f"NAMES = {list(names)}\n{SOURCE}"
    spec = f"parameters: {{bits: {bits}}}\nmath_approx: {str(math_approx).lower()}\n"
    job = planned(arch, source, spec, workers, folder)
    with np.load(job.golden) as golden:
        arrays = dict(golden)
    arrays["in_P"] = np.abs(arrays["in_P"])
    np.savez(job.golden, **arrays)
    parts = np.split(results(job, device, workers), len(names))
    operands = [arrays[f"in_{name}"].astype(np.float64) for name in "XYP"]
    return {
        name: _error(part.astype(np.float64), meaning(name, *operands), MANTISSA[bits])
        for name, part in zip(names, parts, strict=True)
    }


def meaning(name: str, x: Array, y: Array, p: Array) -> Array:
    """What an operation of :data:`SOURCE` gives."""
    row = VECTOR[name]
    of = OPERANDS[name](x, y, p) if name in OPERANDS else [x, y]
    return np.asarray(np.vectorize(row.of, otypes=[np.float64])(*of[: row.operands]))


def _error(found: Array, meant: Array, mantissa: int) -> Error:
    unit = np.ldexp(1.0, np.frexp(np.where(meant == 0, 1, meant))[1] - mantissa)
    size = np.abs(found - meant)
    return Error(float((size / unit).max()), float(size.max()))


def planned(arch: str, source: str, spec: str, workers: Workers, folder: Path) -> Job:
    """A job whose kernel is ``source``, its function ``every``, up to its sources in C++."""
    path = folder / "kernels" / "every.py"
    path.parent.mkdir()
    path.write_text(source)
    path.with_suffix(".yaml").write_text(spec)
    (variant,) = load_variants(path, folder)
    job = Job(folder, folder / "build", declared(variant), arch)
    steps = Steps(workers)
    steps.plan(job)
    steps.golden(job)
    steps.render(job)
    return job


def results(job: Job, device: str, workers: Workers) -> npt.NDArray[np.float32]:
    """What the one output holds after a run."""
    path = job.folder / f"{device}.npz"
    with workers.device(device, job.arch) as session:
        result = run_kernel(session, job.plan, job.folder, job.golden, device=device, values=path)
    if result.status == "error":
        raise RuntimeError(result.message)
    with np.load(path) as file:
        ((_, values),) = file.items()
    return np.asarray(values)


def shares(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """What kernels have in them. One that needs float32 in DST has it for all of its operations."""
    apart = [name for name in names if VECTOR[name].needs_fp32]
    others = [name for name in names if name not in apart]
    yield from (others[start : start + SHARE] for start in range(0, len(others), SHARE))
    if apart:
        yield apart


def measured(
    arch: str, bits: int, names: Sequence[str], workers: Workers, *, math_approx: bool
) -> Iterator[tuple[str, Error]]:
    """The errors of any number of operations."""
    for share in shares(names):
        with tempfile.TemporaryDirectory() as folder:
            found = errors(arch, bits, share, workers, Path(folder), math_approx=math_approx)
        yield from found.items()


def main() -> None:
    text = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=text)
    parser.add_argument("--arch", action="append", choices=sorted(ARCHITECTURES))
    parser.add_argument("--bits", action="append", type=int, choices=sorted(MANTISSA))
    parser.add_argument("--fast", action="store_true", help="with math_approx: true")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / ".cache")
    parser.add_argument("names", nargs="*", metavar="operation", help="default: all of them")
    chosen = parser.parse_args()
    names = chosen.names or list(FAST if chosen.fast else VECTOR)
    os.environ.setdefault("TTGEN_TOOLCHAIN", "clang")
    workers = Workers(chosen.cache.absolute())
    for arch in chosen.arch or sorted(ARCHITECTURES):
        for bits in chosen.bits or sorted(MANTISSA):
            for name, error in measured(arch, bits, names, workers, math_approx=chosen.fast):
                figures = f"{error.ulps:10.2f} ulp  {error.size:.2g}"
                print(f"{arch:12} {bits} bits  {name:8} {figures}", flush=True)
    workers.close()


if __name__ == "__main__":
    main()
