"""The devices that kernels are compiled for and run on: one row each."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ttgen.errors import DeviceError, SdkError
from ttgen.sdk import SdkRoot, jit_environment

#: Descriptions of one card each, which make ttnn open a mock device.
_CLUSTERS = Path(__file__).with_name("clusters")
#: How the simulators call the architectures.
_WOLFPINE_NAMES = {"wormhole_b0": "wormhole", "blackhole": "blackhole"}
_TTSIM_LIBRARIES = {"wormhole_b0": "libttsim_wh.so", "blackhole": "libttsim_bh.so"}
_SOC_DESCRIPTORS = {
    "wormhole_b0": "wormhole_b0_80_arch.yaml",
    "blackhole": "blackhole_140_arch.yaml",
}
_GET_WOLFPINE = "pip install 'ttgen[sim]'"
_GET_HARDWARE = "install a card and tt-kmd, Tenstorrent's kernel driver"
_SLOW_DISPATCH = {"TT_METAL_SLOW_DISPATCH_MODE": "1"}
#: Neither simulator models SFPLOADMACRO; the SDK has each operation without it, too.
_NO_MACROS = {"TT_METAL_DISABLE_SFPLOADMACRO": "1"}


@dataclass(frozen=True)
class Target:
    """A device for an architecture, as far as its environment is concerned."""

    arch: str
    path: Path | None


@dataclass(frozen=True)
class Missing:
    """Why a device cannot be used, and how to get it."""

    why: str
    get: str


@dataclass(frozen=True)
class Device:
    """A kind of device.

    ``variables`` are what it wants in the environment, ``missing`` says what it lacks (None when
    it can be used), ``keeps`` names the beginnings of those TT_… variables of the user's that
    still mean something with it. ``runs`` is false for a device that only compiles. ``session`` is
    the module of its child process, which ``needs_sdk`` or not. A ``server`` is a process of its
    own that has to live as long as the session. ``lacks_formats`` are formats of
    :mod:`ttgen.formats` that a simulator does not model. ``patience`` is how many seconds runs
    wait, all together, until another session is opened for them. Limits are in seconds: for
    opening, for any run with its compilation, and what a run may take more for each page of a
    tensor and each product of two tiles. ``after_failure`` is what to do when a program has died
    or hung on it.
    """

    name: str
    runs: bool
    variables: Callable[[Target], Mapping[str, str]]
    missing: Callable[[Target], Missing | None]
    session: str = "ttgen_runtime.session"
    needs_sdk: bool = True
    keeps: tuple[str, ...] = ()
    server: bool = False
    simulated: bool = False
    lacks_formats: frozenset[str] = frozenset()
    patience: float = 2.0
    open_limit: float = 300.0
    run_limit: float = 120.0
    tile_limit: float = 0.001
    after_failure: str = ""


@dataclass(frozen=True)
class Selection:
    """A device that was chosen by name: ``mock``, ``hw``, ``wolfpine``, ``ttsim:/path`` …"""

    device: Device
    path: Path | None = None

    def __str__(self) -> str:
        return self.device.name if self.path is None else f"{self.device.name}:{self.path}"


def _mock_variables(target: Target) -> Mapping[str, str]:
    cluster = _CLUSTERS / f"{target.arch}.yaml"
    return {**_SLOW_DISPATCH, "TT_METAL_MOCK_CLUSTER_DESC_PATH": str(cluster)}


def _wolfpine_folder(target: Target) -> Path | None:
    spec = importlib.util.find_spec("framework")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "sim" / _WOLFPINE_NAMES[target.arch]
    return folder if (folder / "run.sh").is_file() else None


def _wolfpine_variables(target: Target) -> Mapping[str, str]:
    folder = _wolfpine_folder(target)
    assert folder is not None
    return {
        **_SLOW_DISPATCH,
        **_NO_MACROS,
        "TT_METAL_SIMULATOR": str(folder),
        # Turns NoC coordinate translation on, as cards have it. Without it NoC 1 sends traffic
        # for some cores to others.
        "TT_METAL_MOCK_CLUSTER_DESC_PATH": str(folder / "cluster_descriptor.yaml"),
        "WOLFPINE_PYTHON": sys.executable,
    }


def _wolfpine_missing(target: Target) -> Missing | None:
    if _wolfpine_folder(target) is None:
        return Missing("the Python package wolfpine is not installed", _GET_WOLFPINE)
    return None


def _ttsim_library(target: Target) -> Path:
    assert target.path is not None
    return target.path / _TTSIM_LIBRARIES[target.arch] if target.path.is_dir() else target.path


def _ttsim_variables(target: Target) -> Mapping[str, str]:
    return {
        **_SLOW_DISPATCH,
        **_NO_MACROS,
        "TT_METAL_SIMULATOR": str(_ttsim_library(target)),
    }


def _ttsim_missing(target: Target) -> Missing | None:
    name, descriptor = _TTSIM_LIBRARIES[target.arch], _SOC_DESCRIPTORS[target.arch]
    get = f"download {name} from Tenstorrent's ttsim releases, and use ttsim:/path/to/it"
    if target.path is None:
        return Missing("ttsim needs the path of its library", get)
    library = _ttsim_library(target)
    if not library.is_file():
        return Missing(f"{library} does not exist", get)
    if not library.with_name("soc_descriptor.yaml").is_file():
        copy = f"copy tt-metal's soc_descriptors/{descriptor} there under that name"
        return Missing(f"there is no soc_descriptor.yaml beside {library}", copy)
    return None


def _hardware_missing(_: Target) -> Missing | None:
    nodes = Path("/dev/tenstorrent")
    if nodes.is_dir() and any(nodes.iterdir()):
        return None
    return Missing("there is no card: /dev/tenstorrent is empty or missing", _GET_HARDWARE)


#: The user's own debugging switches, which change what a run prints and not what it computes.
_DEBUGGING = ("TT_METAL_LOGGER_", "TT_LOGGER_", "TT_METAL_DPRINT_", "TT_METAL_WATCHER")

DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device("mock", runs=False, variables=_mock_variables, missing=lambda _: None),
        Device(
            "hw",
            runs=True,
            variables=lambda _: {},
            missing=_hardware_missing,
            keeps=(*_DEBUGGING, "TT_VISIBLE_DEVICES"),
            after_failure="the card may need a reset: tt-smi -r 0",
        ),
        Device(
            "wolfpine",
            runs=True,
            variables=_wolfpine_variables,
            missing=_wolfpine_missing,
            keeps=(*_DEBUGGING, "TT_SIM_"),
            server=True,
            simulated=True,
            lacks_formats=frozenset({"bfp8_b", "bfp4_b"}),  # as of release 2.2
            patience=10.0,  # what a session takes to open, and to start its cores once more
            tile_limit=0.1,  # it takes about 0.02, on a machine that has nothing else to do
        ),
        Device(
            "ttsim",
            runs=True,
            variables=_ttsim_variables,
            missing=_ttsim_missing,
            keeps=_DEBUGGING,
            simulated=True,
            tile_limit=0.01,
        ),
        Device(
            "interp",
            runs=True,
            variables=lambda _: {},
            missing=lambda _: None,
            session="ttgen_runtime.interp.session",
            needs_sdk=False,
            simulated=True,
            tile_limit=0.01,
        ),
    )
}

#: The variables that say what tt-metal and the simulators do; the user's own do not leak in.
_OURS = ("TT_", "TTSIM_", "WOLFPINE_", "_WOLFPINE_", "ARCH_NAME")


def select(name: str, arch: str) -> Selection:
    """The device called ``name``, ready to be used for ``arch``.

    ``auto`` is the hardware where there is some, else Wolfpine, else the ttsim that $TTGEN_TTSIM
    names (its library, or a folder that holds one per architecture); it is never the interpreter,
    which runs plans and not what is compiled from them. DeviceError: an unknown
    name, or a device that is not there, with what to do about it.
    """
    if name == "auto":
        return _select_automatically(arch)
    kind, _, path = name.partition(":")
    device = DEVICES.get(kind)
    if device is None or (path and kind != "ttsim"):
        known = "auto, hw, mock, wolfpine, ttsim:/path, interp"
        raise DeviceError(f"unknown device '{name}'; known: {known}")
    selection = Selection(device, Path(path).absolute() if path else _ttsim_default(kind))
    missing = device.missing(Target(arch, selection.path))
    if missing is not None:
        raise DeviceError(f"device '{name}' for {arch}: {missing.why}", hint=missing.get)
    return selection


def _ttsim_default(kind: str) -> Path | None:
    path = os.environ.get("TTGEN_TTSIM")
    return Path(path).absolute() if path and kind == "ttsim" else None


def _select_automatically(arch: str) -> Selection:
    tried: list[str] = []
    for name in ("hw", "wolfpine", "ttsim"):
        selection = Selection(DEVICES[name], _ttsim_default(name))
        missing = selection.device.missing(Target(arch, selection.path))
        if missing is None:
            return selection
        tried.append(f"{name}: {missing.why} ({missing.get})")
    raise DeviceError(f"no device to run on for {arch}", hint="\n  ".join(tried))


def environment(
    selection: Selection, arch: str, root: SdkRoot | None, cache: Path
) -> dict[str, str]:
    """The whole environment of a session on that device; ``root`` is None where it needs no SDK.

    What this process's environment says about tt-metal and simulators is left out, unless it is
    among what the device keeps. SdkError: the device knows nothing of ``arch``.
    """
    device = selection.device
    if not (_CLUSTERS / f"{arch}.yaml").is_file():
        raise SdkError(f"the run time knows no card of architecture '{arch}'")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) or name.startswith(device.keeps)
    }
    jit = jit_environment(root, cache) if root is not None else {}
    kept = {name: value for name, value in inherited.items() if name.startswith(device.keeps)}
    return {**inherited, **jit, **kept, **device.variables(Target(arch, selection.path))}
