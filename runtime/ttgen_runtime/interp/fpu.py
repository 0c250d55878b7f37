"""What the FPU computes: sums and products of tiles, with the multiplier's and DST's precision.

The multiplier takes 5 bits of a value in source register A and 7 bits of one in B. A fidelity is
the number of *phases* in which it goes over the rest: bit 0 of the phase takes A's lower bits, bit
1 takes B's. Every phase is added to DST, which rounds each time when it holds 16 bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ttgen.plan.model import Compute
from ttgen_runtime.interp import formats
from ttgen_runtime.interp.formats import BF16_DROPPED, STORAGE, Array, nearest, truncated

_PHASES = {"LoFi": 1, "HiFi2": 2, "HiFi3": 3, "HiFi4": 4}
#: Bits of float32's mantissa below the upper and below the lower part, of A and of B.
_A_PARTS, _B_PARTS = (19, 14), (17, 13)
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

    def from_dst(self, values: Array, dtype: str) -> Array:
        """What a source register that is set to that format gets from DST."""

    def to_dst(self, values: Array) -> Array:
        """What a register of DST holds."""

    def add(self, a: Array, b: Array) -> Array:
        """The sum of two tiles."""

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
    """The chip: ``phases`` of the multiplier, and whether DST holds 32 bits of a value."""

    phases: int
    wide: bool

    @classmethod
    def of(cls, compute: Compute) -> Fpu:
        """As a plan configures it."""
        return cls(_PHASES[compute.fidelity], compute.fp32_dest_acc)

    def host(self, values: Array, dtype: str) -> Array:
        return STORAGE[dtype].host(values)

    def pack(self, values: Array, dtype: str) -> Array:
        return STORAGE[dtype].pack(values)

    def source(self, values: Array, dtype: str) -> Array:
        return formats.source(values, dtype, wide=self.wide)

    def from_dst(self, values: Array, dtype: str) -> Array:
        return formats.from_dst(values, dtype, wide=self.wide)

    def to_dst(self, values: Array) -> Array:
        is_float = values.dtype == np.float32
        return nearest(values, BF16_DROPPED) if is_float and not self.wide else values

    def add(self, a: Array, b: Array) -> Array:
        swap = np.abs(a) < np.abs(b)
        return _aligned_sum(np.where(swap, b, a), np.where(swap, a, b))

    def multiply(self, a: Array, b: Array) -> Array:
        total, *terms = (x * y for x, y in self._factors(a, b))
        total = self.to_dst(total)
        for term in terms:
            total = total + term if self.wide else self.to_dst(_aligned_sum(total, term, down=True))
        return total

    def matmul(self, total: Array, left: Array, right: Array) -> Array:
        """The left factor is in source register B, the right one in A."""
        parts = (slice(None),) if self.wide else _HALVES
        terms = (x[:, part] @ y[part] for y, x in self._factors(right, left) for part in parts)
        return self._add_to(total, terms)

    def sum_rows(self, total: Array, tile: Array, scale: float) -> Array:
        """A product with a column of ``scale``."""
        return self.matmul(total, tile, np.full((2 * _FACE, 1), scale, np.float32))

    def sum_columns(self, total: Array, tile: Array, scale: float) -> Array:
        for part in _HALVES:
            total = self._add_to(total, self._pooled(tile[part], scale))
        return total

    def sum_tile(self, total: Array, tile: Array, scale: float, dtype: str) -> Array:
        """By columns of faces, and then what a source register takes of those sums."""
        row = np.zeros((1, _FACE), np.float32)
        for rows in _HALVES:
            for columns in _HALVES:
                row = self._add_to(row, self._pooled(tile[rows, columns], scale))
        return self._add_to(total, self._pooled(self.from_dst(row, dtype).T, scale))

    def _add_to(self, total: Array, terms: Iterable[Array]) -> Array:
        """``terms`` on top of ``total``, as DST accumulates them."""
        for term in terms:
            total = self.to_dst(total + term)
        return total

    def _factors(self, a: Array, b: Array) -> Iterator[tuple[Array, Array]]:
        """The factors of each phase."""
        parts_a, parts_b = _parts(a, _A_PARTS), _parts(b, _B_PARTS)
        for phase in range(self.phases):
            yield parts_a[phase & 1], parts_b[phase >> 1]

    def _pooled(self, values: Array, scale: float) -> Iterator[Array]:
        """The scaled sum over the first axis, phase by phase."""
        for x, y in self._factors(values, np.full((1, 1), scale, np.float32)):
            yield np.sum(x, axis=0, keepdims=True) * y


def _aligned_sum(large: Array, small: Array, *, down: bool = False) -> Array:
    """The sum as the adder makes it: ``small`` is rounded to where the other operand ends.

    Halves are rounded away from zero, or with ``down`` those of negative numbers towards it.
    """
    unit = np.ldexp(np.float32(1), np.frexp(large)[1] - _ADDER_BITS)
    steps = np.abs(small) / unit
    whole = np.floor(steps + np.float32(0.5))
    if down:
        whole = np.where(small < 0, np.ceil(steps - np.float32(0.5)), whole)
    return np.asarray(large + np.where(large == 0, small, np.copysign(whole * unit, small)))


def _parts(values: Array, dropped: tuple[int, int]) -> tuple[Array, Array]:
    """What the multiplier takes of ``values`` in an even and in an odd phase."""
    upper, both = (truncated(values, count) for count in dropped)
    return upper, both - upper


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

    def from_dst(self, values: Array, dtype: str) -> Array:
        return values

    def to_dst(self, values: Array) -> Array:
        return values

    def add(self, a: Array, b: Array) -> Array:
        return np.asarray(a + b)

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
