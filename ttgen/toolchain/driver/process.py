"""Running a tool, without the cost of importing subprocess."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def run(command: list[str], *, env: Mapping[str, str] | None = None, log: str = "") -> int:
    """Runs ``command`` to its end and returns its exit status (128 + n when signal n ended it).

    Its output goes to ours, or into the file ``log`` when one is named.
    """
    actions: list[tuple[int, ...] | tuple[object, ...]] = []
    if log:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [(os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644), (os.POSIX_SPAWN_DUP2, 1, 2)]
    pid = os.posix_spawn(
        command[0], command, os.environ if env is None else env, file_actions=actions
    )
    status = os.waitpid(pid, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def become(command: list[str]) -> None:
    """Runs ``command`` and ends as it does. Not by exec: this process may have more to tell."""
    raise SystemExit(run(command))
