"""Projects in folders of their own, and real SCons runs in them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ttgen.service import MARK

REPOSITORY = Path(__file__).resolve().parents[2]
ARCHS = ("wormhole_b0", "blackhole")
#: What a project of one's own needs of this repository beside kernels: the tool.
TOOL = ("site_scons",)
#: The whole project, its code included, so that templates and code can be edited in a copy.
CHECKOUT = ("SConstruct", "site_scons", "kernels", "templates", "ttgen", "runtime")
#: A compiler that there is not: kernels are built the same without passes in C++, and sooner.
NO_COMPILER = "no-c++"
_HERE = Path(__file__).parent
_STEP = re.compile(r"^(PLAN|GOLDEN|RENDER|COMPILE|RUN) +(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What a process gave; ``cpu_seconds`` are its own, whatever else the machine does."""

    code: int
    out: str
    err: str
    seconds: float
    cpu_seconds: float

    @property
    def text(self) -> str:
        return f"{self.out}\n{self.err}"

    @property
    def steps(self) -> dict[str, list[str]]:
        """What SCons did: the jobs of each verb, sorted; a verb without jobs is not there."""
        found: dict[str, list[str]] = {}
        for verb, job in _STEP.findall(self.out):
            found.setdefault(verb, []).append(job)
        return {verb: sorted(jobs) for verb, jobs in found.items()}


def _cpu_seconds() -> float:
    """Of this process's children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Project:
    """A folder with an SConstruct; ``code`` holds the ttgen that builds it."""

    root: Path
    code: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Of a process that builds the project: nothing of it can come from the repository."""
        path = [str(self.code), str(self.code / "runtime")]
        before = more.pop("PYTHONPATH", "")
        left_out = ("TT", "SCONS", "PYTHONDONTWRITEBYTECODE")  # what runs often is compiled once
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
        return {
            **inherited,
            "PYTHONPATH": os.pathsep.join([*([before] if before else []), *path]),
            "PYTHONFAULTHANDLER": "1",
            "CXX": NO_COMPILER,
            **more,
        }

    def scons(
        self, *arguments: str, ok: bool | None = True, timeout: float = 300.0, **env: str
    ) -> Run:
        """Run SCons; ``ok`` says whether it must succeed (None: either)."""
        argv = [sys.executable, "-m", "SCons", "-Q", *arguments]
        return self.run(argv, ok=ok, timeout=timeout, **env)

    def run(
        self, argv: list[str], *, ok: bool | None = True, timeout: float = 300.0, **env: str
    ) -> Run:
        """Run a program in the project's folder."""
        start, cpu_start = time.monotonic(), _cpu_seconds()
        done = subprocess.run(
            argv,
            cwd=self.root,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        seconds, cpu_seconds = time.monotonic() - start, _cpu_seconds() - cpu_start
        run = Run(done.returncode, done.stdout, done.stderr, seconds, cpu_seconds)
        assert ok is None or ok == (run.code == 0), f"exit status {run.code}: {run.text}"
        return run

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start SCons and do not wait for it."""
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "SCons", "-Q", *arguments],
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_text()
        assert old in text, f"{path} has no {old!r} to change"
        file.write_text(text.replace(old, new))

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def json(self, path: str) -> Any:
        return json.loads(self.read(path))

    def kernels(self, arch: str = ARCHS[0]) -> list[str]:
        """The kernels that have been built for ``arch``."""
        return sorted(path.name for path in (self.root / "build" / arch).iterdir())

    def contents(self, *folders: str) -> dict[str, str]:
        """A hash of every file in ``folders`` (all by default) by its path.

        Left out are caches, Python's too, and what builds note of themselves.
        """
        roots = [self.root / folder for folder in folders] or [self.root]
        files = (file for root in roots for file in root.rglob("*") if file.is_file())
        return {
            str(file.relative_to(self.root)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
            if not {".cache", "__pycache__"} & {*file.parts} and not file.name.startswith(".ttgen")
        }

    def processes(self) -> list[psutil.Process]:
        """Living processes of services that were started by builds of this project."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                env = process.environ()
                here = str(self.root) in process.cwd() or str(self.root) in env.get("PWD", "")
                if MARK in env and here and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def make(
    root: Path, names: tuple[str, ...], code: Path | None = None, *, origin: Path = REPOSITORY
) -> Project:
    """A project of these parts of the repository, or of another project."""
    root.mkdir(parents=True)
    for name in names:
        source = origin / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, root / name, ignore=ignored)
        else:
            shutil.copy2(source, root / name)
    return Project(root, code or root)


def share_cache(project: Project, cache: Path) -> None:
    """Let the project's builds use what others have compiled: firmware, the SDK's root."""
    share(project.root / "build" / ".cache", cache)


def share(folder: Path, cache: Path) -> None:
    """Make a cache of its own with logs of its own; what is compiled lies in ``cache``."""
    folder.mkdir(parents=True)
    for part in ("jit", "sdk", "toolchain"):
        (cache / part).mkdir(parents=True, exist_ok=True)
        (folder / part).symlink_to(cache / part)


def clone(project: Project, root: Path, cache: Path) -> Project:
    """The project with everything that was built, as if it had been built there."""
    shutil.copytree(project.root, root, ignore=shutil.ignore_patterns(".cache"))
    copied = Project(root, root)
    share_cache(copied, cache)
    return copied


def spy(log: Path) -> dict[str, str]:
    """Environment of a process that notes in ``log`` what it imports and which programs it runs."""
    return {"PYTHONPATH": str(_HERE / "spy"), "TEST_SPY_LOG": str(log)}


def spied(log: Path) -> tuple[set[str], list[str]]:
    """What :func:`spy` has seen: top-level modules imported, and programs started."""
    lines = [line.partition(" ") for line in log.read_text().splitlines()]
    modules = {what.partition(".")[0] for kind, _, what in lines if kind == "import"}
    return modules, [what for kind, _, what in lines if kind == "start"]


@contextlib.contextmanager
def memory_of_children() -> Iterator[dict[str, float]]:
    """Measures the resident memory, in MB, of this process's new descendants: ``sum`` at its peak.

    Those that it had before, such as open sessions, are left out.
    """
    older = {process.pid for process in psutil.Process().children(recursive=True)}
    peak = {"sum": 0.0, "samples": 0.0}
    end = threading.Event()

    def measure() -> None:
        me = psutil.Process()
        while not end.wait(0.02):
            total = 0
            for process in me.children(recursive=True):
                if process.pid in older:
                    continue
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
            peak["sum"] = max(peak["sum"], total / 2**20)
            peak["samples"] += 1

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield peak
    finally:
        end.set()
        thread.join()


def jobs(kernels: list[str] | tuple[str, ...], archs: tuple[str, ...] = ARCHS) -> list[str]:
    """``arch/kernel`` of every pair, sorted, as in :attr:`Run.steps`."""
    return sorted(f"{arch}/{kernel}" for arch in archs for kernel in kernels)


def figures(text: str) -> Mapping[str, tuple[float, float]]:
    """PCC and relative error by output, from what ``host.py`` prints."""
    pattern = r"^(\w+): PCC ([\d.e+-]+), relative error ([\d.e+-]+)$"
    return {n: (float(p), float(e)) for n, p, e in re.findall(pattern, text, re.MULTILINE)}
