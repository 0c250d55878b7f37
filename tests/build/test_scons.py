"""SCons' own options, other folders, other numbers of jobs: as anyone who knows SCons expects."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .conftest import Built
from .project import (
    CHECKOUT,
    TOOL,
    Project,
    jobs,
    make,
    memory_of_children,
    share,
    share_cache,
    spied,
    spy,
)

pytestmark = pytest.mark.sim

SMALL = ("gemm-32x32x32", "sub")
SOURCES = ("reader.cpp", "compute.cpp", "writer.cpp", "host.py", "host.cpp")


def bytes_of(project: Project, kernels: list[str], names: tuple[str, ...]) -> dict[str, bytes]:
    paths = [f"{job}/{name}" for job in jobs(kernels) for name in names]
    return {path: (project.root / "build" / path).read_bytes() for path in paths}


def test_two_folders_one_job_or_two_give_the_same_bytes(
    built: Built, cache: Path, tmp_path: Path
) -> None:
    """And planning and rendering everything takes less than 1 GB, with two jobs."""
    project = make(tmp_path / "elsewhere" / "deeper", CHECKOUT, origin=built.project.root)
    share_cache(project, cache)
    with memory_of_children() as used:
        run = project.scons("-j2", "sources")
    kernels = built.project.kernels()
    assert run.steps == {"PLAN": jobs(kernels), "RENDER": jobs(kernels)}
    print(f"planning and rendering: {used['sum']:.0f} MB at the peak, {run.seconds:.1f} s")
    assert used["samples"] > 20
    assert 150 < used["sum"] < 1024, "TVM alone takes 150 MB"
    project.scons("-j1", "kernels", "kernel=" + ",".join(SMALL))
    golden = [f"build/{job}/golden.npz" for job in jobs(SMALL)]
    project.scons("-j1", *golden)

    for names, which in ((("tt.plan.json", *SOURCES), kernels), (("golden.npz",), list(SMALL))):
        ours, theirs = (bytes_of(p, which, names) for p in (built.project, project))
        assert [path for path in ours if ours[path] != theirs[path]] == []
    for text in bytes_of(project, kernels, ("tt.plan.json", *SOURCES)).values():
        assert str(tmp_path).encode() not in text
    elves = tuple(f"elf/{name}.elf" for name in ("brisc", "ncrisc", "trisc0", "trisc1", "trisc2"))
    ours, theirs = (bytes_of(p, list(SMALL), elves) for p in (built.project, project))
    assert [path for path in ours if ours[path] != theirs[path]] == []


@pytest.mark.parametrize("number", ["-j1", "-j2"])
def test_a_first_build_is_complete(built: Built, cache: Path, tmp_path: Path, number: str) -> None:
    """All dependencies are known after one build, with templates outside of the project too."""
    project = make(tmp_path / "project", (*TOOL, "kernels"), built.project.code)
    share_cache(project, cache)
    project.write(
        "SConstruct",
        'env = Environment(tools=["ttgen"], TT_ARCH="blackhole")\n'
        'env.TTKernel("c", "kernels/copy.py")\n',
    )
    for targets in ("sources", "kernels"):
        first = project.scons(number, targets)
        assert first.steps["RENDER" if targets == "sources" else "COMPILE"] == ["blackhole/c"]
        assert project.scons("-j2", targets).out == f"scons: `{targets}' is up to date.\n"
    (project.root / "build/blackhole/c/tt.plan.json").unlink()
    assert project.scons(number, "kernels").steps == {"PLAN": ["blackhole/c"]}


def test_a_dry_run_does_nothing(copy: Project, tmp_path: Path) -> None:
    shutil.rmtree(copy.root / "build")
    (copy.root / ".sconsign.dblite").unlink()
    before = copy.contents()
    run = copy.scons("-n", "-j2", "kernels", "test", **spy(tmp_path / "log"))
    kernels = sorted(p.stem for p in (copy.root / "kernels").glob("*.py"))
    planned = {job.partition("/")[2].partition("-")[0] for job in run.steps["PLAN"]}
    assert planned == set(kernels)
    assert set(run.steps) == {"PLAN", "RENDER", "COMPILE", "GOLDEN", "RUN"}
    assert spied(tmp_path / "log")[1] == []
    after = copy.contents()
    after.pop(".sconsign.dblite", None)  # SCons' own, and empty
    assert after == before
    assert not (copy.root / "build").exists()


def test_cleaning_one_kernel_leaves_the_others(copy: Project) -> None:
    before = copy.contents()
    copy.scons("-c", "kernel=sub", "arch=blackhole")
    after = copy.contents()
    gone = set(before) - set(after)
    assert {path.rpartition("build/blackhole/sub/")[0] for path in gone} == {""}
    assert not (copy.root / "build" / "blackhole" / "sub").exists()
    assert {path: before[path] for path in after if path != ".sconsign.dblite"} == {
        path: after[path] for path in after if path != ".sconsign.dblite"
    }
    run = copy.scons("-j2", "kernels")
    assert run.steps == {verb: ["blackhole/sub"] for verb in ("PLAN", "RENDER", "COMPILE")}
    rebuilt = copy.contents("build/blackhole/sub")
    assert rebuilt == {path: before[path] for path in rebuilt}


def test_cleaning_removes_what_the_build_made_and_nothing_else(copy: Project) -> None:
    (copy.root / "build" / "blackhole" / "removed-long-ago").mkdir()
    note = copy.write("build/note.txt", "Mine.\n")
    made = set(copy.contents())
    copy.scons("-n", "-c")
    assert set(copy.contents()) == made
    copy.scons("-c")
    assert [path.name for path in (copy.root / "build").iterdir()] == ["note.txt"]
    note.unlink()
    copy.scons("-c")
    assert not (copy.root / "build").exists()
    assert set(copy.contents()) >= {path for path in made if not path.startswith("build/")}
    copy.scons("-c")  # there is nothing to clean
    run = copy.scons("plans", "kernel=copy")
    assert run.steps == {"PLAN": jobs(["copy"])}


def test_another_build_folder(copy: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    copy.edit("SConstruct", 'tools=["ttgen"]', f'tools=["ttgen"], TT_BUILD="{elsewhere}"')
    before = copy.contents("build")
    run = copy.scons("sources", "kernel=sub", "arch=blackhole")
    assert run.steps == {"PLAN": ["blackhole/sub"], "RENDER": ["blackhole/sub"]}
    for name in ("tt.plan.json", *SOURCES):
        here = (copy.root / "build" / "blackhole" / "sub" / name).read_bytes()
        assert (elsewhere / "blackhole" / "sub" / name).read_bytes() == here
    assert copy.contents("build") == before
    assert copy.scons("sources", "kernel=sub", "arch=blackhole").out == (
        "scons: `sources' is up to date.\n"
    )


def test_one_verdict_for_several_environments(copy: Project, cache: Path) -> None:
    """Two build folders in one SConstruct; what fails in the first fails the run."""
    copy.write(
        "SConstruct",
        'env = Environment(tools=["ttgen"], TT_ARCH="wormhole_b0", TT_DEVICE="wolfpine")\n'
        'env.TTKernel("copy", "kernels/copy.py")\n'
        'other = env.Clone(TT_BUILD="other")\n'
        'other.TTKernel("copy", "kernels/copy.py")\n',
    )
    copy.edit("build/wormhole_b0/copy/result.json", '"status": "passed"', '"status": "failed"')
    share(copy.root / "other" / ".cache", cache)
    run = copy.scons("test", ok=False)
    assert run.steps["RUN"] == ["wormhole_b0/copy"]
    assert run.out.count("ttgen: 1 passed, 0 failed") == 1
    assert run.out.count("ttgen: 0 passed, 1 failed") == 1
