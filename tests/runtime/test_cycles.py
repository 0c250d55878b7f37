"""Cycles out of a simulator's counters."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttgen_runtime.cycles import Count, count_cycles, main

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra: sim)")
pq = pytest.importorskip("pyarrow.parquet")

Row = tuple[int, int, int, str]


def write(folder: Path, rows: list[Row]) -> None:
    """A dataset as Wolfpine partitions it, cut into two files."""
    target = folder / "chip=0" / "kernel_id=0"
    target.mkdir(parents=True)
    for number, part in enumerate((rows[::2], rows[1::2])):
        columns = dict(
            zip(("cycle", "core_y", "core_x", "counter_name"), zip(*part, strict=True), strict=True)
        )
        table = pa.table({name: list(values) for name, values in columns.items()})
        pq.write_table(table, target / f"{number}.parquet")


def test_the_longest_core_counts_and_not_when_it_was_started(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            (100, 18, 18, "instr_retired"),
            (20_000, 18, 18, "noc_response_read"),
            (23_000, 18, 18, "noc_response_write"),
            (27_000, 18, 19, "noc_response_read"),
            (31_500, 18, 19, "noc_response_write"),
            (60_000, 18, 19, "instr_retired"),
        ],
    )
    assert count_cycles(tmp_path) == [Count(4_500, 2)]


def test_programs_are_told_apart_by_their_windows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        tmp_path,
        [
            (20_000, 18, 18, "noc_response_read"),
            (23_000, 18, 18, "noc_response_write"),
            (21_000, 18, 19, "noc_response_read"),
            (31_000, 18, 18, "noc_response_read"),
            (31_700, 18, 18, "noc_response_write"),
        ],
    )
    windows = [(19_000, 24_000), (24_000, 30_000), (30_000, 32_000)]
    assert count_cycles(tmp_path, windows) == [Count(3_000, 2), Count(None, 0), Count(700, 1)]
    main(str(tmp_path), "19000:24000", "24000:30000")
    assert capsys.readouterr().out == "3000 2\n- 0\n"


def test_no_traffic_is_no_number(tmp_path: Path) -> None:
    assert count_cycles(tmp_path) == [Count(None, 0)]
    write(tmp_path, [(100, 18, 18, "instr_retired"), (200, 18, 18, "instr_retired")])
    assert count_cycles(tmp_path) == [Count(None, 0)]
