"""Relocations that the loader does not take."""

from __future__ import annotations

import struct
from pathlib import Path

from ttgen.toolchain.driver.elf import drop_dead_relocations

R_RISCV_32 = 1


def small_elf(relocations: list[tuple[int, int]]) -> bytes:
    """Three sections: null, one of 16 bytes at 0x1000, and its RELA section."""
    rela = b"".join(struct.pack("<IIi", where, kind, 0) for where, kind in relocations)
    header, table = 52, 52 + len(rela)
    sections = [
        (0,) * 10,
        (0, 1, 2, 0x1000, 0, 16, 0, 0, 4, 0),
        (0, 4, 0, 0, header, len(rela), 0, 1, 4, 12),
    ]
    start = bytearray(header)
    struct.pack_into("<I", start, 32, table)
    struct.pack_into("<HH", start, 46, 40, len(sections))
    return bytes(start) + rela + b"".join(struct.pack("<10I", *section) for section in sections)


def test_dead_relocations_go_and_live_ones_stay(tmp_path: Path) -> None:
    live = [(0x1000, R_RISCV_32), (0x100C, R_RISCV_32)]
    dead = [(0x1004, 0), (0, R_RISCV_32), (0x1010, R_RISCV_32)]
    path = tmp_path / "x.elf"
    path.write_bytes(small_elf([dead[0], live[0], dead[1], dead[2], live[1]]))
    drop_dead_relocations(str(path))
    data = path.read_bytes()
    (table,) = struct.unpack_from("<I", data, 32)
    offset, size = struct.unpack_from("<II", data, table + 2 * 40 + 16)
    entries = [struct.unpack_from("<IIi", data, offset + at) for at in range(0, size, 12)]
    assert entries == [(where, kind, 0) for where, kind in live]
