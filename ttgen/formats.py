"""Data formats: one row each, used by layouts, plans, templates and the runtime.

Sizes are of one 32x32 tile in the layout that Tensix expects: four 16x16 faces, and for block
formats one shared exponent byte per 16 elements in front of the mantissas. Names in ``metalium``
are enumerators of ``tt::DataFormat``, names in ``ttnn`` those of ``ttnn.DataType``.
"""

from __future__ import annotations

from dataclasses import dataclass

TILE_ROWS = 32
TILE_COLUMNS = 32
_TILE_ELEMENTS = TILE_ROWS * TILE_COLUMNS
_EXPONENT_BYTES = _TILE_ELEMENTS // 16


@dataclass(frozen=True)
class Format:
    """One data format. ``source_dtype`` is the TVM dtype that it is the default for, if any.

    ``ttnn`` is None where ttnn has no tensors of the format (release 0.81.1).
    """

    name: str
    metalium: str
    ttnn: str | None
    tile_bytes: int
    source_dtype: str | None


_TABLE = (
    Format("bf16", "Float16_b", "bfloat16", 2 * _TILE_ELEMENTS, "bfloat16"),
    Format("fp16", "Float16", None, 2 * _TILE_ELEMENTS, "float16"),
    Format("fp32", "Float32", "float32", 4 * _TILE_ELEMENTS, "float32"),
    Format("bfp8_b", "Bfp8_b", "bfloat8_b", _TILE_ELEMENTS + _EXPONENT_BYTES, None),
    Format("bfp4_b", "Bfp4_b", "bfloat4_b", _TILE_ELEMENTS // 2 + _EXPONENT_BYTES, None),
    Format("int32", "Int32", "int32", 4 * _TILE_ELEMENTS, "int32"),
    Format("uint32", "UInt32", "uint32", 4 * _TILE_ELEMENTS, "uint32"),
    Format("uint16", "UInt16", "uint16", 2 * _TILE_ELEMENTS, "uint16"),
    Format("uint8", "UInt8", "uint8", _TILE_ELEMENTS, "uint8"),
)

FORMATS: dict[str, Format] = {row.name: row for row in _TABLE}
BY_SOURCE_DTYPE: dict[str, Format] = {row.source_dtype: row for row in _TABLE if row.source_dtype}
