"""Objects of kernels and firmware, kept by content.

The JIT keeps what it makes apart for each device, so that a kernel which is compiled for the mock
device, to build it, is compiled once more for a simulator or a card, to run it: by the same
command, but for names of folders. Here both are one object. What an object is known by is its
command and the content of every file that was read, names of folders left out; an object that has
one of these names in it is not kept.
"""

from __future__ import annotations

import os

from .config import Config
from .depfile import depfile_text, parse_depfile
from .kernel import kernel_source
from .rules import value_of, without
from .store import content_key, digest, read, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The JIT's name for a kernel, which ends in a hash that differs between devices.
NAME = "-DFULL_KERNEL_NAME="
# What the JIT writes for a kernel beside the folder that it compiles it in.
GENERATED = (".h", ".hpp", ".cpp")
# In what is kept: the folder of the kernel, and the folder that the JIT compiles it in.
KERNEL_FOLDER, JIT_FOLDER = "@kernel", "@jit"


class Folders:
    """Where a compilation takes place, and names without that."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        source = kernel_source()
        self.places = [(os.path.dirname(os.getcwd()), JIT_FOLDER)]
        if source is not None and os.path.isabs(source):
            self.places.append((os.path.dirname(source), KERNEL_FOLDER))

    def shorten(self, text: str) -> str:
        """``text`` with symbols for the folders."""
        for place, symbol in self.places:
            text = text.replace(place, symbol)
        return text

    def expand(self, path: str) -> str:
        """The path that :meth:`shorten` has made ``path`` of."""
        for place, symbol in self.places:
            if path.startswith(symbol):
                return place + path[len(symbol) :]
        return path

    def content(self, name: str) -> bytes:
        """What a file holds; one that the JIT has written, without the folders that it names."""
        data = read(self.expand(name))
        if name.startswith((JIT_FOLDER, os.pardir)):
            for place, symbol in self.places:
                data = data.replace(place.encode(), symbol.encode())
        return data


def compile_source(config: Config, flags: list[str], make: Callable[[], None]) -> None:
    """Takes the object of a compilation from the store, or calls ``make`` and keeps what it made.

    ``flags`` are those of clang, and name the object and a depfile; ``make`` writes both.
    """
    output, depfile = value_of(flags, "-o"), value_of(flags, "-MF")
    if output is None or depfile is None:
        make()
        return
    folders = Folders()
    key = command_key(config, flags, folders)
    manifest = f"{config.store}/kernels/{key}.deps"
    if os.path.exists(manifest):
        names = read(manifest).decode().splitlines()
        content = content_key(key, names, folders.content)
        if content is not None and os.path.exists(path := object_path(config, content)):
            write(depfile, depfile_text(output, map(folders.expand, names)))
            write(output, read(path))
            return
    make()
    own = [flag[len(NAME) :].strip('"') for flag in flags if flag.startswith(NAME)]
    own += [place for place, _ in folders.places]
    data = read(output)
    if not any(name.encode() in data for name in own):
        names = [folders.shorten(path) for path in parse_depfile(read(depfile).decode())]
        content = content_key(key, names, folders.content)
        if content is not None:
            os.makedirs(os.path.dirname(manifest), exist_ok=True)
            write(object_path(config, content), data)
            write(manifest, "\n".join(names))


def command_key(config: Config, flags: list[str], folders: Folders) -> str:
    """A hash of what is asked for, wherever that is: the command, and what the JIT has written."""
    parts: list[str | bytes] = [config.fingerprint]
    for name in sorted(os.listdir(os.pardir)):
        if name.endswith(GENERATED):
            parts += [name, folders.content(os.path.join(os.pardir, name))]
    header = value_of(flags, "-include")
    if header is not None:
        parts.append(read(header))
    for option in ("-o", "-MF", "-include"):
        flags = without(flags, option)
    parts += [NAME if flag.startswith(NAME) else folders.shorten(flag) for flag in flags]
    return digest(*parts)


def object_path(config: Config, content: str) -> str:
    return f"{config.store}/kernels/{content}.o"
