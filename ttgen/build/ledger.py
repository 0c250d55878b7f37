"""What earlier builds have found out, and from which files: true for as long as those are the same.

SCons decides by content what is stale, which takes a walk over every node. Most builds have little
to do, so what was found to be true is kept with the *signature* of every file that it was found
from (times of content and of inode, size, inode number), missing files included. Where one
signature differs, nothing is concluded from it but that the walk is needed.

A signature proves content only for a file that was last changed before the build began which read
it, or that the build itself has made. So nothing is kept that rests on a file which somebody else
has changed meanwhile: the next build walks again, and keeps it then.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from ttgen.errors import OutputError
from ttgen.files import write_atomically

#: To be raised when the form of the file changes, or what a fact's name means.
_VERSION = 1
#: Nanoseconds by which a file's time may lag behind the clock: the kernel's tick is its grain.
_GRAIN = 20_000_000
#: The signature of a file that is not there.
_MISSING = "-"


class _Stored(msgspec.Struct, frozen=True):
    """The file: signatures of files, and facts with the numbers of those that they rest on."""

    version: int
    folder: str
    files: list[tuple[str, str]]
    facts: dict[str, tuple[str, list[int]]]


class Ledger:
    """Facts: names with text, each resting on files. One ledger for a build folder.

    ``path`` is its file, ``started`` when this build began, in nanoseconds since the epoch. A
    file that cannot be read, or that was copied here from another folder, counts as empty: then
    everything is found out anew.
    """

    def __init__(self, path: Path, started: int) -> None:
        self._path = path
        self._started = started
        self._stored = self._load()
        self._compared: set[int] = set()
        self._changed: set[int] = set()
        self._signatures: dict[str, tuple[str, bool]] = {}
        self._noted: dict[str, tuple[str, list[str]]] = {}
        self._forgotten: set[str] = set()

    def recall(self, name: str) -> str | None:
        """The text of a fact whose files are as they were; None where there is none."""
        if name in self._noted:
            return self._noted[name][0]
        fact = self._stored.facts.get(name)
        if fact is None or name in self._forgotten:
            return None
        text, numbers = fact
        return text if self._changed.isdisjoint(self._compare(numbers)) else None

    def remember(
        self, name: str, files: Callable[[], Iterable[str]], find: Callable[[], str]
    ) -> str:
        """What ``find`` makes of those files: recalled, or found and noted."""
        text = self.recall(name)
        if text is None:
            paths = list(files())
            for path in paths:
                self._signature(path)  # a folder's, before it is read
            text = find()
            self.note(name, text, paths)
        return text

    def note(self, name: str, text: str, files: Iterable[str]) -> None:
        """Keep a fact, unless somebody has changed one of the files since the build began."""
        paths = sorted(set(files))
        if self.recall(name) == text and self._stored_paths(name) == paths:
            return
        if all(self._signature(path)[1] for path in paths):
            self._noted[name] = (text, paths)
            self._forgotten.discard(name)

    def made(self, files: Iterable[str]) -> None:
        """The build has just made these files: they are as it wants them."""
        self._signatures.update({path: (_signature(path, 0)[0], True) for path in files})

    def names(self, prefix: str) -> list[str]:
        """The facts that begin with ``prefix``, whether they still hold or not; sorted."""
        names = {*self._stored.facts, *self._noted} - self._forgotten
        return sorted(name for name in names if name.startswith(prefix))

    def forget(self, name: str) -> None:
        """Drop a fact."""
        self._noted.pop(name, None)
        self._forgotten.add(name)

    def save(self) -> None:
        """Write what has changed, if the build has made its folder.

        That it cannot be written is no reason to fail.
        """
        facts = {k: v for k, v in self._stored.facts.items() if k not in self._forgotten}
        changed = self._noted or len(facts) < len(self._stored.facts)
        if not changed or not self._path.parent.is_dir():
            return
        numbers: dict[tuple[str, str], int] = {}
        kept = {
            name: (text, [self._stored.files[n] for n in old])
            for name, (text, old) in facts.items()
        }
        new = {
            name: (text, [(path, self._signature(path)[0]) for path in paths])
            for name, (text, paths) in self._noted.items()
        }
        renumbered = {
            name: (text, [numbers.setdefault(file, len(numbers)) for file in files])
            for name, (text, files) in sorted({**kept, **new}.items())
        }
        stored = _Stored(_VERSION, str(self._path.parent), list(numbers), renumbered)
        with suppress(OutputError):
            write_atomically(self._path, msgspec.json.encode(stored).decode())

    def _stored_paths(self, name: str) -> list[str]:
        numbers = self._stored.facts[name][1] if name in self._stored.facts else []
        return sorted(self._stored.files[number][0] for number in numbers)

    def _load(self) -> _Stored:
        try:
            stored = msgspec.json.decode(self._path.read_bytes(), type=_Stored)
        except (OSError, msgspec.DecodeError):
            stored = None
        if stored and (stored.version, stored.folder) == (_VERSION, str(self._path.parent)):
            return stored
        return _Stored(_VERSION, str(self._path.parent), [], {})

    def _compare(self, numbers: Iterable[int]) -> set[int]:
        """See which of those files have changed; facts share most of theirs, so each once."""
        asked = set(numbers)
        for number in asked - self._compared:
            path, signature = self._stored.files[number]
            if self._signature(path)[0] != signature:
                self._changed.add(number)
        self._compared |= asked
        return asked

    def _signature(self, path: str) -> tuple[str, bool]:
        """The signature, and whether it stands for what this build has read there."""
        known = self._signatures.get(path)
        if known is None:
            known = self._signatures[path] = _signature(path, self._started - _GRAIN)
        return known


def _signature(path: str, before: int) -> tuple[str, bool]:
    """The signature, and whether the file was last changed before that time.

    A folder's is made from the names in it, and what Python caches there is of no interest.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 (thousands of them: a Path takes as long again)
        if stat.S_ISDIR(status.st_mode):
            names = sorted(entry.name for entry in os.scandir(path) if entry.name != "__pycache__")
            return hashlib.sha256("\0".join(names).encode()).hexdigest()[:16], True
    except (FileNotFoundError, NotADirectoryError):
        return _MISSING, True
    except OSError:
        return _MISSING, False
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    times = f"{status.st_mtime_ns:x} {status.st_ctime_ns:x}"
    return f"{times} {status.st_size:x} {status.st_ino:x}", changed < before
