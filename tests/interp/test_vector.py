"""Operations of the vector unit: each has one meaning, and the simulators come near to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ttgen.arch import ARCHITECTURES
from ttgen.build.job import Job, declared
from ttgen.build.steps import Steps
from ttgen.build.workers import Workers
from ttgen.golden import as_stored
from ttgen.spec import load_variants
from ttgen.vector import TRUTHS, VECTOR
from ttgen_runtime.interp.vector import MEANING
from ttgen_runtime.launch import run_kernel

VALUES = np.array([-3.0, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 2.0, 7.5], np.float32)

#: One operation after the other, of a tile or two each; there are buffers for a third of them.
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
    "relu": lambda x, y: topi.nn.relu(x),
    "abs": lambda x, y: topi.abs(x),
    "exp": lambda x, y: topi.exp(x),
    "log": lambda x, y: topi.log(topi.abs(x)),
    "log1p": lambda x, y: te.compute(x.shape, lambda *at: tirx.log1p(topi.abs(x)[at])),
    "sqrt": lambda x, y: topi.sqrt(topi.abs(x)),
    "rsqrt": lambda x, y: topi.rsqrt(topi.abs(x)),
    "recip": lambda x, y: te.const(1, x.dtype) / x,
    "sigmoid": lambda x, y: topi.sigmoid(x),
    "tanh": lambda x, y: topi.tanh(x),
    "erf": lambda x, y: topi.erf(x),
    "sin": lambda x, y: topi.sin(x),
    "cos": lambda x, y: topi.cos(x),
    "floor": lambda x, y: topi.floor(x),
    "ceil": lambda x, y: topi.ceil(x),
    "max": topi.maximum,
    "min": topi.minimum,
    "where": lambda x, y: topi.where(topi.less(x, y), topi.abs(x), y),
    "pow": lambda x, y: topi.power(topi.abs(x), y),
    **{
        name: lambda x, y, is_so=is_so: topi.cast(is_so(topi.floor(x), topi.floor(y)), x.dtype)
        for name, is_so in WHOLE.items()
    },
    **{
        f"{name}z": lambda x, y, is_so=is_so: topi.cast(is_so(topi.floor(x), 0.0), x.dtype)
        for name, is_so in WHOLE.items()
    },
}


def every(bits: int = 16):
    A, B = (te.placeholder((32, 32), {16: "bfloat16", 32: "float32"}[bits], name=n) for n in "AB")
    return [A, B, topi.concatenate([OPERATIONS[name](A, B) for name in NAMES], 0)]
"""
#: What the stand-in does not compile, by the bits of the tensors: the SDK's tanh with float32 in
#: DST, its power with bf16. They need more vectors at once than its allocator finds registers for.
MISSING = {16: "pow", 32: "tanh"}
#: Operations that give one of their operands, or 1 or 0.
EXACT = frozenset(row.name for row in VECTOR.values() if row.chooses) | TRUTHS
#: The most that a result is off, in units of its last place, by the bits of the tensors. The packer
#: and the golden value each take half a unit of that.
ULPS = {
    16: dict.fromkeys(VECTOR, 1.0) | {"erf": 2.0} | dict.fromkeys(EXACT, 0.0),
    32: dict.fromkeys(VECTOR, 8.0) | dict.fromkeys(EXACT, 0.0),
}


def test_the_interpreter_knows_every_operation() -> None:
    assert set(MEANING) == set(VECTOR)


@pytest.mark.parametrize("name", sorted(VECTOR))
def test_tiles_mean_what_numbers_do(name: str) -> None:
    row = VECTOR[name]
    operands = [values.ravel() for values in np.meshgrid(*[VALUES] * row.operands)]
    numbers = [row.folded(*map(float, each)) for each in zip(*operands, strict=True)]
    tile = MEANING[name](*operands)
    for value, number in zip(tile, numbers, strict=True):
        assert np.isclose(value, number, rtol=1e-6) if number is not None else ~np.isfinite(value)


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def arch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Processes that share $TTGEN_TEST_CACHE if that is set."""
    shared = os.environ.get("TTGEN_TEST_CACHE")
    workers = Workers(Path(shared) if shared else tmp_path_factory.mktemp("cache"))
    yield workers
    workers.close()


def ulps(values: np.ndarray, expected: np.ndarray, mantissa: int) -> float:
    """How far ``values`` are off, at most, in units of the last of ``mantissa`` bits."""
    unit = np.ldexp(1.0, np.frexp(np.where(expected == 0, 1, expected))[1] - mantissa)
    return float((np.abs(values.astype(np.float64) - expected) / unit).max())


def planned(arch: str, source: str, workers: Workers, folder: Path, parameters: str = "{}") -> Job:
    """A job whose kernel is ``source``, up to its sources in C++."""
    path = folder / "kernels" / "every.py"
    path.parent.mkdir()
    path.write_text(source)
    path.with_suffix(".yaml").write_text(f"parameters: {parameters}\n")
    (variant,) = load_variants(path, folder)
    job = Job(folder, folder / "build", declared(variant), arch)
    steps = Steps(workers)
    steps.plan(job)
    steps.golden(job)
    steps.render(job)
    return job


def results(job: Job, device: str, workers: Workers) -> np.ndarray:
    """What the one output holds after a run."""
    path = job.folder / f"{device}.npz"
    with workers.device(device, job.arch) as session:
        result = run_kernel(session, job.plan, job.folder, job.golden, device=device, values=path)
    assert result.status != "error", result.message
    with np.load(path) as file:
        ((_, values),) = file.items()
    return values


@pytest.mark.sim
@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("start", range(3))
def test_every_operation_is_near_on_wolfpine(
    arch: str, bits: int, start: int, workers: Workers, tmp_path: Path
) -> None:
    names = [name for name in VECTOR if name != MISSING[bits]][start::3]
    source = f"NAMES = {names}\n{SOURCE}"
    job = planned(arch, source, workers, tmp_path, f"{{bits: {bits}}}")
    with np.load(job.golden) as golden:
        (expected,) = (golden[name] for name in golden.files if name.startswith("out_"))
    values = results(job, "wolfpine", workers)
    parts = zip(np.split(values, len(names)), np.split(expected, len(names)), strict=True)
    found = {
        name: ulps(part, wanted.astype(np.float64), {16: 8, 32: 24}[bits])
        for name, (part, wanted) in zip(names, parts, strict=True)
    }
    assert {name: off for name, off in found.items() if off > ULPS[bits][name]} == {}


#: Numbers that are compared and chosen from in all pairs.
SPECIAL = np.array(
    [-np.inf, -3e38, -2.0, -1e-30, -0.0, 0.0, 1e-30, 2.0, 3e38, np.inf, np.nan], np.float32
)
#: What they mean. A choice gives an operand as it is; -0 is less than 0 for the larger of two.
CHOICES = """
from tvm import te, topi

def every(bits: int = 16):
    A, B = (te.placeholder((32, 32), {16: "bfloat16", 32: "float32"}[bits], name=n) for n in "AB")
    compared = (topi.less, topi.less_equal, topi.greater, topi.greater_equal)
    compared += (topi.equal, topi.not_equal)
    parts = [topi.maximum(A, B), topi.minimum(A, B), topi.where(topi.less(A, B), A, B)]
    parts += [topi.cast(relation(A, B), A.dtype) for relation in compared]
    parts += [topi.cast(relation(A, topi.full_like(A, 0.0)), A.dtype) for relation in compared]
    return [A, B, topi.concatenate(parts, 0)]
"""


@pytest.mark.sim
@pytest.mark.parametrize("bits", [16, 32])
def test_special_numbers_are_compared_and_chosen_as_numpy_does(
    arch: str, bits: int, workers: Workers, tmp_path: Path
) -> None:
    """NaN is not compared by the larger and the smaller of two, which docs/sfpu.md tells."""
    job = planned(arch, CHOICES, workers, tmp_path, f"{{bits: {bits}}}")
    a, b = (np.resize(values, (32, 32)) for values in np.meshgrid(SPECIAL, SPECIAL))
    with np.load(job.golden) as golden:
        arrays = dict(golden)
    a, b = (as_stored(values, {16: "bf16", 32: "fp32"}[bits]) for values in (a, b))
    np.savez(job.golden, **{**arrays, "in_A": a, "in_B": b})
    values = results(job, "wolfpine", workers)
    np.testing.assert_array_equal(values, results(job, "interp", workers))
    compared = [np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal]
    expected = [np.fmax(a, b), np.fmin(a, b), np.where(a < b, a, b)]
    expected += [relation(a, b) for relation in compared]
    expected += [relation(a, 0) for relation in compared]
    parts = np.split(values, len(expected))
    either = np.isnan(a) | np.isnan(b)
    for part, wanted in zip(parts[:2], expected[:2], strict=True):
        np.testing.assert_array_equal(part[~either], wanted[~either])
    positive = ~np.signbit(a) | ~np.signbit(b)
    zeros = (a == 0) & (b == 0)
    assert (np.signbit(parts[0]) == ~positive)[zeros].all()
    for part, wanted in zip(parts[2:], expected[2:], strict=True):
        np.testing.assert_array_equal(part, wanted)
