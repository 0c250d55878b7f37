"""One SCons run: the workers that its actions share, what they did, and the summary at the end."""

from __future__ import annotations

import atexit
import fcntl
import os
import sys
import time
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from functools import cache, cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from SCons.Errors import UserError
from SCons.Script import GetOption

from ttgen import outputs
from ttgen.build.interrupt import Interrupt
from ttgen.build.job import Job
from ttgen.build.ledger import Ledger
from ttgen.build.progress import Progress, Silence
from ttgen.errors import TTError
from ttgen.fingerprint import (
    environment_key,
    fingerprint,
    fingerprint_files,
    sdk_files,
    sdk_fingerprint,
)

if TYPE_CHECKING:
    from ttgen.build.steps import Steps
    from ttgen.build.workers import Workers
    from ttgen_runtime.bench import Entry
    from ttgen_runtime.result import Result

#: The files that a test run leaves in the build folder: JUnit XML, and a line per kernel.
_RESULTS = ("results.xml", "results.txt")
#: All reports in the build folder.
REPORTS = (*_RESULTS, outputs.BENCH)
#: What builds keep there for themselves: what they know, who builds, and what workers share.
LEDGER, LOCK, CACHE = ".ttgen.json", ".ttgen.lock", ".cache"
#: How the summary calls what a step did.
_DONE = {
    "PLAN": "planned",
    "RENDER": "rendered",
    "COMPILE": "compiled",
    "GOLDEN": "golden values computed",
    "RUN": "run",
}


_NO_FOLDER = "{} is a file, and kernels are to be built there: move it"
_started = time.time_ns()
_sessions: dict[Path, BuildSession] = {}


@cache
def _interrupt() -> Interrupt:
    return Interrupt()


@cache
def progress() -> Progress:
    """What the user sees of how far this SCons run is."""
    shown = not (GetOption("silent") or GetOption("no_exec"))
    return Progress() if shown and sys.stdout.isatty() else Silence()


def current_session(env: Any) -> BuildSession:
    """The session of this SCons run for the environment's build folder."""
    try:
        node = env.Dir(env["TT_BUILD"])
    except TypeError:
        raise UserError(_NO_FOLDER.format(env.subst(env["TT_BUILD"]))) from None
    build = Path(node.abspath)
    if build not in _sessions:
        _sessions[build] = session = BuildSession(build, node)
        atexit.register(session.finish)
    return _sessions[build]


def all_sessions() -> list[BuildSession]:
    """The sessions of this SCons run, one per build folder."""
    return list(_sessions.values())


class BuildSession:
    """What the actions of one SCons run share. Actions run in several threads."""

    def __init__(self, build: Path, node: Any) -> None:
        self.build = build
        self.jobs: dict[str, Job] = {}
        self._node = node
        self._folders: dict[str, Any] = {}
        self.ledger = Ledger(build / LEDGER, _started)
        #: The architectures for which every kernel is declared; None: the user chose among them.
        self.whole_archs: set[str] | None = set()
        self._versions: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._failures: list[str] = []
        self._results: dict[str, Result] = {}
        self._entries: list[Entry] = []
        self._workers: Workers | None = None
        self._lock: Any = None
        self._locking = Lock()
        self._interrupt = _interrupt()

    @property
    def interrupted(self) -> bool:
        """Whether the user has asked for the end: then steps fail because they were ended."""
        return self._interrupt.happened

    @property
    def workers(self) -> Workers:
        """The processes that do the slow work; this run ends with them."""
        from ttgen.build.workers import Workers

        with self._locking:
            if self._workers is None:
                self._workers = Workers(self.build / CACHE, limit=int(GetOption("num_jobs")))
                self._interrupt.then(self._workers.close)
            return self._workers

    @cached_property
    def kept_templates(self) -> Path:
        """The folder for what templates are once they have been parsed."""
        return self.build / CACHE / "templates" / self.version("render")

    @cached_property
    def steps(self) -> Steps:
        """The steps, on those workers."""
        from ttgen.build.steps import Steps

        return Steps(self.workers)

    def start_workers(self, job: Job, awaited: Collection[str], device: str) -> None:
        """Have the processes started that steps of a job wait for: all of them begin with imports.

        ``awaited`` are the steps, ``device`` is where tests run.
        """
        if not {"PLAN", "GOLDEN"}.isdisjoint(awaited):
            self.workers.start_planner()
        if "COMPILE" in awaited:
            self.workers.start_device("mock", job.arch)
        if "RUN" in awaited:
            self.workers.start_device(device, job.arch)

    def version(self, name: str) -> str:
        """The code and packages that a step's outcome depends on; ``sdk`` is that of ELFs."""
        if name not in self._versions:
            key = f"version {name} {environment_key()}"
            if name == "sdk":
                found = self.ledger.remember(key, sdk_files, sdk_fingerprint)
            else:
                files, find = partial(fingerprint_files, name), partial(fingerprint, name)
                found = self.ledger.remember(key, files, find)
            self._versions[name] = found
        return self._versions[name]

    def folder(self, arch: str) -> Any:
        """The node of the folder that holds an architecture's kernels.

        UserError where a file is in its place.
        """
        if arch not in self._folders:
            _refuse_file(self.build / arch)
            self._folders[arch] = self._node.Dir(arch)
        return self._folders[arch]

    def add(self, job: Job) -> None:
        """Take a job into this build.

        UserError where there is one for the same folder, or a file is in the folder's place.
        """
        self.folder(job.arch)
        _refuse_file(job.folder)
        first = self.jobs.setdefault(job.label, job)
        if first is not job:
            raise UserError(
                f"two kernels are built into {os.path.relpath(job.folder)}/: from "
                f"{first.declared.source} and from {job.declared.source}; give one of them another "
                "name, or its environment another TT_BUILD"
            )

    def device(self, name: str, arch: str) -> str:
        """The device that tests run on, or that there is none."""
        from ttgen_runtime.devices import select

        try:
            return str(select(name, arch))
        except TTError as error:
            return error.message

    def lock(self) -> None:
        """Keep other builds out of the build folder until this one ends, or was killed.

        UserError where another one is at work there.
        """
        with self._locking:
            if self._lock is None:
                self._lock = self._take_lock()

    def _take_lock(self) -> Any:
        self.build.mkdir(parents=True, exist_ok=True)
        lock = (self.build / LOCK).open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            builder = lock.read().strip() or "unknown"
            lock.close()
            raise UserError(
                f"another build (process {builder}) is at work in {os.path.relpath(self.build)}/; "
                "wait for its end, or build into another folder (TT_BUILD)"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return lock

    def done(self, verb: str, job: Job, made: list[Path]) -> None:
        """Count a step that succeeded, and the files that it has made."""
        self.ledger.made(map(str, made))
        self._counts[verb] += 1

    def failed(self, verb: str, job: Job, message: str) -> None:
        """Remember a step that failed."""
        if self.interrupted:
            return
        self._failures.append(f"{verb} {job.label}: {message}")

    def run(self, job: Job, device: str, timeout: float | None = None) -> None:
        """Run a kernel and show what it gave; ``timeout`` in seconds, by its size if None.

        A result stays: it holds until something changes. What could not be run to its end is
        no result, and is tried again by the next build; its message stays in ``error.json``.
        """
        from ttgen_runtime.result import summary

        error = job.folder / outputs.ERROR
        error.unlink(missing_ok=True)
        result = self.steps.run(job, device, timeout)
        if result.status == "error" and self.interrupted:
            job.result.unlink()
            raise TTError("interrupted")
        self._results[job.label] = result
        progress().print(f"        {summary(result)}")
        if result.status == "error":
            job.result.replace(error)

    def verdict(self) -> int:
        """Report every result of this build; how many of them are failures."""
        from ttgen.files import write_atomically
        from ttgen_runtime.result import load, summary, write_junit

        results = [
            self._results[job.label] if job.label in self._results else load(job.result)
            for job in self.jobs.values()
        ]
        xml, text = (self.build / name for name in _RESULTS)
        write_junit(results, xml)
        write_atomically(text, "".join(f"{summary(result)}\n" for result in results))
        wrong = [result for result in results if not result.passed]
        for result in wrong:
            print(f"{result.arch}/{result.kernel} {result.status}: {result.message}")
        print(f"ttgen: {len(results) - len(wrong)} passed, {len(wrong)} failed")
        return len(wrong)

    def bench(self, job: Job, device: str) -> None:
        """Measure what a kernel takes; nothing of it is kept for later builds."""
        with progress().step(f"BENCH {job.label}"):
            entry = self.steps.bench(job, device)
        if self.interrupted:
            raise TTError("interrupted")
        self._entries.append(entry)

    def bench_report(self) -> int:
        """Report what kernels take; how many of them could not be measured."""
        from ttgen_runtime.bench import save, table

        save(self._entries, self.build / outputs.BENCH)
        print(table(self._entries))
        return sum(entry.status != "passed" for entry in self._entries)

    def finish(self) -> None:
        """End the workers and say what was done."""
        progress().end()
        if self._workers is not None:
            self._workers.close()
        if GetOption("clean") and not GetOption("no_exec"):
            with suppress(OSError):  # there may be more in it than is ours
                self.build.rmdir()
        if GetOption("no_exec") or GetOption("clean") or GetOption("help") or GetOption("silent"):
            return
        if self._counts or self._failures or self.interrupted:
            print(f"ttgen: {self._sentence()}; in {os.path.relpath(self.build)}/")
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


def _refuse_file(path: Path) -> None:
    if path.is_file():
        raise UserError(_NO_FOLDER.format(os.path.relpath(path)))
