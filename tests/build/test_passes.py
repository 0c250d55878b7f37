"""The passes in C++ as SCons builds them: once, again where something changed, or not at all. (R2)

Most of the sources are left out: how they are built is of interest here, not what they do.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ttgen.build.passes import Toolchain, ffi_folder
from ttgen.native import ABOUT, LIBRARY

from .project import NO_COMPILER, TOOL, Project, make

TOOLCHAIN = Toolchain.found()
SCONSTRUCT = """
env = Environment(tools=["ttgen"])
env.TTPasses()
"""
#: What is compiled in the test, of ttgen/native/src.
SOURCES = ("base/error.cc", "base/error.h", "base/precompiled.h")
needs_compiler = pytest.mark.skipif(TOOLCHAIN is None, reason="there is no C++ compiler")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that builds the passes with a ttgen of its own, which has a few of them."""
    root = tmp_path / "project"
    code = make(tmp_path / "code", ("ttgen", "runtime"))
    own = code.root / "ttgen" / "native" / "src"
    whole = own.rename(code.root / "src")
    for name in SOURCES:
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(whole / name, own / name)
    made = make(root, TOOL, code.root)
    made.write("SConstruct", SCONSTRUCT)
    return made


def build(project: Project, *targets: str, compiler: str = "") -> list[str]:
    """What SCons says that it does."""
    assert TOOLCHAIN is not None
    run = project.scons(*targets, CXX=compiler or TOOLCHAIN.compiler)
    return [line for line in run.out.splitlines() if not line.startswith("scons:")]


@needs_compiler
def test_builds_what_changed(project: Project) -> None:
    library = project.root / "build" / "passes" / LIBRARY
    source = project.code / "ttgen" / "native" / "src" / "base" / "error.cc"
    everything = [
        "VIEWS   of TVM's nodes",
        "C++     headers",
        "C++     base",
        f"LINK    {LIBRARY}",
    ]
    assert build(project, "passes") == everything
    assert library.is_file()
    for folder in (project.code, project.root, ffi_folder()):
        assert str(folder).encode() not in library.read_bytes()
    about = library.with_suffix(ABOUT).read_text()
    assert about.startswith("TVM ")
    assert build(project, "passes") == []
    source.touch()
    assert build(project, "passes") == []
    source.write_text(source.read_text().replace('": "', '" :: "'))
    assert build(project, "passes") == everything[2:]
    assert library.with_suffix(ABOUT).read_text() != about
    header = source.with_suffix(".h")
    header.write_text(header.read_text() + "// changed\n")
    assert build(project, "passes") == everything[2:3]  # the object is the same, so the library is
    library.unlink()
    assert build(project, "passes") == everything[3:]
    build(project, "-c", "passes")
    assert not library.parent.exists()


@needs_compiler
def test_is_part_of_kernels(project: Project) -> None:
    """With a compiler; without one kernels are built all the same, by the passes in Python."""
    library = project.root / "build" / "passes" / LIBRARY
    assert build(project, "kernels", compiler=NO_COMPILER) == []
    assert not library.exists()
    assert f"LINK    {LIBRARY}" in build(project, "kernels")
    assert library.exists()


def test_says_that_there_is_no_compiler(project: Project) -> None:
    run = project.scons("passes", ok=False, CXX=NO_COMPILER)
    assert "there is no C++ compiler: g++, clang++, c++, or what $CXX names" in run.text


@needs_compiler
def test_broken_source(project: Project) -> None:
    """The compiler's message, and no library."""
    source = project.code / "ttgen" / "native" / "src" / "base" / "error.cc"
    source.write_text("\nint broken(\n")
    assert TOOLCHAIN is not None
    run = project.scons("passes", ok=False, CXX=TOOLCHAIN.compiler)
    assert "base/error.cc:2" in run.text
    assert "error: expected" in run.text
    assert "with CXX=no, kernels are planned by the passes in Python" in run.text
    assert not (project.root / "build" / "passes" / LIBRARY).exists()


@needs_compiler
def test_another_tvm(project: Project) -> None:
    """Nothing is compiled for a TVM whose nodes the passes do not know."""
    generate = project.code / "ttgen" / "native" / "generate.py"
    generate.write_text(
        generate.read_text().replace("there = version(name)", 'there = "0.99" + name[:0]')
    )
    assert TOOLCHAIN is not None
    run = project.scons("passes", ok=False, CXX=TOOLCHAIN.compiler)
    assert (
        "the passes in C++ read the nodes of apache-tvm 0.27.0.post1; 0.99 is installed" in run.text
    )
