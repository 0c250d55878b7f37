"""Writes what is generated of the C++ sources: ``python -m ttgen.native.generate FOLDER``."""

from __future__ import annotations

import re
import sys
from importlib.metadata import requires, version
from pathlib import Path

from ttgen.errors import TTError
from ttgen.files import write_atomically

#: The distributions whose layout in memory the passes in C++ are built on.
DISTRIBUTIONS = ("apache-tvm", "apache-tvm-ffi")


def pinned() -> dict[str, str]:
    """The releases that ttgen is made for, by distribution."""
    found = {}
    for requirement in requires("ttgen") or ():
        name, equals, release = re.split(r"(==|[^\w.-])", requirement, maxsplit=1)
        if equals == "==":
            found[name] = release.partition(";")[0].strip()
    return {name: found[name] for name in DISTRIBUTIONS}


def check_releases() -> None:
    """TTError where another TVM is installed than the one whose nodes the passes know."""
    for name, wanted in pinned().items():
        there = version(name)
        if there != wanted:
            raise TTError(
                f"the passes in C++ read the nodes of {name} {wanted}; {there} is installed",
                hint=f"install {name}=={wanted}, or use the passes in Python: TTGEN_PASSES=python",
            )


def main(folder: Path) -> None:
    """Write ``tvm_abi.h`` and ``tables.inc`` into ``folder``; TTError at another TVM."""
    check_releases()
    from ttgen.native import abi, tables

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("tvm_abi.h", abi.header()), ("tables.inc", tables.source())):
        write_atomically(folder / name, text)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except TTError as error:
        sys.exit(str(error))
