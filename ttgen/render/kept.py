"""What templates are once they have been parsed, kept in a folder from one run to the next.

A run of a build renders with some thirty templates, and to parse them takes most of its time. The
folder is for one version of ttgen and of Jinja: its name says which. A file in it is named by what
it was made from; one that is damaged, or cannot be written, counts as one that is not there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import jinja2
import msgspec
from jinja2.bccache import Bucket

from ttgen.errors import OutputError
from ttgen.files import write_bytes_atomically
from ttgen.toolchain.driver.store import digest

T = TypeVar("T")


class Bytecode(jinja2.FileSystemBytecodeCache):
    """Jinja's own, in ``folder``.

    Jinja works out what is constant in a template: so ``decided_by`` is the content of whatever
    defines filters and tests, and all else that the code depends on beside the template.
    """

    def __init__(self, folder: Path, decided_by: Iterable[bytes]) -> None:
        super().__init__(str(folder), f"{digest(*decided_by)}-%s")

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it, if that can be."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


def recalled(folder: Path | None, text: str, kind: type[T], find: Callable[[], T]) -> T:
    """What ``find`` makes of ``text``: kept in ``folder``, unless it is another when read again."""
    if folder is None:
        return find()
    path = folder / f"{digest(text)}-{kind.__name__}"
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path.read_bytes(), type=kind)
    found = find()
    data = msgspec.json.encode(found, order="sorted")
    if folder.is_dir() and msgspec.json.decode(data, type=kind) == found:
        with suppress(OutputError):
            write_bytes_atomically(path, data)
    return found


def make(folder: Path) -> None:
    """Make the folder, and remove those of other versions; not while they may be in use."""
    if not folder.is_dir():
        shutil.rmtree(folder.parent, ignore_errors=True)
        with suppress(OSError):
            folder.mkdir(parents=True)
