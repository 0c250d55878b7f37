"""TRISC1: vectors in F registers, made into SFPU instructions.

``sfpi.h`` holds each vector in a ``float`` bound to f8-f15, and writes each SFPU operation as one
``.ttinsn``. What the compiler itself adds is a copy between registers (``fmv.s``), which is an
SFPMOV here. Any other F instruction (a spill to the stack) has no counterpart, and running it would
do nothing or worse: it is an error.

A source is compiled in three steps, and looked into between them: to LLVM's intermediate code, of
which :func:`without_memory` says that SFPU instructions do not touch memory; to assembly, whose
copies :func:`rewrite` turns into SFPMOV; and to an object. Where scalar floats are computed with, a
fourth step goes before the second one (:mod:`.scalars`).
"""

from __future__ import annotations

import os
import re

from .clang import base, front_end
from .config import Config
from .kernel import kernel_source
from .process import run
from .rules import Arch, DriverError, value_of

# SFPMOV on every lane, whatever the condition codes: opcode 0x7c, mod 2 (SFPMOV_MOD1_ALL_LANES).
SFPMOV_ALL_LANES = 0x7C000002

# f8-f15, the registers of the constraint "cf", by the names that assembly gives them: LReg0-7. And
# f0-f7, which stand for the constant registers LReg8-15: they can be read.
LREG_NAMES = ("fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5")
CONSTANT_NAMES = ("ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7")
LREGS = {name: at for at, name in enumerate(LREG_NAMES)}
READABLE = {name: at for at, name in enumerate((*LREG_NAMES, *CONSTANT_NAMES))}

# Of the files between a source and its object: intermediate code, the same optimised, assembly.
SUFFIXES = (".ll", ".opt.ll", ".s")

# In intermediate code, what sfpi.h and the SDK write as instructions, up to the call's attributes:
# an instruction, one that is put together while the kernel runs, a register that is named.
ASM_CALL = re.compile(
    r'^(.* asm sideeffect "(?:\.ttinsn|lui \$\d, \(L_|").*\))( #\d+.*)$', re.MULTILINE
)
COPY = re.compile(r"\bfmv\.s\s+(\w+),\s*(\w+)")
# `fence` is RISC-V's base set; every other mnemonic in f… is the F extension.
F_INSTRUCTION = re.compile(
    r"^\s+(f(?!ence\b)[a-z0-9]*\.[a-z0-9.]+|f[ls]w|frcsr|fscsr|frrm|fsrm|frflags|fsflags)\b"
)
LOCATION = re.compile(r"^\s+\.loc\s+(\d+)\s+(\d+)(?:\s+(\d+))?")
FILE = re.compile(r'^\s+\.file\s+(\d+)\s+"([^"]*)"(?:\s+"([^"]*)")?')


def compile_source(config: Config, arch: Arch, flags: list[str]) -> None:
    """Compiles to assembly, rewrites copies, refuses what has no counterpart, assembles."""
    output = value_of(flags, "-o")
    if output is None:
        raise DriverError("error: -c without -o")
    stem = f"{output}.{os.getpid()}"
    try:
        text = compiled(config, arch, flags, stem)
        if find_f_instruction(text) is not None:
            text = compiled(config, arch, flags, stem, has_scalars=True)
        if find_f_instruction(text) is not None:
            traced = [*flags, "-gline-tables-only"]
            refuse(compiled(config, arch, traced, stem, has_scalars=True))
        assembly = f"{stem}{SUFFIXES[-1]}"
        write_text(assembly, text)
        must_run([*base(config, sfpu=True), "-x", "assembler", "-c", assembly, "-o", output])
    finally:
        for suffix in SUFFIXES:
            if os.path.exists(f"{stem}{suffix}"):
                os.unlink(f"{stem}{suffix}")


def compiled(
    config: Config, arch: Arch, flags: list[str], stem: str, *, has_scalars: bool = False
) -> str:
    """The assembly of a source, with copies rewritten. ``stem``: of files for the steps between."""
    code, optimised, assembly = (f"{stem}{suffix}" for suffix in SUFFIXES)
    depfile = ["-MT", str(value_of(flags, "-o"))] if "-MMD" in flags else []
    unoptimised = ["-emit-llvm", "-Xclang", "-disable-llvm-passes", *depfile]
    must_run(front_end(config, arch, [*in_place_of_c("-S", flags, code), *unoptimised], sfpu=True))
    write_text(code, without_memory(read_text(code)))
    how = [flag for flag in flags if flag.startswith(("-O", "-f", "-g"))]
    translate = [*base(config, sfpu=True), *how, "-S", code, "-o"]
    if has_scalars:
        from .scalars import without_scalar_floats  # hardly any kernel needs its expressions

        must_run([*translate, optimised, "-emit-llvm"])
        write_text(code, without_scalar_floats(read_text(optimised)))
    must_run([*translate, assembly])
    return rewrite(read_text(assembly))


def must_run(command: list[str]) -> None:
    """Runs a tool, and ends with its status where that is not zero."""
    if status := run(command):
        raise SystemExit(status)


def read_text(path: str) -> str:
    """A text file."""
    with open(path) as file:
        return file.read()


def write_text(path: str, text: str) -> None:
    """A text file."""
    with open(path, "w") as file:
        file.write(text)


def in_place_of_c(option: str, flags: list[str], output: str) -> list[str]:
    """``flags`` with ``option`` for ``-c``, writing to ``output``."""
    out = [option if flag == "-c" else flag for flag in flags]
    out[out.index("-o") + 1] = output
    return out


def without_memory(code: str) -> str:
    """Says of each instruction that is written out that it keeps off the program's memory.

    LLVM has to assume otherwise, and could not follow the variable by which sfpi.h knows how deep
    in ``v_if`` it is (``sfpi::region``) from one instruction to the next.
    """

    def mark(call: re.Match[str]) -> str:
        is_barrier = "~{memory}" in call[1]
        return call[0] if is_barrier else f"{call[1]} memory(inaccessiblemem: readwrite){call[2]}"

    return ASM_CALL.sub(mark, code)


def rewrite(assembly: str) -> str:
    """Register copies as SFPMOV: the instruction's word, rotated as ttgen_compat.h says."""

    def word(copy: re.Match[str]) -> str:
        if copy[1] not in LREGS or copy[2] not in READABLE:
            return copy[0]
        instruction = SFPMOV_ALL_LANES + (READABLE[copy[2]] << 8) + (LREGS[copy[1]] << 4)
        return f".word {(instruction << 2 | instruction >> 30) & 0xFFFFFFFF:#x}"

    return COPY.sub(word, assembly)


def find_f_instruction(assembly: str) -> tuple[int, str] | None:
    """Line index and mnemonic of the first F instruction that is left, or None."""
    for at, line in enumerate(assembly.splitlines()):
        found = F_INSTRUCTION.match(line)
        if found:
            return at, found[1]
    return None


def refuse(assembly: str) -> None:
    """Raises DriverError that names the source line; ``assembly`` has line tables."""
    found = find_f_instruction(assembly)
    lines = assembly.splitlines()
    where, mnemonic = ("", "?") if found is None else (place(lines[: found[0]]), found[1])
    kernel = kernel_source() or "firmware"
    message = f"{where or kernel}: error: the SFPU stand-in cannot express '{mnemonic}'"
    detail = (
        f"{kernel}: note: in this kernel. The stand-in compiler has eight vector registers, and\n"
        "  of scalar floats +, -, *, /, comparisons and casts of int: use fewer live vectors,\n"
        "  have other functions of scalars worked out at compile time, or install SFPI"
    )
    raise DriverError(f"{message}\n{detail}")


def place(lines: list[str]) -> str:
    """``path:line:column`` of the last ``.loc`` in ``lines``; empty when there is none."""
    files: dict[str, str] = {}
    where = ""
    for line in lines:
        if named := FILE.match(line):
            files[named[1]] = os.path.join(named[2], named[3]) if named[3] else named[2]
        elif (at := LOCATION.match(line)) and at[2] != "0":
            where = f"{files.get(at[1], '?')}:{at[2]}:{at[3] or 0}"
    return where
