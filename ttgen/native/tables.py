"""C++ rows of the tables of operations, formats and architectures, generated from Python's.

So an operation, a data format or an architecture is added in one place, for both kinds of passes.
What an operation of the vector unit makes of numbers has no text to generate it from: that is in
``src/base/tables.cc``, by the operations' names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from ttgen.arch import ARCHITECTURES, MAX_CIRCULAR_BUFFERS, REFUSED
from ttgen.formats import FORMATS
from ttgen.ops import PROGRAM_NAMES, TILE_OPS, WORDS, Kind
from ttgen.passes import attrs
from ttgen.passes.intrin import TILE_MATH
from ttgen.vector import EXCHANGED, NEAREST, TRUTHS, VECTOR


def source() -> str:
    """The rows as the text of a C++ file that ``base/tables.cc`` includes."""
    formats = [
        (
            row.name,
            row.tile_bytes,
            row.source_dtype or "",
            row.kind,
            0 if row.kind == "block" else row.value_bytes,
            row.is_wide,
            row.lowest,
        )
        for row in FORMATS.values()
    ]
    vector = [
        (
            row.name,
            row.operands,
            row.is_finite,
            row.needs_fp32,
            row.chooses,
            row.source or "",
            row.form,
            row.keeps_zero,
        )
        for row in VECTOR.values()
    ]
    architectures = [
        (
            row.name,
            row.grid,
            row.l1_bytes,
            row.fp32_sums,
            row.dram_alignment,
            row.l1_alignment,
            _Doubled(
                tuple(
                    row.dst_tiles(fp32_dest_acc=fp32, dst_full_sync=full) for full in (False, True)
                )
                for fp32 in (False, True)
            ),
        )
        for row in ARCHITECTURES.values()
    ]
    tile_ops = [
        (row.name, row.programs, row.params, row.dst, row.transfer or "")
        for row in TILE_OPS.values()
    ]
    kinds = [(kind.value, WORDS.get(kind, ())) for kind in Kind]
    lines = [
        "// Made from the Python tables: ttgen/vector.py, ops.py, formats.py, arch.py, …",
        _table("Format", "kFormats", formats),
        _table("VectorOp", "kVector", vector),
        _table("TileOp", "kTileOps", tile_ops),
        _table("TileMath", "kTileMath", TILE_MATH.values()),
        _table("Architecture", "kArchitectures", architectures),
        _table("KindRow", "kKinds", kinds),
        _table("Words", "kRefusedArchitectures", REFUSED.items()),
        _table("Words", "kExchanged", EXCHANGED.items()),
        _table("Words", "kNearest", NEAREST.items()),
        _table("std::string", "kTruths", sorted(TRUTHS)),
        _table("std::string", "kPrograms", PROGRAM_NAMES),
        _table("std::string", "kAttributes", sorted(attrs.REGISTRY)),
        f"constexpr int64_t kCircularBuffers = {MAX_CIRCULAR_BUFFERS};",
    ]
    return "\n".join([*lines, ""])


class _Doubled(tuple[Any, ...]):
    """Rows of numbers as ``std::array`` of arrays, which take a pair of braces more."""


def _table(type_: str, name: str, rows: Iterable[Any]) -> str:
    listed = "".join(f"    {_cpp(row)},\n" for row in rows)
    return f"const std::vector<{type_}> {name} = {{\n{listed}}};"


def _cpp(value: Any) -> str:
    """A value as C++ writes it."""
    match value:
        case None:
            return "std::nullopt"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return value.hex()
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case Enum():
            return f"ArgKind({list(type(value)).index(value)})"
        case _Doubled():
            return "{{" + ", ".join(_cpp(item) for item in value) + "}}"
        case tuple():
            return "{" + ", ".join(_cpp(item) for item in value) + "}"
        case _ if is_dataclass(value):
            return _cpp(tuple(getattr(value, field.name) for field in fields(value)))
    raise TypeError(f"no C++ for {value!r}")
