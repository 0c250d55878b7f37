"""Link commands: lld in place of g++, with the SDK's objects rebuilt."""

from __future__ import annotations

import os
import sys

from .config import Config
from .elf import drop_dead_relocations
from .kernel import kernel_source
from .objects import runtime_library, sdk_object, support_objects
from .process import run
from .rules import DriverError, architecture, translate_link, value_of
from .store import read


def link(config: Config, args: list[str]) -> None:
    """Links as ``args`` say and makes the ELF one that tt-metal's loader takes."""
    arch = architecture(args)
    words = [
        sdk_object(config, arch, os.path.basename(word)[: -len(".o")])
        if is_sdk_object(word)
        else word
        for word in translate_link(args)
    ]
    output = value_of(words, "-o")
    if output is None:
        raise DriverError("error: a link without -o")
    command = [
        config.zig,
        "ld.lld",
        "-m",
        "elf32lriscv",
        "--gc-sections",
        "--color-diagnostics=never",
    ]
    run_linker(config, [*command, *words, *support_objects(config)], f"{output}.lld")
    if "--emit-relocs" in words:
        drop_dead_relocations(output)


def is_sdk_object(word: str) -> bool:
    """Whether ``word`` is one of the SDK's LTO objects: ``…/runtime/hw/lib/<arch>/<name>.o``."""
    folder, name = os.path.split(word)
    return name.endswith(".o") and os.path.dirname(folder).endswith("runtime/hw/lib")


def run_linker(config: Config, command: list[str], log: str) -> None:
    """Runs lld; once more with compiler-rt when a function of the compiler's is missing."""
    try:
        status = run(command, log=log)
        if status and b"undefined symbol: __" in read(log):
            status = run([*command, runtime_library(config)], log=log)
        sys.stderr.write(read(log).decode(errors="replace"))
    finally:
        if os.path.exists(log):
            os.unlink(log)
    if status:
        if kernel := kernel_source():
            sys.stderr.write(f"{kernel}: note: in the program of this kernel\n")
        raise SystemExit(status)
