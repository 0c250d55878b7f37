"""The driver as a process that is there already, for the JIT of one session.

Each command line gets a fork of it, with all modules loaded. The other end is ``client.c``.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import sys

from . import compile, link, sfpu  # noqa: F401 (loaded here for every fork)
from .main import main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

# What a client sends: how many bytes of arguments follow, each ended by a zero; and with the first
# bytes three descriptors: where to print, where to complain, and the folder to work in.
_SIZE = struct.Struct("=I")
_DESCRIPTORS = 3
_CHUNK = 1 << 16
# The kernel's struct ucred: process, user, group.
_CREDENTIALS = struct.Struct("=3i")


def serve(config: Config, listening: int) -> None:
    """Answers clients of the socket with that descriptor until the standard input ends."""
    gc.freeze()
    ended = _tell_of_children()
    with socket.socket(fileno=listening) as door:
        while True:
            ready, _, _ = select.select([sys.stdin, ended, door], [], [])
            if ended in ready:
                os.read(ended, _CHUNK)
                _reap()
            if sys.stdin in ready:
                return
            if door in ready:
                client, _ = door.accept()
                with client:
                    if _is_ours(client) and os.fork() == 0:
                        door.close()
                        os._exit(_answer(config, client))


def _tell_of_children() -> int:
    """A descriptor that can be read when a child has ended."""
    ended, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return ended


def _reap() -> None:
    """Takes note of forks that have ended: the time that they took is this process's."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _is_ours(client: socket.socket) -> bool:
    """Whether the client is a process of this user: others could reach the socket, too."""
    known = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(known)
    return bool(user == os.getuid())


def _answer(config: Config, client: socket.socket) -> int:
    """In a fork: does what the client asks for and tells it the exit status. Our own is no news."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, descriptors, _, _ = socket.recv_fds(client, _CHUNK, _DESCRIPTORS)
    if len(descriptors) != _DESCRIPTORS:
        return 1
    (size,) = _SIZE.unpack_from(data)
    while len(data) < _SIZE.size + size:
        more = client.recv(_CHUNK)
        if not more:
            return 1
        data += more
    output, errors, folder = descriptors
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.fchdir(folder)
    for descriptor in descriptors:
        os.close(descriptor)
    client.sendall(bytes([_status(config, data[_SIZE.size :].decode().split("\0")[:-1])]))
    return 0


def _status(config: Config, arguments: list[str]) -> int:
    try:
        status = main(config, arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    return status & 0xFF
