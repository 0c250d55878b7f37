"""The kernel library, built and run by SCons: every value right, on both architectures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ttgen.sdk import prepare_root
from ttgen_runtime.devices import environment, select

from .conftest import Built
from .project import ARCHS, Project, Run, figures, jobs, spied, spy

pytestmark = pytest.mark.sim

#: What the library's kernels mean, said once more in NumPy.
MEANING = {
    "gemm": lambda A, B: A.astype(np.float64) @ B,
    "add": lambda A, B: A + B,
    "sub": lambda A, B: A - B,
    "mul": lambda A, B: A * B,
    "copy": lambda A: A,
}
ELFS = ["brisc.elf", "ncrisc.elf", "trisc0.elf", "trisc1.elf", "trisc2.elf"]


def stem(kernel: str) -> str:
    return kernel.partition("-")[0]


def test_every_kernel_is_planned_rendered_compiled_and_run_once(built: Built) -> None:
    everything = jobs(built.project.kernels())
    assert {job.partition("/")[2].partition("-")[0] for job in everything} >= set(MEANING)
    assert built.project.kernels("blackhole") == built.project.kernels("wormhole_b0")
    for verb in ("PLAN", "RENDER", "COMPILE", "GOLDEN", "RUN"):
        assert built.run.steps[verb] == everything, verb
    assert f"ttgen: {len(everything)} passed, 0 failed" in built.run.out


@pytest.mark.parametrize("arch", ARCHS)
def test_values_agree_with_the_source(built: Built, arch: str) -> None:
    project = built.project
    for kernel in project.kernels(arch):
        result = project.json(f"build/{arch}/{kernel}/result.json")
        plan = project.json(f"build/{arch}/{kernel}/tt.plan.json")
        assert (result["kernel"], result["arch"]) == (kernel, arch)
        assert (result["status"], result["device"]) == ("passed", "wolfpine"), kernel
        outputs = {t["name"] for t in plan["tensors"] if t["role"] == "output"}
        assert {output["name"] for output in result["outputs"]} == outputs
        for output in result["outputs"]:
            # Integers are compared one by one; a constant has no correlation.
            assert output["pcc"] is None or output["pcc"] >= 0.999, kernel
            assert output["relative_error"] <= 0.02, kernel
            assert output["not_finite"] == 0
        assert result["cores"] == sum(core["count"] > 0 for core in plan["partition"]["cores"])


@pytest.mark.parametrize("arch", ARCHS)
def test_the_golden_values_are_what_the_kernels_mean(built: Built, arch: str) -> None:
    for kernel in built.project.kernels(arch):
        meaning = MEANING.get(stem(kernel))
        if meaning is None:
            continue
        golden = np.load(built.project.root / "build" / arch / kernel / "golden.npz")
        inputs = {n.removeprefix("in_"): golden[n] for n in golden.files if n.startswith("in_")}
        (output,) = (golden[n] for n in golden.files if n.startswith("out_"))
        np.testing.assert_allclose(output, meaning(**inputs), rtol=1e-4, atol=1e-4)
        if stem(kernel) != "copy":
            same = [n for n, v in inputs.items() if v.shape == output.shape and (v == output).all()]
            assert not same, f"{kernel}: the output is a copy of {same}"


def test_the_reports_hold_one_case_per_kernel_and_architecture(built: Built) -> None:
    everything = jobs(built.project.kernels())
    root = ElementTree.parse(built.project.root / "build" / "results.xml").getroot()
    (suite,) = root.findall("testsuite")
    cases = suite.findall("testcase")
    names = [f"{c.get('classname', '').removesuffix('.wolfpine')}/{c.get('name')}" for c in cases]
    assert sorted(names) == everything
    counts = [suite.get(name) for name in ("tests", "failures", "errors")]
    assert counts == [str(len(everything)), "0", "0"]
    assert not root.findall(".//failure") + root.findall(".//error")
    lines = built.project.read("build/results.txt").splitlines()
    found = [line.partition(": passed ")[0].replace(" ", "/") for line in lines]
    assert sorted(found) == everything
    for line in lines:
        assert f"        {line}" in built.run.out.splitlines()


@pytest.mark.parametrize("arch", ARCHS)
def test_five_risc_v_elfs_per_kernel(built: Built, arch: str) -> None:
    for kernel in built.project.kernels(arch):
        folder = built.project.root / "build" / arch / kernel / "elf"
        assert sorted(path.name for path in folder.iterdir()) == sorted([*ELFS, "headers.json"])
        for path in folder.glob("*.elf"):
            head = path.read_bytes()[:20]
            assert head[:6] == b"\x7fELF\x01\x01", "32 bits, little endian"
            assert int.from_bytes(head[18:20], "little") == 243, "EM_RISCV"


def test_a_null_build_starts_nothing_and_imports_little(copy: Project, tmp_path: Path) -> None:
    before = copy.contents("build")
    run = copy.scons("-j2", "kernels", **spy(tmp_path / "log"))
    assert run.out == "scons: `kernels' is up to date.\n"
    modules, started = spied(tmp_path / "log")
    assert not started
    assert "SCons" in modules, "the spy has seen nothing"
    assert not modules & {"tvm", "tvm_ffi", "ttnn", "framework"}
    assert copy.contents("build") == before
    assert not (copy.root / "build" / ".cache" / "logs").exists()
    # Other tests take processor time of this one too, by caches: more each time, and never less.
    seconds = sorted(copy.scons("-j2", "kernels").cpu_seconds for _ in range(5))
    print("null builds: CPU seconds", *(f"{each:.2f}" for each in seconds))
    assert seconds[0] < 0.6


def test_a_second_test_runs_no_kernel_and_says_the_same(copy: Project) -> None:
    results = copy.read("build/results.txt")
    run = copy.scons("-j2", "test", "device=wolfpine")
    assert not run.steps
    everything = jobs(copy.kernels())
    assert run.out == f"ttgen: {len(everything)} passed, 0 failed\n"
    assert copy.read("build/results.txt") == results


# Host programs: by themselves, in the environment that a session has.


def run_host(project: Project, arch: str, kernel: str, log: Path, *arguments: str) -> Run:
    cache = project.root / "build" / ".cache"
    env = environment(select("wolfpine", arch), arch, prepare_root(cache), cache)
    given = {k: v for k, v in env.items() if os.environ.get(k) != v and k != "PYTHONPATH"}
    host = str(project.root / "build" / arch / kernel / "host.py")
    argv, more = [sys.executable, host, *arguments], {**given, **spy(log)}
    try:
        return project.run(argv, ok=None, timeout=90.0, **more)
    except subprocess.TimeoutExpired:
        # Once in some forty runs the process did not end after its last line, for a reason that
        # is not known: neither the simulator nor the program had anything left to do.
        return project.run(argv, ok=None, timeout=90.0, **more)


def test_a_host_program_compares_integers_exactly(built: Built, tmp_path: Path) -> None:
    golden = built.project.root / "build" / "wormhole_b0" / "formats-int32" / "golden.npz"
    run = run_host(built.project, "wormhole_b0", "formats-int32", tmp_path / "log", str(golden))
    assert run.out.splitlines()[-2:] == ["Y: 0 of 12288 values differ", "passed"]
    values = dict(np.load(golden))
    values["out_Y"][0, 0, 0, 0] += 1
    np.savez(tmp_path / "other.npz", **values)
    other = str(tmp_path / "other.npz")
    run = run_host(built.project, "wormhole_b0", "formats-int32", tmp_path / "log", other)
    assert "Y: 1 of 12288 values differ" in run.out
    assert run.code == 1


@pytest.mark.parametrize(
    ("arch", "kernel"),
    [("wormhole_b0", "gemm-64x96x160"), ("blackhole", "add-64x128"), ("blackhole", "gemm-sharded")],
)
def test_a_host_program_finds_the_same_figures(
    built: Built, tmp_path: Path, arch: str, kernel: str
) -> None:
    run = run_host(built.project, arch, kernel, tmp_path / "log")
    assert run.code == 0, run.text
    assert run.out.splitlines()[-1] == "passed"
    modules, _ = spied(tmp_path / "log")
    assert "ttnn" in modules
    assert not modules & {"tvm", "tvm_ffi", "ttgen", "ttgen_runtime"}
    for output in built.project.json(f"build/{arch}/{kernel}/result.json")["outputs"]:
        pcc, error = figures(run.out)[output["name"]]
        assert pcc == pytest.approx(output["pcc"], abs=2e-6)
        assert error == pytest.approx(output["relative_error"], rel=0.01)


def test_a_host_program_sees_wrong_values(built: Built, tmp_path: Path) -> None:
    folder = built.project.root / "build" / "wormhole_b0" / "gemm-32x32x32"
    values = dict(np.load(folder / "golden.npz"))
    values["out_C"] = values["out_C"] + values["in_A"]
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, **values)
    run = run_host(built.project, "wormhole_b0", "gemm-32x32x32", tmp_path / "log", str(wrong))
    assert run.code == 1, run.text
    assert run.out.splitlines()[-1] == "FAILED: results differ from the golden values"
    assert figures(run.out)["C"][1] > 0.02
