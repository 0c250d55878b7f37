"""Precompiled headers: most of what a compilation of a kernel would otherwise parse again.

tt-metal precompiles the standard headers (``-include …/pch.h``). To these come what the SDK's
sources of a processor include before anything that differs from kernel to kernel. A header is made
on first use, kept apart from the JIT's (TRISC1 needs one of its own, and the store outlives a JIT
cache), and known by the content of all that was read for it.
"""

from __future__ import annotations

import os

from .config import Config
from .depfile import parse_depfile
from .kernel import kernel_source
from .process import run
from .rules import DriverError
from .shared import PREEMPTED
from .store import content_key, digest, locked, read, write

_DATA_MOVEMENT = (
    "risc_common.h",
    "tensix.h",
    "tensix_types.h",
    "noc.h",
    "noc_overlay_parameters.h",
    "noc_nonblocking_api.h",
    "stream_io_map.h",
    "c_tensix_core.h",
)

# By the name of a source of the SDK's: what it includes, or makes a kernel include, that is the
# same for every kernel. All of it was written to be included anywhere.
HEADS = {
    "brisck.cc": _DATA_MOVEMENT,
    "ncrisck.cc": _DATA_MOVEMENT,
    "trisck.cc": (
        "internal/firmware_common.h",
        "string_view",
        "internal/debug/fw_debug.h",
        "ckernel.h",
        "ckernel_gpr_map.h",
        "sfpi.h",
    ),
}

# Macros that differ from kernel to kernel: no head may depend on one.
OF_A_KERNEL = ("FULL_KERNEL_NAME", "KERNEL_COMPILE_TIME_ARGS", "TTGEN_SOURCE")
# Macros that the JIT writes into a file for compute kernels, beside the folder it compiles in.
MACROS_FILE = os.path.join(os.pardir, "defines_generated.h")

# Flags that change code, not declarations: compilations that differ in them share a header.
CODE_ONLY = ("-fno-delete-null-pointer-checks", "-fdebug-")
# Of the flags, those that decide what a header means.
MEANING = ("-O", "-std", "-f", "-m")
MEANING_OF_HEADS = (*MEANING, "-D", "-I/")


def precompiled(
    config: Config, text: str, of_kernels: str, flags: list[str], command: list[str]
) -> str:
    """Path of a precompiled header: ``text``, and the head of the source that ``flags`` name.

    ``of_kernels`` comes after it: what :mod:`.shared` includes, or nothing.

    ``command`` is how clang is called, up to ``flags``, those of a translated compilation. A
    precompiled header knows the paths that it was made from, so a store or a ziglang that was
    moved makes new ones; it does not know their times, so a store that was copied is good.
    """
    head = next((HEADS[name] for name in map(os.path.basename, flags) if name in HEADS), ())
    if head:
        text += _macros() + "".join(f'#include "{name}"\n' for name in head)
    if of_kernels:
        text += of_kernels
        command = [*command, f"-I{config.include}/shared"]
    relevant = _relevant(flags, MEANING_OF_HEADS if head else MEANING)
    key = digest(config.fingerprint, config.store, text, *command, *relevant)
    stem = f"{config.store}/pch/{key}"
    os.makedirs(os.path.dirname(stem), exist_ok=True)
    path = _known(stem, key)
    if path is None:
        with locked(f"{stem}.lock"):
            path = _known(stem, key) or _made(stem, key, text, [*command, *relevant])
    return path


def _macros() -> str:
    """What the JIT has defined for a kernel in a file, without what is this kernel's alone."""
    if not os.path.exists(MACROS_FILE):
        return ""
    left_out = ("#pragma once", *(f"#define {name} " for name in OF_A_KERNEL))
    lines = read(MACROS_FILE).decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(left_out))


def _relevant(flags: list[str], prefixes: tuple[str, ...]) -> list[str]:
    left_out = (*CODE_ONLY, *(f"-D{name}=" for name in OF_A_KERNEL))
    folder = f"-I{os.path.dirname(kernel_source() or '')}"
    return [
        f for f in flags if f.startswith(prefixes) and not f.startswith(left_out) and f != folder
    ]


def _known(stem: str, key: str) -> str | None:
    """What was made before, if nothing that was read for it has changed."""
    if not os.path.exists(f"{stem}.deps"):
        return None
    content = content_key(key, read(f"{stem}.deps").decode().splitlines())
    path = f"{stem}-{content}.pch"
    return path if content is not None and os.path.exists(path) else None


def _made(stem: str, key: str, text: str, command: list[str]) -> str:
    """Precompiles ``text``; DriverError where a head turns out to be a kernel's own."""
    write(f"{stem}.h", text)
    temporary = f"{stem}.{os.getpid()}"
    command = [*command, "-w", "-Xclang", "-fno-pch-timestamp", "-fpch-instantiate-templates"]
    command += ["-x", "c++-header", f"{stem}.h", "-MMD", "-MF", f"{temporary}.d"]
    try:
        if run([*command, "-o", f"{temporary}.pch"]):
            raise DriverError("error: cannot precompile the SDK's headers")
        read_for_it = parse_depfile(read(f"{temporary}.d").decode())
        names = [name for name in read_for_it if name != f"{stem}.h"]
        for name in names:
            if name.endswith(PREEMPTED):
                continue
            if macro := next((one for one in OF_A_KERNEL if one.encode() in read(name)), None):
                raise DriverError(f"error: {name} depends on {macro}: it is in no head (HEADS)")
        path = f"{stem}-{content_key(key, names)}.pch"
        os.replace(f"{temporary}.pch", path)
        write(f"{stem}.deps", "\n".join(names))
        return path
    finally:
        for left in (f"{temporary}.pch", f"{temporary}.d"):
            if os.path.exists(left):
                os.unlink(left)
