"""Compile commands (``-c``) and precompiled headers."""

from __future__ import annotations

import os

from . import kept
from .clang import base, front_end
from .config import Config
from .kernel import kernel_source
from .process import become, run
from .rules import Arch, DriverError, architecture, translate, value_of
from .store import read

# What a kernel has in it whose lines stand for those of another file: somebody will debug it.
NAMES_LINES = b"\n#line "

# Sources that only GCC compiles, and ours that do the same; each says what is wrong with the other.
REPLACED = {
    "erisc-crt0.cc": "erisc_crt0.S",
    "active_erisc-crt0.cc": "active_erisc_crt0.cc",
}


def precompile(args: list[str]) -> None:
    """Answers ``-x c++-header``: an empty file, since the driver keeps its own (clang.py)."""
    output = value_of(args, "-o")
    if output is None:
        raise DriverError("error: -x c++-header without -o")
    with open(output, "wb"):
        pass


def compile_source(config: Config, args: list[str]) -> None:
    """Compiles as ``args`` say, or takes what came of that before."""
    arch = architecture(args)
    flags = [replaced(config, flag) for flag in translate(args)]
    if "-g" in args:
        flags += debug_flags(config, kernel_source())
    if any(flag.endswith(".S") for flag in flags):
        become([*base(config), *assembler_flags(flags)])
    elif "-c" not in flags:
        become(front_end(config, arch, flags))
    elif "-DUCK_CHLKC_MATH" in flags:
        kept.compile_source(config, flags, lambda: compile_vectors(config, arch, flags))
    else:
        kept.compile_source(config, flags, lambda: compile_object(config, arch, flags))


def compile_vectors(config: Config, arch: Arch, flags: list[str]) -> None:
    """Compiles for the processor that has vectors; what knows them is imported only here."""
    from . import sfpu

    sfpu.compile_source(config, arch, flags)


def compile_object(config: Config, arch: Arch, flags: list[str]) -> None:
    """Compiles; ends the process where that fails."""
    if status := run(front_end(config, arch, flags)):
        raise SystemExit(status)


def debug_flags(config: Config, kernel: str | None) -> list[str]:
    """Line tables for a debugger, without the folders of this machine; none for other kernels."""
    if kernel is None or not os.path.isabs(kernel) or NAMES_LINES not in read(kernel):
        return []
    folders = (config.sdk_root, config.zig_lib, os.path.dirname(kernel))
    maps = [f"-fdebug-prefix-map={folder}/=" for folder in folders]
    return ["-gline-tables-only", "-fdebug-compilation-dir=.", *maps]


def replaced(config: Config, word: str) -> str:
    """The source that stands in for ``word``, or ``word``."""
    ours = REPLACED.get(os.path.basename(word))
    return f"{config.support}/{ours}" if ours else word


def assembler_flags(flags: list[str]) -> list[str]:
    """Of a C++ command's flags, those that mean something for a ``.S`` file."""
    kept: list[str] = []
    words = iter(flags)
    for flag in words:
        if flag in ("-o", "-MF"):
            kept += [flag, next(words)]
        elif flag == "-include":
            next(words)
        elif flag in ("-c", "-MMD") or flag.startswith(("-D", "-I")) or flag.endswith(".S"):
            kept.append(flag)
    return kept
