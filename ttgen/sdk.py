"""The tt-metal SDK: finding it, its compiler, and a root folder that needs no rights.

tt-metal wants one folder, TT_METAL_RUNTIME_ROOT, with headers, firmware and compiler in it. The
wheel ``ttnn`` holds all but the compiler, and site-packages is not ours to write to. So the root is
made of symbolic links into the wheel, with a ``runtime/sfpi`` of its own.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ttgen.errors import SdkError
from ttgen.toolchain.driver.store import digest
from ttgen.toolchain.install import COMPILER, StandIn, find_stand_in, release

SDK_VERSION = "0.81.1"
"""The tt-metal release that templates and toolchain are written for."""

GET_SDK = (
    "pip install 'ttgen[sim]' (ttnn has wheels for CPython 3.10 and 3.12 on x86-64 Linux only)"
)

SFPI_INSTALLED = Path("/opt/tenstorrent/sfpi")
"""Where tt-metal's install script puts SFPI."""

LINKS = ("tt_metal", "ttnn", "build", "runtime/hw")
"""Parts of the SDK root that are links into the wheel."""

UNUSED_DAYS = 30
"""A root, or a toolchain's store, that nothing has used for so long is removed."""


@dataclass(frozen=True)
class Sdk:
    """An installed ttnn: its release, and its package folder (``…/site-packages/ttnn``)."""

    version: str
    package: Path


@dataclass(frozen=True)
class Toolchain:
    """A compiler: SFPI's or the clang stand-in.

    ``path`` is the executable ``riscv-tt-elf-g++``, ``version`` the first line of its
    ``--version``, which is part of the JIT's cache key.
    """

    kind: Literal["sfpi", "clang"]
    path: Path
    version: str


@dataclass(frozen=True)
class SdkRoot:
    """A folder for TT_METAL_RUNTIME_ROOT, the SDK it links to, the compiler in it."""

    path: Path
    sdk: Sdk
    toolchain: Toolchain


def find_sdk() -> Sdk | None:
    """The SDK that this interpreter would import; None when ttnn is not installed."""
    spec = importlib.util.find_spec("ttnn")
    if spec is None or spec.origin is None:
        return None
    return Sdk(release("ttnn")[0], Path(spec.origin).resolve().parent)


def require_sdk() -> Sdk:
    """The SDK. Raises SdkError when it is missing, incomplete, or of another release."""
    sdk = find_sdk()
    if sdk is None:
        raise SdkError("the tt-metal SDK (Python package ttnn) is not installed", hint=GET_SDK)
    if sdk.version != SDK_VERSION:
        raise SdkError(
            f"ttnn {sdk.version} is installed; templates and toolchain are for {SDK_VERSION}",
            hint=f"pip install ttnn=={SDK_VERSION}",
        )
    missing = [part for part in LINKS if not (sdk.package / part).is_dir()]
    if missing:
        raise SdkError(
            f"{sdk.package} lacks {', '.join(missing)}",
            hint=f"reinstall it: pip install --force-reinstall ttnn=={SDK_VERSION}",
        )
    return sdk


def find_sfpi() -> Path | None:
    """SFPI's folder, or None.

    Looked for in $TTGEN_SFPI (nowhere else when that is set), in
    $TT_METAL_RUNTIME_ROOT/runtime/sfpi, in /opt/tenstorrent/sfpi. A stand-in of ours that
    TT_METAL_RUNTIME_ROOT leads to is not SFPI. Raises SdkError when $TTGEN_SFPI holds no compiler.
    """
    chosen = os.environ.get("TTGEN_SFPI")
    if chosen:
        if not is_sfpi(Path(chosen)):
            raise SdkError(
                f"TTGEN_SFPI={chosen} has no {COMPILER}",
                hint="set it to SFPI's folder, or unset it",
            )
        return Path(chosen).resolve()
    return next((place.resolve() for place in sfpi_places() if is_sfpi(place)), None)


def sfpi_places() -> list[Path]:
    """Where SFPI is looked for, in this order: see :func:`find_sfpi`."""
    if chosen := os.environ.get("TTGEN_SFPI"):
        return [Path(chosen)]
    root = os.environ.get("TT_METAL_RUNTIME_ROOT")
    return [*([Path(root) / "runtime" / "sfpi"] if root else []), SFPI_INSTALLED]


def is_sfpi(folder: Path) -> bool:
    """Whether ``folder`` holds SFPI's compiler (and not a stand-in's launcher)."""
    return os.access(folder / COMPILER, os.X_OK) and not (folder / "start.py").exists()


def choose_toolchain() -> tuple[Path | None, StandIn | None]:
    """SFPI's folder or the stand-in: one of the two is not None.

    SFPI where it is installed, else the stand-in; $TTGEN_TOOLCHAIN=sfpi|clang decides otherwise.
    Raises SdkError when what is wanted is not there.
    """
    wanted = os.environ.get("TTGEN_TOOLCHAIN", "")
    if wanted not in ("", "sfpi", "clang"):
        raise SdkError(f"TTGEN_TOOLCHAIN={wanted!r} is unknown", hint="use sfpi or clang")
    sfpi = find_sfpi() if wanted != "clang" else None
    if sfpi is not None:
        return sfpi, None
    if wanted == "sfpi":
        raise SdkError(
            "TTGEN_TOOLCHAIN=sfpi, but SFPI is not installed",
            hint=f"install it with tt-metal's install_dependencies.sh, at {SFPI_INSTALLED}, "
            "or set TTGEN_SFPI to its folder",
        )
    stand_in = find_stand_in()
    if stand_in is None:
        raise SdkError(
            "no compiler for the chip: neither SFPI nor the Python package ziglang is installed",
            hint="pip install 'ttgen[sim]', or install SFPI with tt-metal's own script",
        )
    return None, stand_in


def sfpi_version(compiler: Path) -> str:
    """First line of ``compiler --version``. Raises SdkError when it does not run."""
    try:
        done = subprocess.run(
            [compiler, "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SdkError(
            f"SFPI's compiler does not run: {error}",
            hint="reinstall SFPI, or use the stand-in: TTGEN_TOOLCHAIN=clang",
        ) from error
    return done.stdout.partition("\n")[0]


def prepare_root(cache: Path) -> SdkRoot:
    """Makes the SDK root ``<cache>/sdk/<key>`` unless it is there, and returns it.

    The key hashes what the root is made from, so another ttnn or another toolchain makes another
    root. Safe when several processes do it at once: each builds a folder of its own, and the first
    rename wins. Raises SdkError when the SDK or a compiler is missing.
    """
    sdk = require_sdk()
    sfpi, stand_in = choose_toolchain()
    compiler = [str(sfpi)]
    if stand_in is not None:
        compiler = [stand_in.version_line, str(stand_in.zig), sys.executable]
    key = digest(str(sdk.package), *release("ttnn"), *compiler)[:16]
    path = _part(cache, "sdk") / key
    if not path.is_dir():
        build_root(path, sdk, sfpi, stand_in)
    os.utime(path)
    remove_unused(path.parent.iterdir())
    launcher = path / "runtime" / "sfpi" / COMPILER
    if stand_in is None:
        return SdkRoot(path, sdk, Toolchain("sfpi", launcher, sfpi_version(launcher)))
    store = _part(cache, "toolchain") / stand_in.fingerprint
    store.mkdir(parents=True, exist_ok=True)
    os.utime(store)
    remove_unused(store.parent.iterdir())
    return SdkRoot(path, sdk, Toolchain("clang", launcher, stand_in.version_line))


def _part(cache: Path, name: str) -> Path:
    """A folder of the cache by its real path.

    The JIT keeps command lines with what they made, and makes it anew for others: caches that are
    one by symbolic links must look like one.
    """
    return (cache / name).resolve()


def build_root(path: Path, sdk: Sdk, sfpi: Path | None, stand_in: StandIn | None) -> None:
    """Builds a root beside ``path`` and renames it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{path.name}.", dir=path.parent))
    try:
        scratch.chmod(0o755)
        (scratch / "runtime").mkdir()
        for link in LINKS:
            (scratch / link).symlink_to(sdk.package / link)
        if stand_in is not None:
            stand_in.install(scratch / "runtime" / "sfpi")
        else:
            assert sfpi is not None
            (scratch / "runtime" / "sfpi").symlink_to(sfpi)
        try:
            scratch.rename(path)
        except OSError:
            # Another process was first: what it made is the same. Anything else is an error.
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remove_unused(folders: Iterable[Path], *, days: int = UNUSED_DAYS) -> None:
    """Removes those of ``folders`` that were last used more than ``days`` ago."""
    oldest = time.time() - days * 24 * 3600
    for path in folders:
        try:
            unused = path.stat().st_mtime < oldest
        except FileNotFoundError:
            continue
        if unused:
            shutil.rmtree(path, ignore_errors=True)


def jit_environment(root: SdkRoot, cache: Path) -> dict[str, str]:
    """Variables for a process that imports ttnn and compiles or runs kernels.

    All that such a process writes lands below ``cache``: ELFs in ``jit``, tt-metal's logs and
    reports (``generated/``) in ``logs``, rebuilt objects and precompiled headers in ``toolchain``,
    and in ``tmp`` the session folder that ttnn's Open MPI makes in TMPDIR and leaves there.
    The device is not chosen here.
    """
    temporary = _part(cache, "tmp")
    temporary.mkdir(parents=True, exist_ok=True)
    remove_unused(temporary.glob("ompi.*/*/*"), days=1)
    return {
        "TT_METAL_RUNTIME_ROOT": str(root.path),
        "TT_METAL_HOME": str(root.path),
        "TT_METAL_CACHE": str(_part(cache, "jit")),
        "TT_METAL_LOGS_PATH": str(_part(cache, "logs")),
        "TTGEN_TOOLCHAIN_CACHE": str(_part(cache, "toolchain")),
        "TMPDIR": str(temporary),
        **quiet(),
    }


def quiet() -> Mapping[str, str]:
    """Only errors in the log, and no debugging port: what the user has set stays as it is."""
    defaults = {
        # tt-metal's logger, UMD's, and that of ttnn's Python side (loguru).
        "TT_METAL_LOGGER_LEVEL": "error",
        "TT_LOGGER_LEVEL": "error",
        "LOGURU_LEVEL": "ERROR",
        # tt-metal's inspector listens on a fixed port, which two processes cannot share.
        "TT_METAL_INSPECTOR_RPC": "0",
    }
    return {name: os.environ.get(name, value) for name, value in defaults.items()}
