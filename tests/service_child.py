"""The child of the service tests: a real process with small, badly behaved handlers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from ttgen import service
from ttgen.errors import Location, PlanError

_SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def add(a: int, b: int) -> int:
    print("a print must not reach the protocol")
    os.write(1, b"nor must a library's write to file 1\n")
    return a + b


def refuse() -> None:
    raise PlanError("not like this", at=Location("k.py", 3, 7), hint="like that")


def stumble() -> None:
    raise ZeroDivisionError("one over nought")


def die(number: int) -> None:
    print("last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), number)


def leave(status: int) -> None:
    os._exit(status)


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def work(seconds: float, rivals: int) -> str:
    """Use the processor for so long, which as many others want for themselves."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    busy = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(busy) for _ in range(rivals)]
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    for other in others:
        other.kill()
        other.wait()
    return "worked"


def spawn(detached: bool = True) -> dict[str, int]:
    """A helper in a session of its own, as a simulator is; and one whose parent has gone."""
    helper = subprocess.Popen(_SLEEP, start_new_session=detached)
    code = "import subprocess as s, sys; print(s.Popen(sys.argv[1:], stdout=s.DEVNULL).pid)"
    orphan = subprocess.run(
        [sys.executable, "-c", code, *_SLEEP], stdout=subprocess.PIPE, check=True, text=True
    )
    return {"worker": os.getpid(), "helper": helper.pid, "orphan": int(orphan.stdout)}


def depend() -> int:
    helper = subprocess.Popen(_SLEEP)
    service.watch(helper.pid, "helper")
    return helper.pid


def kill_and_sleep(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    time.sleep(600)


def close() -> None:
    print("closing", file=sys.stderr, flush=True)


def prepare() -> None:
    """As the environment says: take long, or fail."""
    print("preparing", file=sys.stderr, flush=True)
    if os.environ.get("PREPARE") == "fail":
        refuse()
    time.sleep(float(os.environ.get("PREPARE", "0")))
    print("prepared", file=sys.stderr, flush=True)


if __name__ == "__main__":
    names = (add, refuse, stumble, die, leave, sleep, work, spawn, depend, kill_and_sleep, close)
    handlers = {handler.__name__: handler for handler in names}
    service.serve(handlers, prepare=prepare, orphan_grace=1.0)
