"""Command lines of clang's own for generated kernels: what editors (clangd) want to know of them.

The SDK's JIT writes its command lines when it compiles, for SFPI's g++ and a file of its own that
includes the kernel. These are for the kernel's file and a stock clang, and are made from the plan
alone: the same include folders, macros and compile-time arguments, with headers of ours in place of
those that the JIT generates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttgen.arch import architecture
from ttgen.errors import SdkError
from ttgen.formats import FORMATS
from ttgen.ops import ProgramName
from ttgen.plan.model import Plan, Program, Tensor
from ttgen.plan.shards import cores_of, matrix
from ttgen.sdk import GET_SDK, require_sdk
from ttgen.toolchain.driver.clang import HEADER_FOLDERS, LIBCXX, MARCH, MARCH_SFPU
from ttgen.toolchain.install import SUPPORT, find_stand_in

#: The headers that stand for what the JIT generates.
EDITOR = Path(__file__).parent / "editor"
#: Circular buffers that descriptors have a value for, and what an unused one's is.
_BUFFERS = 32
_UNUSED_FORMAT, _UNUSED_BYTES = 255, 1088


@dataclass(frozen=True)
class _Chip:
    """How the SDK names an architecture, and what the JIT says of one chip of it.

    ``columns`` and ``rows`` say where cores lie on the NoC: runs, each with its first logical and
    its first physical coordinate.
    """

    folder: str
    variant: str
    macro: str
    defines: tuple[str, ...]
    columns: tuple[tuple[int, int], ...]
    rows: tuple[tuple[int, int], ...]
    more_folders: tuple[str, ...] = ()


_CHIPS = {
    "wormhole_b0": _Chip(
        folder="wormhole",
        variant="wormhole_b0",
        macro="__riscv_xtttensixwh",
        defines=(
            "ARCH_WORMHOLE",
            "IS_NOT_POW2_NUM_DRAM_BANKS=1",
            "IS_NOT_POW2_NUM_L1_BANKS=1",
            "NUM_DRAM_BANKS=12",
            "NUM_L1_BANKS=72",
            "PCIE_NOC_X=0",
            "PCIE_NOC_Y=3",
            "ROUTING_FW_ENABLED",
            "DISPATCH_MESSAGE_ADDR=4290183304",
        ),
        columns=((0, 18),),
        rows=((0, 18),),
    ),
    "blackhole": _Chip(
        folder="blackhole",
        variant="blackhole",
        macro="__riscv_xtttensixbh",
        defines=(
            "ARCH_BLACKHOLE",
            "IS_NOT_POW2_NUM_L1_BANKS=1",
            "LOG_BASE_2_OF_NUM_DRAM_BANKS=3",
            "NUM_DRAM_BANKS=8",
            "NUM_L1_BANKS=140",
            "PCIE_NOC_X=19",
            "PCIE_NOC_Y=24",
            "DISPATCH_MESSAGE_ADDR=4290184248",
        ),
        columns=((0, 1), (7, 10)),
        rows=((0, 2),),
        more_folders=("tt_metal/tt-llk/tt_llk_blackhole/llk_lib/hal",),
    ),
}

_DEFINES = (
    "TENSIX_FIRMWARE",
    "LOCAL_MEM_EN=0",
    "PROGRAMMABLE_CORE_TYPE=0",
    "KERNEL_BUILD",
    "NOC_MODE=0",
)
#: Of the RISC-V that runs a program; of the three that compute it is the one with the FPU.
_PROCESSORS: dict[ProgramName, tuple[str, ...]] = {
    "reader": ("PROCESSOR_INDEX=1", "COMPILE_FOR_NCRISC", "NOC_INDEX=0"),
    "compute": ("PROCESSOR_INDEX=3", "UCK_CHLKC_MATH", "COMPILE_FOR_TRISC=1"),
    "writer": ("PROCESSOR_INDEX=0", "COMPILE_FOR_BRISC", "NOC_INDEX=1"),
}
#: In the JIT's order; ``{chip}`` and ``{variant}`` are the SDK's names of the architecture.
_FOLDERS = (
    "",
    "ttnn",
    "ttnn/cpp",
    "tt_metal/hw/inc",
    "tt_metal/tt-llk/common",
    "tt_metal/tt-llk/tools/include",
    "tt_metal/hostdevcommon/api",
    "tt_metal/api",
    "tt_metal/hw/ckernels/{variant}/metal/common",
    "tt_metal/hw/ckernels/{variant}/metal/llk_io",
    "tt_metal/hw/inc/internal/tt-1xx",
    "tt_metal/hw/inc/internal/tt-1xx/{chip}",
    "tt_metal/hw/inc/internal/tt-1xx/{chip}/{variant}_defines",
    "tt_metal/hw/inc/internal/tt-1xx/{chip}/noc",
    "tt_metal/tt-llk/tt_llk_{variant}/common/inc",
    "tt_metal/tt-llk/tt_llk_{variant}/llk_lib",
)
_COMPUTE_FOLDERS = (
    "tt_metal/hw/ckernels/{variant}/metal/llk_api",
    "tt_metal/hw/ckernels/{variant}/metal/llk_api/llk_sfpu",
)
_LAST_FOLDER = "tt_metal/hw/firmware/src/tt-1xx"

#: Numbers of ``tt::DataFormat`` by the names of formats.
_NUMBERS = {
    "fp32": 0,
    "fp16": 1,
    "bf16": 5,
    "bfp8_b": 6,
    "bfp4_b": 7,
    "int32": 8,
    "uint16": 9,
    "uint32": 24,
    "uint8": 30,
}
_TF32 = 4
#: ``ArgConfig`` of the SDK's tensor accessors.
_SHARDED, _IN_DRAM = 1, 2


def commands(plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """The entries of a compilation database for the three programs in ``folder``.

    SdkError where the SDK, or clang's own headers (of the package ziglang), are not installed.
    """
    return [
        {
            "directory": str(folder),
            "file": str(folder / f"{name}.cpp"),
            "arguments": [*_arguments(plan, name, program), str(folder / f"{name}.cpp")],
        }
        for name, program in plan.programs.items()
    ]


def signature() -> str:
    """What the entries depend on beside plans; raises as :func:`commands` does."""
    digest = hashlib.sha256()
    for chip in _CHIPS.values():
        for path in _include_folders(chip, computes=True):
            digest.update(f"{path}\n".encode())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:16]


def _arguments(plan: Plan, name: ProgramName, program: Program) -> list[str]:
    chip = _CHIPS[plan.arch]
    computes = name == "compute"
    defines = [f"{chip.macro}=1", *chip.defines, *_DEFINES, *_PROCESSORS[name]]
    defines += _arguments_of_kernel(plan, program)
    defines += _descriptors(plan) if computes else ()
    return [
        "clang++",
        "--target=riscv32-unknown-linux-musl",
        f"-march={MARCH_SFPU if computes else MARCH}",
        "-mabi=ilp32",
        "-std=c++20",
        "-O2",
        "-ffast-math",
        "-fno-exceptions",
        "-fno-rtti",
        "-fno-builtin",
        "-Wall",
        "-Wno-unused-variable",
        "-Wno-unused-function",
        "-Wno-missing-template-arg-list-after-template-kw",
        "-nostdinc",
        "-nostdinc++",
        *(word for path in _include_folders(chip, computes) for word in ("-isystem", str(path))),
        *(f"-D_LIBCPP_{macro}={value}" for macro, value in LIBCXX.items()),
        *(f"-D{define}" for define in defines),
        "-include",
        str(EDITOR / ("compute.h" if computes else "data_movement.h")),
        "-c",
    ]


def _include_folders(chip: _Chip, computes: bool) -> Iterator[Path]:
    package = require_sdk().package
    stand_in = find_stand_in()
    if stand_in is None:
        raise SdkError("clang's own headers (the package ziglang) are not installed", hint=GET_SDK)
    more = _COMPUTE_FOLDERS if computes else ()
    for name in (*_FOLDERS, *chip.more_folders, *more, _LAST_FOLDER):
        yield package / name.format(chip=chip.folder, variant=chip.variant)
    # SFPI's own headers need its compiler.
    yield SUPPORT / "include"
    for name in HEADER_FOLDERS:
        yield stand_in.zig.parent / "lib" / name


def _arguments_of_kernel(plan: Plan, program: Program) -> Iterator[str]:
    values = [v for name in program.tensors for v in accessor_args(plan.tensor(name), plan.arch)]
    if values:
        yield f"KERNEL_COMPILE_TIME_ARGS={_listed(values)}"
    if program.constants:
        pairs = (f'{{"{constant.name}",{constant.value}}}' for constant in program.constants)
        yield f"KERNEL_COMPILE_TIME_ARG_MAP={','.join(pairs)}"


def accessor_args(tensor: Tensor, arch: str) -> list[int]:
    """The compile-time arguments of a tensor's accessor, as ttnn makes them for one chip."""
    layout = tensor.layout
    in_dram = _IN_DRAM if layout.memory == "DRAM" else 0
    unit = architecture(arch).alignment(layout.memory)
    page_bytes = -(-tensor.page_bytes // unit) * unit
    shard = layout.nd_shard
    if shard is None:
        return [in_dram, page_bytes]
    extents = matrix(tensor.padded_shape)
    pages = [n // unit for n, unit in zip(extents, layout.tile_shape, strict=True)]
    held = [n // unit for n, unit in zip(shard.shard_shape, layout.tile_shape, strict=True)]
    if pages[1] == held[1] or pages[0] == 1:  # one dimension is enough to number the pages
        pages, held = [pages[0] * pages[1]], [held[0] * held[1]]
    banks = [x << 8 | y for x, y in (on_noc(arch, core) for core in cores_of(shard))]
    first, second = banks[::2], [*banks[1::2], 0]
    words = [low | high << 16 for low, high in zip(first, second, strict=False)]
    return [_SHARDED | in_dram, page_bytes, len(pages), len(banks), *pages, *held, *words]


def on_noc(arch: str, core: tuple[int, int]) -> tuple[int, int]:
    """Where the SDK finds a logical worker core on the NoC of a chip with all of its cores."""
    chip = _CHIPS[arch]
    x, y = (
        max(physical + at - logical for logical, physical in runs if at >= logical)
        for at, runs in zip(core, (chip.columns, chip.rows), strict=True)
    )
    return x, y


def _descriptors(plan: Plan) -> Iterator[str]:
    compute = plan.compute
    source, register = [_UNUSED_FORMAT] * _BUFFERS, [_UNUSED_FORMAT] * _BUFFERS
    size = [_UNUSED_BYTES] * _BUFFERS
    for buffer in plan.circular_buffers:
        number = register_number = _NUMBERS[buffer.dtype]
        if buffer.dtype == "fp32" and not buffer.unpack_to_dst:
            register_number = _TF32 if compute.fp32_dest_acc else _NUMBERS["bf16"]
        source[buffer.index], register[buffer.index] = number, register_number
        size[buffer.index] = FORMATS[buffer.dtype].tile_bytes
    yield f"TTGEN_FIDELITY={compute.fidelity}"
    yield f"TTGEN_APPROX={_said(compute.math_approx)}"
    yield f"TTGEN_SOURCE_FORMATS={_listed(source)}"
    yield f"TTGEN_REGISTER_FORMATS={_listed(register)}"
    yield f"TTGEN_TILE_BYTES={_listed(size)}"
    yield f"TTGEN_DST_ACCUM={_said(compute.fp32_dest_acc)}"
    yield f"TTGEN_DST_SYNC=Sync{'Full' if compute.dst_full_sync else 'Half'}"


def _listed(values: Sequence[int]) -> str:
    return ",".join(map(str, values))


def _said(value: bool) -> str:
    return "true" if value else "false"
