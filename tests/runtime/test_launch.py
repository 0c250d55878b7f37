"""The parent's side, without a device: limits, and what a session's end turns into."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ttgen.errors import DeviceError, PlanError
from ttgen.service import Service
from ttgen_runtime.launch import run_kernel, run_limit
from ttgen_runtime.result import Result, load

from .plans import matmul_golden, matmul_plan, write_kernel

PLAN = matmul_plan("wormhole_b0", 64, 96, 160, 3)


def run(tmp_path: Path, child: str, *, device: str = "wolfpine", timeout: float = 20) -> Result:
    """A run in a session that is the Python program ``child``."""
    kernel = write_kernel(tmp_path, PLAN, matmul_golden(64, 96, 160))
    with Service([sys.executable, "-c", child], name="session") as service:
        return run_kernel(
            service,
            kernel / "tt.plan.json",
            kernel,
            kernel / "golden.npz",
            kernel / "result.json",
            device=device,
            timeout=timeout,
        )


def session(run: str) -> str:
    return (
        "import os, signal, time\n"
        "from ttgen.service import serve\n"
        "from ttgen.errors import *\n"
        f"def run(**args): {run}\n"
        "serve({'open': dict, 'run': run})"
    )


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))


@pytest.mark.parametrize(
    ("child", "problem"),
    [
        (session("raise SdkError('the kernels do not compile')"), "do not compile"),
        (session("os.kill(os.getpid(), signal.SIGABRT)"), "SIGABRT"),
        (session("1 / 0"), "ZeroDivisionError"),
        (session("time.sleep(600)"), "within 1 s"),
        ("raise SystemExit('cannot even start')", "cannot even start"),
    ],
    ids=["error", "death", "bug", "silence", "no start"],
)
def test_whatever_ends_a_run_is_a_result(tmp_path: Path, child: str, problem: str) -> None:
    timeout = 1.0 if "sleep" in child else 20.0
    result = run(tmp_path, child, timeout=timeout)
    assert result.status == "error"
    assert problem in result.message
    assert (result.kernel, result.arch, result.device) == ("matmul", "wormhole_b0", "wolfpine")
    assert load(tmp_path / "result.json") == result


def test_hardware_that_hangs_may_need_a_reset(tmp_path: Path) -> None:
    child = session("os._exit(1)")
    assert "tt-smi -r" in run(tmp_path, child, device="hw").message
    assert "tt-smi" not in run(tmp_path, child, device="wolfpine").message
    assert "tt-smi" not in run(tmp_path, session("raise SdkError('x')"), device="hw").message


def test_a_plan_that_is_not_one_is_raised(tmp_path: Path) -> None:
    kernel = write_kernel(tmp_path, PLAN)
    (kernel / "tt.plan.json").write_text("{}")
    with (
        Service([sys.executable], name="session") as service,
        pytest.raises(PlanError, match=r"tt\.plan\.json"),
    ):
        run_kernel(
            service,
            kernel / "tt.plan.json",
            kernel,
            kernel / "golden.npz",
            kernel / "result.json",
            device="hw",
        )
    assert not (kernel / "result.json").exists()


def test_a_device_has_to_be_chosen_before(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"'auto' is not a device"):
        run_limit(PLAN, "auto")


def test_limits_grow_with_the_work_and_with_the_device() -> None:
    large = matmul_plan("wormhole_b0", 512, 512, 512, 8)
    for device in ("hw", "wolfpine", "ttsim:/x/libttsim_wh.so"):
        assert run_limit(PLAN, device) >= 120
        assert run_limit(large, device) > run_limit(PLAN, device)
    # 16 x 16 x 16 products at 20 ms each, three times over.
    assert run_limit(large, "wolfpine") > 120 + 3 * 0.02 * 16**3
    assert run_limit(large, "hw") < 130
