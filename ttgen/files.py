"""Files that steps read and write: what a step depends on; writing without half a file."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ttgen.errors import OutputError

#: What to do about a file that cannot be written, by the system's error number.
_REMEDIES = {
    errno.ENOSPC: "free some space on that disk, then build again",
    errno.EDQUOT: "free some of your quota on that disk, then build again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), then build again",
    errno.EACCES: "make the folder writable, or build into another one",
    errno.EPERM: "make the folder writable, or build into another one",
    errno.EROFS: "build into a folder on another file system: this one is read-only",
    errno.ENOTDIR: "move the file that is in the folder's place",
    errno.EEXIST: "move the file that is in the folder's place",
}

# Reading the mask means setting it, which threads must not do to each other: once, at import.
_UMASK = os.umask(0o022)
os.umask(_UMASK)


@dataclass(frozen=True)
class Inputs:
    """Files that something is made from, and places where a new file would take part in it.

    ``missing`` are the places that were looked at in vain: a file that appears there may take
    another's place.
    """

    files: tuple[Path, ...] = ()
    missing: tuple[Path, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Both."""
        return (*self.files, *self.missing)


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, as UTF-8, all of it or nothing."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file in the same folder and a rename.

    OutputError where that cannot be done.
    """
    try:
        _write(path, data)
    except OSError as error:
        where = os.path.relpath(path)
        hint = _REMEDIES.get(error.errno or 0)
        raise OutputError(f"cannot write {where}: {error.strerror}", hint=hint) from error


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove what writers that were killed have left beside these files; nobody else may write."""
    for path in paths:
        for temporary in path.parent.glob(f".{path.name}.*"):
            temporary.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
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
