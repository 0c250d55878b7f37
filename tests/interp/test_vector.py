"""Operations of the vector unit: each has one meaning, for numbers and for tiles."""

from __future__ import annotations

import numpy as np
import pytest

from ttgen.vector import UNARY
from ttgen_runtime.interp.vector import MEANING

VALUES = np.array([-3.0, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 2.0, 7.5], np.float32)


def test_the_interpreter_knows_every_operation() -> None:
    assert set(MEANING) == set(UNARY)


@pytest.mark.parametrize("name", sorted(UNARY))
def test_tiles_mean_what_numbers_do(name: str) -> None:
    expected = [UNARY[name].of(float(value)) for value in VALUES]
    np.testing.assert_allclose(MEANING[name](VALUES), expected, rtol=1e-6)
