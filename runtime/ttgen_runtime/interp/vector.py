"""What the vector unit does to the values of a tile: a row for each of ``ttgen.vector.UNARY``.

Rounded once, from float64: the chip's own functions are a few units in the last place away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ttgen_runtime.interp.formats import Array


def _relu(values: Array) -> Array:
    """What has a sign becomes zero, which then has none."""
    return np.where(np.signbit(values), np.float32(0), values)


def _rounded(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    """The function in float64, with infinities and NaN where it has no value."""

    def of(values: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(values.astype(np.float64)), np.float32)

    return of


def _sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-values)))


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "rsqrt": lambda values: 1 / np.sqrt(values),
    "recip": np.reciprocal,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "sin": np.sin,
    "cos": np.cos,
    "floor": np.floor,
    "ceil": np.ceil,
}

MEANING: dict[str, Callable[[Array], Array]] = {
    "relu": _relu,
    "abs": np.abs,
    **{name: _rounded(function) for name, function in _FUNCTIONS.items()},
}
