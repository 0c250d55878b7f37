"""Ctrl-C and SIGTERM: SCons waits for the actions that are under way, which may take minutes.

SCons puts its own signal handlers in place for the time of a build. So this listens on the file
descriptor that Python writes every signal's number to, and leaves the handlers alone.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds between two calls of ``stop``: an action may just have been about to start a process.
_AGAIN = 0.2


class Interrupt:
    """Whether the user wants the run to end. To be made in the main thread, once."""

    def __init__(self) -> None:
        self.happened = False
        self._stops: list[Callable[[], None]] = []
        self._signals, written = os.pipe()
        os.set_blocking(written, False)
        signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        threading.Thread(target=self._wait, daemon=True).start()

    def then(self, stop: Callable[[], None]) -> None:
        """Have ``stop`` called, in another thread, again and again from an interrupt on."""
        self._stops.append(stop)

    def _wait(self) -> None:
        while not self.happened:
            self.happened = any(number in _ENDING for number in os.read(self._signals, 64))
        while True:
            for stop in self._stops:
                stop()
            time.sleep(_AGAIN)
