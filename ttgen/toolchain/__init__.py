"""The compiler for the chip's RISC-V cores where SFPI is not installed.

tt-metal's JIT calls ``<SDK root>/runtime/sfpi/compiler/bin/riscv-tt-elf-g++``. SFPI's is a GCC with
Tensix extensions; this package puts a driver for clang and lld (PyPI package ziglang) there.

    install.py      writes the stand-in into an SDK root
    driver/         what runs when the JIT compiles: rules, clang, sfpu, objects, link, elf
    client.c        what the JIT calls, which has a driver do it that stands by
    standby.py      keeps that driver, for a session
    support/        headers and sources that SFPI or newlib would bring
    diagnostics.py  the compiler's messages out of an exception of ttnn's
"""

from __future__ import annotations

from .diagnostics import summarize
from .install import StandIn, find_stand_in

__all__ = ["StandIn", "describe", "find_stand_in", "summarize"]


def describe() -> str:
    """One line on the stand-in compiler: its version line, or what is missing."""
    stand_in = find_stand_in()
    if stand_in is None:
        return "clang stand-in: not available (the package ziglang is not installed)"
    return f"clang stand-in: {stand_in.version_line}"
