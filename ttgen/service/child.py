"""The child's side of a service: a guardian that ends what is left, and a worker that answers."""

from __future__ import annotations

import ctypes
import io
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, NoReturn, TypeAlias

import psutil

from ttgen.errors import TTError

#: Seconds that a worker whose parent has gone gets to end by itself.
ORPHAN_GRACE = 10.0
#: Seconds that helpers of a worker (a simulator that writes its report) get after it has ended.
HELPER_GRACE = 30.0

Handler: TypeAlias = Callable[..., Any]

_replies: BinaryIO | None = None


def serve(
    handlers: Mapping[str, Handler],
    *,
    prepare: Callable[[], object] = lambda: None,
    orphan_grace: float = ORPHAN_GRACE,
) -> None:
    """Answer requests with ``handlers`` (called with a request's args as keywords) until the end.

    The end is a request ``close``, or the parent's death; a handler called ``close`` is called in
    both cases; ``orphan_grace`` is how many seconds a busy worker gets after such a death.
    ``prepare`` is what takes long and every request needs: it begins with the child, and its
    failure is the answer to the first request.
    Call this before any thread is started: it forks, and returns in the worker only.
    """
    global _replies
    requests, _replies = _take_pipes()
    guardian = os.getpid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    worker = os.fork()
    if worker:
        _guard(worker, requests, _replies, orphan_grace)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guardian:
        os._exit(1)
    _work(handlers, requests, prepare)


def watch(pid: int, what: str) -> None:
    """Tell the parent that calls cannot succeed any more once the process ``pid`` has ended.

    For use by handlers. ``what`` names the process in the error.
    """
    _send({"watch": [[pid, what]]})


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the protocol away from stdin and stdout, where any library may print or read."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.stdout.flush()
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log is for those who cannot wait
    return requests, replies


def _send(message: dict[str, Any]) -> None:
    assert _replies is not None, "not inside serve()"
    _replies.write(json.dumps(message).encode() + b"\n")
    _replies.flush()


def _work(
    handlers: Mapping[str, Handler], requests: BinaryIO, prepare: Callable[[], object]
) -> None:
    prepared = _outcome(prepare)
    for line in requests:
        request = json.loads(line)
        if request["op"] == "close":
            reply = _answer(handlers, request) if "close" in handlers else {}
            _send({"id": request["id"], **reply})
            return
        reply = prepared if "error" in prepared else _answer(handlers, request)
        prepared = {}
        _send({"id": request["id"], **reply})
    if "close" in handlers:
        handlers["close"]()


def _answer(handlers: Mapping[str, Handler], request: Mapping[str, Any]) -> dict[str, Any]:
    def handle() -> Any:
        if request["op"] not in handlers:
            raise TTError(f"there is no operation '{request['op']}'")
        return handlers[request["op"]](**request["args"])

    return _outcome(handle)


def _outcome(work: Callable[[], Any]) -> dict[str, Any]:
    """What ``work`` returns, or how it fails, as a reply."""
    try:
        value = work()
        json.dumps(value)
    except Exception as error:
        if not isinstance(error, TTError):
            traceback.print_exc()
        return {"error": _encode_error(error)}
    return {"value": value}


def _encode_error(error: BaseException) -> dict[str, Any]:
    if not isinstance(error, TTError):
        return {"kinds": [], "message": f"{type(error).__name__}: {error}"}
    at = error.at and [error.at.path, error.at.line, error.at.column]
    kinds = [kind.__name__ for kind in type(error).__mro__]
    return {"kinds": kinds, "message": error.message, "at": at, "hint": error.hint}


def _guard(worker: int, requests: BinaryIO, replies: BinaryIO, orphan_grace: float) -> NoReturn:
    """Wait for the worker, or for a reason to end it; then end everything that it has started."""
    wake, awake = os.pipe()
    for descriptor in (wake, awake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(awake, warn_on_full_buffer=False)
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poller = select.poll()
    poller.register(wake, select.POLLIN)
    poller.register(requests.fileno(), 0)  # nothing but the hang-up
    deadline: float | None = None
    while True:
        status = _reap().get(worker)
        late = deadline is not None and time.monotonic() >= deadline
        if status is not None or told or late:
            break
        for descriptor, _ in poller.poll(None if deadline is None else 200):
            if descriptor == wake:
                with suppress(BlockingIOError):
                    os.read(wake, 4096)
            else:
                poller.unregister(descriptor)
                deadline = time.monotonic() + orphan_grace
    grace = HELPER_GRACE if status == 0 and deadline is None else 0.0
    status = _end_children(worker, status, grace, told)
    with suppress(OSError):
        replies.write(json.dumps({"ended": status}).encode() + b"\n")
        replies.flush()
    os._exit(0)


def _end_children(worker: int, status: int | None, grace: float, told: list[int]) -> int | None:
    """Kill and reap until no child is left; the worker's status."""
    deadline = time.monotonic() + grace
    while _has_children():
        if time.monotonic() >= deadline or told:
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    process.kill()
        time.sleep(0.01)
        found = _reap().get(worker)
        status = found if status is None else status
    return status


def _reap() -> dict[int, int]:
    """The statuses of the children that have ended, by process id."""
    statuses: dict[int, int] = {}
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            statuses[pid] = os.waitstatus_to_exitcode(status)
    return statuses


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
