"""What a kernel takes, next to ttnn's own operation: figures, as JSON and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ttgen.files import write_atomically
from ttgen.plan.model import Plan
from ttgen.plan.trace import trace
from ttgen_runtime.result import Result, Status

#: Cycles that the matrix unit takes for a product of two tiles, for each phase of a fidelity: it
#: multiplies 8x16 by 16x16 values in a cycle.
_PHASE_CYCLES = 16
_PHASES = {"LoFi": 1, "HiFi2": 2, "HiFi3": 3, "HiFi4": 4}


class MeasuredTtnn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a session says of ttnn's operation, a run of ``programs``.

    ``unavailable``: why it did not run. ``problem``: what is wrong with its values.
    """

    seconds: float = 0.0
    programs: int = 0
    unavailable: str | None = None
    problem: str | None = None


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a session says of a kernel and its counterpart.

    ``windows``: for each of the two, the device's cycle before and after it.
    """

    result: Result
    windows: tuple[tuple[int, int], ...]
    ttnn: MeasuredTtnn | None


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One program: wall ``seconds``; ``cores`` that had traffic, and modelled ``cycles``.

    None where nothing models cycles.
    """

    seconds: float
    cores: int | None = None
    cycles: int | None = None


class Ttnn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """ttnn's own operation: ``figures``, or why there are none, as ``unavailable``."""

    call: str
    figures: Figures | None
    unavailable: str | None


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kernel and its counterpart, which is None where no operation of ttnn's means the same.

    ``peak_share``: of the cycles of all cores that the kernel runs on, those in which the matrix
    unit cannot but multiply. ``ratio``: ttnn's cycles in units of the kernel's; above 1, the
    kernel is faster.
    """

    kernel: str
    arch: str
    device: str
    status: Status
    message: str
    figures: Figures | None
    peak_share: float | None
    ttnn: Ttnn | None
    ratio: float | None


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All entries, by architecture and kernel. ``version`` is that of this document's form."""

    version: Literal[1]
    entries: tuple[Entry, ...]


def entry(plan: Plan, device: str, status: Status, message: str, own: Figures | None,
          ttnn: Ttnn | None) -> Entry:  # fmt: skip
    """The entry of a kernel, with the figures that follow from others."""
    other = ttnn.figures if ttnn is not None else None
    ratio = None
    if own is not None and other is not None and own.cycles and other.cycles:
        ratio = round(other.cycles / own.cycles, 3)
    share = peak_share(plan, own) if own is not None else None
    return Entry(plan.kernel, plan.arch, device, status, message, own, share, ttnn, ratio)


def peak_share(plan: Plan, figures: Figures) -> float | None:
    """The share of the modelled peak that a kernel's products reach; None without products."""
    products = sum(
        event.times
        for core in range(len(plan.partition.cores))
        for event in trace(plan.programs.compute, core)
        if event.op.op == "matmul_tiles"
    )
    if not products or not figures.cycles:
        return None
    cores = sum(work.count > 0 for work in plan.partition.cores)
    busy = products * _PHASE_CYCLES * _PHASES[plan.compute.fidelity]
    return round(busy / (figures.cycles * cores), 3)


def save(entries: Iterable[Entry], path: Path) -> None:
    """Write a report; the file is whole or not there."""
    text = msgspec.json.format(msgspec.json.encode(Report(1, _ordered(entries))), indent=2)
    write_atomically(path, text.decode() + "\n")


_HEAD = ("arch", "kernel", "cores", "cycles", "seconds", "peak", "ttnn", "cores", "cycles",
         "seconds", "ratio")  # fmt: skip
#: The columns of the table that hold text, which is set to the left.
_TEXTS = (0, 1, 6)


def table(entries: Iterable[Entry]) -> str:
    """The figures for people; ``-`` where there is none. What went wrong stands below."""
    ordered = _ordered(entries)
    rows = [_HEAD, *(_row(entry) for entry in ordered)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(_cells(row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, *(note for entry in ordered for note in _notes(entry))])


def _ordered(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (entry.arch, entry.kernel)))


def _cells(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if number in _TEXTS else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _row(entry: Entry) -> tuple[str, ...]:
    ttnn = entry.ttnn
    share = "-" if entry.peak_share is None else f"{entry.peak_share:.0%}"
    return (
        entry.arch,
        entry.kernel,
        *_columns(entry.figures),
        share,
        "-" if ttnn is None else ttnn.call,
        *_columns(None if ttnn is None else ttnn.figures),
        "-" if entry.ratio is None else f"{entry.ratio:.2f}",
    )


def _columns(figures: Figures | None) -> tuple[str, str, str]:
    if figures is None:
        return "-", "-", "-"
    counted = ("-" if count is None else str(count) for count in (figures.cores, figures.cycles))
    return (*counted, f"{figures.seconds:.2f}")  # type: ignore[return-value]  # three of them


def _notes(entry: Entry) -> list[str]:
    notes = []
    if entry.status != "passed":
        notes.append(f"{entry.status}: {_first(entry.message)}")
    if entry.ttnn is not None and entry.ttnn.unavailable is not None:
        notes.append(f"ttnn.{entry.ttnn.call}: {_first(entry.ttnn.unavailable)}")
    return [f"{entry.arch}/{entry.kernel}: {note}" for note in notes]


def _first(message: str) -> str:
    """The line that says most: a compiler's first error, or the first one."""
    lines = message.splitlines() or [""]
    return next((line for line in lines if " error: " in line), lines[0])
