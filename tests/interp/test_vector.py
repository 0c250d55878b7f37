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
from ttgen.spec import load_variants
from ttgen.vector import UNARY
from ttgen_runtime.interp.vector import MEANING
from ttgen_runtime.launch import run_kernel

VALUES = np.array([-3.0, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 2.0, 7.5], np.float32)

#: One operation after the other, of a tile each: the kernel that has them all.
SOURCE = """
from tvm import te, tirx, topi

OPERATIONS = {
    "relu": topi.nn.relu,
    "abs": topi.abs,
    "exp": topi.exp,
    "log": lambda x: topi.log(topi.abs(x)),
    "log1p": lambda x: te.compute(x.shape, lambda *at: tirx.log1p(topi.abs(x)[at])),
    "sqrt": lambda x: topi.sqrt(topi.abs(x)),
    "rsqrt": lambda x: topi.rsqrt(topi.abs(x)),
    "recip": lambda x: te.const(1, x.dtype) / x,
    "sigmoid": topi.sigmoid,
    "tanh": topi.tanh,
    "erf": topi.erf,
    "sin": topi.sin,
    "cos": topi.cos,
    "floor": topi.floor,
    "ceil": topi.ceil,
}


def every(bits: int = 16):
    if bits == 32:
        OPERATIONS.pop("tanh")
    A = te.placeholder((32, 32), {16: "bfloat16", 32: "float32"}[bits], name="A")
    return [A, topi.concatenate([operation(A) for operation in OPERATIONS.values()], 0)]
"""
#: Those that the stand-in compiles, by the bits of the tensors: with float32 in DST the SDK's tanh
#: needs more vectors at once than its register allocator finds room for.
OPERATIONS = {16: tuple(UNARY), 32: tuple(name for name in UNARY if name != "tanh")}
#: The most that a result is off, in units of its last place, by the bits of the tensors. The packer
#: and the golden value each take half a unit of that.
ULPS = {16: dict.fromkeys(UNARY, 1.0) | {"erf": 2.0}, 32: dict.fromkeys(UNARY, 8.0)}


def test_the_interpreter_knows_every_operation() -> None:
    assert set(MEANING) == set(UNARY)


@pytest.mark.parametrize("name", sorted(UNARY))
def test_tiles_mean_what_numbers_do(name: str) -> None:
    numbers = [UNARY[name].folded(float(value)) for value in VALUES]
    tile = MEANING[name](VALUES)
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


@pytest.mark.sim
@pytest.mark.parametrize("bits", [16, 32])
def test_every_operation_is_near_on_wolfpine(
    arch: str, bits: int, workers: Workers, tmp_path: Path
) -> None:
    source = tmp_path / "kernels" / "every.py"
    source.parent.mkdir()
    source.write_text(SOURCE)
    source.with_suffix(".yaml").write_text(f"parameters: {{bits: {bits}}}\n")
    (variant,) = load_variants(source, tmp_path)
    job = Job(tmp_path, tmp_path / "build", declared(variant), arch)
    steps = Steps(workers)
    steps.plan(job)
    steps.golden(job)
    steps.render(job)
    path = tmp_path / "values.npz"
    with workers.device("wolfpine", arch) as session:
        result = run_kernel(
            session, job.plan, job.folder, job.golden, device="wolfpine", values=path
        )
    assert result.status != "error", result.message
    with np.load(path) as file, np.load(job.golden) as golden:
        ((name, values),) = file.items()
        expected = golden[name].astype(np.float64)
    count = len(OPERATIONS[bits])
    parts = zip(np.split(values, count), np.split(expected, count), strict=True)
    found = {
        name: ulps(*part, {16: 8, 32: 24}[bits])
        for name, part in zip(OPERATIONS[bits], parts, strict=True)
    }
    assert {name: off for name, off in found.items() if off > ULPS[bits][name]} == {}
