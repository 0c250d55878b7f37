"""Entry: which of the four jobs a command line is."""

from __future__ import annotations

import sys

from .config import Config
from .rules import DriverError


def main(config: Config, args: list[str]) -> int:
    """Does what ``riscv-tt-elf-g++ args`` asks. Returns the exit status; never a traceback."""
    try:
        dispatch(config, args)
    except DriverError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename}: error: {error.strerror}\n")
        return 1
    return 0


def dispatch(config: Config, args: list[str]) -> None:
    """Imports follow the job: a compilation must not pay for the linker's."""
    if args[:1] == ["--version"]:
        print(config.version_line)
    elif args[:1] == ["--serve"]:
        from .server import serve

        serve(config, int(args[1]))
    elif "c++-header" in args:
        from .compile import precompile

        precompile(args)
    elif "-c" in args or "-E" in args or "-S" in args:
        from .compile import compile_source

        compile_source(config, args)
    else:
        from .link import link

        link(config, args)
