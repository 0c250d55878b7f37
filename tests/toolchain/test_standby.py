"""A driver that stands by: what it does is what a new one would do, and it outlives nobody."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ttgen.toolchain import install
from ttgen.toolchain.standby import VARIABLE, Standby

from .conftest import launch

stand_in = install.find_stand_in()
pytestmark = [
    pytest.mark.skipif(stand_in is None, reason="ziglang is not installed (extra: sim)"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="its client is for x86-64"),
]
FLAGS = ("-O3", "-std=c++17", "-mcpu=tt-wh", "-MMD", "-c")


@pytest.fixture
def standby(root: Path) -> Iterator[Standby]:
    standby = Standby(root)
    assert standby.pid is not None
    yield standby
    standby.close()


def run(root: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The JIT's compiler, in ``cwd``, with this process's standby if there is one."""
    driver = {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}
    return launch(root / "runtime" / "sfpi", *arguments, cwd=cwd, **driver)


def forbid_new_drivers(root: Path) -> None:
    """Whoever calls the launcher fails from now on."""
    (root / "runtime" / "sfpi" / f"{install.COMPILER}.sh").write_text("exit 99\n")


def test_it_answers_as_a_new_driver_does(root: Path, tmp_path: Path) -> None:
    (tmp_path / "good.cc").write_text('#include "n.h"\nint value = N;\n')
    (tmp_path / "bad.cc").write_text("int value = nothing;\n")
    (tmp_path / "n.h").write_text("#define N 3\n")
    commands = (
        ["--version"],
        [*FLAGS, "good.cc", "-o", "good.o", "-MF", "good.d"],
        [*FLAGS, "bad.cc", "-o", "bad.o", "-MF", "bad.d"],
        ["-O3", "-mcpu=tt-wh", "-E", "good.cc"],
        ["-c", "good.cc", "-o", "good.o"],  # of no architecture
    )

    def outcomes() -> list[tuple[int, str, str, bytes]]:
        found = []
        for command in commands:
            done = run(root, *command, cwd=tmp_path)
            made = (tmp_path / "good.o").read_bytes() if "good.cc" in command else b""
            found.append((done.returncode, done.stdout, done.stderr, made))
        return found

    (tmp_path / "good.o").touch()
    without = outcomes()
    assert [status for status, *_ in without] == [0, 0, 1, 0, 1]
    assert "use of undeclared identifier 'nothing'" in without[2][2]
    assert "int value = 3;" in without[3][1]
    forbid_new_drivers(root)
    standby = Standby(root)
    try:
        assert outcomes() == without
    finally:
        standby.close()
    assert run(root, "--version", cwd=tmp_path).returncode == 99, "it has gone"


def test_it_works_where_the_client_is(root: Path, standby: Standby, tmp_path: Path) -> None:
    forbid_new_drivers(root)
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "k.cc").write_text(f"int value = {number};\n")
        done = run(root, *FLAGS, "k.cc", "-o", "k.o", "-MF", "k.d", cwd=folder)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "1/k.o").read_bytes() != (tmp_path / "2/k.o").read_bytes()


def test_without_it_the_client_goes_on(root: Path, standby: Standby, tmp_path: Path) -> None:
    assert stand_in is not None
    psutil.Process(standby.pid).kill()
    done = run(root, "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, stand_in.version_line + "\n")


def test_a_compiler_on_the_path_needs_no_driver(root: Path, tmp_path: Path) -> None:
    assert stand_in is not None
    folder = (root / "runtime" / "sfpi" / install.COMPILER).parent
    done = subprocess.run(
        [install.COMPILER.name, "--version"],
        env={"PATH": f"{folder}:{os.defpath}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == stand_in.version_line + "\n"


def test_more_arguments_than_it_takes(root: Path, standby: Standby, tmp_path: Path) -> None:
    (tmp_path / "k.cc").write_text("int value = N999;\n")
    many = [f"-DN{number}={number}" for number in range(990)]
    files = ["k.cc", "-o", "k.o", "-MF", "k.d"]
    done = run(root, *FLAGS, *many, "-DN999=9", *files, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_ends_with_its_process(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ttgen.toolchain.standby import Standby;"
        "print(Standby(Path(sys.argv[1])).pid, flush=True); import os; os._exit(0)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
        check=True,
    )
    try:
        psutil.Process(int(done.stdout)).wait(10)
    except psutil.NoSuchProcess:
        return


def test_sfpi_needs_none(tmp_path: Path) -> None:
    standby = Standby(tmp_path)
    assert standby.pid is None
    assert VARIABLE not in os.environ
    standby.close()
