"""The parent's side of a service: starting the child, asking it, ending it and what it left."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from ttgen import errors
from ttgen.errors import DeviceError, Location, TTError
from ttgen.service.deadline import Deadline

#: The environment variable that marks every process of one service.
MARK = "TTGEN_SERVICE"
#: Seconds that a child gets to end, its helpers included.
CLOSE_LIMIT = 40.0
#: Seconds that requests wait, all together, until another service is started for them, where
#: nothing else is said.
PATIENCE = 2.0
#: Seconds that a guardian gets to end everything below it.
_KILL_GRACE = 5.0
#: Seconds between two looks at watched processes, and from the death of one to giving up.
_TICK, _WATCH_GRACE = 0.25, 1.0
_LOG_LINES = 8
#: Lines of a log that never say why a process ended.
_NOISE = re.compile(
    r"\| (info|INFO|debug|DEBUG) |^Config\{|^nanobind: | - leaked | - \.\.\. skipped|^See https"
)


class Service:
    """A child process that answers calls; started by the first one, and again after a death.

    ``argv`` must end up in :func:`serve`. ``env`` is the child's whole environment (this
    process's where it is None), ``log`` the file that takes its stderr and stdout. Safe to use
    from several threads: calls wait for each other.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        name: str,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self.name = name
        self._argv = list(argv)
        self._env = dict(os.environ if env is None else env)
        self._log = log
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process id of the running child, or None."""
        child = self._child
        return child.process.pid if child is not None else None

    def call(
        self, op: str, args: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> Any:
        """What the child's handler ``op`` returns for ``args``; ``timeout`` in seconds.

        The time that its processes have to wait for a processor does not count.
        A TTError of the handler is raised here again. DeviceError: the child died, or gave no
        answer in time (then all of its processes have been ended). TTError: anything else.
        """
        with self._lock:
            child = self._started()
            try:
                reply = child.ask(op, args or {}, timeout)
            except BaseException:
                self._child = None
                child.dispose()
                raise
        if "error" in reply:
            raise _decode_error(reply["error"], self.name, op, self._log)
        return reply.get("value")

    def start(self) -> None:
        """Start the child, unless it runs; who does so before the first call has time meanwhile."""
        with self._lock:
            self._started()

    def _started(self) -> _Child:
        if self._child is None:
            self._child = _Child(self.name, self._argv, self._env, self._log)
        return self._child

    def close(self, timeout: float = CLOSE_LIMIT) -> None:
        """Ask the child to end, and kill it after ``timeout`` seconds; at once if it is busy."""
        if not self._lock.acquire(blocking=False):
            self.kill()
            return
        try:
            child, self._child = self._child, None
            if child is not None:
                child.close(timeout)
        finally:
            self._lock.release()

    def kill(self) -> None:
        """End every process of the service now; a call that is under way in a thread fails."""
        child = self._child
        if child is None:
            return
        child.end()
        if self._lock.acquire(blocking=False):
            try:
                child.dispose()
                self._child = None
            finally:
                self._lock.release()


class Pool:
    """Services by key, at most ``limit`` of them for one key; a lease gives exclusive use.

    ``make`` makes the service of a key: the first when it is asked for, another when leases of
    that key have waited for ``patience(key)`` seconds in all. A start costs about as much, so a
    few short requests do not pay for a second one. Safe to use from several threads.
    """

    def __init__(
        self,
        make: Callable[[Any], Service],
        *,
        limit: int = 1,
        patience: Callable[[Any], float] = lambda _: PATIENCE,
    ) -> None:
        self._make = make
        self._limit = limit
        self._patience = patience
        self._waited: dict[Any, float] = {}
        self._changed = threading.Condition()
        self._idle: dict[Any, list[Service]] = {}
        self._all: dict[Any, list[Service]] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, key: Any) -> None:
        """Have the first service for ``key`` started, if there is none: it prepares meanwhile."""
        if key not in self._all:
            with self.lease(key) as service:
                service.start()

    @contextmanager
    def lease(self, key: Any) -> Iterator[Service]:
        """A service for ``key`` that nobody else uses; waits where all of them are in use."""
        service = self._take(key)
        try:
            yield service
        finally:
            with self._changed:
                self._idle.setdefault(key, []).append(service)
                self._changed.notify_all()

    def _take(self, key: Any) -> Service:
        with self._changed:
            while True:
                if self._idle.get(key):
                    return self._idle[key].pop()
                known = self._all.setdefault(key, [])
                left = self._patience(key) - self._waited.get(key, 0.0)
                if not known or (len(known) < self._limit and left <= 0):
                    self._waited[key] = 0.0
                    known.append(self._make(key))
                    return known[-1]
                start = time.monotonic()
                self._changed.wait(left if len(known) < self._limit else None)
                self._waited[key] = self._waited.get(key, 0.0) + time.monotonic() - start

    def close(self, timeout: float = CLOSE_LIMIT) -> None:
        """Close every service, one after the other; those in use are killed.

        Without threads, so that it can be called while the interpreter shuts down.
        """
        with self._changed:
            services = [service for group in self._all.values() for service in group]
        for service in services:
            service.close(timeout)


class _Child:
    """One run of a service's process, seen from the parent."""

    def __init__(
        self, name: str, argv: list[str], env: Mapping[str, str], log: Path | None
    ) -> None:
        self.name = name
        self._mark = uuid.uuid4().hex
        self._log_path = log
        self._log = _open_log(log)
        self._log_start = self._log.seek(0, os.SEEK_END)
        try:
            self.process = subprocess.Popen(
                argv,
                env={**env, MARK: self._mark},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            self._log.close()
            raise DeviceError(f"{name}: cannot start {argv[0]}: {error.strerror}") from None
        self._buffer = b""
        self._number = 0
        self._ended: int | None = None
        self._watched: list[tuple[psutil.Process, str]] = []
        self._end_lock = threading.Lock()

    def ask(self, op: str, args: Mapping[str, Any], timeout: float | None) -> dict[str, Any]:
        self._number += 1
        request = {"id": self._number, "op": op, "args": args}
        deadline = None if timeout is None else Deadline(timeout, self.process.pid)
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # the death shows at once, and with more to say, below
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
        while True:
            line = self._line(op, deadline)
            if line is None:
                raise self._died(op)
            message = json.loads(line)
            if "watch" in message:
                self._watch(message["watch"])
            elif "ended" in message:
                self._ended = message["ended"]
            elif message.get("id") == self._number:
                return dict(message)

    def close(self, timeout: float) -> None:
        if self._number:  # one that was never asked may be busy, and has nothing to put in order
            with suppress(TTError):
                self.ask("close", {}, timeout)
            # The request pipe stays open: its closing tells the guardian to be quick about it.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        self.dispose()

    def dispose(self) -> None:
        """End everything and close the pipes; for the thread that holds the service."""
        self.end()
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def end(self) -> None:
        """End the guardian, and with it everything below it; then look for what got away."""
        with self._end_lock:
            if self.process.poll() is None:
                self.process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(_KILL_GRACE)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if self.process.returncode != 0:
                _kill_marked(self._mark)

    def _line(self, op: str, deadline: Deadline | None) -> bytes | None:
        """The next line of the child, or None when it has ended; DeviceError at the deadline."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        lost_since: float | None = None
        while b"\n" not in self._buffer:
            if poller.poll(self._wait_ms(deadline)):
                chunk = os.read(descriptor, 1 << 16)
                if not chunk:
                    return None
                self._buffer += chunk
                continue
            if deadline is not None and deadline.passed():
                problem = f"no answer to '{op}' within {deadline.seconds:g} s"
                raise self._error(f"{problem}; its processes have been ended")
            now = time.monotonic()
            lost = self._lost()
            lost_since = (lost_since or now) if lost else None
            if lost and lost_since is not None and now - lost_since > _WATCH_GRACE:
                raise self._error(f"the {lost} has died during '{op}'")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _wait_ms(self, deadline: Deadline | None) -> float | None:
        tick = _TICK if self._watched else None
        left = None if deadline is None else deadline.left()
        waits = [seconds * 1000 for seconds in (tick, left) if seconds is not None]
        return min(waits) + 1 if waits else None

    def _watch(self, processes: list[list[Any]]) -> None:
        for pid, what in processes:
            with suppress(psutil.NoSuchProcess):
                self._watched.append((psutil.Process(pid), what))

    def _lost(self) -> str | None:
        """What the first watched process is that has ended, if any has."""
        for process, what in self._watched:
            try:
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    continue
            except psutil.NoSuchProcess:
                pass
            return what
        return None

    def _died(self, op: str) -> DeviceError:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_KILL_GRACE)
        status = self._ended if self._ended is not None else self.process.returncode
        return self._error(f"the process has ended ({describe_status(status)}) during '{op}'")

    def _error(self, problem: str) -> DeviceError:
        lines = self._log_tail()
        if self._log_path is not None:
            lines.append(f"log: {self._log_path}")
        return DeviceError(f"{self.name}: {problem}", hint="\n  ".join(lines) or None)

    def _log_tail(self) -> list[str]:
        try:
            self._log.seek(self._log_start)
            text = self._log.read().decode(errors="replace")
        except (OSError, ValueError):
            return []
        return meaningful_lines(text, _LOG_LINES)


def describe_status(status: int | None) -> str:
    """An exit status as people say it; negative ones are signals, as in :mod:`subprocess`."""
    if status is None:
        return "how is not known"
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def meaningful_lines(text: str, limit: int) -> list[str]:
    """The last ``limit`` lines of a log that may say what went wrong."""
    lines = [line.rstrip() for line in text.splitlines()]
    return [line for line in lines if line and not _NOISE.search(line)][-limit:]


def _open_log(path: Path | None) -> BinaryIO:
    if path is None:
        return tempfile.TemporaryFile(prefix="ttgen-")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+b", buffering=0)


def _kill_marked(mark: str) -> None:
    """Kill every process of this user whose environment carries ``mark``."""
    for _ in range(10):  # a process that is being started may not carry it yet
        found = [p for p in psutil.process_iter() if _mark_of(p) == mark]
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        if not found:
            return
        psutil.wait_procs(found, timeout=1)


def _mark_of(process: psutil.Process) -> str | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def _decode_error(error: Mapping[str, Any], name: str, op: str, log: Path | None) -> TTError:
    for kind in error["kinds"]:
        known = getattr(errors, kind, None)
        if isinstance(known, type) and issubclass(known, TTError):
            at = error["at"] and Location(*error["at"])
            return known(error["message"], at=at, hint=error["hint"])
    hint = f"the whole traceback is in {log}" if log else None
    return TTError(f"{name}: '{op}' failed: {error['message']}", hint=hint)
