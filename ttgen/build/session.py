"""One SCons run: the workers that its actions share, what they did, and the summary at the end."""

from __future__ import annotations

import atexit
import os
import sys
from collections import Counter
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from SCons.Script import GetOption

from ttgen.build.interrupt import Interrupt
from ttgen.build.job import Job
from ttgen.build.steps import Steps
from ttgen.build.workers import Workers
from ttgen.errors import TTError
from ttgen.files import write_atomically
from ttgen.fingerprint import sdk_fingerprint
from ttgen_runtime.devices import select
from ttgen_runtime.result import Result, load, summary, write_junit

#: The files that a test run leaves in the build folder: JUnit XML, and a line per kernel.
REPORTS = ("results.xml", "results.txt")
#: How the summary calls what a step did.
_DONE = {
    "PLAN": "planned",
    "RENDER": "rendered",
    "COMPILE": "compiled",
    "GOLDEN": "golden values computed",
    "RUN": "run",
}


_sessions: dict[Path, BuildSession] = {}


@cache
def _interrupt() -> Interrupt:
    return Interrupt()


def current_session(env: Any) -> BuildSession:
    """The session of this SCons run for the environment's build folder."""
    build = Path(env.Dir(env["TT_BUILD"]).abspath)
    if build not in _sessions:
        _sessions[build] = session = BuildSession(build)
        atexit.register(session.finish)
    return _sessions[build]


def all_sessions() -> list[BuildSession]:
    """The sessions of this SCons run, one per build folder."""
    return list(_sessions.values())


class BuildSession:
    """What the actions of one SCons run share. Actions run in several threads."""

    def __init__(self, build: Path) -> None:
        self.jobs: list[Job] = []
        self._build = build
        self._counts: Counter[str] = Counter()
        self._failures: list[str] = []
        self._results: dict[str, Result] = {}
        self._workers: Workers | None = None
        self._interrupt = _interrupt()

    @property
    def interrupted(self) -> bool:
        """Whether the user has asked for the end: then steps fail because they were ended."""
        return self._interrupt.happened

    @cached_property
    def steps(self) -> Steps:
        """The steps, on workers that this run ends with."""
        self._workers = Workers(self._build / ".cache", limit=int(GetOption("num_jobs")))
        self._interrupt.then(self._workers.close)
        return Steps(self._workers)

    @cached_property
    def toolchain(self) -> str:
        """The SDK, the compiler and the run time, as far as they decide what is built."""
        return sdk_fingerprint()

    def device(self, name: str, arch: str) -> str:
        """The device that tests run on, or that there is none."""
        try:
            return str(select(name, arch))
        except TTError as error:
            return error.message

    def done(self, verb: str, job: Job) -> None:
        """Count a step that succeeded."""
        self._counts[verb] += 1

    def failed(self, verb: str, job: Job, message: str) -> None:
        """Remember a step that failed."""
        if self.interrupted:
            return
        self._failures.append(f"{verb} {job.label}: {message.splitlines()[0]}")

    def run(self, job: Job, device: str, timeout: float | None = None) -> None:
        """Run a kernel and show what it gave; ``timeout`` in seconds, by its size if None.

        A result stays: it holds until something changes. What could not be run to its end is
        no result, and is tried again by the next build; its message stays in ``error.json``.
        """
        error = job.result.with_name("error.json")
        error.unlink(missing_ok=True)
        result = self.steps.run(job, device, timeout)
        if result.status == "error" and self.interrupted:
            job.result.unlink()
            raise TTError("interrupted")
        self._results[job.label] = result
        print(f"        {summary(result)}", flush=True)
        if result.status == "error":
            job.result.replace(error)

    def verdict(self) -> int:
        """Report every result of this build; how many of them are failures."""
        results = [
            self._results[job.label] if job.label in self._results else load(job.result)
            for job in self.jobs
        ]
        xml, text = (self._build / name for name in REPORTS)
        write_junit(results, xml)
        write_atomically(text, "".join(f"{summary(result)}\n" for result in results))
        wrong = [result for result in results if not result.passed]
        for result in wrong:
            print(f"{result.arch}/{result.kernel} {result.status}: {result.message}")
        print(f"ttgen: {len(results) - len(wrong)} passed, {len(wrong)} failed")
        return len(wrong)

    def finish(self) -> None:
        """End the workers and say what was done."""
        if self._workers is not None:
            self._workers.close()
        if GetOption("clean") and not GetOption("no_exec"):
            with suppress(OSError):  # there may be more in it than is ours
                self._build.rmdir()
        if GetOption("no_exec") or GetOption("clean") or GetOption("help") or GetOption("silent"):
            return
        if self._counts or self._failures or self.interrupted:
            print(f"ttgen: {self._sentence()}; in {os.path.relpath(self._build)}/")
        for failure in self._failures:
            print(f"ttgen: failed: {failure}", file=sys.stderr)

    def _sentence(self) -> str:
        parts = [
            f"{self._counts[verb]} {what}" for verb, what in _DONE.items() if self._counts[verb]
        ]
        if self._failures:
            parts.append(f"{len(self._failures)} failed")
        if self.interrupted:
            parts.append("interrupted")
        kernels = "1 kernel" if len(self.jobs) == 1 else f"{len(self.jobs)} kernels"
        return f"{kernels}: {', '.join(parts)}"
