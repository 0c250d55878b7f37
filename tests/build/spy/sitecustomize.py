"""Notes what a Python process imports and starts, for tests that say what it must not."""

import os
import sys

_STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system")
_log = os.open(os.environ["TEST_SPY_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event == "import":
        os.write(_log, f"import {arguments[0]}\n".encode())
    elif event in _STARTS:
        os.write(_log, f"start {event} {arguments!r}\n".replace("\n", " ").encode() + b"\n")


sys.addaudithook(_hook)
