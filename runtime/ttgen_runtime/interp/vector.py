"""What the vector unit does to the values of a tile: a row for each of ``ttgen.vector.UNARY``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ttgen_runtime.interp.formats import Array


def _relu(values: Array) -> Array:
    """What has a sign becomes zero, which then has none."""
    return np.where(np.signbit(values), np.float32(0), values)


MEANING: dict[str, Callable[[Array], Array]] = {"relu": _relu}
