"""What lld leaves in an ELF file that tt-metal's loader does not take."""

from __future__ import annotations

import struct

SHT_RELA = 4
R_RISCV_NONE = 0

# Elf32_Ehdr: e_shoff at 32, e_shentsize and e_shnum at 46. Elf32_Shdr: ten words.
E_SHOFF, E_SHENTSIZE = 32, 46
SH_TYPE, SH_ADDR, SH_OFFSET, SH_SIZE, SH_INFO = 1, 3, 4, 5, 7
RELA_BYTES = 12


def drop_dead_relocations(path: str) -> None:
    """Takes out relocations that stand for nothing, in place.

    With ``--emit-relocs`` lld keeps an R_RISCV_NONE entry for each relaxed call, and entries of
    sections that were collected; the loader rejects both.
    """
    with open(path, "rb") as file:
        data = bytearray(file.read())
    (table,) = struct.unpack_from("<I", data, E_SHOFF)
    entry, count = struct.unpack_from("<HH", data, E_SHENTSIZE)
    headers = [struct.unpack_from("<10I", data, table + i * entry) for i in range(count)]
    for index, header in enumerate(headers):
        if header[SH_TYPE] == SHT_RELA:
            kept = live_entries(data, header, headers[header[SH_INFO]])
            data[header[SH_OFFSET] : header[SH_OFFSET] + len(kept)] = kept
            struct.pack_into("<I", data, table + index * entry + 4 * SH_SIZE, len(kept))
    with open(path, "wb") as file:
        file.write(data)


def live_entries(data: bytearray, rela: tuple[int, ...], target: tuple[int, ...]) -> bytes:
    """Entries of ``rela`` that relocate a word inside the section ``target``."""
    first, last = target[SH_ADDR], target[SH_ADDR] + max(target[SH_SIZE], 1)
    kept = bytearray()
    for at in range(rela[SH_OFFSET], rela[SH_OFFSET] + rela[SH_SIZE], RELA_BYTES):
        where, info = struct.unpack_from("<II", data, at)
        if info & 0xFF != R_RISCV_NONE and first <= where < last:
            kept += data[at : at + RELA_BYTES]
    return bytes(kept)
