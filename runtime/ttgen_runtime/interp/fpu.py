"""What the FPU computes: sums and products of tiles, with the multiplier's and DST's precision.

The multiplier takes 5 bits of a value in source register A and 7 bits of one in B. A fidelity is
the number of *phases* in which it goes over the rest: bit 0 of the phase takes A's lower bits, bit
1 takes B's. Every phase is added to DST, which rounds each time when it holds 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ttgen.plan.model import Plan
from ttgen_runtime.interp import formats
from ttgen_runtime.interp.formats import BF16_DROPPED, STORAGE, Array, nearest
from ttgen_runtime.interp.sums import A_PARTS, B_PARTS, Summation, part

_PHASES = {"LoFi": 1, "HiFi2": 2, "HiFi3": 3, "HiFi4": 4}
#: Bits that the adder keeps of the operand with the larger exponent.
_ADDER_BITS = 11
#: A face has 16 rows and columns, and a step of a sum takes so many values.
_FACE = 16
_HALVES = (slice(0, _FACE), slice(_FACE, 2 * _FACE))


class Numerics(Protocol):
    """How values are stored, converted and computed with.

    Tiles are (32, 32), ``dtype`` names a format. ``total`` is what a sum is added to: (32, 32)
    for a product, (32, 1) for rows, (1, 32) for columns, (1, 1) for a tile, or a scalar.
    """

    def host(self, values: Array, dtype: str) -> Array:
        """What the host writes into a tensor."""

    def pack(self, values: Array, dtype: str) -> Array:
        """What the packer makes of a register of DST."""

    def source(self, values: Array, dtype: str) -> Array:
        """What a source register of the FPU gets from a page."""

    def in_style(self, values: Array, dtype: str) -> Array:
        """What the FPU sees of a source register's values that is set to that format."""

    def to_dst(self, values: Array) -> Array:
        """What a register of DST holds."""

    def add(self, a: Array, b: Array) -> Array:
        """The sum of two tiles."""

    def accumulate(self, total: Array, values: Array) -> Array:
        """``total``, which DST holds, and ``values``."""

    def multiply(self, a: Array, b: Array) -> Array:
        """The product of two tiles, element by element; ``a`` is in source register A."""

    def matmul(self, total: Array, left: Array, right: Array) -> Array:
        """``total + left @ right``."""

    def sum_rows(self, total: Array, tile: Array, scale: float) -> Array:
        """``total`` and the scaled sum of each row."""

    def sum_columns(self, total: Array, tile: Array, scale: float) -> Array:
        """``total`` and the scaled sum of each column."""

    def sum_tile(self, total: Array, tile: Array, scale: float, dtype: str) -> Array:
        """``total`` and the sum of all of a tile, scaled twice."""


@dataclass(frozen=True)
class Fpu:
    """The chip: ``phases`` of the multiplier, and whether DST holds 32 bits of a value.

    ``faulty``: it has the fault of Wormhole's adder, see :class:`Summation`.
    """

    phases: int
    wide: bool
    faulty: bool = False

    @classmethod
    def of(cls, plan: Plan) -> Fpu:
        """As a plan configures it, on the chip that it is for."""
        compute = plan.compute
        faulty = plan.arch == "wormhole_b0"
        return cls(_PHASES[compute.fidelity], compute.fp32_dest_acc, faulty)

    def host(self, values: Array, dtype: str) -> Array:
        return STORAGE[dtype].host(values)

    def pack(self, values: Array, dtype: str) -> Array:
        return STORAGE[dtype].pack(values)

    def source(self, values: Array, dtype: str) -> Array:
        return formats.source(values, dtype, wide=self.wide)

    def in_style(self, values: Array, dtype: str) -> Array:
        return formats.in_style(values, dtype, wide=self.wide)

    def to_dst(self, values: Array) -> Array:
        is_float = values.dtype == np.float32
        return nearest(values, BF16_DROPPED) if is_float and not self.wide else values

    def add(self, a: Array, b: Array) -> Array:
        """The smaller operand is rounded to where the other one ends, halves away from zero."""
        swap = np.abs(a) < np.abs(b)
        large, small = np.where(swap, b, a), np.where(swap, a, b)
        unit = _unit(large)
        steps = np.copysign(np.floor(np.abs(small) / unit + np.float32(0.5)), small)
        return np.asarray(large + np.where(large == 0, small, steps * unit))

    def accumulate(self, total: Array, values: Array) -> Array:
        return self._sum.plus(total, values)

    def multiply(self, a: Array, b: Array) -> Array:
        total = np.zeros((), np.float32)
        for phase in range(self.phases):
            term = part(a, A_PARTS, phase & 1) * part(b, B_PARTS, phase >> 1)
            total = total + term if self.wide else self._accumulated(total, term)
        return total

    def _accumulated(self, total: Array, term: Array) -> Array:
        """``term`` is rounded to where ``total`` ends, halves up."""
        unit = _unit(total)
        steps = np.floor(term / unit + np.float32(0.5))
        return self.to_dst(total + np.where(total == 0, term, steps * unit))

    def matmul(self, total: Array, left: Array, right: Array) -> Array:
        return self._sum(total, left, right)

    def sum_rows(self, total: Array, tile: Array, scale: float) -> Array:
        """A product with a column of ``scale``."""
        return self._sum(total, tile, np.full((2 * _FACE, 1), scale, np.float32))

    def sum_columns(self, total: Array, tile: Array, scale: float) -> Array:
        """A row of ``scale`` times the upper faces, and then the lower ones."""
        for rows in _HALVES:
            total = self._pooled(total, tile[rows], scale)
        return total

    def sum_tile(self, total: Array, tile: Array, scale: float, dtype: str) -> Array:
        """By columns of faces, and then what a source register takes of those sums."""
        row = np.zeros((1, _FACE), np.float32)
        for rows in _HALVES:
            for columns in _HALVES:
                row = self._pooled(row, tile[rows, columns], scale)
        return self._pooled(total, self.in_style(row, dtype).T, scale)

    def _pooled(self, total: Array, values: Array, scale: float) -> Array:
        return self._sum(total, np.full((1, _FACE), scale, np.float32), values)

    @property
    def _sum(self) -> Summation:
        return Summation(self.phases, self.wide, self.faulty)


def _unit(values: Array) -> Array:
    """The last place that the adder keeps beside ``values``."""
    return np.asarray(np.ldexp(np.float32(1), np.frexp(values)[1] - _ADDER_BITS))


class Exact:
    """Mathematics without the chip's roundings: float32 throughout, whatever the formats are.

    It tells what a program computes from how exactly the chip does so.
    """

    def host(self, values: Array, dtype: str) -> Array:
        return values.astype(STORAGE[dtype].dtype)

    def pack(self, values: Array, dtype: str) -> Array:
        return values

    def source(self, values: Array, dtype: str) -> Array:
        return values

    def in_style(self, values: Array, dtype: str) -> Array:
        return values

    def to_dst(self, values: Array) -> Array:
        return values

    def add(self, a: Array, b: Array) -> Array:
        return np.asarray(a + b)

    def accumulate(self, total: Array, values: Array) -> Array:
        return np.asarray(total + values)

    def multiply(self, a: Array, b: Array) -> Array:
        return np.asarray(a * b)

    def matmul(self, total: Array, left: Array, right: Array) -> Array:
        return np.asarray(total + left @ right)

    def sum_rows(self, total: Array, tile: Array, scale: float) -> Array:
        return np.asarray(total + np.sum(tile, axis=1, keepdims=True) * np.float32(scale))

    def sum_columns(self, total: Array, tile: Array, scale: float) -> Array:
        return np.asarray(total + np.sum(tile, axis=0, keepdims=True) * np.float32(scale))

    def sum_tile(self, total: Array, tile: Array, scale: float, dtype: str) -> Array:
        return np.asarray(total + np.sum(tile, keepdims=True) * np.float32(scale * scale))
