"""Writing the stand-in compiler into an SDK root."""

from __future__ import annotations

import importlib.util
import os
import platform
import py_compile
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ttgen.errors import SdkError

from .driver.store import digest

HERE = Path(__file__).resolve().parent
DRIVER = HERE / "driver"
SUPPORT = HERE / "support"
CLIENT = HERE / "client.c"

# SFPI's release that the SDK is made for (tt_metal/sfpi-version): the version line has its form.
SFPI_VERSION = "7.89.0"
GCC_VERSION = "15.1.0"

COMPILER = Path("compiler/bin/riscv-tt-elf-g++")

# For the machine that compiles, not for the chip.
CLIENT_FLAGS = (
    "--target=x86_64-unknown-linux",
    "-ffreestanding",
    "-fno-pic",
    "-fno-stack-protector",
    "-O2",
    "-Wall",
    "-c",
)

LAUNCHER = """\
#!/bin/sh
# ttgen's stand-in for SFPI's compiler. -I -S: a fast start, whatever the caller's environment.
exec {python} -I -S -B {start} "$@"
"""

START = """\
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)

from driver.config import Config
from driver.main import main

config = Config(
    sfpi=HERE,
    zig={zig!r},
    zig_lib={zig_lib!r},
    fingerprint={fingerprint!r},
    version_line={version_line!r},
    cache=os.environ.get("TTGEN_TOOLCHAIN_CACHE") or os.path.join(HERE, "cache"),
)
sys.exit(main(config, sys.argv[1:]))
"""


@dataclass(frozen=True)
class StandIn:
    """The clang stand-in as it would be installed now.

    ``zig`` is ziglang's executable, ``version`` ziglang's release, ``fingerprint`` a hash of the
    content of driver and support files and of the compiler: whatever changes what comes out.
    """

    zig: Path
    version: str
    fingerprint: str

    @property
    def version_line(self) -> str:
        """What ``riscv-tt-elf-g++ --version`` prints: SFPI's form; the JIT's cache key has it."""
        inside = f"tenstorrent/sfpi:{SFPI_VERSION}[ttgen-zig-{self.version}-{self.fingerprint}]"
        return f"riscv-tt-elf-g++ ({inside}) {GCC_VERSION}"

    def install(self, sfpi: Path) -> None:
        """Writes the stand-in into the folder ``sfpi`` (``<SDK root>/runtime/sfpi``).

        Driver and support files are copied, so that an installed stand-in goes on doing what its
        version line says when ttgen itself changes.
        """
        shutil.copytree(DRIVER, sfpi / "driver", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(SUPPORT / "include", sfpi / "include")
        shutil.copytree(SUPPORT, sfpi / "support", ignore=shutil.ignore_patterns("include"))
        for module in sorted((sfpi / "driver").glob("*.py")):
            py_compile.compile(
                str(module),
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        self.write_launcher(sfpi)

    def write_launcher(self, sfpi: Path) -> None:
        """The executable that the JIT calls, and the start script with its settings."""
        start = START.format(
            zig=str(self.zig),
            zig_lib=str(self.zig.parent / "lib"),
            fingerprint=self.fingerprint,
            version_line=self.version_line,
        )
        (sfpi / "start.py").write_text(start)
        compiler = sfpi / COMPILER
        compiler.parent.mkdir(parents=True)
        # Where the launcher is in the end is not known yet: it finds start.py from its own place.
        place = '"${0%/compiler/bin/*}/start.py"'
        launcher = compiler.with_name(f"{compiler.name}.sh") if self.has_client else compiler
        launcher.write_text(LAUNCHER.format(python=shlex.quote(sys.executable), start=place))
        launcher.chmod(0o755)
        if self.has_client:
            self.compile_client(compiler)

    @property
    def has_client(self) -> bool:
        """Whether the JIT calls ``client.c``, which is for x86-64, and not the launcher itself."""
        return platform.machine() == "x86_64"

    def compile_client(self, path: Path) -> None:
        """Compiles the program that hands command lines to a driver which stands by.

        SdkError when clang or lld does not do it.
        """
        made = path.with_name("client.o")
        for command in (
            ["clang", *CLIENT_FLAGS, str(CLIENT), "-o", str(made)],
            ["ld.lld", "--strip-all", "-o", str(path), str(made)],
        ):
            done = subprocess.run([self.zig, *command], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SdkError(f"{CLIENT.name} does not compile: {done.stderr.strip()}")
        made.unlink()


def find_stand_in() -> StandIn | None:
    """The stand-in for this interpreter; None when ziglang is not installed."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        return None
    zig = Path(spec.origin).resolve().parent / "zig"
    if not os.access(zig, os.X_OK):
        return None
    version, record = release("ziglang")
    return StandIn(zig, version, fingerprint(version, record))


def release(package: str) -> tuple[str, str]:
    """Version of an installed distribution and the text of its RECORD (every file's hash)."""
    # A third of the time of importing this module, and most users of it never come here.
    from importlib import metadata

    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return "unknown", ""
    return distribution.version, distribution.read_text("RECORD") or ""


def fingerprint(version: str, record: str) -> str:
    """Hash of all that decides what the stand-in compiles to."""
    parts: list[str | bytes] = [version, record]
    for path in sources():
        parts += [str(path.relative_to(HERE)), path.read_bytes()]
    # The generated part of the installation is in this file.
    parts += [CLIENT.read_bytes(), *CLIENT_FLAGS, LAUNCHER, START]
    return digest(*parts)[:16]


def sources() -> Iterator[Path]:
    """Files that an installed stand-in consists of, in a fixed order."""
    yield from sorted(DRIVER.glob("*.py"))
    yield from sorted(path for path in SUPPORT.rglob("*") if path.is_file())
