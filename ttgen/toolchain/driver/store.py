"""Files that are made once and shared by every process: rebuilt objects, precompiled headers.

A name is a content hash, a file appears by rename, and one process at a time makes a name
(flock: a killed process leaves no lock behind). So a file that exists is whole and right.
"""

from __future__ import annotations

import fcntl
import os

# hashlib's own; hashlib itself loads OpenSSL first, which takes longer than most jobs here.
from _blake2 import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO


def digest(*parts: str | bytes) -> str:
    """A hash of the parts, told apart from each other, as 32 hexadecimal digits."""
    state = blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def read(path: str) -> bytes:
    """A file's content."""
    with open(path, "rb") as file:
        return file.read()


def write(path: str, content: str | bytes) -> None:
    """Writes by rename: a reader sees the old content or the new, never half of one."""
    data = content.encode() if isinstance(content, str) else content
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def locked(path: str) -> IO[str]:
    """A file that one process at a time has open: to be used by ``with``."""
    lock = open(path, "w")  # noqa: SIM115 (the caller's `with` closes it)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def made(path: str, make: Callable[[str], None]) -> str:
    """``path``, made by ``make(temporary)`` unless it exists. The temporary keeps its suffix."""
    if os.path.exists(path):
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    stem, suffix = os.path.splitext(path)
    with locked(f"{stem}.lock"):
        if not os.path.exists(path):
            temporary = f"{stem}.{os.getpid()}{suffix}"
            try:
                make(temporary)
                os.replace(temporary, path)
            finally:
                if os.path.exists(temporary):
                    os.unlink(temporary)
    return path


def content_key(
    key: str, paths: Iterable[str], content: Callable[[str], bytes] = read
) -> str | None:
    """``key`` extended by the ``content`` of ``paths``; None when one of them is gone."""
    try:
        return digest(key, *(part for path in paths for part in (path, content(path))))
    except FileNotFoundError:
        return None
