"""Projects of other shapes: folders, environments, generated kernels, dependencies of one's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .project import TOOL, Project, make, share_cache
from .test_bad_input import KERNEL, SUM

SOURCES = ("reader.cpp", "compute.cpp", "writer.cpp", "host.py", "host.cpp")
WORMHOLE = 'tools=["ttgen"], TT_ARCH="wormhole_b0", TT_KERNEL=ARGUMENTS.get("kernel", "*")'
BOTH = {"PLAN", "RENDER"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The tool, and a kernel ``plus``."""
    project = make(tmp_path / "project", TOOL, Path(__file__).parents[2])
    project.write("kernels/plus.py", KERNEL.format(name="plus", value=SUM))
    return project


def test_a_hierarchy_with_a_variant_folder(project: Project) -> None:
    """Sources are read where they lie, with what they import; outputs go to the variant folder."""
    project.write("src/kernels/_sizes.py", "ROWS = 96\n")
    text = KERNEL.format(name="plus", value=SUM).replace("M: int = 64", "M: int = ROWS")
    project.write("src/kernels/plus.py", f"from _sizes import ROWS\n{text}")
    project.write("src/kernels/plus.yaml", "variants: {a: {}, b: {grid: [1, 1]}}\n")
    project.write("src/SConscript", 'Import("env")\nenv.TTKernels("kernels")\n')
    project.write(
        "SConstruct",
        f"env = Environment({WORMHOLE})\n"
        'SConscript("src/SConscript", variant_dir="out/one", exports="env", duplicate=0)\n'
        'SConscript("src/SConscript", variant_dir="out/two", exports="env")\n'
        'SConscript("src/SConscript", exports="env")\n',
    )
    labels = ["wormhole_b0/plus-a", "wormhole_b0/plus-b"]
    run = project.scons("sources")
    assert run.steps == {verb: sorted(labels * 3) for verb in BOTH}
    plans = [
        (project.root / folder / "build" / label / "tt.plan.json").read_bytes()
        for folder in ("out/one", "out/two", "src")
        for label in labels
    ]
    assert plans[0:2] == plans[2:4] == plans[4:6]
    assert b'"src/kernels/plus.py"' in plans[0]
    assert project.scons("sources").out == "scons: `sources' is up to date.\n"
    project.write("src/kernels/_sizes.py", "ROWS = 32\n")
    assert project.scons("sources").steps == {verb: sorted(labels * 3) for verb in BOTH}


def test_two_architectures_and_two_sets_of_templates(project: Project) -> None:
    """Each environment has a build folder of its own, and both are one build."""
    text = (project.code / "templates/ops/add_tiles.j2").read_text()
    project.write("fancy/ops/add_tiles.j2", text.replace("{% endmacro", "// fancy\n{% endmacro"))
    project.write(
        "SConstruct",
        'plain = Environment(tools=["ttgen"], TT_ARCH="wormhole_b0")\n'
        'fancy = Environment(tools=["ttgen"], TT_ARCH="blackhole", TT_TEMPLATES=["fancy"])\n'
        'other = plain.Clone(TT_BUILD="other", TT_TEMPLATES=["fancy"])\n'
        "for env in (plain, fancy, other):\n"
        '    env.TTKernels("kernels")\n',
    )
    run = project.scons("sources")
    assert run.steps["RENDER"] == ["blackhole/plus", "wormhole_b0/plus", "wormhole_b0/plus"]
    fancy = {
        folder: "// fancy" in project.read(f"{folder}/plus/compute.cpp")
        for folder in ("build/wormhole_b0", "build/blackhole", "other/wormhole_b0")
    }
    assert list(fancy.values()) == [False, True, True]
    project.edit("fancy/ops/add_tiles.j2", "// fancy", "// fancier")
    assert project.scons("sources").steps == {"RENDER": ["blackhole/plus", "wormhole_b0/plus"]}


def test_two_kernels_in_one_folder_are_refused(project: Project) -> None:
    project.write("more/plus.py", KERNEL.format(name="plus", value=SUM))
    project.write(
        "SConstruct",
        f"env = Environment({WORMHOLE})\n"
        'env.TTKernels("kernels")\n'
        'env.Clone(TT_TEMPLATES=["mine"]).TTKernel("plus", "more/plus.py")\n',
    )
    run = project.scons("sources", ok=False)
    assert (
        "two kernels are built into build/wormhole_b0/plus/: from kernels/plus.py and from "
        "more/plus.py; give one of them another name, or its environment another TT_BUILD"
    ) in run.text
    assert not (project.root / "build").exists()


def test_a_kernel_that_the_build_makes(project: Project) -> None:
    """A source, and a module that a source imports, from builders of the user's."""
    project.write("plus.in", project.read("kernels/plus.py"))
    project.write("sizes.in", "ROWS = 64\n")
    text = KERNEL.format(name="twice", value=SUM).replace("M: int = 64", "M: int = ROWS")
    project.write("kernels/twice.py", f"from _made import ROWS\n{text}")
    project.write(
        "SConstruct",
        f"env = Environment({WORMHOLE})\n"
        'made = env.Command("gen/made.py", "plus.in", Copy("$TARGET", "$SOURCE"))\n'
        'env.Command("kernels/_made.py", "sizes.in", Copy("$TARGET", "$SOURCE"))\n'
        'env.TTKernel("made", made)\n'
        'env.TTKernel("twice", "kernels/twice.py")\n',
    )
    made, twice = "wormhole_b0/made", "wormhole_b0/twice"
    assert project.scons("sources").steps == {verb: [made, twice] for verb in BOTH}
    for _ in range(2):  # the second time, some of it is known from the first
        assert project.scons("sources").out == "scons: `sources' is up to date.\n"
    project.edit("plus.in", "A[i, j] + B", "A[i, j] - B")
    assert project.scons("sources").steps == {verb: [made] for verb in BOTH}
    project.edit("sizes.in", "64", "32")
    assert project.scons("sources").steps == {verb: [twice] for verb in BOTH}
    assert project.scons("sources").out == "scons: `sources' is up to date.\n"


@pytest.mark.parametrize(
    "depends",
    [
        'env.Depends(nodes, "config.txt")',
        'env.Depends("build/wormhole_b0/plus/tt.plan.json", "config.txt")',
    ],
)
def test_a_dependency_of_the_users_own(project: Project, depends: str) -> None:
    """Also where the kernel itself is known to be fresh."""
    project.write("config.txt", "1\n")
    project.write(
        "SConstruct",
        f"env = Environment({WORMHOLE})\n"
        'env.TTKernel("plus", "kernels/plus.py")\n'
        'nodes = [f"build/wormhole_b0/plus/{n}" for n in ("tt.plan.json", "host.py")]\n'
        'if ARGUMENTS.get("more"):\n'
        f"    {depends}\n",
    )
    plus = ["wormhole_b0/plus"]
    project.scons("sources")
    for _ in range(2):
        assert project.scons("sources").out == "scons: `sources' is up to date.\n"
    assert project.scons("sources", "more=1").steps["PLAN"] == plus
    assert project.scons("sources", "more=1").steps == {}
    project.write("config.txt", "2\n")
    assert project.scons("sources", "more=1").steps["PLAN"] == plus


def test_targets_of_the_users_that_take_what_a_kernel_gives(project: Project) -> None:
    """By the nodes that TTKernel returns or by path, whether the kernel is fresh or not."""
    project.write(
        "SConstruct",
        f"env = Environment({WORMHOLE})\n"
        'elfs = env.TTKernel("plus", "kernels/plus.py")\n'
        'host = "build/wormhole_b0/plus/host.py"\n'
        'env.Alias("copies", env.Command("taken.py", host, Copy("$TARGET", "$SOURCE")))\n'
        'if ARGUMENTS.get("look"):\n'
        "    print(len(elfs), elfs[0], len(elfs[1:]), str(elfs[3:]))\n",
    )
    run = project.scons("copies")
    assert set(run.steps) == BOTH
    assert project.read("taken.py") == project.read("build/wormhole_b0/plus/host.py")
    assert project.scons("sources").out == "scons: `sources' is up to date.\n"
    folder = "build/wormhole_b0/plus/elf"
    shown = f"5 {folder}/brisc.elf 4 {folder}/trisc1.elf {folder}/trisc2.elf\n"
    for _ in range(2):
        assert project.scons("sources", "look=1").out == f"{shown}scons: `sources' is up to date.\n"
    project.edit("kernels/plus.py", "A[i, j] + B", "A[i, j] - B")
    assert set(project.scons("copies").steps) == BOTH
    assert project.read("taken.py") == project.read("build/wormhole_b0/plus/host.py")


def test_what_is_left_of_kernels_that_have_gone(project: Project) -> None:
    project.write("SConstruct", f'env = Environment({WORMHOLE})\nenv.TTKernels("kernels")\n')
    shutil.copy(project.root / "kernels/plus.py", project.root / "kernels/again.py")
    project.scons("sources")
    mine = project.write("build/wormhole_b0/again/mine.txt", "Mine.\n")
    (project.root / "kernels/again.py").unlink()
    said = "ttgen: removed build/wormhole_b0/again/: there is no such kernel any more\n"
    # Of a build of some kernels, nothing follows for the others; a dry run removes nothing.
    project.scons("sources", "kernel=plus")
    assert said in project.scons("-n", "sources").out
    assert (project.root / "build/wormhole_b0/again/tt.plan.json").exists()
    assert project.scons("sources").out == f"{said}scons: `sources' is up to date.\n"
    assert list(mine.parent.iterdir()) == [mine]
    assert said not in project.scons("sources").out


def test_a_second_clone_with_a_shared_cache_plans_nothing(project: Project, tmp_path: Path) -> None:
    """SCons' own CacheDir: everything that a step reads is in its signature, no path is."""
    project.write(
        "SConstruct",
        f'env = Environment({WORMHOLE})\nCacheDir("{tmp_path}/shared")\nenv.TTKernels("kernels")\n',
    )
    assert set(project.scons("sources").steps) == BOTH
    other = Project(tmp_path / "deeper" / "clone", project.code)
    shutil.copytree(project.root, other.root, ignore=shutil.ignore_patterns("build", ".scons*"))
    run = other.scons("sources")
    folder = "build/wormhole_b0/plus"
    retrieved = [f"Retrieved `{folder}/{name}' from cache" for name in ("tt.plan.json", *SOURCES)]
    assert sorted(run.out.splitlines()) == sorted(retrieved)
    assert not (other.root / "build" / ".cache").exists()
    for name in ("tt.plan.json", *SOURCES):
        assert other.read(f"{folder}/{name}") == project.read(f"{folder}/{name}")
    other.edit("kernels/plus.py", "A[i, j] + B", "A[i, j] - B")
    assert set(other.scons("sources").steps) == BOTH


@pytest.mark.sim
def test_nor_does_it_compile_or_run(project: Project, cache: Path, tmp_path: Path) -> None:
    """ELFs, golden values and results come from there, too; an edit is compiled and run."""
    pytest.importorskip("ttnn", reason="ttnn is not installed (extra: sim)")
    project.write(
        "SConstruct",
        f'env = Environment({WORMHOLE}, TT_DEVICE="wolfpine")\n'
        f'CacheDir("{tmp_path}/shared")\nenv.TTKernels("kernels")\n',
    )
    other = Project(tmp_path / "deeper" / "clone", project.code)
    shutil.copytree(project.root, other.root)
    share_cache(project, cache)
    everything = {"PLAN", "RENDER", "COMPILE", "GOLDEN", "RUN"}
    assert set(project.scons("kernels", "test").steps) == everything
    run = other.scons("kernels", "test")
    assert run.steps == {}
    assert "1 passed, 0 failed" in run.out
    assert not (other.root / "build" / ".cache").exists()
    assert other.contents("build") == project.contents("build")
    other.edit("kernels/plus.py", "A[i, j] + B", "A[i, j] - B")
    share_cache(other, cache)
    assert set(other.scons("kernels", "test").steps) == everything


EDITS: dict[str, tuple[Callable[[Project], object], str]] = {
    "source": (
        lambda p: p.edit("kernels/plus.py", "A[i, j] + B", "A[i, j] - B"),
        "rebuilding `build/wormhole_b0/plus/tt.plan.json' because `kernels/plus.py' changed",
    ),
    "options": (
        lambda p: p.write("kernels/plus.yaml", "grid: [1, 1]\n"),
        (
            "rebuilding `build/wormhole_b0/plus/tt.plan.json' because "
            "`options of build/wormhole_b0/plus' changed"
        ),
    ),
    "template": (
        lambda p: p.write("mine/program.j2", p.read("mine/program.j2") + "{# Mine. #}"),
        "because `mine/program.j2' changed",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_explanations(project: Project, edit: str) -> None:
    project.write(
        "SConstruct",
        f'env = Environment({WORMHOLE}, TT_TEMPLATES=["mine"])\nenv.TTKernels("kernels")\n',
    )
    shutil.copytree(project.code / "templates", project.root / "mine")
    project.scons("sources")
    change, reason = EDITS[edit]
    change(project)
    assert reason in project.scons("--debug=explain", "sources").out


def test_the_spelling_of_kernels_is_part_of_what_plans_are_made_from(project: Project) -> None:
    """The switch plans again, in either direction, and to the same plan where a kernel has one."""
    plus = {"PLAN": ["wormhole_b0/plus"]}
    project.write("SConstruct", f'env = Environment({WORMHOLE})\nenv.TTKernels("kernels")\n')
    assert project.scons("plans").steps == plus
    plan = project.read("build/wormhole_b0/plus/tt.plan.json")
    off = {"TT_USE_NEW_PIPELINE": "false"}
    assert project.scons("plans", **off).steps == plus
    assert project.scons("plans", **off).steps == {}
    assert project.read("build/wormhole_b0/plus/tt.plan.json") == plan
    refused = project.scons("plans", ok=False, TT_USE_NEW_PIPELINE="maybe")
    assert "TT_USE_NEW_PIPELINE is 'maybe'" in refused.text
    assert "Traceback" not in refused.text
    text = 'T.func_attr({"tt_tiles_per_core": [[0, 1]]})\n        for i, j in'
    project.edit("kernels/plus.py", "for i, j in", text)
    assert "write 'tt.work_partition'" in project.scons("plans", ok=False).text
