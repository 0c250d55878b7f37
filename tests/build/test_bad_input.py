"""Bad input, end to end: where, what was seen, what is wanted, and nothing half written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Built
from .project import ARCHS, TOOL, Project, Run, make, share_cache

pytestmark = pytest.mark.sim
#: What every template declares.
SDK = '{% set sdk = "0.81.1" %}\n'

KERNEL = """\
from tvm.script import tirx as T


def {name}(M: int = 64, N: int = 64):
    @T.prim_func
    def {name}(
        A: T.Buffer((M, N), "bfloat16"),
        B: T.Buffer((M, N), "bfloat16"),
        C: T.Buffer((M, N), "bfloat16"),
    ):
        for i, j in T.grid(M, N):
            C[i, j] = {value}

    return {name}
"""
SUM = "A[i, j] + B[i, j]"
SCONSTRUCT = """\
DefaultEnvironment(tools=[])
env = Environment(tools=["ttgen"], TT_TEMPLATES=["mine"])
env.TTKernels("kernels")
Default("kernels")
"""


@pytest.fixture
def project(built: Built, cache: Path, tmp_path: Path) -> Project:
    """A project with one good kernel, ``good``; nothing is built yet."""
    project = make(tmp_path / "project", TOOL, built.project.code)
    share_cache(project, cache)
    project.write("SConstruct", SCONSTRUCT)
    project.write("kernels/good.py", KERNEL.format(name="good", value=SUM))
    return project


def refused(run: Run, place: str, *wanted: str) -> None:
    """The run failed with ``place`` (a pattern) before a message that says what is wanted."""
    assert run.code != 0
    line = next((line for line in run.err.splitlines() if re.search(place, line)), None)
    assert line is not None, run.text
    for text in wanted:
        assert text in run.err
    assert "Traceback" not in run.text


def leftovers(project: Project, kernel: str) -> list[str]:
    folders = [project.root / "build" / arch / kernel for arch in ARCHS]
    return sorted(str(file) for folder in folders for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("spec", "place", "wanted"),
    [
        ("fidelty: HiFi2\n", r"kernels/good\.yaml:1:1: ", "did you mean 'fidelity'?"),
        ("variants:\n  a:\n    gird: [1, 1]\n", r"good\.yaml:3:5: ", "did you mean 'grid'?"),
        ("arch: [gpu]\n", r"good\.yaml:1:8: ", "known: blackhole, wormhole_b0"),
        ("grid: [2, 2\n", r"good\.yaml:2:1: ", "not valid YAML"),
        ("fidelity: High\n", r"good\.yaml:1:1: ", "one of: LoFi, HiFi2, HiFi3, HiFi4"),
    ],
)
def test_a_bad_spec_stops_the_build_before_it_starts(
    project: Project, spec: str, place: str, wanted: str
) -> None:
    project.write("kernels/good.yaml", spec)
    refused(project.scons(ok=False), place, wanted)
    assert leftovers(project, "*") == []


#: Kernels that cannot be lowered: their place, and what the message says is wanted.
REFUSED = {
    "rounded": (r"kernels/rounded\.py:12:\d+: ", ("the nearest that has one is floor",)),
    "mirror": (
        r"kernels/mirror\.py:12:\d+: ",
        ("takes steps of -1 along dimension j", "all but the last two"),
    ),
    "wide": (r"kernels/wide\.py:\d+", ("9x9", "8 columns", "9 rows")),
    "typo": (r"kernels/typo\.py:\d+", ("parameter 'K'", "M, N")),
    "broken": (r"kernels/broken\.py:1:\d+: ", ("not valid Python",)),
    "absent": (r"kernels/absent\.py:1: ", ("no_such_module",)),
}


def test_kernels_that_cannot_be_planned_are_refused_and_others_built(project: Project) -> None:
    def kernel(name: str, value: str = SUM) -> None:
        project.write(f"kernels/{name}.py", KERNEL.format(name=name, value=value))

    kernel("rounded", "T.round(A[i, j])")
    kernel("mirror", "A[i, N - 1 - j]")
    kernel("wide")
    project.write("kernels/wide.yaml", "grid: [9, 9]\narch: [wormhole_b0]\n")
    kernel("typo")
    project.write("kernels/typo.yaml", "parameters: {K: 32}\n")
    project.write("kernels/broken.py", "def broken(:\n")
    project.write("kernels/absent.py", "import no_such_module\n")
    run = project.scons("-k", "-j2", "sources", ok=False)
    for name, (place, wanted) in REFUSED.items():
        refused(run, place, *wanted)
        assert leftovers(project, name) == [], name
    assert run.steps["RENDER"] == [f"{arch}/good" for arch in sorted(ARCHS)]
    for name in REFUSED:
        assert f"ttgen: failed: PLAN wormhole_b0/{name}: " in run.err


@pytest.mark.parametrize(
    ("name", "text", "place", "wanted"),
    [
        ("ops/add_tiles", "{% macro add_tiles(", r"mine/ops/add_tiles\.j2:1: ", "unexpected"),
        (
            "ops/add_tiles",
            SDK
            + "{% macro add_tiles(in0, in1, tile0, tile1, dst) %}\n{{ in0.nme }}\n{% endmacro %}\n",
            r"mine/ops/add_tiles\.j2:3: ",
            "has no attribute 'nme'",
        ),
        ("ops/add_tiles", SDK + "{% set x = 1 %}", r"add_tiles\.j2: ", "no macro 'add_tiles'"),
        ("ops/add_tiles", "{% include one %}", r"add_tiles\.j2:1: ", "write the name as a string"),
        ("compute.cpp", '{% set sdk = "0.1" %}', r"compute\.cpp\.j2:1: ", "for tt-metal 0.1"),
        ("compute.cpp", "int x;", r"compute\.cpp\.j2:1: ", "{% set sdk ="),
        (
            "host.py",
            SDK + '{% extends "ttgen/no.j2" %}',
            r"py\.j2:2: ",
            "no template 'ttgen/no.j2'",
        ),
    ],
)
def test_a_broken_template(project: Project, name: str, text: str, place: str, wanted: str) -> None:
    template = project.write(f"mine/{name}.j2", text)
    run = project.scons("sources", "-j2", ok=False)
    refused(run, place, wanted)
    plans = [str(project.root / f"build/{arch}/good/tt.plan.json") for arch in sorted(ARCHS)]
    assert set(leftovers(project, "good")) <= set(plans), "no file but the plan"
    refused(project.scons("sources", ok=False), place, wanted)
    template.unlink()
    project.scons("sources", "-j2")


@pytest.mark.parametrize(
    ("old", "new", "place", "wanted"),
    [
        ('"arch": "wormhole_b0"', '"arch": "gpu"', r":2:3: arch: ", "is not an architecture"),
        ('"version": 1', '"version": 1, "extra": 2', r":\d+:\d+: ", "extra"),
        ('"used_bytes"', '"used_bites"', r":\d+:\d+: ", "used_bites"),
        ('"arch": ', '"arch" ', r":2:10: not JSON", "expected"),
    ],
)
def test_a_plan_that_was_edited_into_nonsense(
    project: Project, old: str, new: str, place: str, wanted: str
) -> None:
    """SCons does not make a file anew because it was changed; a removed one it does."""
    project.write("kernels/good.yaml", "arch: [wormhole_b0]\n")
    project.scons("sources")
    project.edit("build/wormhole_b0/good/tt.plan.json", old, new)
    run = project.scons("sources", ok=False)
    assert run.steps == {"RENDER": ["wormhole_b0/good"]}
    refused(run, rf"/build/wormhole_b0/good/tt\.plan\.json{place}", wanted)
    plan = project.root / "build/wormhole_b0/good/tt.plan.json"
    assert leftovers(project, "good") == [str(plan)]
    plan.unlink()
    assert project.scons("sources").steps == {v: ["wormhole_b0/good"] for v in ("PLAN", "RENDER")}


def test_without_the_extra_kernels_are_planned_and_rendered_only(project: Project) -> None:
    """A stand-in: the extra's packages are hidden from Python, not uninstalled."""
    project.write("kernels/good.yaml", "arch: [wormhole_b0]\n")
    hide = str(Path(__file__).parent / "block")
    project.scons("sources", PYTHONPATH=hide)
    run = project.scons("kernels", ok=False, PYTHONPATH=hide)
    assert run.steps == {"COMPILE": ["wormhole_b0/good"]}
    assert "the tt-metal SDK (Python package ttnn) is not installed" in run.err
    assert "pip install 'ttgen[sim]'" in run.err
    assert not list((project.root / "build/wormhole_b0/good").glob("elf/*"))
    run = project.scons("test", ok=False, PYTHONPATH=hide)
    assert "no device to run on for wormhole_b0" in run.err
    assert "pip install 'ttgen[sim]'" in run.err
    assert not list((project.root / "build/wormhole_b0/good").glob("result*"))
