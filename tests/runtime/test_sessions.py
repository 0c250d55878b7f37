"""Real ttnn, real compiler, real simulator: kernels compile and run, and wrong ones are caught."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest

pytest.importorskip("ttnn", reason="ttnn is not installed (extra: sim)")

from ttgen.errors import DeviceError, SdkError, TTError
from ttgen_runtime.launch import compile_kernel, run_with_cycles
from ttgen_runtime.program import ELFS
from ttgen_runtime.result import load

from .conftest import Bench
from .plans import copy_plan, matmul_golden, matmul_plan, write_kernel

ARCHS = ("wormhole_b0", "blackhole")
ALL_ELFS = sorted(name for names in ELFS.values() for name in names)
#: Seconds after which a kernel that waits for ever is given up in these tests.
HANG_LIMIT = 10.0
# The reader fetches every operand and announces only the first.
NEVER_PUSHED = {"reader": ("            cb_push_back(cb_b, 1);\n", "")}


def helpers(pid: int | None) -> list[psutil.Process]:
    assert pid is not None
    return psutil.Process(pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def simulator_of(pid: int | None) -> psutil.Process:
    found = [p for p in helpers(pid) if any("framework.sim" in word for word in p.cmdline())]
    assert len(found) == 1, "one session has one simulator"
    return found[0]


@pytest.mark.parametrize("arch", ARCHS)
def test_compiling_leaves_five_elves(bench: Bench, tmp_path: Path, arch: str) -> None:
    kernel = write_kernel(tmp_path, matmul_plan(arch, 64, 96, 160, 3))
    service = bench.service("mock", arch)
    assert compile_kernel(service, kernel / "tt.plan.json", kernel, kernel / "elf") == ALL_ELFS
    left = {path.name for path in (kernel / "elf").iterdir()}
    assert left == {*ALL_ELFS, "headers.json"}
    for path in (kernel / "elf").glob("*.elf"):
        data = path.read_bytes()
        assert data[:4] == b"\x7fELF"
        assert data[18] == 243, "the machine is not RISC-V"
        for absolute in (bench.cache, tmp_path):
            assert str(absolute).encode() not in data, f"{path.name} holds an absolute path"


def test_a_changed_source_is_compiled_again_in_the_same_session(
    bench: Bench, tmp_path: Path
) -> None:
    plan = matmul_plan("wormhole_b0", 32, 32, 32, 1)
    service = bench.service("mock", "wormhole_b0")

    def writer_elf(changes: dict[str, tuple[str, str]]) -> bytes:
        kernel = write_kernel(tmp_path, plan, changes=changes)
        compile_kernel(service, kernel / "tt.plan.json", kernel, kernel / "elf")
        return (kernel / "elf" / "brisc.elf").read_bytes()

    twice = {"writer": ("noc_async_write_barrier();", "noc_async_write_barrier();" * 2)}
    first, changed, again = writer_elf({}), writer_elf(twice), writer_elf({})
    assert first != changed
    assert first == again


def test_a_kernel_that_does_not_compile_shows_the_compilers_message(
    bench: Bench, tmp_path: Path
) -> None:
    wrong = {"compute": ("tile_regs_acquire();", "tile_regs_acquired();")}
    kernel = write_kernel(tmp_path, matmul_plan("wormhole_b0", 32, 32, 32, 1), changes=wrong)
    service = bench.service("mock", "wormhole_b0")
    with pytest.raises(SdkError, match=r"compute\.cpp:17:9: error: .*tile_regs_acquired") as caught:
        compile_kernel(service, kernel / "tt.plan.json", kernel, kernel / "elf")
    assert "backtrace" not in str(caught.value)
    assert not (kernel / "elf").exists()


def test_devices_do_what_they_are_for(bench: Bench, tmp_path: Path) -> None:
    plan = matmul_plan("wormhole_b0", 32, 32, 32, 1)
    kernel = write_kernel(tmp_path, plan, matmul_golden(32, 32, 32))
    args = {"plan": str(kernel / "tt.plan.json"), "sources": str(kernel)}
    with pytest.raises(DeviceError, match="cannot run"):
        bench.service("mock", plan.arch).call(
            "run", {**args, "golden": str(kernel / "golden.npz")}, 60
        )
    with pytest.raises(DeviceError, match="mock"):
        bench.service("wolfpine", plan.arch).call("compile", {**args, "elf_dir": str(tmp_path)}, 60)


@pytest.mark.sim
@pytest.mark.parametrize("arch", ARCHS)
def test_a_matmul_on_three_cores_is_right(bench: Bench, tmp_path: Path, arch: str) -> None:
    plan = matmul_plan(arch, 64, 96, 160, 3)
    kernel = write_kernel(tmp_path, plan, matmul_golden(64, 96, 160))
    result = bench.run(kernel, plan)
    assert result.status == "passed", result.message
    assert result == load(kernel / "result.json")
    assert (result.kernel, result.arch, result.device) == ("matmul", arch, "wolfpine")
    assert (result.cores, result.cycles) == (3, None)
    (output,) = result.outputs
    assert output.name == "c"
    assert output.pcc is not None
    assert output.pcc >= 0.9999
    assert output.relative_error is not None
    assert 0 < output.relative_error <= 0.01


@pytest.mark.sim
def test_more_cores_than_work_and_both_rows_of_the_grid(bench: Bench, tmp_path: Path) -> None:
    plan = matmul_plan("wormhole_b0", 64, 32, 96, 10)
    kernel = write_kernel(tmp_path, plan, matmul_golden(64, 32, 96))
    result = bench.run(kernel, plan)
    assert result.status == "passed", result.message
    assert result.cores == 6


@pytest.mark.sim
@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        ("fp32", np.float32),
        ("bf16", np.float32),
        ("bfp8_b", np.float32),
        ("int32", np.int32),
        ("uint16", np.int32),
    ],
)
def test_every_format_arrives_and_comes_back(
    bench: Bench, tmp_path: Path, dtype: str, kind: type[np.generic]
) -> None:
    shape = (2, 32, 64)
    plan = copy_plan("wormhole_b0", shape, 2, dtype)
    values = (np.arange(np.prod(shape)).reshape(shape) % 61).astype(kind)
    kernel = write_kernel(tmp_path, plan, {"in_x": values, "out_y": values})
    result = bench.run(kernel, plan)
    assert result.status == "passed", result.message
    assert result.outputs[0].max_abs_error == 0


@pytest.mark.sim
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"writer": ("noc_async_write_page", "if (t != start) noc_async_write_page")},
            "1 of 4 tiles are all NaN",
        ),
        ({"reader": ("t % Nt, b,", "t % Nt, a,")}, "PCC"),
        ({"compute": ("matmul_tiles(", "if (k) matmul_tiles(")}, "PCC"),
    ],
    ids=["skipped page", "wrong operand", "dropped product"],
)
def test_a_wrong_kernel_fails_on_its_values(
    bench: Bench, tmp_path: Path, changes: dict[str, tuple[str, str]], problem: str
) -> None:
    plan = matmul_plan("blackhole", 64, 64, 64, 1)
    kernel = write_kernel(tmp_path, plan, matmul_golden(64, 64, 64), changes)
    result = bench.run(kernel, plan)
    assert result.status == "failed"
    assert problem in result.message
    assert not result.passed


@pytest.mark.sim
def test_results_of_an_earlier_run_do_not_pass_for_new_ones(bench: Bench, tmp_path: Path) -> None:
    """L1 keeps what the right kernel has packed; the same kernel without its pack must fail."""
    plan = matmul_plan("wormhole_b0", 32, 32, 32, 1)
    golden = matmul_golden(32, 32, 32)
    assert bench.run(write_kernel(tmp_path / "right", plan, golden), plan).passed
    packless = {"compute": ("pack_tile(0, cb_c);", "")}
    result = bench.run(write_kernel(tmp_path / "wrong", plan, golden, packless), plan)
    assert result.status == "failed"
    assert "not finite" in result.message


@pytest.mark.sim
def test_a_kernel_that_writes_its_input_fails(bench: Bench, tmp_path: Path) -> None:
    plan = matmul_plan("wormhole_b0", 32, 32, 32, 1)
    writer = msgspec.structs.replace(plan.programs.writer, tensors=("c", "a"))
    programs = msgspec.structs.replace(plan.programs, writer=writer)
    plan = msgspec.structs.replace(plan, programs=programs)
    barrier = "        noc_async_write_barrier();"
    spoil = """
        constexpr auto a_args = TensorAccessorArgs<c_args.next_compile_time_args_offset()>();
        const auto a = TensorAccessor(a_args, get_common_arg_val<uint32_t>(1), 2048);
        noc_async_write_page(0, a, get_read_ptr(cb_c));
"""
    changes = {"writer": (barrier, spoil + barrier)}
    kernel = write_kernel(tmp_path, plan, matmul_golden(32, 32, 32), changes)
    result = bench.run(kernel, plan)
    assert result.status == "failed"
    assert result.message == "a: the program has written to its input"
    assert result.outputs[0].passed


@pytest.mark.sim
def test_a_kernel_that_hangs_fails_in_time_and_the_next_one_runs(
    bench: Bench, tmp_path: Path
) -> None:
    plan = matmul_plan("wormhole_b0", 32, 64, 32, 1)
    golden = matmul_golden(32, 64, 32)
    service = bench.service("wolfpine", plan.arch)
    service.call("open", timeout=120)
    before = [*helpers(service.pid), psutil.Process(service.pid)]
    assert len(before) in (3, 4), "guardian, worker, simulator; a driver unless SFPI is there"
    hanging = write_kernel(tmp_path / "hanging", plan, golden, NEVER_PUSHED)
    start = time.monotonic()
    result = bench.run(hanging, plan, timeout=HANG_LIMIT)
    assert time.monotonic() - start < HANG_LIMIT + 5
    assert result.status == "error"
    assert "no answer to 'run' within 10 s" in result.message
    assert load(hanging / "result.json") == result
    assert not alive(before)
    good = write_kernel(tmp_path / "good", plan, golden)
    assert bench.run(good, plan).passed


@pytest.mark.sim
def test_a_simulator_that_is_killed_fails_the_run_at_once(bench: Bench, tmp_path: Path) -> None:
    plan = matmul_plan("wormhole_b0", 32, 64, 32, 1)
    kernel = write_kernel(tmp_path, plan, matmul_golden(32, 64, 32), NEVER_PUSHED)
    service = bench.service("wolfpine", plan.arch)
    service.call("open", timeout=120)
    before = [*helpers(service.pid), psutil.Process(service.pid)]
    threading.Timer(2.0, simulator_of(service.pid).kill).start()
    start = time.monotonic()
    result = bench.run(kernel, plan, timeout=120)
    assert time.monotonic() - start < 30
    assert result.status == "error"
    assert "the simulator has died during 'run'" in result.message
    assert not alive(before)


@pytest.mark.sim
def test_a_parent_that_is_killed_leaves_no_simulator(bench: Bench, tmp_path: Path) -> None:
    code = (
        "import sys, time; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from ttgen_runtime.launch import device_service\n"
        "service = device_service('wolfpine', 'wormhole_b0', Path(sys.argv[1]))\n"
        "service.call('open', timeout=120); print(service.pid, flush=True); time.sleep(600)"
    )
    argv = [sys.executable, "-c", code, str(bench.cache), *(path for path in sys.path if path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            guardian = int(parent.stdout.readline())
            processes = [*helpers(guardian), psutil.Process(guardian)]
            simulator_of(guardian)
        finally:
            parent.kill()
        parent.wait()
        _, left = psutil.wait_procs(processes, timeout=10)
        assert not alive(left)


@pytest.mark.sim
def test_cycles_are_those_of_the_program(bench: Bench, tmp_path: Path) -> None:
    plan = matmul_plan("wormhole_b0", 32, 128, 32, 1)
    kernel = write_kernel(tmp_path, plan, matmul_golden(32, 128, 32))
    result = run_with_cycles(
        "wolfpine",
        plan.arch,
        bench.cache,
        kernel / "tt.plan.json",
        kernel,
        kernel / "golden.npz",
        kernel / "result.json",
        log=bench.logs / "cycles.log",
    )
    assert result.passed, result.message
    assert result == load(kernel / "result.json")
    # Four products of 64 cycles each on the matrix unit, and the reads that they wait for one
    # after the other. Starting the firmware takes more than 20,000 before that.
    assert result.cycles is not None
    assert 4 * 64 <= result.cycles <= 10_000


@pytest.mark.sim
@pytest.mark.parametrize(
    ("golden", "problem"),
    [
        ({}, "no array 'in_a'"),
        (
            {"in_a": np.zeros((32, 64))},
            r"'in_a' has the shape \(32, 64\), the plan says \(32, 32\)",
        ),
    ],
)
def test_a_golden_that_does_not_fit_is_refused(
    bench: Bench, tmp_path: Path, golden: dict[str, np.ndarray[Any, Any]], problem: str
) -> None:
    plan = matmul_plan("wormhole_b0", 32, 32, 32, 1)
    kernel = write_kernel(tmp_path, plan, golden)
    args = {
        "plan": str(kernel / "tt.plan.json"),
        "sources": str(kernel),
        "golden": str(kernel / "golden.npz"),
    }
    with pytest.raises(TTError, match=problem):
        bench.service("wolfpine", plan.arch).call("run", args, 60)
