"""How far a build is, for who looks at a terminal: a line below what SCons prints.

    37 of 188 steps, 01:12 | COMPILE blackhole/gemm 00:31

The line shows how many steps are done, of how many at most (SCons may find that some need not be
done), the time, and which step has been under way longest. Where the output is no terminal, there
are plain lines only.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

#: Seconds between two looks at what is under way.
_TICK = 0.5
_FORMAT = "{n_fmt} of {total_fmt} steps, {elapsed}{desc}"


class Progress:
    """The line of one SCons run. Steps run in several threads."""

    def __init__(self) -> None:
        self._most = 0
        self._under_way: dict[str, float] = {}
        self._bar: tqdm[Any] | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def expect(self, steps: int) -> None:
        """More steps that may have to be done."""
        self._most += steps

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """The time that a step takes."""
        self._begin(name)
        try:
            yield
        finally:
            self._finish(name)

    def print(self, line: str, target: Any = None, source: Any = None, env: Any = None) -> None:
        """Print a line above; SCons calls it so for what it is about to do."""
        if self._bar is None:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        else:
            self._bar.write(line)

    def end(self) -> None:
        """Take the line away."""
        self._ended.set()
        with self._lock:
            if self._bar is not None:
                self._bar.close()
                self._bar = None

    def _begin(self, name: str) -> None:
        with self._lock:
            self._under_way[name] = time.monotonic()
            if self._bar is None and not self._ended.is_set():
                self._bar = self._new_bar()

    def _finish(self, name: str) -> None:
        with self._lock:
            self._under_way.pop(name)
            if self._bar is not None:
                self._bar.total = max(self._most, self._bar.n + 1)
                self._bar.update()

    def _new_bar(self) -> tqdm[Any]:
        from tqdm import tqdm

        threading.Thread(target=self._refresh, daemon=True).start()
        size = get_terminal_size()  # tqdm shows nothing where a terminal says that it has no size
        return tqdm(
            total=self._most,
            bar_format=_FORMAT,
            ncols=size.columns,
            nrows=size.lines,
            leave=False,
            file=sys.stdout,
        )

    def _refresh(self) -> None:
        while not self._ended.wait(_TICK):
            with self._lock:
                if self._bar is not None and self._under_way:
                    name, since = min(self._under_way.items(), key=lambda item: item[1])
                    seconds = int(time.monotonic() - since)
                    longest = f" | {name} {seconds // 60:02}:{seconds % 60:02}"
                    self._bar.set_description_str(longest, refresh=True)


class Silence(Progress):
    """Where nobody looks: no line."""

    def _begin(self, name: str) -> None:
        pass

    def _finish(self, name: str) -> None:
        pass
