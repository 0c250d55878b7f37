"""The files of a kernel's folder, by name. Light: a build with nothing to do knows them too."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

PLAN = "tt.plan.json"
#: The rendered files, each from the template of the same name with ``.j2`` behind it.
SOURCES = ("reader.cpp", "compute.cpp", "writer.cpp", "host.py", "host.cpp")
#: Those that are compiled for the chip.
KERNEL_SOURCES = ("reader.cpp", "compute.cpp", "writer.cpp")
#: Where the compiled programs lie, and their names as the SDK links them: one ELF per RISC-V.
ELF_FOLDER = "elf"
ELFS = ("brisc.elf", "ncrisc.elf", "trisc0.elf", "trisc1.elf", "trisc2.elf")
#: Beside the ELFs: which headers of the SDK the compiler has read for them.
HEADERS = "headers.json"
#: Inputs and expected outputs.
GOLDEN = "golden.npz"
#: What a run on a device gave, and what kept one from its end.
RESULT, ERROR = "result.json", "error.json"

#: In the build folder: what kernels take, next to ttnn's own operations.
BENCH = "bench.json"

#: Which files compilers and debuggers are pointed to: what was generated, or the kernel's source.
Lines: TypeAlias = Literal["generated", "source"]
LINES: tuple[Lines, ...] = get_args(Lines)
