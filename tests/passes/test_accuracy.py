"""How exact sums and means are: numbers as the chip rounds them."""

from __future__ import annotations

import numpy as np
import pytest
from sources import plan_of

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
