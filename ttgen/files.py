"""Writing files so that a killed or failed step never leaves half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Reading the mask means setting it, which threads must not do to each other: once, at import.
_UMASK = os.umask(0o022)
os.umask(_UMASK)


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, as UTF-8, all of it or nothing."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file in the same folder and a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o666 & ~_UMASK)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
