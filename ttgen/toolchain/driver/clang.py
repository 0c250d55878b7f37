"""The clang command that every compilation starts with.

``zig clang`` is clang's own driver inside the ziglang executable: unlike ``zig c++`` it keeps no
cache, starts in 20 ms, and writes depfiles for every kind of output. In return the header folders
and libc++'s configuration, which ``zig c++`` would pass, are ours to name.
"""

from __future__ import annotations

import os

from . import shared
from .config import Config
from .precompiled import precompiled
from .rules import Arch, value_of, without
from .store import read

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

    tt-metal asks for one by ``-include …/pch.h``; see :mod:`.precompiled`.
    """
    command = base(config, sfpu=sfpu)
    # Headers of the SDK's that a simulator cannot run, in other words.
    ours = [f"-D{arch.macro}=1", f"-I{config.include}/sdk"]
    header = value_of(flags, "-include")
    if header is not None and os.path.basename(header) == "pch.h":
        flags = without(flags, "-include")
        text = read(compat_header(config)) + read(header)
        of_kernels = shared.headers(flags)
        header = precompiled(config, text.decode(), of_kernels, flags, [*command, *ours])
        ours += ["-include-pch", header]
        if of_kernels:
            flags = [*flags, "-include", f"{config.include}/ttgen_kernel.h"]
    else:
        command += ["-include", compat_header(config)]
    return [*command, *ours, *flags]
