"""Templates in a build: what is rendered again after each edit of them, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .project import REPOSITORY, TOOL, Project, make

#: Two environments with folders of templates of their own, and a kernel with one of its spec.
SCONSTRUCT = """\
DefaultEnvironment(tools=[])
lines = ARGUMENTS.get("lines", "generated")
env = Environment(tools=["ttgen"], TT_ARCH="wormhole_b0", TT_TEMPLATES=["ours"], TT_LINES=lines)
env.TTKernel("plain", "kernels/copy.py", spec="specs/plain.yaml")
env.TTKernel("special", "kernels/copy.py", spec="specs/special.yaml", templates=["target"])
"""
KERNEL = """\
from tvm.script import tirx as T


@T.prim_func
def copy(A: T.Buffer((32, 32), "bfloat16"), C: T.Buffer((32, 32), "bfloat16")):
    for i, j in T.grid(32, 32):
        C[i, j] = A[i, j]
"""
SDK = '{% set sdk = "0.81.1" %}\n'
BOTH = {"RENDER": ["wormhole_b0/plain", "wormhole_b0/special"]}
SPECIAL = {"RENDER": ["wormhole_b0/special"]}
NOTHING: dict[str, list[str]] = {}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make(tmp_path / "project", TOOL, REPOSITORY)
    project.write("SConstruct", SCONSTRUCT)
    project.write("kernels/copy.py", KERNEL)
    project.write("specs/plain.yaml", "arch: [wormhole_b0]\n")
    project.write("specs/special.yaml", "arch: [wormhole_b0]\ntemplates: [mine]\n")
    return project


def layer(name: str) -> str:
    return (
        f'{SDK}{{% extends "below/writer.cpp.j2" %}}{{% block preamble %}}// {name}\n'
        "{{ super() }}{% endblock %}\n"
    )


def head(project: Project, kernel: str) -> list[str]:
    """The comments before the first line of the built-in template."""
    text = project.read(f"build/wormhole_b0/{kernel}/writer.cpp")
    return text.partition(f"// {kernel}: the writer")[0].splitlines()


def test_layers_of_spec_target_and_environment(project: Project) -> None:
    """Each may extend the next; each edit renders what it is for and nothing else."""
    project.scons("sources")
    for folder, steps in (("ours", BOTH), ("target", SPECIAL), ("specs/mine", SPECIAL)):
        project.write(f"{folder}/writer.cpp.j2", layer(folder))
        assert project.scons("sources").steps == steps
        assert project.scons("sources").steps == NOTHING
    assert head(project, "plain") == ["// ours"]
    assert head(project, "special") == ["// specs/mine", "// target", "// ours"]
    (project.root / "target" / "writer.cpp.j2").unlink()
    assert project.scons("sources").steps == SPECIAL
    assert head(project, "special") == ["// specs/mine", "// ours"]


def test_filters_and_what_they_import_are_dependencies(project: Project) -> None:
    project.write("ours/writer.cpp.j2", layer("{{ 1 | named }}"))
    project.write("ours/filters.py", "from words import word\nFILTERS = {'named': word}\n")
    project.write("words.py", "def word(n):\n    return f'word {n}'\n")
    project.scons("sources")
    assert head(project, "plain") == ["// word 1"]
    project.edit("words.py", "word {n}", "number {n}")
    assert project.scons("sources").steps == BOTH
    assert head(project, "special") == ["// number 1"]
    (project.root / "words.py").touch()
    assert project.scons("sources").steps == NOTHING
    project.write("target/filters.py", "FILTERS = {'named': lambda n: 'upper'}\n")
    assert project.scons("sources").steps == SPECIAL
    assert (head(project, "plain"), head(project, "special")) == (["// number 1"], ["// upper"])
    project.edit("words.py", "return", "return 1 / 0 #")
    run = project.scons("sources", ok=False)
    assert (
        "words.py:2: ZeroDivisionError: division by zero\n  used by ours/writer.cpp.j2:2" in run.err
    )
    project.edit("words.py", "return 1 / 0 #", "return")
    project.scons("sources")
    assert head(project, "plain") == ["// number 1"]


def test_lines_are_what_rendering_depends_on(project: Project) -> None:
    project.scons("sources")
    plain = project.contents("build/wormhole_b0")
    assert project.scons("sources", "lines=source").steps == BOTH
    assert '\n#line 7 "kernels/copy.py"\n' in project.read("build/wormhole_b0/plain/compute.cpp")
    assert project.scons("sources", "lines=source").steps == NOTHING
    assert project.scons("sources").steps == BOTH
    assert project.contents("build/wormhole_b0") == plain
    run = project.scons("sources", "lines=kernel", ok=False)
    assert "TT_LINES is 'kernel', and must be one of: generated, source" in run.text
