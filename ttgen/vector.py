"""Operations of the vector unit (SFPU) on a tile in DST: one row each.

A row is all that the lowering, the templates and the checks need. The interpreter has a function
for each of them besides (``runtime/ttgen_runtime/interp/vector.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

#: What Python's functions raise where the chip gives an infinity or NaN.
_UNDEFINED = (ArithmeticError, ValueError)


@dataclass(frozen=True)
class Unary:
    """``of`` is its meaning, ``source`` how TVM calls it, if it is a call there.

    ``header`` declares ``init`` and ``tile``, which is called with the number of a DST tile.
    ``is_finite`` says that a finite value stays finite: no padding can become an infinity.
    """

    name: str
    of: Callable[[float], float]
    header: str
    init: str
    tile: str
    source: str | None = None
    is_finite: bool = True

    def folded(self, value: float) -> float | None:
        """What it makes of a number; None where that is none."""
        try:
            return self.of(value)
        except _UNDEFINED:
            return None

    @property
    def keeps_zero(self) -> bool:
        """Whether zero stays what it is: padding need not be masked."""
        return self.folded(0.0) == 0.0


_ANY = "api/compute/compute_kernel_api.h"


def _row(
    name: str,
    of: Callable[[float], float],
    header: str = "",
    *,
    init: str = "",
    how: str = "",
    source: str | None = "",
    is_finite: bool = True,
) -> Unary:
    """An operation as most of the SDK's compute API has them.

    ``header``: below eltwise_unary, or a path. ``how``: template arguments of both functions.
    """
    path = header if "/" in header else f"api/compute/eltwise_unary/{header or name}.h"
    found = name if source == "" else source
    init = f"{init or f'{name}_tile_init'}{how}"
    return Unary(name, of, path, init, f"{name}_tile{how}", found, is_finite)


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


UNARY: dict[str, Unary] = {
    unary.name: unary
    for unary in (
        # The larger of the value and zero.
        _row("relu", lambda value: max(value, 0.0), source=None),
        _row("abs", abs, _ANY, source="fabs"),
        _row("exp", math.exp, is_finite=False),
        _row("log", math.log, _ANY, is_finite=False),
        _row("log1p", math.log1p, is_finite=False),
        _row("sqrt", math.sqrt, is_finite=False),
        _row("rsqrt", lambda value: 1 / math.sqrt(value), is_finite=False),
        # One over the value; a division is a product with it.
        _row("recip", lambda value: 1 / value, source=None, is_finite=False),
        _row("sigmoid", _sigmoid, _ANY),
        _row("tanh", math.tanh, _ANY),
        _row("erf", math.erf, "erf_erfc", how="<false>"),  # not the fast one
        _row("sin", math.sin, "trigonometry"),
        _row("cos", math.cos, "trigonometry"),
        _row("floor", math.floor, "rounding", init="rounding_op_tile_init"),
        _row("ceil", math.ceil, "rounding", init="rounding_op_tile_init"),
    )
}

#: The operations that TVM writes as calls, by their names there.
CALLS = {unary.source: unary for unary in UNARY.values() if unary.source}

#: What comes near to an operation that has no device form.
NEAREST = {
    "tan": "sin and cos",
    "exp2": "exp, of x * log(2)",
    "exp10": "exp, of x * log(10)",
    "log2": "log, times 1 / log(2)",
    "log10": "log, times 1 / log(10)",
    "sinh": "exp",
    "cosh": "exp",
    "round": "floor, of x + 0.5",
    "nearbyint": "floor, of x + 0.5",
    "trunc": "floor, or ceil",
    "pow": "exp, of y * log(x)",
}
