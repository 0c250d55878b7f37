"""Assembly of TRISC1: copies become SFPMOV, other F instructions are found."""

from __future__ import annotations

import pytest

from ttgen.toolchain.driver import sfpu


def test_a_copy_is_sfpmov_on_all_lanes() -> None:
    # SFPMOV LReg5 <- LReg3: 0x7c << 24 | 3 << 8 | 5 << 4 | 2, rotated left by two.
    word = 0x7C000000 | 3 << 8 | 5 << 4 | 2
    rotated = (word << 2 & 0xFFFFFFFF) | word >> 30
    assert sfpu.rewrite("\tfmv.s\tfa3, fa1\n") == f"\t.word {rotated:#x}\n"


def test_constant_registers_are_copied_from() -> None:
    word = 0x7C000000 | 9 << 8 | 5 << 4 | 2  # LReg5 <- LReg9, which holds zero
    rotated = (word << 2 & 0xFFFFFFFF) | word >> 30
    assert sfpu.rewrite("\tfmv.s\tfa3, ft1\n") == f"\t.word {rotated:#x}\n"


@pytest.mark.parametrize("copy", ["fmv.s\tfa3, ft8", "fmv.s\tft1, fa3"])
def test_a_copy_of_or_to_another_register_stays_and_is_found(copy: str) -> None:
    text = f"\tnop\n\t{copy}\n"
    assert sfpu.rewrite(text) == text
    assert sfpu.find_f_instruction(text) == (1, "fmv.s")


def test_instructions_keep_off_memory_and_barriers_do_not() -> None:
    instruction = '  %3 = call float asm sideeffect ".ttinsn (%1)", "=^cf,i"(i32 1) #3, !srcloc !16'
    marked = instruction.replace(" #3", " memory(inaccessiblemem: readwrite) #3")
    barrier = '  call void asm sideeffect ".ttinsn 1", "~{memory}"() #3, !srcloc !17'
    other = '  call void asm sideeffect "fence", ""() #3, !srcloc !18'
    assert sfpu.without_memory(f"{instruction}\n{barrier}\n{other}\n") == (
        f"{marked}\n{barrier}\n{other}\n"
    )


def test_f_instructions_are_found_and_fence_is_not_one() -> None:
    assert sfpu.find_f_instruction("\tfence\n\tfence.i\n\tadd\ta0, a0, a1\nfoo:\n") is None
    for mnemonic in ("flw", "fsw", "fadd.s", "fmadd.s", "fmv.w.x", "fcvt.s.w", "frcsr"):
        assert sfpu.find_f_instruction(f"\t{mnemonic}\tfa0, 0(a0)\n") == (0, mnemonic)


def test_the_place_of_an_instruction() -> None:
    lines = [
        '\t.file\t1 "/k" "add.cpp"',
        "\t.loc\t1 7 3",
        '\t.file\t2 "/abs/x.h"',
        "\t.loc\t2 40 9 is_stmt 0",
    ]
    assert sfpu.place(lines[:2]) == "/k/add.cpp:7:3"
    assert sfpu.place(lines) == "/abs/x.h:40:9"
    assert sfpu.place([]) == ""
