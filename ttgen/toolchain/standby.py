"""A driver that stands by for the compilations of a process: see ``client.c``."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

#: Where the JIT's children find it.
VARIABLE = "TTGEN_DRIVER"


class Standby:
    """The driver of the stand-in in the SDK root ``root``, for what this process compiles.

    It ends with this process. Nothing is started where the root has SFPI instead.
    """

    def __init__(self, root: Path) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        start = root / "runtime" / "sfpi" / "start.py"
        if start.exists():
            self._process = self._start(start)

    @property
    def pid(self) -> int | None:
        """Its process id, or None."""
        return None if self._process is None else self._process.pid

    def _start(self, start: Path) -> subprocess.Popen[bytes]:
        # An abstract name is in no folder: its length does not depend on where the cache is.
        name = f"ttgen-driver-{os.getpid()}-{secrets.token_hex(8)}"
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(f"\0{name}")
            door.listen(socket.SOMAXCONN)
            command = [sys.executable, "-I", "-S", "-B", str(start), "--serve", str(door.fileno())]
            # Our end of its standard input closes with us, whatever ends us.
            process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[door.fileno()])
        os.environ[VARIABLE] = name
        return process

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            del os.environ[VARIABLE]
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None
