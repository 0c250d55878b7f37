"""Which headers of the SDK the compiler has read for a kernel: what its ELFs depend on.

tt-metal keeps, beside every object that its JIT makes, a file ``<object>.dephash`` with a line for
each file that the compiler's depfile names: its path in quotes, and a hash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from ttgen.errors import SdkError

#: The compiler's own, which its version stands for.
_COMPILERS = "runtime/sfpi/"
_LINE = re.compile(r'^"(.+)"\s')


def headers_read(elves: Iterable[Path], root: Path) -> list[str]:
    """The files below ``root``, the SDK's, that the ELFs' objects were made from.

    Relative to it, sorted, without the compiler's own. SdkError where tt-metal has not noted them.
    """
    found: set[str] = set()
    for elf in elves:
        notes = sorted(elf.parent.glob("*.o.dephash"))
        if not notes:
            raise SdkError(f"tt-metal has not noted which headers {elf.name} was made from")
        for note in notes:
            lines = note.read_text(encoding="utf-8").splitlines()
            paths = (Path(match[1]) for match in map(_LINE.match, lines) if match)
            found.update(p.relative_to(root).as_posix() for p in paths if p.is_relative_to(root))
    return sorted(name for name in found if not name.startswith(_COMPILERS))


def encode(headers: Iterable[str]) -> str:
    """The text of the file that keeps them."""
    return json.dumps(list(headers), indent=0) + "\n"
