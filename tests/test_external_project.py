"""examples/external-project, built from an installed wheel in an environment of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "external-project"
#: Small kernels of both kinds: of a folder with a spec, and by name with templates.
KERNELS = "kernel=axpy-32x64,gemm_big"


@dataclass(frozen=True)
class Installed:
    """A clean environment with the wheel in it, and a copy of the example."""

    venv: Path
    project: Path

    def run(self, *command: str) -> str:
        """Run a command as someone does who has the environment's ``bin`` on PATH."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TT", "PYTHON", "SCONS"))
        }
        done = subprocess.run(
            command,
            cwd=self.project,
            env={**inherited, "PATH": f"{self.venv / 'bin'}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(wheel_file: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    if importlib.util.find_spec("ttnn") is None:
        pytest.skip("ttnn is not installed (extra: sim)")
    folder = tmp_path_factory.mktemp("external")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv), "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel_file)], check=True
    )
    (site,) = venv.glob("lib/python*/site-packages")
    # What ttgen depends on comes from here. A .pth file's folder is searched for packages, and not
    # for other .pth files: an editable ttgen beside them stays out of sight.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    scons = venv / "bin" / "scons"
    scons.write_text('#!/bin/sh\nexec python -m SCons "$@"\n')
    scons.chmod(0o755)
    ignored = shutil.ignore_patterns("build", ".sconsign*", "__pycache__")
    project = Path(shutil.copytree(EXAMPLE, folder / "project", ignore=ignored))
    (project / "build").mkdir()
    (project / "build" / ".cache").symlink_to(cache.resolve())
    return Installed(venv, project)


def test_the_installed_package_is_used(installed: Installed) -> None:
    said = installed.run("python", "-c", "import ttgen; print(ttgen.__file__, ttgen.toolpath())")
    (site,) = installed.venv.glob("lib/python*/site-packages")
    assert said.split() == [str(site / "ttgen/__init__.py"), str(site / "ttgen/site_tools")]


def test_everything_is_planned_and_rendered(installed: Installed) -> None:
    said = installed.run("scons", "-Q", "sources", "compiledb")
    assert "ttgen: 5 kernels: 5 planned, 5 rendered; in build/" in said
    build = installed.project / "build"
    for arch in ("wormhole_b0", "blackhole"):
        assert {p.name for p in (build / arch).iterdir()} >= {"axpy-32x64", "axpy-100x70"}
    assert not (build / "blackhole" / "gemm_big").exists()
    compute = (build / "wormhole_b0" / "gemm_big" / "compute.cpp").read_text()
    assert "// DST[0] += A[" in compute
    assert len(json.loads((build / "compile_commands.json").read_text())) == 15


@pytest.mark.sim
def test_kernels_are_built_and_right(installed: Installed) -> None:
    said = installed.run("scons", "-Q", "kernels", KERNELS, "arch=wormhole_b0")
    assert "COMPILE wormhole_b0/axpy-32x64" in said
    assert "COMPILE wormhole_b0/gemm_big" in said
    again = installed.run("scons", "-Q", "kernels", KERNELS, "arch=wormhole_b0")
    assert again == "scons: `kernels' is up to date.\n"
    small = ("kernel=axpy-32x64", "arch=wormhole_b0", "device=wolfpine")
    said = installed.run("scons", "-Q", "test", *small)
    assert "wormhole_b0 axpy-32x64: passed Z: pcc=" in said
    assert "ttgen: 1 passed, 0 failed" in said


def test_c_leaves_nothing_but_the_project(installed: Installed) -> None:
    installed.run("scons", "-Q", "-c")
    left = {
        str(path.relative_to(installed.project))
        for path in installed.project.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = {str(path.relative_to(EXAMPLE)) for path in EXAMPLE.rglob("*") if path.is_file()}
    names = {name for name in names if "__pycache__" not in name and not name.startswith("build/")}
    assert left - {".sconsign.dblite"} == names
