"""What this machine has of what ttgen needs, what is missing, and how to get it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from ttgen import __version__
from ttgen.arch import ARCHITECTURES
from ttgen.errors import TTError
from ttgen.native import is_current, library_path
from ttgen.sdk import require_sdk
from ttgen.toolchain import describe


@dataclass(frozen=True)
class Finding:
    """One thing: there or not, what was seen, and how to get it where it is missing."""

    name: str
    there: bool
    seen: str
    get: str = ""
    needed: bool = True

    def __str__(self) -> str:
        sign = "ok" if self.there else ("MISSING" if self.needed else "none")
        advice = f"\n{'':<26}{self.get}" if self.get and not self.there else ""
        return f"{sign:<9}{self.name:<17}{self.seen}{advice}"


def report() -> tuple[str, bool]:
    """The findings as text, and whether kernels can be planned, compiled and run here."""
    findings = [finding for check in _CHECKS for finding in check()]
    healthy = all(finding.there for finding in findings if finding.needed)
    verdict = "everything that is needed is there" if healthy else "something needed is missing"
    return "\n".join([f"ttgen {__version__}", *map(str, findings), verdict]), healthy


def _python() -> Iterator[Finding]:
    fits = sys.version_info[:2] in ((3, 10), (3, 12))
    seen = f"{platform.python_implementation()} {platform.python_version()}"
    yield Finding("Python", fits, seen, "the SDK has wheels for CPython 3.10 and 3.12 only")


def _packages() -> Iterator[Finding]:
    for name, distribution, get in (
        ("TVM", "apache-tvm", "pip install ttgen"),
        ("TVM's FFI", "apache-tvm-ffi", "pip install ttgen"),
        ("SCons", "scons", "pip install ttgen"),
    ):
        seen = _version(distribution)
        yield Finding(name, bool(seen), seen or f"{distribution} is not installed", get)


def _version(distribution: str) -> str:
    """The release that is installed; nothing where none is."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _sdk() -> Iterator[Finding]:
    try:
        yield Finding("tt-metal SDK", True, f"ttnn {require_sdk().version}")
    except TTError as error:
        yield Finding("tt-metal SDK", False, error.message, error.hint or "")


def _compiler() -> Iterator[Finding]:
    try:
        yield Finding("compiler", True, describe())
    except TTError as error:
        yield Finding("compiler", False, error.message, error.hint or "")


def _passes() -> Iterator[Finding]:
    releases = [_version("apache-tvm"), _version("apache-tvm-ffi")]
    there = is_current(*releases)
    seen = str(library_path()) if there else "passes run in Python, with the same results"
    yield Finding("passes in C++", there, seen, "./scons passes", needed=False)


def _devices() -> Iterator[Finding]:
    """Every device by itself, none of which is needed, and whether there is any."""
    from ttgen_runtime.devices import DEVICES, select

    runnable = False
    for name, device in DEVICES.items():
        for arch in ARCHITECTURES if device.runs and device.needs_sdk else ():
            try:
                select(name, arch)
                runnable = True
                yield Finding(name, True, f"runs kernels for {arch}", needed=False)
            except TTError as error:
                why = error.message.rpartition(": ")[2]
                yield Finding(name, False, f"{arch}: {why}", error.hint or "", needed=False)
    if not runnable:
        yield Finding("a device", False, "no hardware and no simulator", "pip install 'ttgen[sim]'")


_CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _packages,
    _sdk,
    _compiler,
    _passes,
    _devices,
)
