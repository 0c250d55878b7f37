"""Headers of the SDK's that kernels share precompiled, although they use what is a kernel's own.

They read a kernel's compile-time arguments, and tables of its circular buffers that the JIT writes
into a file. Neither is needed before a kernel uses it: here the arguments are looked for by
templates (``ttgen_arguments.h``) and the tables are only declared. ``ttgen_kernel.h`` defines both
for a kernel. The few settings in that file are needed: only kernels with the usual ones share
headers, since to precompile them takes as long as to parse them for a dozen kernels.
"""

from __future__ import annotations

import os

from .store import read

# What the JIT writes beside the folder that it compiles a kernel in.
DESCRIPTORS = os.path.join(os.pardir, "chlkc_descriptors.h")

_DATA_MOVEMENT = ("api/dataflow/dataflow_api.h",)
# Most of what ttgen's templates include; others are parsed for each kernel. What no kernel uses is
# left out by the linker, but for variables: matmul.h has one of four bytes on Blackhole.
_COMPUTE = (
    "api/compute/bcast.h",
    "api/compute/cb_api.h",
    "api/compute/common.h",
    "api/compute/compute_kernel_hw_startup.h",
    "api/compute/eltwise_binary.h",
    "api/compute/eltwise_unary/exp.h",
    "api/compute/eltwise_unary/recip.h",
    "api/compute/matmul.h",
    "api/compute/pack.h",
    "api/compute/reconfig_data_format.h",
    "api/compute/reduce.h",
    "api/compute/reg_api.h",
    "api/compute/tile_move_copy.h",
    "api/compute/transpose.h",
)

# The settings of most compute programs, as the JIT writes them.
USUAL = (
    "MATH_FIDELITY = static_cast<ckernel::MathFidelity>(4);",
    "APPROX = false;",
    "DST_SYNC_MODE DstSync::SyncHalf",
)

# By a macro of the command line's: the macro that the JIT writes before a kernel, and the headers.
ROLES = {
    "UCK_CHLKC_UNPACK": ("TRISC_UNPACK", _COMPUTE),
    "UCK_CHLKC_MATH": ("TRISC_MATH", _COMPUTE),
    "UCK_CHLKC_PACK": ("TRISC_PACK", _COMPUTE),
    "COMPILE_FOR_BRISC": (None, _DATA_MOVEMENT),
    "COMPILE_FOR_NCRISC": (None, _DATA_MOVEMENT),
}

# Included by the headers, but pre-empted by ours: what it says of a kernel is not read.
PREEMPTED = "/api/compile_time_args.h"

# How a table begins and ends in the JIT's file.
_TABLE, _BEGIN, _END = "constexpr ", " = {", "};"


def headers(flags: list[str]) -> str:
    """A text that includes them, for the processor that ``flags`` name.

    Nothing without a kernel, and for one with settings of its own.
    """
    if "-DKERNEL_BUILD" not in flags or not os.path.exists(DESCRIPTORS):
        return ""
    role = next((ROLES[flag[2:]] for flag in flags if flag[2:] in ROLES), None)
    if role is None:
        return ""
    macro, names = role
    descriptors = read(DESCRIPTORS).decode()
    if macro and not all(setting in descriptors for setting in USUAL):
        return ""
    lines = ["using namespace ckernel;", f"#define {macro}"] if macro else []
    lines += ['#include "ttgen_arguments.h"', declared(descriptors)]
    return "\n".join([*lines, *(f'#include "{name}"' for name in names), ""])


def declared(descriptors: str) -> str:
    """The settings of ``descriptors``, and declarations of its tables."""
    kept: list[str] = []
    lines = iter(descriptors.replace("#pragma once", "").splitlines())
    for line in lines:
        if line.startswith(_TABLE) and line.endswith(_BEGIN):
            name = line[len(_TABLE) : -len(_BEGIN)]
            # Internal, as constants are: a table that nothing uses must not take memory.
            kept.append(f"extern const {name} __attribute__((internal_linkage));")
            while next(lines) != _END:
                pass
        else:
            kept.append(line)
    return "\n".join(kept)
