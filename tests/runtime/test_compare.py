"""Verdicts on outputs: what passes must be right, whatever the reference looks like."""

from __future__ import annotations

import numpy as np
import pytest

from ttgen.plan.model import Tolerance
from ttgen_runtime.compare import compare, pcc, relative_error
from ttgen_runtime.result import OutputFigures

TOLERANCE = Tolerance(pcc=0.999, relative_error=0.02)
RNG = np.random.default_rng(1)
REFERENCE = RNG.standard_normal((64, 96)).astype(np.float32)


def verdict(out: object, reference: object) -> OutputFigures:
    return compare("c", np.asarray(out), np.asarray(reference), TOLERANCE)


def test_equal_outputs_pass_with_perfect_figures() -> None:
    figures = verdict(REFERENCE, REFERENCE)
    assert figures.passed
    assert figures.pcc == pytest.approx(1.0)
    assert (figures.relative_error, figures.max_abs_error, figures.not_finite) == (0.0, 0.0, 0)
    assert figures.problem is None


def test_figures_are_what_their_names_say() -> None:
    out = REFERENCE + 0.5 * RNG.standard_normal(REFERENCE.shape).astype(np.float32)
    a, b = out.astype(np.float64).ravel(), REFERENCE.astype(np.float64).ravel()
    figures = verdict(out, REFERENCE)
    assert figures.pcc == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert figures.relative_error == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(b))
    assert figures.max_abs_error == pytest.approx(np.abs(a - b).max())
    assert not figures.passed


def test_both_figures_must_hold() -> None:
    scaled = verdict(REFERENCE * 1.05, REFERENCE)
    assert scaled.pcc == pytest.approx(1.0)
    assert not scaled.passed
    assert scaled.problem == "relative error 0.050000 is above 0.02"
    # A small signal on a large offset: near in norm, and not the same at all.
    offset = 100 + RNG.standard_normal((32, 32))
    flat = verdict(np.full((32, 32), 100.0), offset)
    assert flat.relative_error is not None
    assert flat.relative_error < 0.02
    assert flat.pcc == 0.0
    assert not flat.passed


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_constant_reference_is_compared_by_its_norm(value: float) -> None:
    reference = np.full((32, 32), value)
    assert verdict(reference, reference).passed
    assert verdict(reference, reference).pcc is None
    assert not verdict(reference + 0.5, reference).passed
    assert not verdict(RNG.standard_normal((32, 32)), reference).passed


def test_rounding_around_a_constant_is_not_correlated() -> None:
    reference = np.float32(1.0) + np.float32(1e-4) * REFERENCE
    assert verdict(np.ones_like(reference), reference).passed


def test_shuffled_or_shifted_values_fail() -> None:
    assert not verdict(REFERENCE[::-1], REFERENCE).passed
    assert not verdict(np.roll(REFERENCE, 1, axis=1), REFERENCE).passed
    assert not verdict(-REFERENCE, REFERENCE).passed


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_not_finite_fails(bad: float) -> None:
    out = REFERENCE.copy()
    out[3, 70] = bad
    figures = verdict(out, REFERENCE)
    assert not figures.passed
    assert figures.not_finite == 1
    assert "1 of 6144 values of the output are not finite, the first at (3, 70)" in str(
        figures.problem
    )


def test_tiles_that_were_never_written_are_counted() -> None:
    out = np.stack([REFERENCE, REFERENCE])
    out[1, 32:, 64:] = np.nan
    out[0, 0, 0] = np.nan
    figures = compare("c", out, np.stack([REFERENCE, REFERENCE]), TOLERANCE)
    assert "1 of 12 tiles are all NaN" in str(figures.problem)


def test_tiles_are_those_of_the_device() -> None:
    """2 matrices of 64x64 here, 64 of 2x64 there: 64 times 2 tiles."""
    reference = np.ones((2, 64, 64), np.float32)
    out = reference.copy()
    out[:, 5] = np.nan
    figures = compare("c", out, reference, TOLERANCE, order=(1, 0, 2))
    assert "2 of 128 tiles are all NaN" in str(figures.problem)


def test_a_ragged_tile_counts_as_well() -> None:
    out = np.ones((40, 40), np.float32)
    out[32:, 32:] = np.nan
    assert "1 of 4 tiles" in str(compare("c", out, np.ones((40, 40)), TOLERANCE).problem)


def test_a_golden_that_is_not_finite_compares_with_nothing() -> None:
    reference = REFERENCE.copy()
    reference[0, 0] = np.inf
    figures = verdict(reference, reference)
    assert not figures.passed
    assert "the golden" in str(figures.problem)


def test_shapes_must_be_equal() -> None:
    figures = verdict(REFERENCE, REFERENCE.T)
    assert not figures.passed
    assert "shape" in str(figures.problem)


def test_integers_are_compared_as_they_are() -> None:
    reference = np.arange(1024, dtype=np.int32).reshape(32, 32) * 2_000_000
    assert verdict(reference, reference).passed
    assert not verdict(np.full_like(reference, -0x5A5A5A5B), reference).passed


def test_nothing_is_equal_to_nothing() -> None:
    empty = np.zeros((0, 32))
    assert pcc(empty.ravel(), empty.ravel()) is None
    assert relative_error(empty.ravel(), empty.ravel()) == 0.0
    assert verdict(empty, empty).passed
