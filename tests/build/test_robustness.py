"""Builds that are killed, that cannot write, and that run side by side in one folder."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .project import TOOL, Project, make
from .test_bad_input import KERNEL

KERNELS = {"plus": "A[i, j] + B[i, j]", "minus": "A[i, j] - B[i, j]", "times": "A[i, j] * B[i, j]"}
SCONSTRUCT = """\
chosen = {"TT_KERNEL": ARGUMENTS.get("kernel", "*"), "TT_ARCH": ARGUMENTS.get("arch", "")}
env = Environment(tools=["ttgen"], **chosen)
env.TTKernels("kernels")
"""
LABELS = sorted(f"{arch}/{name}" for arch in ("blackhole", "wormhole_b0") for name in KERNELS)


def new_project(root: Path) -> Project:
    project = make(root, TOOL, Path(__file__).parents[2])
    project.write("SConstruct", SCONSTRUCT)
    for name, value in KERNELS.items():
        project.write(f"kernels/{name}.py", KERNEL.format(name=name, value=value))
    return project


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a build makes that nothing happens to."""
    project = new_project(tmp_path_factory.mktemp("clean") / "project")
    project.scons("-j2", "sources")
    return built(project)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "project")


def built(project: Project) -> dict[str, str]:
    return project.contents("build")


def test_killed_at_any_point_the_next_build_is_complete(
    project: Project, clean: dict[str, str]
) -> None:
    """Also where what is left is half a file, or an output that SCons knows nothing of."""
    whims = random.Random(7)
    start = time.monotonic()
    project.scons("-j2", "sources", "kernel=plus")
    whole = time.monotonic() - start
    for _ in range(5):
        shutil.rmtree(project.root / "build" / whims.choice(["blackhole", "wormhole_b0"]))
        scons = project.start("-j2", "sources")
        time.sleep(whims.uniform(0.1, whole + 0.5))
        scons.kill()
        scons.communicate()
    project.write("build/blackhole/plus/.reader.cpp.k1ll3d", "half of")
    (project.root / "build/blackhole/plus/reader.cpp").unlink(missing_ok=True)
    project.scons("-j2", "sources")
    assert built(project) == clean
    assert project.scons("-j2", "sources").steps == {}


def test_two_builds_at_once(project: Project, clean: dict[str, str]) -> None:
    """One of them builds; the other does too, or says at once why it does not."""
    runs = [project.start("-j2", "sources") for _ in range(2)]
    done = [(run.communicate(timeout=300)[0], run.returncode) for run in runs]
    assert 0 in [code for _, code in done], done
    for out, code in done:
        assert code in (0, 2), out
        if code:
            assert "is at work in build/; wait for its end, or build into another folder" in out
            assert "RENDER" not in out
    assert built(project) == clean
    assert project.scons("-j2", "sources").steps == {}


def test_a_file_that_grows_too_large(project: Project, clean: dict[str, str]) -> None:
    """As a full disk does, a limit on the size of files breaks off a write in the middle."""
    argv = [sys.executable, "-m", "SCons", "-Q", "sources", "kernel=plus", "arch=blackhole"]
    run = subprocess.run(
        argv,
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.splitlines()[-2:] == [
        (
            "ttgen: failed: PLAN blackhole/plus: cannot write build/blackhole/plus/tt.plan.json: "
            "File too large"
        ),
        "  raise the limit on the size of files (ulimit -f), then build again",
    ]
    assert not list((project.root / "build" / "blackhole").rglob("*.*"))
    project.scons("-j2", "sources")
    assert built(project) == clean


def test_a_full_disk(project: Project) -> None:
    """A file system of 32 KiB, where one can be made."""
    build = project.root / "build"
    build.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(build)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("making a small file system needs root's rights")
    try:
        run = project.scons("sources", ok=False)
        assert run.code == 2
        assert ": No space left on device\n  free some space on that disk" in run.err
        assert "Traceback" not in run.text
    finally:
        subprocess.run(["umount", str(build)], check=True)
    project.scons("-j2", "sources")
    assert (
        sorted(f"{p.parent.parent.name}/{p.parent.name}" for p in build.rglob("tt.plan.json"))
        == LABELS
    )


def test_an_output_folder_that_cannot_be_written_to(project: Project) -> None:
    """A file in the folder's place: rights would not keep root out."""
    for place in ("build/blackhole", "build"):
        shutil.rmtree(project.root / "build", ignore_errors=True)
        project.write(place, "A file.\n")
        run = project.scons("sources", ok=False)
        wanted = f"{place} is a file, and kernels are to be built there: move it"
        assert wanted in run.err
        assert (project.root / place).read_text() == "A file.\n"


def test_a_file_in_the_place_of_a_kernels_folder(project: Project) -> None:
    (project.root / "build/blackhole").mkdir(parents=True)
    project.write("build/blackhole/plus", "A file.\n")
    run = project.scons("sources", "-k", "kernel=plus", ok=False)
    assert "build/blackhole/plus" in run.err
    assert "is a file, and kernels are to be built there: move it" in run.err


def test_a_lock_that_a_killed_build_has_left(project: Project) -> None:
    """The lock is the process's, not the file's."""
    project.write("build/.ttgen.lock", "99999999\n")
    scons = project.start("-j2", "sources")
    time.sleep(1)
    os.kill(scons.pid, signal.SIGKILL)
    scons.communicate()
    assert set(project.scons("-j2", "sources").steps) <= {"PLAN", "RENDER"}
