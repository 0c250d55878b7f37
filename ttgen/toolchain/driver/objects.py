"""Objects that are linked into kernels and firmware: tt-metal's, rebuilt, and our own.

The SDK ships ``runtime/hw/lib/<arch>/*.o`` as GCC LTO bytecode, which only GCC reads; their
sources are in the SDK too. Flags are those of tt_metal/hw/CMakeLists.txt.
"""

from __future__ import annotations

import os

from .clang import base
from .config import Config
from .depfile import parse_depfile
from .process import run
from .rules import Arch, DriverError
from .store import content_key, digest, made, read, write

# Source of runtime/hw/lib/<arch>/<name>.o, relative to the SDK's tt_metal folder.
SDK_SOURCES = {
    "substitutes": "hw/toolchain/substitutes.cpp",
    "tmu-crt0": "hw/toolchain/tmu-crt0.S",
    "noc": "hw/firmware/src/tt-1xx/{arch}/noc.c",
    "tdma_xmov": "hw/firmware/src/tt-1xx/tdma_xmov.c",
    "wh-iram-start": "hw/toolchain/wh-iram-start.S",
    "wh-iram-trampoline": "hw/toolchain/wh-iram-trampoline.S",
}

# Our own, in every link; --gc-sections takes out what is not called.
SUPPORT_SOURCES = ("ldm_pad.S", "mem.c", "setjmp.S")

INCLUDES = (
    "",
    "api",
    "hostdevcommon/api",
    "hw/inc",
    "hw/inc/internal/tt-1xx",
    "hw/inc/internal/tt-1xx/{arch}",
    "hw/inc/internal/tt-1xx/{arch}/{arch}_b0_defines",
    "hw/inc/internal/tt-1xx/{arch}/{arch}_defines",
    "hw/inc/internal/tt-1xx/{arch}/noc",
    "hw/ckernels/{arch}_b0/metal/common",
    "hw/ckernels/{arch}/metal/common",
    "hw/firmware/src/tt-1xx",
)


def sdk_object(config: Config, arch: Arch, name: str) -> str:
    """Path of the rebuilt ``runtime/hw/lib/<arch>/<name>.o``. Raises DriverError if unknown."""
    if name not in SDK_SOURCES:
        raise DriverError(f"error: the clang stand-in has no source for {arch.name}/{name}.o")
    tt_metal = f"{config.sdk_root}/tt_metal"
    source = f"{tt_metal}/{SDK_SOURCES[name].format(arch=arch.name)}"
    flags = ["-Os", f"-D{arch.macro}=1", f"-DARCH_{arch.name.upper()}", "-DTENSIX_FIRMWARE"]
    flags += ["-DLOCAL_MEM_EN=0", "-DCOMPILE_FOR_BRISC", "-DPROGRAMMABLE_CORE_TYPE=0"]
    flags.append(f"-I{config.sdk_root}")
    flags += [f"-I{tt_metal}/{folder.format(arch=arch.name)}" for folder in INCLUDES]
    if source.endswith(".S"):
        flags += ["-include", f"{config.include}/ttgen_gas.h"]
    else:
        flags += ["-std=c++20", "-fno-exceptions", "-fno-rtti", "-x", "c++"]
        flags += ["-include", f"{config.include}/ttgen_compat.h"]
    return compiled(config, source, flags, f"{arch.name}-{name}")


def support_objects(config: Config) -> list[str]:
    """Paths of our own objects; they are the same for every architecture."""
    return [
        compiled(config, f"{config.support}/{name}", ["-Os"], name.split(".")[0])
        for name in SUPPORT_SOURCES
    ]


def compiled(config: Config, source: str, flags: list[str], label: str) -> str:
    """Path of the object for ``source``; compiled if no object for this content is kept.

    The key covers compiler, flags, and the content of every file that the compiler read the last
    time, which a manifest beside the objects lists.
    """
    key = digest(config.fingerprint, source, *flags)
    folder = f"{config.store}/obj"
    manifest = f"{folder}/{label}-{key}.deps"
    if os.path.exists(manifest):
        content = content_key(key, read(manifest).decode().splitlines())
        if content is not None and os.path.exists(path := f"{folder}/{label}-{content}.o"):
            return path
    return rebuilt(config, [*flags, "-w", "-c", source], key, manifest)


def rebuilt(config: Config, flags: list[str], key: str, manifest: str) -> str:
    """Compiles, and names the object by the content of what was read."""
    os.makedirs(os.path.dirname(manifest), exist_ok=True)
    label = os.path.basename(manifest).rsplit("-", 1)[0]
    temporary = f"{manifest}.{os.getpid()}.o"
    depfile = f"{temporary}.d"
    try:
        if status := run([*base(config), *flags, "-MMD", "-MF", depfile, "-o", temporary]):
            raise SystemExit(status)
        depends = parse_depfile(read(depfile).decode())
        path = f"{os.path.dirname(manifest)}/{label}-{content_key(key, depends)}.o"
        os.replace(temporary, path)
        write(manifest, "\n".join(depends))
    finally:
        for left in (temporary, depfile):
            if os.path.exists(left):
                os.unlink(left)
    return path


def runtime_library(config: Config) -> str:
    """compiler-rt for rv32im (soft float, 64-bit division), built from ziglang's source.

    Takes three seconds, so it is made when a link first asks for it.
    """

    def make(temporary: str) -> None:
        scratch = f"{temporary}.zig-cache"
        env = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
        command = [config.zig, "build-lib", "-target", "riscv32-freestanding"]
        # Relaxed, as what it is linked to (clang.py): so are the calls inside of it.
        command += ["-mcpu=generic_rv32+m+relax", "-OReleaseSmall"]
        command += ["-fstrip", "-fno-unwind-tables"]
        # Local memory is 4 KB: a link must be able to leave out each table that nothing uses.
        command += ["-ffunction-sections", "-fdata-sections", "--name", "compiler_rt"]
        command += [f"{config.zig_lib}/compiler_rt.zig", f"-femit-bin={temporary}"]
        try:
            if run(command, env=env):
                raise DriverError("error: cannot build compiler-rt")
        finally:
            import shutil

            shutil.rmtree(scratch, ignore_errors=True)

    return made(f"{config.store}/lib/compiler_rt.a", make)
