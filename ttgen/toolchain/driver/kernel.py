"""Which kernel the JIT is building: its file is named in no command line."""

from __future__ import annotations

import os

# Files that the JIT writes beside the folder that it compiles in; they include the kernel's file.
INCLUDERS = ("kernel_includes.hpp", "chlkc_math.cpp", "chlkc_unpack.cpp")


def kernel_source() -> str | None:
    """Path of the kernel that is compiled or linked in the current folder; None for firmware."""
    for name in INCLUDERS:
        path = os.path.join(os.pardir, name)
        if os.path.exists(path):
            with open(path) as file:
                included = [line.split('"')[1] for line in file if line.startswith('#include "')]
            # A kernel that was handed over as text is in the file itself.
            return included[-1] if included else os.path.abspath(path)
    return None
