"""The device ``interp``: sessions, results, and what it does without."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

import ttgen
import ttgen_runtime
from interp.plans import dropped, edited, inputs, total
from ttgen.plan import Plan, save
from ttgen.service import Service
from ttgen_runtime.devices import DEVICES, select
from ttgen_runtime.launch import device_service, run_kernel
from ttgen_runtime.result import Result, load


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    cache = tmp_path_factory.mktemp("cache")
    with device_service("interp", "wormhole_b0", cache) as service:
        yield service
    assert not list(cache.iterdir())  # no SDK root, no compiled firmware


def files(folder: Path, plan: Plan, *, wrong: bool = False) -> tuple[Path, Path]:
    """The plan and its golden values as files."""
    arrays = inputs(plan)
    golden = {f"in_{name}": array for name, array in arrays.items()}
    golden["out_C"] = arrays["A"] + arrays["B"] + (np.arange(64) if wrong else 0)
    np.savez(folder / "golden.npz", **golden)
    save(plan, folder / "tt.plan.json")
    return folder / "tt.plan.json", folder / "golden.npz"


def run(service: Service, folder: Path, plan: Plan, *, wrong: bool = False) -> Result:
    path, golden = files(folder, plan, wrong=wrong)
    result = folder / "result.json"
    outcome = run_kernel(service, path, folder, golden, result, device="interp")
    assert load(result) == outcome
    return outcome


def test_a_kernel_passes(session: Service, tmp_path: Path) -> None:
    result = run(session, tmp_path, total())
    assert (result.status, result.device, result.cores) == ("passed", "interp", 1)
    assert 0 < (result.outputs[0].relative_error or 0) < 0.01  # rounded to bf16


def test_wrong_values_fail(session: Service, tmp_path: Path) -> None:
    result = run(session, tmp_path, total(), wrong=True)
    assert result.status == "failed"
    assert "PCC" in result.message


def test_what_a_core_would_not_survive_is_an_error_with_its_place(
    session: Service, tmp_path: Path
) -> None:
    result = run(session, tmp_path, edited(total(), "compute", "add_init", dropped))
    assert result.status == "error"
    assert result.message.startswith("kernels/k.py:")
    operation = "core (0, 0): add_tiles(in0=A, in1=B, tile0=0, tile1=0, dst=0)"
    assert f"{operation}: set up for nothing, not for add(A, B)" in result.message
    assert run(session, tmp_path, total()).passed


def test_a_plan_for_another_architecture_is_an_error(session: Service, tmp_path: Path) -> None:
    result = run(session, tmp_path, total(arch="blackhole"))
    assert result.status == "error"
    assert "the plan is for blackhole" in result.message


def test_outputs_are_kept_on_request(session: Service, tmp_path: Path) -> None:
    path, golden = files(tmp_path, total())
    values = tmp_path / "values.npz"
    run_kernel(session, path, tmp_path, golden, device="interp", values=values)
    with np.load(values) as kept, np.load(golden) as expected:
        assert kept.files == ["out_C"]
        np.testing.assert_allclose(kept["out_C"], expected["out_C"], rtol=0.02, atol=0.02)


def test_it_is_chosen_by_name_only() -> None:
    assert str(select("interp", "blackhole")) == "interp"
    assert not DEVICES["interp"].needs_sdk
    try:
        chosen = str(select("auto", "blackhole"))
    except ttgen.errors.DeviceError:
        chosen = "none"
    assert chosen != "interp"


def test_it_needs_neither_sdk_nor_tvm(tmp_path: Path) -> None:
    path, golden = files(tmp_path, total())
    program = f"""
        import sys
        for name in ("ttnn", "tvm", "framework", "pyarrow"):
            sys.modules[name] = None
        from ttgen_runtime.interp.session import Session
        result = Session("interp", "wormhole_b0").run({str(path)!r}, "nowhere", {str(golden)!r})
        print(result["status"])
    """
    folders = [Path(package.__file__ or "").parents[1] for package in (ttgen, ttgen_runtime)]
    done = subprocess.run(
        [sys.executable, "-c", dedent(program)],
        env={"PYTHONPATH": ":".join(map(str, folders))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "passed", done.stderr
