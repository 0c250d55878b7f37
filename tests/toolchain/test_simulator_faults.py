"""What Wolfpine does otherwise than tt-isa-documentation: minimal programs of its units.

A test fails when a release of it is right: docs/simulator-notes.md, and what goes round the fault,
can lose it then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("framework", reason="Wolfpine is not installed (extra: sim)")

from framework.pe.rv.isa.i_isa import RV_I_ISA
from framework.pe.rv.isa.m_isa import RV_M_ISA
from framework.pe.tensix.tensix import TensixCoProcessor
from framework.pe.tensix.util import TensixConfigurationConstants

MATH = 1  # the thread
CHIPS = {"wormhole_b0": False, "blackhole": True}
INFINITY = 0x7F800000


def op(opcode: int, fields: int = 0) -> int:
    return opcode << 24 | fields


def register_op(opcode: int, modifier: int, dest: int = 1, source: int = 0, imm12: int = 0) -> int:
    return op(opcode, imm12 << 12 | source << 8 | dest << 4 | modifier)


def load(mode: int, register: int = 1) -> int:
    return op(0x70, register << 20 | mode << 16)


def store(mode: int, register: int = 0) -> int:
    return op(0x72, register << 20 | mode << 16)


LZ, STOCH_RND, CAST, CONFIG, SWAP, SHFT2, MUL24, ARECIP = (
    0x81,
    0x8E,
    0x90,
    0x91,
    0x92,
    0x94,
    0x98,
    0x99,
)
FP32, INT32, INT8_COMP, UINT16, HI16, INT16, LO16, INT32_SM = 3, 4, 13, 6, 7, 8, 9, 12


@contextmanager
def vector_unit(arch: str) -> Iterator[Any]:
    """A vector unit of its own; which chip it is of is a variable of the simulator's process."""
    try:
        yield TensixCoProcessor(None, blackhole=CHIPS[arch]).getBackend().vector_unit
    finally:
        TensixConfigurationConstants.use_blackhole(False)


def run(arch: str, *program: int, **registers: int) -> list[int]:
    """Lane 0 of LReg0 to LReg14 after ``program``, with ``l0`` … in those registers before it."""
    with vector_unit(arch) as unit:
        for name, value in registers.items():
            for lane in range(32):
                unit.lregs[int(name[1:])][lane] = value
        for instruction in program:
            assert unit.issueInstruction(instruction, MATH)
            unit.clock_tick(0)
        return [unit.lregs[n][0] for n in range(15)]


def test_the_upper_half_of_a_product_is_the_lower_one() -> None:
    upper = op(MUL24, 0 << 16 | 0 << 12 | 9 << 8 | 1 << 4 | 1)
    product = 0x7FFFFF**2
    assert run("blackhole", upper, l0=0x7FFFFF)[1] == product & 0x7FFFFF != product >> 23


def test_rounding_towards_zero_does_so_always() -> None:
    """Blackhole rounds away from zero where all of the bits that are dropped are ones."""
    to_bf16 = op(STOCH_RND, 2 << 21 | 1 << 4 | 1)
    assert run("blackhole", to_bf16, l0=0x3F80FFFF)[1] == 0x3F800000 != 0x3F810000


def test_stochastic_rounding_is_to_the_nearest() -> None:
    to_bf16 = op(STOCH_RND, 1 << 21 | 1 << 4 | 1)
    for arch in CHIPS:
        found = {run(arch, to_bf16, l0=0x3F800000 | 0x5000)[1] for _ in range(8)}
        assert found == {0x3F800000}


@pytest.mark.parametrize("arch", CHIPS)
def test_loads_of_sign_and_magnitude_raise(arch: str) -> None:
    with pytest.raises(TypeError):
        run(arch, load(INT32_SM))


def test_blackhole_stores_sign_and_magnitude() -> None:
    """Integers are stored as they are there."""
    found = run("blackhole", store(INT32_SM), load(INT32), l0=0xFFFFFFF9)[1]
    assert found == 0x80000007 != 0xFFFFFFF9


def test_blackhole_stores_denormals_as_floats() -> None:
    """They are zero, with their sign."""
    assert run("blackhole", store(FP32), load(INT32), l0=0x80000005)[1] == 0x80000005


@pytest.mark.parametrize("arch", CHIPS)
@pytest.mark.parametrize("mode", [UINT16, LO16, HI16, INT16])
def test_loads_of_16_bits_raise(arch: str, mode: int) -> None:
    with pytest.raises((UnboundLocalError, NotImplementedError)):
        run(arch, load(mode))


@pytest.mark.parametrize("arch", CHIPS)
def test_a_store_of_8_bits_in_twos_complement_raises(arch: str) -> None:
    with pytest.raises(AttributeError, match="ToSignMag"):
        run(arch, store(INT8_COMP), l0=5)


@pytest.mark.parametrize("arch", CHIPS)
def test_leading_zeros_are_not_counted(arch: str) -> None:
    with pytest.raises((NotImplementedError, AssertionError)):
        run(arch, register_op(LZ, 0), l0=5)


@pytest.mark.parametrize("arch", CHIPS)
@pytest.mark.parametrize("mode", [0, 1, 2, 6])
def test_moves_between_registers_and_immediate_shifts_raise(arch: str, mode: int) -> None:
    with pytest.raises(NotImplementedError, match="SFPSHFT2"):
        run(arch, register_op(SHFT2, mode), l0=5)


@pytest.mark.parametrize("mode", [1, 2])
def test_the_other_approximations_raise(mode: int) -> None:
    with pytest.raises(AssertionError, match="SFPARECIP"):
        run("blackhole", register_op(ARECIP, mode), l0=0x3F800000)


def test_a_cast_to_the_magnitude_converts() -> None:
    """SFPCAST with modifier 2 is the magnitude of an integer, by a fault of the chip's."""
    assert run("blackhole", register_op(CAST, 2), l0=0xFFFFFFFB)[1] == 0x80000005 != 5


@pytest.mark.parametrize("arch", CHIPS)
def test_a_swap_leaves_the_other_registers_alone(arch: str) -> None:
    """With ENABLE_DEST_INDEX LReg4 to LReg7 are swapped with LReg0 to LReg3."""
    enable = op(CONFIG, 1 << 2 << 8 | 15 << 4 | 1)
    swap = register_op(SWAP, 1, dest=0, source=1)
    found = run(arch, enable, swap, l0=2, l1=1, l4=40, l5=50)
    assert found[:2] == [1, 2]
    assert found[4:6] == [40, 50] != [50, 40]


@pytest.mark.parametrize(
    ("arch", "default"), [("wormhole_b0", 0x3B000000), ("blackhole", 0x37800000)]
)
def test_the_default_of_a_programmable_constant(arch: str, default: int) -> None:
    """LReg12 is 1/512 on Wormhole and 1/65536 on Blackhole; it is -1/65536."""
    assert run(arch, op(CONFIG, 12 << 4 | 1))[12] == 0xB7800000 != default


class Register:
    """One of the RISC-V cores' registers, as the simulator wants it."""

    def __init__(self, value: int) -> None:
        self.write((value & 0xFFFFFFFF).to_bytes(4, "little"))

    def write(self, value: bytes) -> None:
        self.value = value

    def read_uint(self) -> int:
        return int.from_bytes(self.value, "little")

    def read_int(self) -> int:
        return int.from_bytes(self.value, "little", signed=True)


def registers(x5: int, x6: int) -> dict[Any, Register]:
    pc = Register(0x1000)
    return {"pc": pc, "nextpc": Register(0x1004), 0: Register(0), 5: Register(x5), 6: Register(x6)}


DIV, DIVU, REM, REMU = (0x33 | 5 << 7 | f << 12 | 5 << 15 | 6 << 20 | 1 << 25 for f in (4, 5, 6, 7))


@pytest.mark.parametrize("instruction", [DIV, DIVU, REM, REMU])
def test_division_by_zero_raises(instruction: int) -> None:
    """Quotients are all ones, remainders what was to be divided. (RISC-V, "M" extension)"""
    with pytest.raises(ZeroDivisionError):
        RV_M_ISA.run(registers(7, 0), None, False, instruction)


def test_remainders_have_the_divisors_sign() -> None:
    """They have that of what is divided: -7 % 3 is -1."""
    found = registers(-7, 3)
    assert RV_M_ISA.run(found, None, False, REM)
    assert found[5].read_int() == 2


def test_a_call_through_the_register_that_it_writes() -> None:
    """``jalr x5, 8(x5)`` jumps to what x5 was, and 8."""
    found = registers(0x2000, 0)
    assert RV_I_ISA.run(found, None, False, 0x67 | 5 << 7 | 5 << 15 | 8 << 20)
    assert found["nextpc"].read_uint() == 0x1004 + 8 != 0x2000 + 8
