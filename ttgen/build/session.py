"""One SCons run: the workers that its actions share, what they did, and the summary at the end."""

from __future__ import annotations

import atexit
import os
import sys
from collections import Counter
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from SCons.Script import GetOption
from ttgen_runtime.devices import select
from ttgen_runtime.result import Result, load, summary, write_junit

from ttgen.build.job import Job
from ttgen.build.steps import Steps
from ttgen.build.workers import Workers
from ttgen.errors import TTError
from ttgen.files import write_atomically
from ttgen.fingerprint import sdk_fingerprint

#: How the summary calls what a step did.
_DONE = {
    "PLAN": "planned",
    "RENDER": "rendered",
    "COMPILE": "compiled",
    "GOLDEN": "golden values computed",
    "RUN": "run",
}


@lru_cache(maxsize=None)
def _session(build: Path) -> BuildSession:
    session = BuildSession(build)
    atexit.register(session.finish)
    return session


def current_session(env: Any) -> BuildSession:
    """The session of this SCons run for the environment's build folder."""
    return _session(Path(env.Dir(env["TT_BUILD"]).abspath))


class BuildSession:
    """What the actions of one SCons run share. Actions run in several threads."""

    def __init__(self, build: Path) -> None:
        self.jobs: list[Job] = []
        self._build = build
        self._counts: Counter[str] = Counter()
        self._failures: list[str] = []
        self._results: dict[str, Result] = {}
        self._workers: Workers | None = None

    @cached_property
    def steps(self) -> Steps:
        """The steps, on workers that this run ends with."""
        self._workers = Workers(self._build / ".cache", limit=int(GetOption("num_jobs")))
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
        self._failures.append(f"{verb} {job.label}: {message.splitlines()[0]}")

    def run(self, job: Job, device: str) -> None:
        """Run a kernel and show what it gave.

        A result stays: it holds until something changes. What could not be run to its end is
        no result, and is tried again by the next build; its message stays in ``error.json``.
        """
        error = job.result.with_name("error.json")
        error.unlink(missing_ok=True)
        result = self.steps.run(job, device)
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
        write_junit(results, self._build / "results.xml")
        write_atomically(self._build / "results.txt", "".join(f"{summary(r)}\n" for r in results))
        wrong = [result for result in results if not result.passed]
        for result in wrong:
            print(f"{result.arch}/{result.kernel} {result.status}: {result.message}")
        print(f"ttgen: {len(results) - len(wrong)} passed, {len(wrong)} failed")
        return len(wrong)

    def finish(self) -> None:
        """End the workers and say what was done."""
        if self._workers is not None:
            self._workers.close()
        if GetOption("no_exec") or GetOption("clean") or GetOption("help") or GetOption("silent"):
            return
        if self._counts or self._failures:
            print(f"ttgen: {self._sentence()}; in {os.path.relpath(self._build)}/")
        for failure in self._failures:
            print(f"ttgen: failed: {failure}", file=sys.stderr)

    def _sentence(self) -> str:
        parts = [f"{self._counts[verb]} {what}" for verb, what in _DONE.items() if self._counts[verb]]
        if self._failures:
            parts.append(f"{len(self._failures)} failed")
        return f"{len(self.jobs)} kernels: {', '.join(parts)}"
