"""Kernels next to ttnn's own operations: figures of both, told apart, as a table and JSON (E4)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ttgen.counterpart import Counterpart
from ttgen.errors import DeviceError
from ttgen_runtime import launch
from ttgen_runtime.bench import (
    Entry,
    Figures,
    Measured,
    MeasuredTtnn,
    Report,
    Ttnn,
    entry,
    peak_share,
    save,
    table,
)
from ttgen_runtime.launch import bench_kernel
from ttgen_runtime.result import Result

from .conftest import Bench
from .plans import copy_plan, matmul_golden, matmul_plan, write_kernel

ROOT = Path(__file__).parents[2]
PLAN = matmul_plan("wormhole_b0", 64, 96, 160, 3)
MATMUL = Counterpart("matmul", ("a", "b"))
OWN = Figures(seconds=1.25, cores=3, cycles=6_400)


def faster() -> Entry:
    other = Ttnn(str(MATMUL), Figures(seconds=2.0, cores=8, cycles=9_600), None)
    return entry(PLAN, "wolfpine", "passed", "", OWN, other)


def test_the_figures_that_follow_from_others() -> None:
    """Thirty products of 64 cycles on three cores, for 6,400 cycles: a tenth of the peak."""
    assert faster().peak_share == 0.1
    assert faster().ratio == 1.5
    half = msgspec.structs.replace(
        PLAN, compute=msgspec.structs.replace(PLAN.compute, fidelity="HiFi2")
    )
    assert peak_share(half, OWN) == 0.05
    assert peak_share(PLAN, Figures(seconds=1.0)) is None
    assert peak_share(copy_plan("blackhole", (64, 64), 2, "bf16"), OWN) is None
    assert entry(PLAN, "hw", "passed", "", Figures(seconds=1.0), None).ratio is None


def test_the_table_has_a_dash_for_what_there_is_not() -> None:
    alone = entry(copy_plan("blackhole", (64, 64), 2, "bf16"), "wolfpine", "passed", "", OWN, None)
    broken = entry(PLAN, "wolfpine", "error", "timed out\nlog", None, None)
    refused = entry(
        PLAN, "wolfpine", "passed", "", OWN, Ttnn("max(a)", None, "from x\nx.h:1:2: error: no y\nz")
    )
    lines = table([faster(), alone]).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "arch kernel cores cycles seconds peak ttnn cores cycles seconds ratio",
        "blackhole copy 3 6400 1.25 - - - - - -",
        "wormhole_b0 matmul 3 6400 1.25 10% matmul(a, b) 8 9600 2.00 1.50",
    ]
    assert table([broken]).splitlines()[2] == "wormhole_b0/matmul: error: timed out"
    assert (
        table([refused]).splitlines()[2] == "wormhole_b0/matmul: ttnn.max(a): x.h:1:2: error: no y"
    )


def test_the_report_has_one_form_and_order(tmp_path: Path) -> None:
    alone = entry(copy_plan("blackhole", (64, 64), 2, "bf16"), "wolfpine", "passed", "", OWN, None)
    save([faster(), alone], tmp_path / "bench.json")
    text = (tmp_path / "bench.json").read_text()
    save([alone, faster()], tmp_path / "bench.json")
    assert (tmp_path / "bench.json").read_text() == text
    assert msgspec.json.decode(text, type=Report).entries == (alone, faster())
    document = json.loads(text)
    assert document["version"] == 1
    assert list(document["entries"][1]) == [
        "kernel", "arch", "device", "status", "message", "figures", "peak_share", "ttnn", "ratio",
    ]  # fmt: skip
    assert document["entries"][1]["ttnn"] == {
        "call": "matmul(a, b)",
        "figures": {"seconds": 2.0, "cores": 8, "cycles": 9_600},
        "unavailable": None,
    }


RESULT = Result(PLAN.kernel, PLAN.arch, "wolfpine", "passed", "", 3, 1.25, None, ())


def judged(folder: Path, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> Entry:
    """The entry that comes of what sessions answer, or fail with, one after the other."""
    kernel = write_kernel(folder, PLAN)
    given = iter(answers)

    def measured(*_: Any) -> Any:
        answer = next(given)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(launch, "_measured", measured)
    paths = (kernel / "tt.plan.json", kernel, kernel / "golden.npz")
    entry = bench_kernel("wolfpine", PLAN.arch, folder, *paths, MATMUL)
    assert list(given) == []
    return entry


def test_an_operation_that_does_not_end_leaves_the_kernel_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("framework", reason="Wolfpine is not installed (extra: sim)")
    alone = (Measured(RESULT, ((1, 2),), None), [(3, 6_400)])
    found = judged(tmp_path, monkeypatch, DeviceError("no answer"), alone)
    assert (found.status, found.figures) == ("passed", OWN)
    assert found.ttnn == Ttnn("matmul(a, b)", None, "no answer")
    found = judged(tmp_path, monkeypatch, DeviceError("no answer"), DeviceError("never"))
    assert (found.status, found.message, found.figures) == ("error", "never", None)


def test_several_programs_have_no_cycles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("framework", reason="Wolfpine is not installed (extra: sim)")
    other = MeasuredTtnn(seconds=2.0, programs=2)
    both = (Measured(RESULT, ((1, 2), (3, 4)), other), [(3, 6_400), (8, 9_600)])
    found = judged(tmp_path, monkeypatch, both)
    assert found.ttnn is not None
    assert found.ttnn.figures == Figures(seconds=2.0, cores=8)
    assert found.ttnn.unavailable == "it is 2 programs, whose cycles are not one span"
    assert (found.status, found.ratio) == ("passed", None)


def measure(bench: Bench, folder: Path, arch: str, call: Counterpart | None) -> Entry:
    """One core's 32x32x64 product; its counterpart as the test says."""
    plan = matmul_plan(arch, 32, 64, 32, 1)
    kernel = write_kernel(folder, plan, matmul_golden(32, 64, 32))
    return bench_kernel(
        "wolfpine",
        arch,
        bench.cache,
        kernel / "tt.plan.json",
        kernel,
        kernel / "golden.npz",
        call,
        log=bench.logs / f"bench-{arch}.log",
    )


@pytest.mark.sim
def test_a_product_and_ttnns_are_counted_apart(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("ttnn", reason="ttnn is not installed (extra: sim)")
    found = measure(bench, tmp_path, "blackhole", MATMUL)
    assert (found.status, found.message) == ("passed", "")
    assert found.ttnn is not None
    assert found.ttnn.unavailable is None
    for figures in (found.figures, found.ttnn.figures):
        assert figures is not None
        assert figures.seconds > 0
        assert figures.cores == 1
        # Two products of 64 cycles. What lies between the two programs is more than 10,000.
        assert figures.cycles is not None
        assert 2 * 64 <= figures.cycles <= 5_000
    assert found.peak_share is not None
    assert 0 < found.peak_share < 1
    assert found.ratio is not None
    assert 0.1 < found.ratio < 10


@pytest.mark.sim
def test_a_wrong_counterpart_is_an_error(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("ttnn", reason="ttnn is not installed (extra: sim)")
    wrong = Counterpart("matmul", ("a", "a"), {"transpose_b": True})
    found = measure(bench, tmp_path, "wormhole_b0", wrong)
    assert found.status == "error"
    assert "ttnn.matmul(a, a, transpose_b=True) is not what the kernel means: PCC" in found.message
    assert found.figures is not None, "the kernel itself was right"
    assert (found.ttnn is not None, found.ratio) == (True, None)


@pytest.mark.sim
def test_what_ttnn_refuses_is_unavailable(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("ttnn", reason="ttnn is not installed (extra: sim)")
    refused = Counterpart("matmul", ("b", "a"), {"transpose_b": True})
    found = measure(bench, tmp_path, "wormhole_b0", refused)
    assert found.status == "passed"
    assert found.figures is not None
    assert found.ttnn is not None
    assert found.ttnn.figures is None
    assert found.ttnn.unavailable


@pytest.mark.sim
def test_the_command_of_the_page_gives_its_table(bench: Bench, tmp_path: Path) -> None:
    """All but figures is as docs/bench.md shows it; the report holds the same."""
    pytest.importorskip("ttnn", reason="ttnn is not installed (extra: sim)")
    page = (ROOT / "docs" / "bench.md").read_text()
    (command,) = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (shown,) = re.findall(r"^```\n(arch.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "kernels").symlink_to(ROOT / "kernels")
    done = subprocess.run(
        [sys.executable, "-m", "ttgen.cli", *command.split()[1:]],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}",
            "TTGEN_CACHE": str(bench.cache),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *printed, written = done.stdout.splitlines()
    figure = re.compile(r" +\d+(\.\d+)?%?")
    assert [figure.sub(" #", line) for line in printed] == [
        figure.sub(" #", line) for line in shown.splitlines()
    ]
    assert written == "written build/bench.json"
    report = msgspec.json.decode((tmp_path / "build" / "bench.json").read_bytes(), type=Report)
    assert table(report.entries).splitlines() == printed


def test_a_device_without_ttnn_is_refused(bench: Bench, tmp_path: Path) -> None:
    kernel = write_kernel(tmp_path, PLAN)
    with pytest.raises(DeviceError, match="interp runs no program of ttnn's"):
        bench_kernel(
            "interp",
            PLAN.arch,
            bench.cache,
            kernel / "tt.plan.json",
            kernel,
            kernel / "golden.npz",
            MATMUL,
        )
