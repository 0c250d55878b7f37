"""When a call has taken too long: on a busy machine later than on an idle one.

A simulator that gets a quarter of a processor is four times as slow, and not stuck. What counts is
therefore the time in which the processes of the service could do something, or did not want to:
not the time that they were ready to run and had to wait for a processor.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import psutil


class Deadline:
    """``seconds`` from now, and as much later as the processes from ``pid`` down are kept waiting.

    Of several processes that wait, the one that waits longest counts. Where the kernel does not
    say (Linux without CONFIG_SCHED_INFO), the clock decides alone.
    """

    def __init__(self, seconds: float, pid: int) -> None:
        self.seconds = seconds
        self._pid = pid
        self._start = time.monotonic()
        self._end = self._start + seconds
        self._waited_before = _waited(pid)

    def left(self) -> float:
        """Seconds until it is worth while to ask whether it has passed."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Whether it has; looks at the processes only when the clock says so."""
        if self.left() > 0.0:
            return False
        self._end = self._start + self.seconds + self._kept_waiting()
        return self.left() == 0.0

    def _kept_waiting(self) -> float:
        before = self._waited_before
        waits = (now - before.get(pid, 0.0) for pid, now in _waited(self._pid).items())
        return max(waits, default=0.0)


def _waited(pid: int) -> dict[int, float]:
    """For each process from ``pid`` down the seconds that it was ready to run and did not run.

    The second field of ``/proc/<pid>/schedstat``, in nanoseconds (Documentation/scheduler/
    sched-stats.rst): of the first thread, which in our services does the work.
    """
    found = {}
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(OSError, IndexError):
                text = Path(f"/proc/{process.pid}/schedstat").read_text()
                found[process.pid] = int(text.split()[1]) / 1e9
    return found
