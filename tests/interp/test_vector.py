"""Operations of the vector unit: each has one meaning, and the simulators come near to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.vector_accuracy import FAST, errors, planned, results
from ttgen.arch import ARCHITECTURES
from ttgen.build.workers import Workers
from ttgen.golden import as_stored
from ttgen.vector import TRUTHS, VECTOR
from ttgen_runtime.interp.vector import MEANING

VALUES = np.array([-3.0, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 2.0, 7.5], np.float32)

#: Operations that give one of their operands, or 1 or 0.
EXACT = frozenset(row.name for row in VECTOR.values() if row.chooses) | TRUTHS
#: The most that a result is off, in units of its last place, by the bits of the tensors. Rounding
#: takes half a unit of that.
ULPS = {
    16: dict.fromkeys(VECTOR, 1.0) | {"erf": 2.0} | dict.fromkeys(EXACT, 0.0),
    32: dict.fromkeys(VECTOR, 4.0) | dict.fromkeys(EXACT, 0.0),
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
def workers(cache: Path) -> Iterator[Workers]:
    workers = Workers(cache)
    yield workers
    workers.close()


@pytest.mark.sim
@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("start", range(3))
def test_every_operation_is_near_on_wolfpine(
    arch: str, bits: int, start: int, workers: Workers, tmp_path: Path
) -> None:
    names = [name for name, row in VECTOR.items() if bits == 32 or not row.needs_fp32][start::3]
    found = errors(arch, bits, names, workers, tmp_path)
    assert {name: off for name, off in found.items() if off.ulps > ULPS[bits][name]} == {}


#: The largest errors of the faster forms, in units of bf16's last place. The SDK says 10 of tanh,
#: ten bits of square roots. Its table for sigmoid ends at 2, where it gives 1.
FASTER = {"exp": 5.75, "sqrt": 0.25, "rsqrt": 0.25, "sigmoid": 244, "tanh": 10, "erf": 1.5}
FASTER |= {"recip": 1.5}


@pytest.mark.sim
def test_math_approx_reaches_every_operation_that_has_a_faster_form(
    arch: str, workers: Workers, tmp_path: Path
) -> None:
    found = errors(arch, 32, FAST, workers, tmp_path, math_approx=True)
    assert found.pop("log").ulps <= ULPS[32]["log"]  # it leaves out what is no normal number
    for name, error in found.items():
        assert ULPS[32][name] < error.ulps <= FASTER[name] * 2**16, name


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
    job = planned(arch, CHOICES, f"parameters: {{bits: {bits}}}", workers, tmp_path)
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
