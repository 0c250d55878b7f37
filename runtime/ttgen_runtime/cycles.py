"""Modelled cycles of programs out of the counters that Wolfpine's cost model leaves.

``python -m ttgen_runtime.cycles FOLDER [FROM:TO …]`` prints two numbers for each window of cycles,
or for all there is: cycles, and cores that had traffic. ``-`` stands for cycles where none had.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: What a worker's NoC interfaces count; nothing but the programs' own traffic shows there.
_TRAFFIC = ("noc_response_read", "noc_response_write")

#: The first and the last cycle of something that happened.
Window = tuple[int, int]
EVER: Window = (0, 2**63 - 1)


@dataclass(frozen=True)
class Count:
    """``cycles`` that a program took, None without traffic, and the ``cores`` that it ran on."""

    cycles: int | None
    cores: int


def count_cycles(folder: Path, windows: Sequence[Window] = (EVER,)) -> list[Count]:
    """Of each window: cycles from the first to the last NoC response of the slowest core.

    A window is one in which one program ran. Each core is measured by itself, because the host
    starts them one after the other, and a simulator lets 100 cycles pass with each of the host's
    accesses. The resolution is that of the counters: 100 cycles.
    """
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    if not any(folder.rglob("*.parquet")):
        return [Count(None, 0) for _ in windows]
    table = ds.dataset(folder, format="parquet", partitioning="hive").to_table(
        columns=["cycle", "core_y", "core_x"],
        filter=pc.field("counter_name").isin(_TRAFFIC),
    )
    counts = []
    for first, last in windows:
        rows = table.filter((pc.field("cycle") >= first) & (pc.field("cycle") <= last))
        cores = rows.group_by(["core_y", "core_x"]).aggregate([("cycle", "min"), ("cycle", "max")])
        spans = pc.subtract(cores["cycle_max"], cores["cycle_min"])
        counts.append(Count(pc.max(spans).as_py(), cores.num_rows))
    return counts


def main(folder: str, *windows: str) -> None:
    """Print what :func:`count_cycles` finds, a line for each window."""
    asked = [(int(first), int(last)) for first, _, last in (w.partition(":") for w in windows)]
    for count in count_cycles(Path(folder), asked or [EVER]):
        print("-" if count.cycles is None else count.cycles, count.cores)


if __name__ == "__main__":
    main(*sys.argv[1:])
