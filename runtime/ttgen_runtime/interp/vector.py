"""What the vector unit does to the values of tiles: a row for each of ``ttgen.vector.VECTOR``.

Functions are rounded once, from float64: the chip's own are a few units in the last place away.
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


def _rank(values: Array) -> Array:
    """Where values stand in order of sign and magnitude: -NaN, -inf, …, -0, 0, …, inf, NaN."""
    bits = np.ascontiguousarray(values).view(np.int32)
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)


def _larger(a: Array, b: Array) -> Array:
    return np.where(_rank(a) > _rank(b), a, b)


def _smaller(a: Array, b: Array) -> Array:
    return np.where(_rank(a) > _rank(b), b, a)


def _where(condition: Array, if_true: Array, if_false: Array) -> Array:
    """It looks at bits: -0 is not zero."""
    return np.where(np.ascontiguousarray(condition).view(np.uint32) != 0, if_true, if_false)


def _comparison(function: Callable[[Any, Any], Any]) -> Callable[[Array, Array], Array]:
    """Of two values, which are zero where they are too small for normal numbers."""
    return lambda a, b: np.asarray(function(_normal(a), _normal(b)), np.float32)


def _comparison_with_zero(function: Callable[[Any, Any], Any]) -> Callable[[Array], Array]:
    """Of a value as it is."""
    return lambda a: np.asarray(function(a, np.float32(0)), np.float32)


def _normal(values: Array) -> Array:
    return np.where(np.abs(values) < np.finfo(np.float32).tiny, np.float32(0), values)


def _rounded(function: Callable[..., Any]) -> Callable[..., Array]:
    """The function in float64, with infinities and NaN where it has no value."""

    def of(*values: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(*(v.astype(np.float64) for v in values)), np.float32)

    return of


def _sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-values)))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
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
    "pow": np.power,
}

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}

MEANING: dict[str, Callable[..., Array]] = {
    "relu": _relu,
    "abs": np.abs,
    "max": _larger,
    "min": _smaller,
    "where": _where,
    **{name: _comparison(function) for name, function in _COMPARISONS.items()},
    **{f"{name}z": _comparison_with_zero(function) for name, function in _COMPARISONS.items()},
    **{name: _rounded(function) for name, function in _FUNCTIONS.items()},
}
