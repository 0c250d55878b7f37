"""Modelled cycles of a program out of the counters that Wolfpine's cost model leaves.

``python -m ttgen_runtime.cycles FOLDER`` prints one number, or nothing where there is no traffic.
"""

from __future__ import annotations

import sys
from pathlib import Path

#: What a worker's NoC interfaces count; nothing but the program's own traffic shows there.
_TRAFFIC = ("noc_response_read", "noc_response_write")


def count_cycles(folder: Path) -> int | None:
    """Cycles from the first to the last NoC response of a core, of the core that takes longest.

    The counters must be those of a session that has run one program. Each core is measured by
    itself, because the host starts them one after the other, and a simulator lets 100 cycles pass
    with each of the host's accesses. The resolution is that of the counters: 100 cycles.
    """
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    if not any(folder.rglob("*.parquet")):
        return None
    table = ds.dataset(folder, format="parquet", partitioning="hive").to_table(
        columns=["cycle", "core_y", "core_x"],
        filter=pc.field("counter_name").isin(_TRAFFIC),
    )
    if table.num_rows == 0:
        return None
    cores = table.group_by(["core_y", "core_x"]).aggregate([("cycle", "min"), ("cycle", "max")])
    spans = pc.subtract(cores["cycle_max"], cores["cycle_min"])
    return int(pc.max(spans).as_py())


if __name__ == "__main__":
    cycles = count_cycles(Path(sys.argv[1]))
    print("" if cycles is None else cycles)
