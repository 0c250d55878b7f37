"""Operations of the vector unit (SFPU) on tiles in DST: one row each.

A row is all that the lowering, the templates and the checks need. The interpreter has a function
for each of them besides (``runtime/ttgen_runtime/interp/vector.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

#: What Python's functions raise where the chip gives an infinity or NaN.
_UNDEFINED = (ArithmeticError, ValueError)

#: How the tile operations of so many operands are called: ``unary_init`` and ``unary_tile``, ….
FORMS = {1: "unary", 2: "binary", 3: "ternary"}


@dataclass(frozen=True)
class VectorOp:
    """``of`` is its meaning, ``source`` how TVM calls it, if it is a call there.

    ``header`` declares ``init`` and ``tile``. ``tile`` of one operand is called with the number of
    a DST tile, which it works on; of several, with those of its operands and that of the result,
    which may be one of them.

    ``is_finite`` says that finite values give a finite one: no padding can become an infinity.
    ``chooses`` are the operands of which the result is one. ``needs_fp32``: it compiles with
    float32 in DST alone. ``fast`` are ``init`` and ``tile`` of a faster form that the SDK has
    beside the one that is meant here. Other functions ask by themselves for the compute
    configuration's ``math_approx``.
    """

    name: str
    of: Callable[..., float]
    header: str
    init: str
    tile: str
    operands: int = 1
    source: str | None = None
    is_finite: bool = True
    chooses: tuple[int, ...] = ()
    needs_fp32: bool = False
    fast: tuple[str, str] | None = None

    def spelled(self, *, math_approx: bool) -> VectorOp:
        """The row with the functions that a kernel calls which is built so."""
        if not math_approx or self.fast is None:
            return self
        init, tile = self.fast
        return replace(self, init=init, tile=tile)

    @property
    def form(self) -> str:
        """What the tile operations of so many operands are called."""
        return FORMS[self.operands]

    def folded(self, *values: float) -> float | None:
        """What it makes of numbers; None where that is none."""
        try:
            return float(self.of(*values))
        except _UNDEFINED:
            return None

    @property
    def keeps_zero(self) -> bool:
        """Whether zeros give zero: padding need not be masked."""
        return self.folded(*[0.0] * self.operands) == 0.0


_ANY = "api/compute/compute_kernel_api.h"
_BINARY = "api/compute/eltwise_binary_sfpu.h"


def _row(
    name: str,
    of: Callable[[float], float],
    header: str = "",
    *,
    init: str = "",
    how: str = "",
    fast: tuple[str, str] | None = None,
    source: str | None = "",
    is_finite: bool = True,
) -> VectorOp:
    """An operation on one tile, as most of the SDK's compute API has them.

    ``header``: below eltwise_unary, or a path. ``how``: template arguments of both functions;
    ``fast``: those of each in the faster form.
    """
    path = header if "/" in header else f"api/compute/eltwise_unary/{header or name}.h"
    found = name if source == "" else source
    init, tile = init or f"{name}_tile_init", f"{name}_tile"
    return VectorOp(
        name,
        of,
        path,
        f"{init}{how}",
        f"{tile}{how}",
        source=found,
        is_finite=is_finite,
        fast=None if fast is None else (f"{init}{fast[0]}", f"{tile}{fast[1]}"),
    )


def _extreme(name: str, of: Callable[[float, float], float]) -> VectorOp:
    """The larger or the smaller of two."""
    stem = f"binary_{name}_tile"
    header = "api/compute/binary_max_min.h"
    return VectorOp(name, of, header, f"{stem}_init", stem, operands=2, chooses=(0, 1))


def _comparison(name: str, of: Callable[[float, float], float]) -> tuple[VectorOp, VectorOp]:
    """1 where it holds, else 0: of two tiles, and of one with zero (``ltz``)."""
    stem, zero = f"{name}_binary_tile", f"{name}z"
    return (
        VectorOp(name, of, _BINARY, f"{stem}_init", stem, operands=2),
        _row(zero, lambda value: of(value, 0.0), "comp", source=None),
    )


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


def _where(condition: float, if_true: float, if_false: float) -> float:
    """The third operand where the first is 0, by its bits: -0 is something else."""
    is_zero = condition == 0 and math.copysign(1, condition) > 0
    return if_false if is_zero else if_true


_FAST = ("<true>", "<true>")

VECTOR: dict[str, VectorOp] = {
    row.name: row
    for row in (
        # The larger of the value and zero.
        _row("relu", lambda value: max(value, 0.0), source=None),
        _row("abs", abs, _ANY, source="fabs"),
        _row("exp", math.exp, fast=_FAST, is_finite=False),
        _row("log", math.log, _ANY, fast=_FAST, is_finite=False),
        _row("log1p", math.log1p, is_finite=False),
        _row("sqrt", math.sqrt, fast=("", "<true>"), is_finite=False),
        _row(
            "rsqrt",
            lambda value: 1 / math.sqrt(value),
            fast=("", "<RsqrtMode::Fast>"),
            is_finite=False,
        ),
        # One over the value; a division is a product with it.
        _row("recip", lambda value: 1 / value, source=None, is_finite=False),
        _row("sigmoid", _sigmoid, _ANY, fast=("<true>", "<VectorMode::RC, true>")),
        _row("tanh", math.tanh, _ANY, fast=_FAST),
        _row("erf", math.erf, "erf_erfc", how="<false>", fast=_FAST),
        _row("sin", math.sin, "trigonometry"),
        _row("cos", math.cos, "trigonometry"),
        _row("floor", math.floor, "rounding", init="rounding_op_tile_init"),
        _row("ceil", math.ceil, "rounding", init="rounding_op_tile_init"),
        _extreme("max", max),
        _extreme("min", min),
        *_comparison("lt", lambda a, b: a < b),
        *_comparison("le", lambda a, b: a <= b),
        *_comparison("gt", lambda a, b: a > b),
        *_comparison("ge", lambda a, b: a >= b),
        *_comparison("eq", lambda a, b: a == b),
        *_comparison("ne", lambda a, b: a != b),
        VectorOp(
            "where",
            _where,
            "api/compute/eltwise_unary/where.h",
            "where_tile_init",
            "where_tile<DST_ACCUM_MODE ? DataFormat::Float32 : DataFormat::Float16_b>",
            operands=3,
            chooses=(1, 2),
        ),
        VectorOp(
            "pow",
            math.pow,
            _BINARY,
            "power_binary_tile_init",
            "power_binary_tile",
            operands=2,
            is_finite=False,
            needs_fp32=True,
        ),
    )
}

#: Comparisons, and what they are with their operands exchanged.
EXCHANGED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne"}

#: The operations that give 1 or 0.
TRUTHS = frozenset(EXCHANGED) | {f"{name}z" for name in EXCHANGED}

#: The operations that TVM writes as calls, by their names there.
CALLS = {row.source: row for row in VECTOR.values() if row.source}

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
    "isnan": "x != x",
    "isinf": "abs(x) > 3e38",
    "isfinite": "abs(x) < 3e38",
}
