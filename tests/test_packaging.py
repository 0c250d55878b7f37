"""What is in the wheel, and whether the lock is what pyproject.toml asks for."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ttgen

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]

# Where each folder of the project lies in the wheel, and which of its files belong there.
SHIPPED = {
    "ttgen": "ttgen",
    "runtime/ttgen_runtime": "ttgen_runtime",
    "templates": "ttgen/templates",
    "site_scons/site_tools": "ttgen/site_tools",
}


def project_file() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


# --- The wheel -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> dict[str, bytes]:
    """The wheel's files by path."""
    assert wheel_file.name == f"ttgen-{ttgen.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel_file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def committed(folder: str) -> list[Path]:
    """The files of a folder that a build may ship, relative to the folder."""
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path.relative_to(ROOT / folder) for path in files if "__pycache__" not in path.parts]


@pytest.mark.parametrize("folder", SHIPPED)
def test_every_file_is_in_the_wheel(wheel: dict[str, bytes], folder: str) -> None:
    files = committed(folder)
    assert files
    for path in files:
        assert wheel[f"{SHIPPED[folder]}/{path.as_posix()}"] == (ROOT / folder / path).read_bytes()


def test_nothing_else_is_in_the_wheel(wheel: dict[str, bytes]) -> None:
    expected = {
        f"{target}/{path.as_posix()}"
        for folder, target in SHIPPED.items()
        for path in committed(folder)
    }
    info = f"ttgen-{ttgen.__version__}.dist-info/"
    assert {name for name in wheel if not name.startswith(info)} == expected


@pytest.mark.parametrize(
    "name",
    [
        "ttgen/py.typed",
        "ttgen/plan/tt.plan.schema.json",
        "ttgen/templates/compute.cpp.j2",
        "ttgen_runtime/py.typed",
        "ttgen_runtime/__init__.py",
        "ttgen/site_tools/ttgen/__init__.py",
    ],
)
def test_what_others_rely_on_is_where_they_look(wheel: dict[str, bytes], name: str) -> None:
    assert name in wheel


def test_wheel_names_no_path_of_this_machine(wheel: dict[str, bytes]) -> None:
    paths = {str(ROOT), str(Path.home()), sys.prefix} - {"/", "/usr", "/usr/local"}
    for name, content in wheel.items():
        for path in paths:
            assert f"{path}/".encode() not in content, name


def test_command_is_declared_and_there(wheel: dict[str, bytes]) -> None:
    entry_points = wheel[f"ttgen-{ttgen.__version__}.dist-info/entry_points.txt"].decode()
    assert "ttgen = ttgen.cli:main" in entry_points
    assert importlib.util.find_spec("ttgen.cli")


# --- The lock ------------------------------------------------------------------------------------


def lock_entries() -> list[tuple[Requirement, list[str]]]:
    """Each entry of the lock: the pin with its marker, and the hashes."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / "requirements.lock").read_text(), flags=re.M)
    entries = text.replace("\\\n", " ").splitlines()
    split = [re.split(r"\s+--hash=", entry.strip()) for entry in entries]
    return [(Requirement(pin), hashes) for pin, *hashes in split]


def pins(python: str) -> dict[str, str]:
    """Package to version, for this CPython on x86-64 Linux."""
    environment = {
        "implementation_name": "cpython",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "python_full_version": f"{python}.1",
        "python_version": python,
        "sys_platform": "linux",
    }
    chosen: dict[str, str] = {}
    for pin, _ in lock_entries():
        if pin.marker is None or pin.marker.evaluate(environment):
            name = canonicalize_name(pin.name)
            assert name not in chosen, f"two versions of {name}"
            [specifier] = pin.specifier
            assert specifier.operator == "=="
            chosen[name] = specifier.version
    return chosen


def test_every_entry_has_hashes_and_none_names_a_host() -> None:
    for pin, hashes in lock_entries():
        assert hashes, pin.name
        assert pin.url is None
        for digest in hashes:
            assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
    assert "://" not in (ROOT / "requirements.lock").read_text()


@pytest.mark.parametrize("python", ["3.10", "3.12"])
def test_lock_satisfies_the_project(python: str) -> None:
    """A change of pyproject.toml needs a new lock: the command for it is the lock's first line."""
    declared = project_file()
    wanted = [
        *declared["project"]["dependencies"],
        *(
            text
            for extra in declared["project"]["optional-dependencies"].values()
            for text in extra
        ),
        *declared["dependency-groups"]["build"],
        *declared["build-system"]["requires"],
    ]
    locked = pins(python)
    for text in wanted:
        requirement = Requirement(text)
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"the lock lacks {requirement.name}"
        assert requirement.specifier.contains(version), f"the lock has {requirement.name} {version}"


def test_installed_packages_fit_together() -> None:
    """As pip sees it: nothing that a package asks for is missing or of another version."""
    check = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout
