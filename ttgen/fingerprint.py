"""Which version of ttgen's own code, of packages and of the SDK a step depends on, by content."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ttgen.frontend.spelling import uses_new_pipeline

_PACKAGE = Path(__file__).parent

#: The parts of the package that decide what each step makes, relative to it.
STEPS: dict[str, tuple[str, ...]] = {
    "plan": (
        "analysis",
        "annotate.py",
        "arch.py",
        "compat",
        "formats.py",
        "frontend",
        "identity.py",
        "layouts.py",
        "native",
        "ops.py",
        "partition.py",
        "passes",
        "plan",
        "planner.py",
        "sdk.py",
        "spec.py",
        "vector.py",
    ),
    "spec": ("arch.py", "build/job.py", "layouts.py", "plan/model.py", "spec.py", "textpos.py"),
    "golden": ("compat", "frontend", "golden.py", "planner.py"),
    "render": (
        "formats.py",
        "frontend/imports.py",
        "frontend/source.py",
        "ops.py",
        "outputs.py",
        "plan/model.py",
        "plan/shards.py",
        "render",
        "vector.py",
    ),
}
#: The distributions whose release decides what a step makes.
_DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "plan": ("apache-tvm", "apache-tvm-ffi"),
    "spec": ("msgspec", "pyyaml"),
    "golden": ("apache-tvm", "apache-tvm-ffi", "numpy"),
    "render": ("jinja2",),
}
#: The steps that load kernels, whose attributes the switch decides how to read.
_LOADING = ("golden", "plan")
#: Lines of a RECORD that do not come with the distribution.
_OF_THE_INSTALLER = re.compile(r"^(\.\.|/)|\.dist-info/|\.pyc,")
#: The variables that choose among what is installed.
_CHOOSING = ("TTGEN_SFPI", "TTGEN_TOOLCHAIN", "TT_METAL_RUNTIME_ROOT")


@cache
def fingerprint(step: str) -> str:
    """A hash of the code and the releases that ``step`` (a key of :data:`STEPS`) depends on.

    Of the steps that load kernels also of the spelling that they are read in.
    """
    digest = hashlib.sha256()
    if step in _LOADING:
        digest.update(f"new pipeline: {uses_new_pipeline()}\n".encode())
    for part in STEPS[step]:
        _add(digest, _PACKAGE / part, _PACKAGE)
    for name in _DISTRIBUTIONS[step]:
        digest.update(f"{name} {_release(name)[0]}\n".encode())
    return digest.hexdigest()[:16]


def fingerprint_files(step: str) -> list[str]:
    """The files and folders that :func:`fingerprint` is made from."""
    return [*_code([_PACKAGE / part for part in STEPS[step]]), *_package_folders()]


def environment_key() -> str:
    """A hash of what decides which installed packages and compilers are used, and which spelling.

    TTError at a switch that says neither.
    """
    chosen = [os.environ.get(name, "") for name in _CHOOSING]
    chosen.append(str(uses_new_pipeline()))
    text = "\0".join([sys.executable, sys.version, *sys.path, *chosen])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tree_fingerprint(folder: Path) -> str:
    """A hash of the Python files below ``folder``."""
    digest = hashlib.sha256()
    _add(digest, folder, folder)
    return digest.hexdigest()[:16]


def _add(digest: hashlib._Hash, path: Path, root: Path) -> None:
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    for file in files:
        digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
        digest.update(file.read_bytes())


def _code(parts: list[Path]) -> list[str]:
    """The Python files of modules and packages, and the folders that more of them may appear in."""
    found: list[Path] = []
    for part in parts:
        found.append(part)
        if part.is_dir():
            below = [path for path in part.rglob("*") if "__pycache__" not in path.parts]
            found += [path for path in below if path.is_dir() or path.suffix == ".py"]
    return [str(path) for path in found]


def _package_folders() -> list[str]:
    """The folders that packages are installed into: each has a folder for every release in it."""
    return [entry for entry in sys.path if entry.rstrip("/").endswith("-packages")]


@cache
def _release(distribution: str) -> tuple[str, str]:
    """The release of a distribution, and a hash of what RECORD says of the files in its packages.

    Not of scripts, nor of what the installer adds: those differ from one environment to another.
    """
    from importlib import metadata  # most runs do without it, and it takes long

    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return "not installed", ""
    lines = (found.read_text("RECORD") or "").splitlines()
    own = sorted(line for line in lines if not _OF_THE_INSTALLER.search(line))
    return found.version, hashlib.sha256("\n".join(own).encode()).hexdigest()[:16]


@cache
def sdk_fingerprint() -> str:
    """The SDK, its compiler, the simulator and the run time: what ELFs and results depend on."""
    from ttgen.errors import SdkError
    from ttgen.sdk import choose_toolchain, find_sdk

    sdk = " ".join(_release("ttnn")) if find_sdk() else "no ttnn"
    try:
        sfpi, stand_in = choose_toolchain()
        compiler = str(stand_in.version_line if stand_in else sfpi)
    except SdkError as error:
        compiler = error.message
    releases = [sdk, compiler, _release("wolfpine")[0]]
    return " ".join([*releases, tree_fingerprint(_runtime())])


def sdk_files() -> list[str]:
    """The files and folders that :func:`sdk_fingerprint` is made from."""
    from ttgen.sdk import sfpi_places
    from ttgen.toolchain.install import COMPILER, sources

    tools = [str(place / COMPILER) for place in sfpi_places()]
    stand_in = [str(path) for path in sources()]
    return [*tools, *stand_in, *_code([_runtime()]), *_package_folders()]


def _runtime() -> Path:
    runtime = find_spec("ttgen_runtime")
    assert runtime is not None
    assert runtime.origin is not None
    return Path(runtime.origin).parent
