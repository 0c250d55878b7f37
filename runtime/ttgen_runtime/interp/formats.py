"""Data formats as the chip converts them: one row each.

Values of float formats are float32 arrays that hold only what the format can, those of integer
formats arrays of that integer type. Sources: tt-isa-documentation and Wolfpine 2.2 for packer,
unpacker and FPU; ttnn for what the host writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Conversion = Callable[[Array], Array]

#: Bits of float32's mantissa that bfloat16 and TF32 do not have.
BF16_DROPPED, TF32_DROPPED = 16, 13
_EXPONENT = np.uint32(0x7F800000)
_SIGN = np.uint32(0x80000000)
#: Values that share an exponent in a block format, along a row.
_BLOCK = 16


def truncated(values: Array, dropped: int) -> Array:
    """float32 without its last ``dropped`` bits, towards zero: how source registers are filled."""
    mask = np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    return (np.ascontiguousarray(values).view(np.uint32) & mask).view(np.float32)


def nearest(values: Array, dropped: int) -> Array:
    """float32 rounded to nearest, halves away from zero: how DST and the packer round.

    What is too small for a normal number becomes zero. NaN stays NaN.
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(1 << (dropped - 1))) & np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    rounded = np.where(rounded & _EXPONENT, rounded, rounded & _SIGN)
    return np.where(np.isnan(values), np.float32(np.nan), rounded.view(np.float32))


def nearest_even(values: Array, dropped: int) -> Array:
    """float32 rounded to nearest, halves to even: how the host rounds."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    odd = (bits >> np.uint32(dropped)) & np.uint32(1)
    rounded = (bits + np.uint32((1 << (dropped - 1)) - 1) + odd) >> np.uint32(dropped)
    back = (rounded << np.uint32(dropped)).view(np.float32)
    return np.where(np.isnan(values), np.float32(np.nan), back)


def in_blocks(values: Array, bits: int) -> Array:
    """Sixteen values along a row with one exponent, and a magnitude of ``bits`` bits each."""
    whole = np.asarray(values, np.float32)
    blocks = whole.reshape(*whole.shape[:-1], -1, _BLOCK)
    largest = np.max(np.abs(blocks), axis=-1, keepdims=True)
    unit = np.ldexp(np.float32(1), np.frexp(largest)[1] - bits)
    limit = np.float32(2**bits - 1)
    magnitudes = np.clip(np.rint(blocks / unit), -limit, limit)
    return np.asarray(magnitudes * unit, np.float32).reshape(whole.shape)


def _exact(values: Array) -> Array:
    return np.asarray(values, np.float32)


def _half(values: Array) -> Array:
    return np.asarray(values, np.float32).astype(np.float16).astype(np.float32)


def _as(dtype: Any) -> Conversion:
    return lambda values: np.asarray(values).astype(dtype)


@dataclass(frozen=True)
class Storage:
    """How one format is stored and converted.

    ``host`` makes what the host stores, ``pack`` what the packer makes of DST's values.
    ``lost`` says how many of float32's bits a source register of the FPU cannot take from it,
    with a DST of 16 and of 32 bits (0: it takes all that the format has); None: no arithmetic.
    """

    dtype: Any
    host: Conversion
    pack: Conversion
    lost: tuple[int, int] | None = (0, 0)

    @property
    def is_float(self) -> bool:
        """Whether the FPU computes with it."""
        return self.lost is not None


def _integer(dtype: Any) -> Storage:
    return Storage(dtype, host=_as(dtype), pack=_as(dtype), lost=None)


STORAGE: dict[str, Storage] = {
    "bf16": Storage(
        np.float32,
        host=lambda values: nearest_even(values, BF16_DROPPED),
        pack=lambda values: nearest(values, BF16_DROPPED),
    ),
    "fp16": Storage(np.float32, host=_half, pack=_half),
    "fp32": Storage(np.float32, host=_exact, pack=_exact, lost=(BF16_DROPPED, TF32_DROPPED)),
    "bfp8_b": Storage(
        np.float32,
        host=lambda values: in_blocks(values, 7),
        pack=lambda values: in_blocks(values, 7),
    ),
    "bfp4_b": Storage(
        np.float32,
        host=lambda values: in_blocks(values, 3),
        pack=lambda values: in_blocks(values, 3),
    ),
    "int32": _integer(np.int32),
    "uint32": _integer(np.uint32),
    "uint16": _integer(np.uint16),
    "uint8": _integer(np.uint8),
}


def source(values: Array, name: str, *, wide: bool) -> Array:
    """What a source register of the FPU holds of a page in the format ``name``."""
    lost = STORAGE[name].lost
    dropped = lost[wide] if lost is not None else 0
    return truncated(values, dropped) if dropped else values


def in_style(values: Array, name: str, *, wide: bool) -> Array:
    """What the FPU takes of ``values`` where it reads them in the style of the format ``name``.

    The style is TF32 for fp32, else bfloat16.
    """
    lost = STORAGE[name].lost
    dropped = TF32_DROPPED if wide and lost == (BF16_DROPPED, TF32_DROPPED) else BF16_DROPPED
    return truncated(values, dropped) if wide else values


def fill(word: int, name: str) -> Array | None:
    """A page that is full of the 32-bit ``word``; None where the format is not made of words."""
    words = np.full(1, word, np.uint32)
    if name == "bf16":
        high, low = words & np.uint32(0xFFFF0000), words << np.uint32(16)
        values = np.concatenate([low, high]).view(np.float32)
    elif name == "fp16":
        values = words.view(np.float16).astype(np.float32)
    elif name == "fp32":
        values = words.view(np.float32)
    elif STORAGE[name].is_float:
        return None
    else:
        values = words.view(STORAGE[name].dtype)
    return np.resize(values, (32, 32))
