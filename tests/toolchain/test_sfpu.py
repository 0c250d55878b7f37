"""Assembly of TRISC1: copies become SFPMOV, other F instructions are found."""

from __future__ import annotations

import re

import pytest

from ttgen.toolchain.driver import scalars, sfpu


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


SCALAR_LINES = """\
  %2 = fadd reassoc contract float %0, -1.500000e+00, !dbg !5
  %3 = tail call contract float @llvm.fmuladd.f32(float %2, float noundef %0, float 1.0)
  %4 = fcmp contract ult float %2, %3
  %5 = fneg float %2
  %6 = tail call float @llvm.fabs.f32(float %5)
  %7 = uitofp i32 %1 to float
  %8 = fptosi float %7 to i32
  %9 = load volatile float, ptr %p, align 4
  store float 1.0, ptr %p, align 4
  store float %9, ptr %p, align 4
"""


def test_every_operation_on_scalars_becomes_one_on_integers() -> None:
    found = scalars.without_scalar_floats(SCALAR_LINES)
    assert re.findall(r"call (__\w+)", found) == [
        *("__addsf3", "__mulsf3", "__addsf3", "__gesf2", "__floatunsisf", "__fixsfsi")
    ]
    assert not re.search("(load|store) .*float", found)
    operations = re.findall(r"= (?:[a-z]+ )*?(\w+)[ .]", found)
    assert not {"fadd", "fcmp", "fneg", "uitofp", "fptosi", "@llvm"} & set(operations)
    assert [line.split()[0] for line in found.splitlines() if re.match(r"  %\d", line)] == [
        f"%{at}" for at in range(2, 10)
    ]


def test_vectors_are_left_alone() -> None:
    code = '  %3 = call float asm sideeffect ".ttinsn (%1)", "=^cf,i"(i32 1) #3\n'
    code += "  %4 = phi float [ %3, %1 ], [ %2, %0 ]\n"
    assert scalars.without_scalar_floats(code) == code
