"""What a run of the pipeline leaves besides its result: how long each step took, and IR dumps."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tvm.ir import IRModule

from ttgen import analysis
from ttgen.files import write_atomically
from ttgen.native import library
from ttgen.passes.base import TTPass

#: The first words of every dump: what may be removed when the next run is dumped.
_MARK = "# ttgen IR dump: "


@dataclass(frozen=True)
class Timing:
    """How long a step took; ``note`` says what was saved, or what the step was about."""

    step: str
    milliseconds: float
    note: str = ""


@dataclass
class Recorder:
    """Times the steps of one run, and dumps the module after each pass into ``folder``, if any.

    Dumps are TVMScript, ``00_source.py`` and then one file per pass, called like it. A folder
    holds the dumps of one run: those of the run before are removed.
    """

    folder: Path | None = None
    timings: list[Timing] = field(default_factory=list)
    _dumped: int = 0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside, also where it fails."""
        made, shared = _analysis_calls()
        begin = time.perf_counter()
        try:
            yield
        finally:
            elapsed = (time.perf_counter() - begin) * 1e3
            made_now, shared_now = _analysis_calls()
            note = "analysis made" if made_now > made else ""
            note = note or ("analysis shared" if shared_now > shared else "")
            self.timings.append(Timing(name, elapsed, note))

    def dump_source(self, module: IRModule) -> None:
        """Dump what the first pass is given."""
        if self.folder is not None:
            _remove_dumps(self.folder)
        self._dump("source", module, "the kernel, before the first pass")

    def run(self, step: TTPass, module: IRModule) -> IRModule:
        """The module after ``step``, timed and dumped."""
        with self.step(short_name(step)):
            module = step(module)
        self._dump(short_name(step), module, f"after {step.name}")
        return module

    def _dump(self, name: str, module: IRModule, what: str) -> None:
        if self.folder is None:
            return
        text = f"{_MARK}{what}\n{module.script()}\n"
        path = self.folder / f"{self._dumped:02}_{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.py"
        self._dumped += 1
        write_atomically(path, text)


def _analysis_calls() -> tuple[int, int]:
    """Analyses made and shared so far, by either twin."""
    (made, shared), (made_in_cpp, shared_in_cpp) = analysis.calls(), library.analysis_calls()
    return made + made_in_cpp, shared + shared_in_cpp


def short_name(step: TTPass) -> str:
    """The last part of a pass's name."""
    return step.name.rpartition(".")[2]


def table(timings: Sequence[Timing]) -> str:
    """Timings as text: a line per step, in milliseconds, and their sum."""
    total = Timing("total", sum(timing.milliseconds for timing in timings))
    rows = [*timings, total]
    width = max(len(timing.step) for timing in rows)
    return "\n".join(f"{t.step:{width}}  {t.milliseconds:8.2f}  {t.note}".rstrip() for t in rows)


def _remove_dumps(folder: Path) -> None:
    """Remove the dumps of an earlier run, which may have had more passes; nothing else."""
    for path in folder.glob("[0-9][0-9]_*.py"):
        with path.open(encoding="utf-8", errors="replace") as file:
            is_dump = file.readline().startswith(_MARK)
        if is_dump:
            path.unlink()
