"""What the driver needs to know of its surroundings."""

from __future__ import annotations

import os


class Config:
    """Where the tools are. ``install`` writes one beside the launcher, as ``settings.py``.

    sfpi         this stand-in's folder: ``<SDK root>/runtime/sfpi``
    zig          the executable of the PyPI package ziglang
    zig_lib      its library folder: libc++ and musl headers, compiler-rt
    fingerprint  content hash of driver, support files and compiler: part of every cache key
    version_line what ``--version`` prints
    store        folder for what the driver keeps: rebuilt objects and precompiled headers
    """

    __slots__ = ("fingerprint", "sfpi", "store", "version_line", "zig", "zig_lib")

    def __init__(
        self, *, sfpi: str, zig: str, zig_lib: str, fingerprint: str, version_line: str, cache: str
    ) -> None:
        self.sfpi = sfpi
        self.zig = zig
        self.zig_lib = zig_lib
        self.fingerprint = fingerprint
        self.version_line = version_line
        self.store = os.path.join(cache, fingerprint)

    @property
    def include(self) -> str:
        """Headers that SFPI would bring (``sfpi.h``, ``lltt.h``); tt-metal passes it with -I."""
        return os.path.join(self.sfpi, "include")

    @property
    def support(self) -> str:
        """Sources of our own that are linked in: start code, memory functions."""
        return os.path.join(self.sfpi, "support")

    @property
    def sdk_root(self) -> str:
        """TT_METAL_RUNTIME_ROOT: the folder that holds ``runtime/sfpi``."""
        return os.path.dirname(os.path.dirname(self.sfpi))
