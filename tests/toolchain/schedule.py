"""Vector instructions of an ELF file that come too early for what they read.

tt-isa-documentation, "Instruction scheduling" of SFPMAD, SFPSHFT2 and others. Wolfpine has no
latencies: running a program does not show such mistakes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import pairwise

Fields = Callable[[int], int]

PROGBITS, EXECUTABLE = 1, 4


def field(first: int) -> Fields:
    """Four bits of an instruction: a register."""
    return lambda word: word >> first & 0xF


D, C, B, A, TOP = field(4), field(8), field(12), field(16), field(20)
(LUT, MULI, ADDI, IADD, SHFT, MAD, ADD, MUL) = (0x73, 0x74, 0x75, 0x79, 0x7A, 0x84, 0x85, 0x86)
(CONFIG, SWAP, SHFT2, LUTFP32, MUL24) = (0x91, 0x92, 0x94, 0x95, 0x98)
LOADI, LOAD, STORE, TRANSP = 0x71, 0x70, 0x72, 0x8C
#: Those that take two cycles, and the register that they write.
SLOW = {**dict.fromkeys((MULI, ADDI, MAD, ADD, MUL, LUTFP32, MUL24), D), LUT: TOP}
ROTATES = 3  # a modifier of SFPSHFT2, which is slow then

#: SFPDIVP2, SFPEXEXP, SFPEXMAN, SFPSETCC, SFPMOV, SFPABS, SFPNOT, SFP_STOCH_RND, SFPCAST, SFPARECIP
OF_ONE = (0x76, 0x77, 0x78, 0x7B, 0x7C, 0x7D, 0x80, 0x8E, 0x90, 0x99)
#: SFPAND, SFPOR, SFPXOR, SFPSWAP, SFPLE, SFPGT
OF_TWO = (0x7E, 0x7F, 0x8D, SWAP, 0x96, 0x97)
#: Where an instruction names the registers that it reads.
BY_FIELDS = {
    **dict.fromkeys((MAD, ADD, MUL, MUL24), (A, B, C)),
    **dict.fromkeys((ADDI, MULI), (D,)),
    **dict.fromkeys(OF_ONE, (C,)),
    **dict.fromkeys(OF_TWO, (C, D)),
    STORE: (TOP,),
    SHFT2: (C, B),
}
#: SFPIADD, SFPSHFT, SFPSETEXP, SFPSETMAN, SFPSETSGN: two registers, or with modifier 1 this one.
OR_NUMBER = {IADD: C, SHFT: D, 0x82: C, 0x83: C, 0x89: C}
#: Registers that an instruction reads by their number.
BY_NUMBER = {LUT: range(4), LUTFP32: range(7), TRANSP: range(8), CONFIG: range(1)}


def reads(word: int) -> set[int]:
    """The registers that a vector instruction reads."""
    opcode = word >> 24
    if opcode in OR_NUMBER:
        return {OR_NUMBER[opcode](word)} if word & 1 else {C(word), D(word)}
    if opcode in (LOAD, LOADI):  # into half of a register
        keeps = TOP(word - (opcode << 24)) if A(word) in (8, 10, 14, 15) else None
        return set() if keeps is None else {keeps}
    return {of(word) for of in BY_FIELDS.get(opcode, ())} | set(BY_NUMBER.get(opcode, ()))


def unseen_reads(word: int) -> set[int]:
    """Those among them that Blackhole does not wait for."""
    opcode = word >> 24
    if opcode == SHFT or (opcode == IADD and not word & 1):
        return {D(word)}
    return reads(word) if opcode in (SWAP, SHFT2, CONFIG) else set()


def tensix(elf: bytes) -> Iterator[int]:
    """The Tensix instructions of an ELF file in their order: words that end in no 0b11, rotated."""
    (table,) = struct.unpack_from("<I", elf, 32)
    entry, count = struct.unpack_from("<HH", elf, 46)
    for index in range(count):
        _, kind, flags, _, offset, size, *_ = struct.unpack_from("<10I", elf, table + index * entry)
        if kind == PROGBITS and flags & EXECUTABLE:
            for (word,) in struct.iter_unpack("<I", elf[offset : offset + size // 4 * 4]):
                if word & 3 != 3:
                    yield (word >> 2 | word << 30) & 0xFFFFFFFF


def too_early(elf: bytes, blackhole: bool) -> list[str]:
    """Pairs of instructions, the second of which reads what the first has not written yet."""
    found = []
    for first, second in pairwise(tensix(elf)):
        opcode = first >> 24
        slow = opcode in SLOW or (opcode == SHFT2 and first & 0xF == ROTATES)
        read = unseen_reads(second) if blackhole else reads(second)
        if slow and SLOW.get(opcode, D)(first) in read:
            found.append(f"{first:#010x}, {second:#010x}")
    return found
