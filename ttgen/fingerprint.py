"""Which version of ttgen's own code a step depends on, by content."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ttgen.errors import SdkError

_PACKAGE = Path(__file__).parent

#: The parts of the package that decide what each step makes, relative to it.
STEPS: dict[str, tuple[str, ...]] = {
    "plan": (
        "analysis",
        "arch.py",
        "formats.py",
        "frontend",
        "layouts.py",
        "ops.py",
        "partition.py",
        "passes",
        "plan",
        "planner.py",
        "sdk.py",
        "spec.py",
        "vector.py",
    ),
    "golden": ("frontend", "golden.py", "planner.py"),
    "render": (
        "formats.py",
        "frontend/imports.py",
        "frontend/source.py",
        "ops.py",
        "plan/model.py",
        "plan/shards.py",
        "render",
        "vector.py",
    ),
}
#: The distributions whose release decides what a step makes.
_DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "plan": ("apache-tvm", "apache-tvm-ffi"),
    "golden": ("apache-tvm", "apache-tvm-ffi", "numpy"),
    "render": ("jinja2",),
}


@cache
def fingerprint(step: str) -> str:
    """A hash of the code and the releases that ``step`` (a key of :data:`STEPS`) depends on."""
    digest = hashlib.sha256()
    for part in STEPS[step]:
        _add(digest, _PACKAGE / part, _PACKAGE)
    for name in _DISTRIBUTIONS[step]:
        digest.update(f"{name} {_release(name)}\n".encode())
    return digest.hexdigest()[:16]


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


def _release(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


@cache
def sdk_fingerprint() -> str:
    """The SDK, its compiler, the simulator and the run time: what ELFs and results depend on."""
    from ttgen.sdk import choose_toolchain, find_sdk

    sdk = find_sdk()
    try:
        sfpi, stand_in = choose_toolchain()
        compiler = str(stand_in.version_line if stand_in else sfpi)
    except SdkError as error:
        compiler = error.message
    releases = [sdk.version if sdk else "no ttnn", compiler, _release("wolfpine")]
    runtime = find_spec("ttgen_runtime")
    assert runtime is not None
    assert runtime.origin is not None
    return " ".join([*releases, tree_fingerprint(Path(runtime.origin).parent)])
