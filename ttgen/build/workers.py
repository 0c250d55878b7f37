"""The processes that do the slow work, each for many kernels: planners and device sessions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ttgen.errors import TTError
from ttgen.service import Pool, Service

if TYPE_CHECKING:
    from ttgen_runtime.launch import DeviceKey


class Workers:
    """Pools of planners and of device sessions; nothing is started before it is needed.

    ``cache`` holds what they share and the logs of what they print. ``limit`` is how many
    processes of a kind may run at the same time.
    """

    def __init__(self, cache: Path, limit: int = 1) -> None:
        self.cache = cache
        self._numbers = count(1)
        self._planners = Pool(self._make_planner, limit=limit)
        self._sessions = Pool(self._make_session, limit=limit, patience=_patience)

    @contextmanager
    def planner(self) -> Iterator[Service]:
        """A process that has TVM, for this thread alone."""
        with self._planners.lease("planner") as service:
            yield service

    @contextmanager
    def device(self, device: str, arch: str) -> Iterator[Service]:
        """A session on a device (``mock`` compiles), for this thread alone."""
        from ttgen_runtime.launch import DeviceKey

        with self._sessions.lease(DeviceKey(device, arch)) as service:
            yield service

    def start_planner(self) -> None:
        """Have a planner started: the first call on it waits for what is left of its imports."""
        self._planners.start("planner")

    def start_device(self, device: str, arch: str) -> None:
        """Have a session started: the first call on it waits for what is left of its opening.

        A card is taken when it is needed, and what cannot be started is for the lease to say.
        """
        from ttgen_runtime.devices import select
        from ttgen_runtime.launch import DeviceKey

        with suppress(TTError):
            chosen = select(device, arch)
            if chosen.device.simulated or not chosen.device.runs:
                self._sessions.start(DeviceKey(str(chosen), arch))

    def close(self) -> None:
        """End every process."""
        self._planners.close()
        self._sessions.close()

    def log(self, name: str) -> Path:
        """The file that takes the output of the worker ``name``."""
        return self.cache / "logs" / f"{name}.log"

    def _make_planner(self, key: str) -> Service:
        argv = [sys.executable, "-m", "ttgen.planner"]
        return Service(argv, name=key, log=self._next_log(key))

    def _make_session(self, key: DeviceKey) -> Service:
        from ttgen_runtime.launch import device_service

        kind = key.device.partition(":")[0]
        log = self._next_log(f"{kind}-{key.arch}")
        return device_service(key.device, key.arch, self.cache, log=log)

    def _next_log(self, name: str) -> Path:
        path = self.log(f"{name}-{next(self._numbers)}")
        path.unlink(missing_ok=True)
        return path


def _patience(key: DeviceKey) -> float:
    """Seconds that requests for a device wait until another session is opened for them."""
    from ttgen_runtime.devices import DEVICES

    return DEVICES[key.device.partition(":")[0]].patience
