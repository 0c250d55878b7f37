"""The clang command that every compilation starts with, and precompiled headers.

``zig clang`` is clang's own driver inside the ziglang executable: unlike ``zig c++`` it keeps no
cache, starts in 20 ms, and writes depfiles for every kind of output. In return the header folders
and libc++'s configuration, which ``zig c++`` would pass, are ours to name.
"""

from __future__ import annotations

import os

from .config import Config
from .process import run
from .rules import Arch, DriverError, value_of, without
from .store import digest, made, read, write

# Baby RISC-V cores are rv32im. TRISC1 alone is compiled with F registers (soft-float calls all the
# same): sfpi.h lets clang's register allocator use f8-f15 as the SFPU's LReg0-7.
MARCH = "rv32im"
MARCH_SFPU = "rv32imf"

HEADER_FOLDERS = (
    "libcxx/include",
    "libcxxabi/include",
    "include",
    "libc/include/riscv32-linux-musl",
    "libc/include/generic-musl",
    "libc/include/riscv-linux-any",
    "libc/include/any-linux-any",
)

LIBCXX = {
    "ABI_VERSION": "1",
    "ABI_NAMESPACE": "__1",
    "HAS_MUSL_LIBC": "1",
    "HAS_MONOTONIC_CLOCK": "0",
    "HAS_THREADS": "0",
    "HAS_TERMINAL": "0",
    "HAS_FILESYSTEM": "0",
    "HAS_RANDOM_DEVICE": "0",
    "HAS_LOCALIZATION": "0",
    "HAS_UNICODE": "0",
    "HAS_WIDE_CHARACTERS": "0",
    "HAS_TIME_ZONE_DATABASE": "0",
    "HAS_VENDOR_AVAILABILITY_ANNOTATIONS": "0",
    "HARDENING_MODE": "_LIBCPP_HARDENING_MODE_NONE",
    "ASSERTION_SEMANTIC_DEFAULT": "_LIBCPP_ASSERTION_SEMANTIC_IGNORE",
}

CODEGEN = (
    "-mabi=ilp32",
    # Relaxation turns the auipc+jalr pair of a call into one jal.
    "-mrelax",
    "-fno-pic",
    "-fno-pie",
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    # Clear and copy loops must stay loops: firmware clears .bss before a stack or memset exists.
    "-fno-builtin",
    # With --gc-sections, or BRISC's firmware overflows its region. Never -fdata-sections: kernels
    # link against the firmware's variables by --just-symbols.
    "-ffunction-sections",
    "-Qunused-arguments",
    "-fno-color-diagnostics",
    # An error by default in clang; GCC accepts what the SDK writes.
    "-Wno-missing-template-arg-list-after-template-kw",
)


# Flags that change code, not declarations: compilations that differ in them share a header.
CODE_ONLY = ("-fno-delete-null-pointer-checks",)


def base(config: Config, *, sfpu: bool = False) -> list[str]:
    """clang with target, headers and code generation set; sources and flags follow."""
    command = [config.zig, "clang", "--no-default-config", "--target=riscv32-unknown-linux-musl"]
    command.append(f"-march={MARCH_SFPU if sfpu else MARCH}")
    command += ["-nostdinc", "-nostdinc++"]
    for folder in HEADER_FOLDERS:
        command += ["-isystem", f"{config.zig_lib}/{folder}"]
    command += [f"-D_LIBCPP_{name}={value}" for name, value in LIBCXX.items()]
    command += CODEGEN
    return command


def compat_header(config: Config) -> str:
    """Included before everything else."""
    return f"{config.include}/ttgen_compat.h"


def front_end(config: Config, arch: Arch, flags: list[str], *, sfpu: bool = False) -> list[str]:
    """The command for ``flags``, a translated C++ compilation, its precompiled header in place.

    tt-metal precompiles the standard headers (``-include …/pch.h``): half of a kernel's compile
    time. We keep ours apart from the JIT's, because TRISC1 needs one of its own, and because the
    store outlives a JIT cache.
    """
    command = base(config, sfpu=sfpu)
    header = value_of(flags, "-include")
    if header is not None and os.path.basename(header) == "pch.h":
        command += ["-include-pch", precompiled(config, header, flags, sfpu=sfpu)]
        flags = without(flags, "-include")
    else:
        command += ["-include", compat_header(config)]
    # Headers of the SDK's that a simulator cannot run, in other words.
    ours = f"-I{config.include}/sdk"
    return [*command, f"-D{arch.macro}=1", ours, *flags]


def precompiled(config: Config, header: str, flags: list[str], *, sfpu: bool) -> str:
    """The precompiled form of ``header`` for ``flags``, made on first use.

    It is made from a copy that starts with our own compatibility header, under a name that hashes
    content and flags, so nothing that it was made from can change under it. ``header`` includes
    standard headers only, which the fingerprint (ziglang's version) covers; macros of the command
    line do not matter to those, so all processors share one. A precompiled header knows the paths
    that it was made from, so a store or a ziglang that was moved makes new ones; it does not know
    their times, so a store that was copied is good.
    """
    text = read(compat_header(config)) + read(header)
    relevant = [f for f in flags if f.startswith(("-O", "-std", "-f", "-m")) and f not in CODE_ONLY]
    key = digest(config.fingerprint, config.store, config.zig_lib, text, str(sfpu), *relevant)
    copy = f"{config.store}/pch/{key}.h"

    def make(temporary: str) -> None:
        write(copy, text)
        command = [*base(config, sfpu=sfpu), *relevant, "-w", "-Xclang", "-fno-pch-timestamp"]
        command += ["-x", "c++-header", copy]
        if run([*command, "-o", temporary]):
            raise DriverError(f"error: cannot precompile {header}")

    return made(f"{config.store}/pch/{key}.pch", make)
