"""Choosing a device, and the environment it is given."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ttgen.arch import ARCHITECTURES
from ttgen.errors import DeviceError, SdkError
from ttgen.sdk import Sdk, SdkRoot, Toolchain
from ttgen_runtime import devices
from ttgen_runtime.devices import DEVICES, Selection, environment, select

ARCH = "wormhole_b0"


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without card, simulator and settings."""
    monkeypatch.delenv("TTGEN_TTSIM", raising=False)
    monkeypatch.setattr(devices, "_wolfpine_folder", lambda _: None)
    missing = devices.Missing("there is no card", "install one")
    hardware = DEVICES["hw"]
    monkeypatch.setitem(DEVICES, "hw", _replace(hardware, missing=lambda _: missing))
    return monkeypatch


def _replace(device: devices.Device, **changes: object) -> devices.Device:
    return devices.Device(**{**vars(device), **changes})


@pytest.fixture
def ttsim(tmp_path: Path) -> Path:
    """A folder with both libraries of ttsim, as far as anyone can tell from outside."""
    for name in ("libttsim_wh.so", "libttsim_bh.so", "soc_descriptor.yaml"):
        (tmp_path / name).touch()
    return tmp_path


def root(tmp_path: Path) -> SdkRoot:
    toolchain = Toolchain("clang", tmp_path / "g++", "1")
    return SdkRoot(tmp_path / "root", Sdk("0.81.1", tmp_path / "ttnn"), toolchain)


def test_auto_without_anything_says_what_would_help(nothing: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError) as caught:
        select("auto", ARCH)
    for part in ("no card", "wolfpine", "pip install 'ttgen[sim]'", "ttsim", "download"):
        assert part in str(caught.value)


def test_auto_prefers_hardware_then_wolfpine_then_ttsim(
    nothing: pytest.MonkeyPatch, ttsim: Path
) -> None:
    nothing.setenv("TTGEN_TTSIM", str(ttsim))
    assert str(select("auto", ARCH)) == f"ttsim:{ttsim}"
    nothing.setattr(devices, "_wolfpine_folder", lambda _: ttsim)
    assert str(select("auto", ARCH)) == "wolfpine"
    nothing.setitem(DEVICES, "hw", _replace(DEVICES["hw"], missing=lambda _: None))
    assert str(select("auto", ARCH)) == "hw"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("gpu", "unknown device 'gpu'; known: auto, hw, mock, wolfpine, ttsim:/path, interp"),
        ("wolfpine:/x", "unknown device"),
        ("hw", "no card"),
        ("wolfpine", "pip install"),
        ("ttsim", "needs the path"),
        ("ttsim:/no/such/libttsim_wh.so", "does not exist"),
    ],
)
def test_what_is_not_there_is_refused(nothing: pytest.MonkeyPatch, name: str, problem: str) -> None:
    with pytest.raises(DeviceError) as caught:
        select(name, ARCH)
    assert problem in str(caught.value)


def test_ttsim_wants_a_description_of_its_chip(nothing: pytest.MonkeyPatch, ttsim: Path) -> None:
    (ttsim / "soc_descriptor.yaml").unlink()
    with pytest.raises(DeviceError, match=r"blackhole_140_arch\.yaml"):
        select(f"ttsim:{ttsim / 'libttsim_bh.so'}", "blackhole")


@pytest.mark.parametrize(
    ("arch", "library"), [(ARCH, "libttsim_wh.so"), ("blackhole", "libttsim_bh.so")]
)
def test_a_folder_of_ttsim_serves_both_architectures(
    tmp_path: Path, ttsim: Path, arch: str, library: str
) -> None:
    selection = select(f"ttsim:{ttsim}", arch)
    env = environment(selection, arch, root(tmp_path), tmp_path)
    assert env["TT_METAL_SIMULATOR"] == str(ttsim / library)
    assert env["TT_METAL_SLOW_DISPATCH_MODE"] == "1"
    assert "TT_METAL_MOCK_CLUSTER_DESC_PATH" not in env


def test_hardware_gets_no_trace_of_a_simulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TT_METAL_SIMULATOR", "/old/simulator")
    monkeypatch.setenv("TT_METAL_MOCK_CLUSTER_DESC_PATH", "/old.yaml")
    monkeypatch.setenv("TT_METAL_SLOW_DISPATCH_MODE", "1")
    monkeypatch.setenv("WOLFPINE_PYTHON", "python2")
    monkeypatch.setenv("TT_METAL_CACHE", "/old/cache")
    monkeypatch.setenv("TT_METAL_HOME", "/old/home")
    monkeypatch.setenv("TT_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("TT_METAL_DPRINT_CORES", "0,0")
    env = environment(Selection(DEVICES["hw"]), ARCH, root(tmp_path), tmp_path)
    assert "/old" not in " ".join(value for name, value in env.items() if name.startswith("TT_"))
    for name in ("TT_METAL_SIMULATOR", "TT_METAL_SLOW_DISPATCH_MODE", "WOLFPINE_PYTHON"):
        assert name not in env
    assert env["TT_VISIBLE_DEVICES"] == "1"
    assert env["TT_METAL_DPRINT_CORES"] == "0,0"
    assert env["TT_METAL_RUNTIME_ROOT"] == str(tmp_path / "root")


def test_compiling_depends_on_nothing_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TT_METAL_DPRINT_CORES", "0,0")
    monkeypatch.setenv("TT_METAL_SIMULATOR", "/old/simulator")
    monkeypatch.setenv("TTGEN_TOOLCHAIN", "clang")
    env = environment(Selection(DEVICES["mock"]), ARCH, root(tmp_path), tmp_path)
    assert "TT_METAL_DPRINT_CORES" not in env
    assert "TT_METAL_SIMULATOR" not in env
    assert env["TTGEN_TOOLCHAIN"] == "clang"
    assert Path(env["TT_METAL_MOCK_CLUSTER_DESC_PATH"]).is_file()


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SdkError, match="grayskull"):
        environment(Selection(DEVICES["mock"]), "grayskull", root(tmp_path), tmp_path)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_has_a_card_to_compile_for(arch: str, tmp_path: Path) -> None:
    env = environment(Selection(DEVICES["mock"]), arch, root(tmp_path), tmp_path)
    cluster = yaml.safe_load(Path(env["TT_METAL_MOCK_CLUSTER_DESC_PATH"]).read_text())
    assert cluster["arch"] == {0: arch}
