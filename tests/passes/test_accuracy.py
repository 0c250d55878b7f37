"""How exact sums and means are: numbers as the chip rounds them."""

from __future__ import annotations

import numpy as np
import pytest
from sources import plan_of

from ttgen.arch import ARCHITECTURES
from ttgen.formats import nearest_bf16
from ttgen_runtime import interp

MEAN = """
def k():
    A = te.placeholder(({rows}, {columns}), dtype="bfloat16", name="A")
    m = te.reduce_axis((0, {rows}), name="m")
    n = te.reduce_axis((0, {columns}), name="n")
    S = te.compute({shape}, lambda i, j: te.sum(A[{index}], axis=[{axes}]), name="S")
    C = te.compute({shape}, lambda i, j: S[i, j] * te.const({scale!r}, "float32"), name="C")
    return [A, C]
"""
#: What is reduced: the result's shape, the index of A, the axes.
SIDES = {
    "columns": ("({rows}, 1)", "i, n", "n", 1),
    "rows": ("(1, {columns})", "m, j", "m", 0),
    "both": ("(1, 1)", "m, n", "m, n", (0, 1)),
}


def bf16(values: np.ndarray) -> np.ndarray:
    return np.vectorize(nearest_bf16, otypes=[np.float64])(values)


@pytest.mark.parametrize("extents", [(40, 70), (33, 96), (100, 7), (7, 1000)])
@pytest.mark.parametrize("side", SIDES)
def test_means_are_right_to_the_last_place(side: str, extents: tuple[int, int]) -> None:
    """With float32 in DST they are the exact ones, rounded: half a place off at most."""
    rows, columns = extents
    shape, index, axes, over = SIDES[side]
    count = rows * columns if side == "both" else {"columns": columns, "rows": rows}[side]
    text = MEAN.format(
        rows=rows,
        columns=columns,
        shape=shape.format(rows=rows, columns=columns),
        index=index,
        axes=axes,
        scale=1 / count,
    )
    plan = plan_of(text, "blackhole")
    assert plan.compute.fp32_dest_acc
    values = bf16(np.random.default_rng(3).uniform(0.5, 1.5, extents))
    _, after = interp.run(plan, {"A": values.astype(np.float32)})
    exact = values.mean(axis=over, keepdims=True)
    places = np.abs(after["C"] - exact) / 2.0 ** (np.frexp(exact)[1] - 8)
    assert places.max() < 0.51, places.max()


LOWEST = """
def k():
    A = te.placeholder((2, 40, 70), dtype="float32", name="A")
    m = te.reduce_axis((0, 40), name="m")
    n = te.reduce_axis((0, 70), name="n")
    C = te.compute({shape}, lambda {axes}: te.max(A[{index}], axis=[{over}]), name="C")
    return [A, C]
"""


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
@pytest.mark.parametrize(
    ("shape", "axes", "index", "over"),
    [
        ((2, 40), "b, i", "b, i, n", "n"),
        ((2, 70), "b, j", "b, m, j", "m"),
        ((2,), "b", "b, m, n", "m, n"),
    ],
)
def test_maxima_of_float32_may_be_less_than_any_bf16(
    shape: tuple[int, ...], axes: str, index: str, over: str, arch: str
) -> None:
    """Padding does not win against numbers below bf16's least, which TF32 holds."""
    text = LOWEST.format(shape=shape, axes=axes, index=index, over=over)
    plan = plan_of(text, arch, fp32_dest_acc=True)
    low = -float.fromhex("0x1.ff8p127")
    assert np.float32(low) < -float.fromhex("0x1.fep127")
    for values in (low, np.finfo(np.float32).min):
        whole = np.full((2, 40, 70), values, np.float32)
        _, after = interp.run(plan, {"A": whole}, exact=True)
        assert np.array_equal(after["C"], np.full(shape, values, np.float32))
    _, after = interp.run(plan, {"A": np.full((2, 40, 70), low, np.float32)})
    assert np.array_equal(after["C"], np.full(shape, low, np.float32))


MIXED = """
@T.prim_func
def k(
    A: T.Buffer((40, 70), "{a}"), B: T.Buffer((40, 70), "{b}"), C: T.Buffer((40, 70), "float32")
):
    for i, j in T.grid(40, 70):
        C[i, j] = T.Cast("float32", A[i, j]) {symbol} T.Cast("float32", B[i, j])
"""


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
@pytest.mark.parametrize("symbol", ["+", "*"])
@pytest.mark.parametrize("wide", ["A", "B"])
def test_bits_of_float32_count_wherever_it_stands(wide: str, symbol: str, arch: str) -> None:
    """The FPU reads both operands in the format of the first; what commutes is put so."""
    dtypes = {name.lower(): "float32" if name == wide else "bfloat16" for name in "AB"}
    plan = plan_of(MIXED.format(**dtypes, symbol=symbol), arch)
    inputs = {name: np.ones((40, 70), np.float32) for name in "AB"}
    inputs[wide] += np.float32(2**-9)  # the multiplier reads it, bf16 does not hold it
    _, after = interp.run(plan, inputs)
    one = np.float32(1)
    expected = inputs[wide] + one if symbol == "+" else inputs[wide] * one
    assert np.array_equal(after["C"], expected)
