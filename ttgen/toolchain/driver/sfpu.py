"""TRISC1: vectors in F registers, made into SFPU instructions.

``sfpi.h`` holds each vector in a ``float`` bound to f8-f15, and writes each SFPU operation as one
``.ttinsn``. What the compiler itself adds is a copy between registers (``fmv.s``), which is an
SFPMOV here. Any other F instruction (a spill to the stack, arithmetic on a scalar float) has no
counterpart, and running it would do nothing or worse: it is an error.
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

# f8-f15, the registers of the constraint "cf", by the names that assembly gives them.
LREG_NAMES = ("fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5")
LREGS = {name: at for at, name in enumerate(LREG_NAMES)}

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
    assembly = f"{output}.{os.getpid()}.s"
    depfile = ["-MT", output] if "-MMD" in flags else []
    command = front_end(config, arch, [*to_assembly(flags, assembly), *depfile], sfpu=True)
    try:
        if status := run(command):
            raise SystemExit(status)
        with open(assembly) as file:
            text = file.read()
        rewritten = rewrite(text)
        if find_f_instruction(rewritten) is not None:
            refuse(command, assembly)
        with open(assembly, "w") as file:
            file.write(rewritten)
        if status := run(
            [*base(config, sfpu=True), "-x", "assembler", "-c", assembly, "-o", output]
        ):
            raise SystemExit(status)
    finally:
        if os.path.exists(assembly):
            os.unlink(assembly)


def to_assembly(flags: list[str], assembly: str) -> list[str]:
    """``flags`` with ``-S`` for ``-c``, writing to ``assembly``."""
    out = ["-S" if flag == "-c" else flag for flag in flags]
    out[out.index("-o") + 1] = assembly
    return out


def rewrite(assembly: str) -> str:
    """Register copies as SFPMOV: the instruction's word, rotated as ttgen_compat.h says."""

    def word(copy: re.Match[str]) -> str:
        if copy[1] not in LREGS or copy[2] not in LREGS:
            return copy[0]
        instruction = SFPMOV_ALL_LANES + (LREGS[copy[2]] << 8) + (LREGS[copy[1]] << 4)
        return f".word {(instruction << 2 | instruction >> 30) & 0xFFFFFFFF:#x}"

    return COPY.sub(word, assembly)


def find_f_instruction(assembly: str) -> tuple[int, str] | None:
    """Line index and mnemonic of the first F instruction that is left, or None."""
    for at, line in enumerate(assembly.splitlines()):
        found = F_INSTRUCTION.match(line)
        if found:
            return at, found[1]
    return None


def refuse(command: list[str], assembly: str) -> None:
    """Raises DriverError that names the source line: compiles once more with line tables."""
    run([*command, "-gline-tables-only"])
    with open(assembly) as file:
        text = rewrite(file.read())
    found = find_f_instruction(text)
    lines = text.splitlines()
    where, mnemonic = ("", "?") if found is None else (place(lines[: found[0]]), found[1])
    kernel = kernel_source() or "firmware"
    message = f"{where or kernel}: error: the SFPU stand-in cannot express '{mnemonic}'"
    detail = (
        f"{kernel}: note: in this kernel. The stand-in compiler has eight vector registers and no\n"
        "  floating-point unit for scalars: use fewer live vectors, do scalar float arithmetic at\n"
        "  compile time, or install SFPI"
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
