"""Golden values: the source's own meaning, computed on the CPU (E2)."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import ELEMENTWISE_FORMS, GEMM_FORMS, elementwise, gemm, kernel, square
from tvm.ir import save_json

from ttgen.errors import SourceError
from ttgen.golden import Golden, as_stored, golden, sequential, widened
from ttgen.passes.pipeline import run_pipeline


def golden_of(source: str) -> Golden:
    made = kernel(source)
    return golden(made, run_pipeline(made, arch="wormhole_b0").plan)


@pytest.mark.parametrize("form", GEMM_FORMS)
def test_a_product_is_that_of_float64_within_float32(form: str) -> None:
    """Threads too, though a CPU has none."""
    values = golden_of(gemm(64, 96, 160, form))
    a, b = (values.inputs[name].astype(np.float64) for name in "AB")
    np.testing.assert_allclose(values.outputs["C"], a @ b, rtol=0, atol=160 * 16 * 2.0**-24)


@pytest.mark.parametrize("form", ELEMENTWISE_FORMS)
@pytest.mark.parametrize(
    ("op", "numpy"), [("add", np.add), ("sub", np.subtract), ("mul", np.multiply)]
)
def test_an_elementwise_operation_is_not_rounded_to_bf16(
    op: str, numpy: np.ufunc, form: str
) -> None:
    values = golden_of(elementwise(op, (64, 96), form))
    expected = numpy(values.inputs["A"], values.inputs["B"])
    assert np.array_equal(values.outputs["C"], expected)
    assert not np.array_equal(expected, as_stored(expected, "bf16"))


def test_inputs_are_what_the_device_sees() -> None:
    values = golden_of(elementwise("copy", (64, 96)))
    a = values.inputs["A"]
    assert a.dtype == np.float32
    assert np.array_equal(a, as_stored(a, "bf16"))
    assert 0.8 < a.std() < 1.2
    assert len(np.unique(a)) > 100
    assert np.array_equal(values.outputs["B"], a)
    assert set(values.inputs) == {"A"}


def test_values_that_share_an_exponent_lie_side_by_side_on_the_device() -> None:
    """Along the last dimension in the order of the layout."""
    made = kernel(elementwise("copy", (40, 3, 64)))
    layouts = {name: {"order": [2, 1, 0], "dtype": "bfp8_b"} for name in "AB"}
    plan = run_pipeline(made, arch="wormhole_b0", layouts=layouts).plan
    a = golden(made, plan).inputs["A"]
    assert np.array_equal(a.T, as_stored(a.T, "bfp8_b"))
    assert not np.array_equal(a, as_stored(a, "bfp8_b"))


def test_inputs_differ_from_each_other() -> None:
    values = golden_of(elementwise("add", (64, 64)))
    assert not np.array_equal(values.inputs["A"], values.inputs["B"])


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_bf16_rounds_to_nearest_even(value: float) -> None:
    """Against the bits: the upper half of a float32, rounded."""
    bits = int(np.float32(value).view(np.uint32))
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    expected = np.uint32(rounded).view(np.float32)
    found = as_stored(np.array([value], np.float32), "bf16")[0]
    assert found == expected
    assert found == np.float32(ml_dtypes.bfloat16(value))


def test_equal_values_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        golden_of(gemm(64, 32, 64)).save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as saved:
        assert set(saved) == {"in_A", "in_B", "out_C"}
        assert saved["out_C"].shape == (64, 32)
        assert saved["in_A"].dtype == np.float32
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


@pytest.mark.parametrize("form", GEMM_FORMS)
def test_nothing_stays_bfloat16(form: str) -> None:
    func = kernel(gemm(64, 64, 64, form)).func
    assert "bfloat16" in save_json(func)
    assert "bfloat16" not in save_json(widened(func))
    assert "bfloat16" not in widened(func).script()


def test_no_thread_stays() -> None:
    for form in ("threads", "thread_block"):
        text = sequential(kernel(gemm(64, 64, 64, form)).func).script()
        assert "launch_thread" not in text
        assert "thread_binding" not in text


def test_gaps_show() -> None:
    """An output starts as NaN: what no store reaches is not taken for a result."""
    made = kernel(square("for i, j in T.grid(64, 64):\n    C[i, j] = A[i, j]", "AC"))
    plan = run_pipeline(made, arch="wormhole_b0").plan
    half = kernel(square("for i, j in T.grid(32, 64):\n    C[i, j] = A[i, j]", "AC"))
    values = golden(half, plan)
    assert np.isnan(values.outputs["C"][32:]).all()
    assert not np.isnan(values.outputs["C"][:32]).any()


def test_what_tvm_cannot_build_has_a_place() -> None:
    made = kernel(square("for i, j in T.grid(64, 64):\n    C[i, j] = A[i, j]", "AC"))
    plan = run_pipeline(made, arch="wormhole_b0").plan
    odd = kernel(
        square(
            'T.evaluate(T.tvm_storage_sync("shared"))\n'
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[i, j]",
            "AC",
        )
    )
    with pytest.raises(SourceError, match=r"^kernels/k.py:4:\d+: TVM cannot build it for the CPU"):
        golden(odd, plan)
