"""Sums of products as the FPU makes them, bit by bit.

A step takes sixteen products, in two groups of eight. A group's products are rounded to where the
largest of them could end, and added; both sums and what is in DST are rounded to where the largest
of the three ends, added, and rounded to what DST holds. (tt-isa-documentation, MVMUL; Wolfpine 2.2
and ttsim agree on the widths.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttgen_runtime.interp.formats import BF16_DROPPED, Array, nearest, truncated

#: Bits of float32's mantissa below the upper and below the lower part that the multiplier takes
#: of source register A and of B, and by how many places a lower part is behind an upper one.
A_PARTS, B_PARTS = (19, 14), (17, 13)
_A_BEHIND, _B_BEHIND = 5, 7
#: Products in a group and in a step.
_GROUP, _STEP = 8, 16
#: Fraction bits of a product, and of a sum in DST, when DST holds 16 and 32 bits.
_PRODUCT_BITS = 10
_SUM_BITS = (10, 23)
#: Exponents of what is zero, and of what counts as little else.
_NOTHING = -126


@dataclass(frozen=True)
class Summation:
    """How products are added: multiplier ``phases``, DST's width, and Wormhole's fault.

    ``faulty``: a sum in 32 bits that cancels to minus one unit in its last place is renormalised
    27 places too high.
    """

    phases: int
    wide: bool
    faulty: bool

    def __call__(self, total: Array, left: Array, right: Array) -> Array:
        """``total + left @ right``: (r, c), (r, n) and (n, c), n a multiple of 16.

        ``left`` is in source register B, ``right`` in A. One phase after the other.
        """
        exponents = _group_exponents(left, right)
        total = np.broadcast_to(total, (left.shape[0], right.shape[1]))
        for phase in range(self.phases):
            behind = _A_BEHIND * (phase & 1) + _B_BEHIND * (phase >> 1)
            factors = part(left, B_PARTS, phase >> 1), part(right, A_PARTS, phase & 1)
            levels = np.maximum(exponents - behind, _NOTHING)
            sums = _group_sums(*factors, levels)
            for first in range(0, levels.shape[1], _STEP // _GROUP):
                groups = np.s_[:, first : first + _STEP // _GROUP]
                total = self._added(total, sums[groups], levels[groups])
        return total

    def plus(self, total: Array, values: Array) -> Array:
        """``total + values``: tiles of one term for each element."""
        level = np.where(values == 0, _NOTHING, np.frexp(values)[1] - 1)
        return self._added(total, values[:, None], level[:, None])

    def _added(self, total: Array, sums: Array, levels: Array) -> Array:
        """What DST holds after a step: (r, c); ``sums`` and their exponents are (r, 2, c)."""
        own = np.where(total == 0, _NOTHING, np.frexp(total)[1] - 1)
        level = np.maximum(np.max(levels, axis=1), own)
        unit = np.ldexp(1.0, level - _SUM_BITS[self.wide])
        held = np.copysign(np.floor(np.abs(total) / unit + 0.5), total)
        units = held + np.floor(sums / unit[:, None] + 0.5).sum(axis=1)
        if not self.wide:
            return nearest((units * unit).astype(np.float32), BF16_DROPPED)
        if self.faulty:
            units = np.where(units == -1, -(2.0**27), units)
        return np.asarray(_to_float32(units) * unit.astype(np.float32))


def part(values: Array, dropped: tuple[int, int], lower: int) -> Array:
    """The upper or the lower part of ``values`` that the multiplier takes in a phase."""
    upper = truncated(values, dropped[0])
    return truncated(values, dropped[1]) - upper if lower else upper


def _group_exponents(left: Array, right: Array) -> Array:
    """The largest exponent among the products of each group: (r, groups, c)."""
    own = [np.where(x == 0, 2 * _NOTHING, np.frexp(x)[1] - 1) for x in (left, right)]
    rows, columns = left.shape[0], right.shape[1]
    a, b = own[0].reshape(rows, -1, _GROUP, 1), own[1].reshape(1, -1, _GROUP, columns)
    return np.asarray(np.max(a + b, axis=2))


def _group_sums(left: Array, right: Array, levels: Array) -> Array:
    """The sum of each group's products, which end at its level: (r, groups, c)."""
    rows, columns = left.shape[0], right.shape[1]
    unit = np.ldexp(np.float32(1), levels - _PRODUCT_BITS)
    products = left.reshape(rows, -1, _GROUP, 1) * right.reshape(1, -1, _GROUP, columns)
    products /= unit[:, :, None]
    products += np.copysign(np.float32(0.5), products)
    return np.asarray(np.trunc(products).sum(axis=2) * unit)


def _to_float32(values: Array) -> Array:
    """Whole numbers below 2**31, rounded to nearest with halves away from zero."""
    excess = np.maximum(np.frexp(values)[1] - 24, 0)
    scale = np.ldexp(1.0, excess)
    rounded = np.copysign(np.floor(np.abs(values) / scale + 0.5), values) * scale
    return np.asarray(rounded, np.float32)
