"""Data formats: one row each, used by layouts, plans, templates and the runtime.

Sizes are of one 32x32 tile in the layout that Tensix expects: four 16x16 faces, and for block
formats one shared exponent byte per 16 elements in front of the mantissas. Names in ``metalium``
are enumerators of ``tt::DataFormat``, names in ``ttnn`` those of ``ttnn.DataType``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

TILE_ROWS = 32
TILE_COLUMNS = 32
_TILE_ELEMENTS = TILE_ROWS * TILE_COLUMNS
_EXPONENT_BYTES = _TILE_ELEMENTS // 16


@dataclass(frozen=True)
class Format:
    """One data format. ``source_dtype`` is the TVM dtype that it is the default for, if any.

    ``ttnn`` is None where ttnn has no tensors of the format (release 0.81.1). ``kind``: numbers
    with an exponent each, blocks of 16 with one exponent, or integers, which the FPU moves only.
    """

    name: str
    metalium: str
    ttnn: str | None
    tile_bytes: int
    source_dtype: str | None
    kind: Literal["float", "block", "integer"] = "float"

    @property
    def value_bytes(self) -> int:
        """Bytes of one value, where values have some of their own."""
        assert self.kind != "block"
        return self.tile_bytes // _TILE_ELEMENTS

    @property
    def is_wide(self) -> bool:
        """Whether a value takes 32 bits, and so two registers of DST."""
        return self.tile_bytes == 4 * _TILE_ELEMENTS

    @property
    def lowest(self) -> float:
        """What no finite value of a working format is less than.

        It is finite: infinities are no numbers like others to every part of the chip, and none is
        needed. The FPU's sources, which hold fewer bits than float32, truncate: it stays lowest.
        """
        return -float.fromhex("0x1.fffffep127" if self.is_wide else "0x1.fep127")


_TABLE = (
    Format("bf16", "Float16_b", "bfloat16", 2 * _TILE_ELEMENTS, "bfloat16"),
    Format("fp16", "Float16", None, 2 * _TILE_ELEMENTS, "float16"),
    Format("fp32", "Float32", "float32", 4 * _TILE_ELEMENTS, "float32"),
    Format("bfp8_b", "Bfp8_b", "bfloat8_b", _TILE_ELEMENTS + _EXPONENT_BYTES, None, "block"),
    Format("bfp4_b", "Bfp4_b", "bfloat4_b", _TILE_ELEMENTS // 2 + _EXPONENT_BYTES, None, "block"),
    Format("int32", "Int32", "int32", 4 * _TILE_ELEMENTS, "int32", "integer"),
    Format("uint32", "UInt32", "uint32", 4 * _TILE_ELEMENTS, "uint32", "integer"),
    Format("uint16", "UInt16", "uint16", 2 * _TILE_ELEMENTS, "uint16", "integer"),
    Format("uint8", "UInt8", "uint8", _TILE_ELEMENTS, "uint8", "integer"),
)

FORMATS: dict[str, Format] = {row.name: row for row in _TABLE}
BY_SOURCE_DTYPE: dict[str, Format] = {row.source_dtype: row for row in _TABLE if row.source_dtype}


def nearest_bf16(value: float) -> float:
    """``value`` rounded to bf16, halves to even."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    rounded = (int(bits) + 0x7FFF + ((int(bits) >> 16) & 1)) & 0xFFFF0000
    (result,) = struct.unpack("<f", struct.pack("<I", rounded & 0xFFFFFFFF))
    return float(result)


def working_format(names: Iterable[str]) -> Format:
    """What temporary and constant tiles of a kernel with tensors of these formats are kept in.

    No narrower than any of them, and never in blocks: a tile that lives for a moment is not worth
    what a shared exponent loses.
    """
    used = [FORMATS[name] for name in names]
    for format_ in used:
        if format_.kind == "integer":
            return format_
    return FORMATS["fp32" if any(format_.is_wide for format_ in used) else "bf16"]
