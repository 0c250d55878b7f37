"""Finding the SDK and a compiler, and making the root."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ttgen import sdk
from ttgen.errors import SdkError
from ttgen.toolchain.install import COMPILER

needs_sdk = pytest.mark.skipif(
    importlib.util.find_spec("ttnn") is None, reason="ttnn is not installed (extra: sim)"
)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's: no variables, no SFPI under /opt."""
    for name in ("TTGEN_SFPI", "TTGEN_TOOLCHAIN", "TT_METAL_RUNTIME_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sdk, "SFPI_INSTALLED", tmp_path / "no-sfpi")


@pytest.fixture
def sfpi(tmp_path: Path) -> Path:
    """A folder that looks like SFPI's."""
    folder = tmp_path / "sfpi"
    compiler = folder / COMPILER
    compiler.parent.mkdir(parents=True)
    compiler.write_text("#!/bin/sh\necho riscv-tt-elf-g++ 15.1.0\n")
    compiler.chmod(0o755)
    return folder


@needs_sdk
def test_the_installed_sdk_is_found() -> None:
    found = sdk.require_sdk()
    assert found == sdk.find_sdk()
    assert found.version == sdk.SDK_VERSION
    assert (found.package / "tt_metal" / "hw" / "inc").is_dir()


def test_a_missing_sdk_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert sdk.find_sdk() is None
    with pytest.raises(
        SdkError, match=r"ttnn.* is not installed\n.*pip install 'ttgen\[sim\]'"
    ) as e:
        sdk.require_sdk()
    assert "3.10 and 3.12" in str(e.value)


def test_another_release_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sdk, "find_sdk", lambda: sdk.Sdk("0.90.0", tmp_path))
    with pytest.raises(SdkError, match=r"ttnn 0\.90\.0 is installed; .* 0\.81\.1"):
        sdk.require_sdk()


def test_an_incomplete_sdk_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sdk, "find_sdk", lambda: sdk.Sdk(sdk.SDK_VERSION, tmp_path))
    with pytest.raises(SdkError, match="lacks tt_metal, ttnn, build, runtime/hw"):
        sdk.require_sdk()


def test_where_sfpi_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sfpi: Path
) -> None:
    assert sdk.find_sfpi() is None
    monkeypatch.setattr(sdk, "SFPI_INSTALLED", sfpi)
    assert sdk.find_sfpi() == sfpi

    root = tmp_path / "tt-metal"
    (root / "runtime").mkdir(parents=True)
    (root / "runtime" / "sfpi").symlink_to(sfpi)
    monkeypatch.setattr(sdk, "SFPI_INSTALLED", tmp_path / "no-sfpi")
    monkeypatch.setenv("TT_METAL_RUNTIME_ROOT", str(root))
    assert sdk.find_sfpi() == sfpi

    monkeypatch.setenv("TTGEN_SFPI", str(tmp_path / "wrong"))
    with pytest.raises(
        SdkError, match=r"TTGEN_SFPI=.*wrong has no compiler/bin/riscv-tt-elf-g\+\+"
    ):
        sdk.find_sfpi()
    monkeypatch.setenv("TTGEN_SFPI", str(sfpi))
    assert sdk.find_sfpi() == sfpi


def test_the_choice_of_a_compiler(monkeypatch: pytest.MonkeyPatch, sfpi: Path) -> None:
    monkeypatch.setenv("TTGEN_TOOLCHAIN", "gcc")
    with pytest.raises(SdkError, match="TTGEN_TOOLCHAIN='gcc' is unknown"):
        sdk.choose_toolchain()
    monkeypatch.setenv("TTGEN_TOOLCHAIN", "sfpi")
    with pytest.raises(SdkError, match="SFPI is not installed"):
        sdk.choose_toolchain()
    monkeypatch.setenv("TTGEN_SFPI", str(sfpi))
    assert sdk.choose_toolchain() == (sfpi, None)
    monkeypatch.delenv("TTGEN_TOOLCHAIN")
    assert sdk.choose_toolchain() == (sfpi, None)
    monkeypatch.setattr(sdk, "find_stand_in", lambda: None)
    monkeypatch.setenv("TTGEN_TOOLCHAIN", "clang")
    with pytest.raises(SdkError, match="neither SFPI nor the Python package ziglang"):
        sdk.choose_toolchain()


@needs_sdk
def test_a_root_with_the_stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = sdk.prepare_root(tmp_path / "cache")
    assert root.toolchain.kind == "clang"
    assert root.path.parent == tmp_path / "cache" / "sdk"
    for link in sdk.LINKS:
        assert (root.path / link).resolve() == root.sdk.package / link
    version = subprocess.run(
        [root.toolchain.path, "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.strip() == root.toolchain.version
    made = root.toolchain.path.stat().st_mtime_ns
    assert sdk.prepare_root(tmp_path / "cache") == root
    assert root.toolchain.path.stat().st_mtime_ns == made

    # A stand-in that TT_METAL_RUNTIME_ROOT leads to is not taken for SFPI.
    monkeypatch.setenv("TT_METAL_RUNTIME_ROOT", str(root.path))
    assert sdk.find_sfpi() is None


@needs_sdk
def test_another_compiler_makes_another_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sfpi: Path
) -> None:
    with_clang = sdk.prepare_root(tmp_path)
    monkeypatch.setenv("TTGEN_SFPI", str(sfpi))
    with_sfpi = sdk.prepare_root(tmp_path)
    assert with_sfpi.toolchain.kind == "sfpi"
    assert with_sfpi.toolchain.version == "riscv-tt-elf-g++ 15.1.0"
    assert with_sfpi.path != with_clang.path
    assert (with_sfpi.path / "runtime" / "sfpi").resolve() == sfpi
    monkeypatch.delenv("TTGEN_SFPI")

    def newer() -> object:
        found = find()
        assert found is not None
        return type(found)(found.zig, found.version, "0123456789abcdef")

    find = sdk.find_stand_in
    monkeypatch.setattr(sdk, "find_stand_in", newer)
    assert sdk.prepare_root(tmp_path).path not in (with_clang.path, with_sfpi.path)


@needs_sdk
def test_an_sfpi_that_does_not_run_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sfpi: Path
) -> None:
    (sfpi / COMPILER).write_text("#!/bin/sh\nexit 127\n")
    monkeypatch.setenv("TTGEN_SFPI", str(sfpi))
    with pytest.raises(SdkError, match="SFPI's compiler does not run"):
        sdk.prepare_root(tmp_path)


@needs_sdk
def test_several_processes_make_one_root(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ttgen import sdk;"
        "print(sdk.prepare_root(Path(sys.argv[1])).path)"
    )

    def prepare(_: int) -> str:
        command = [sys.executable, "-c", code, str(tmp_path)]
        env = {**os.environ, "PYTHONPATH": str(Path(sdk.__file__).parent.parent)}
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=60, env=env
        ).stdout.strip()

    with ThreadPoolExecutor(6) as pool:
        paths = set(pool.map(prepare, range(6)))
    assert len(paths) == 1
    assert [str(path) for path in (tmp_path / "sdk").iterdir()] == list(paths)


@needs_sdk
def test_everything_is_written_below_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    root = sdk.prepare_root(cache)
    variables = sdk.jit_environment(root, cache)
    assert variables["TT_METAL_RUNTIME_ROOT"] == str(root.path)
    assert variables["TT_METAL_CACHE"] == str(cache / "jit")
    assert variables["TTGEN_TOOLCHAIN_CACHE"] == str(cache / "toolchain")
    for name, value in variables.items():
        if value.startswith("/"):
            assert Path(value).is_relative_to(cache), name
    # Not chosen here: which device.
    assert not {"TT_METAL_SIMULATOR", "TT_METAL_MOCK_CLUSTER_DESC_PATH"} & set(variables)


@needs_sdk
def test_a_cache_looks_the_same_through_a_link(tmp_path: Path) -> None:
    """The JIT makes everything anew where it finds other paths in a command."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (tmp_path / "link").symlink_to(cache)
    root = sdk.prepare_root(cache)
    assert sdk.prepare_root(tmp_path / "link") == root
    ours, theirs = (sdk.jit_environment(root, path) for path in (cache, tmp_path / "link"))
    assert ours == theirs


def test_what_the_user_sets_for_the_log_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TT_LOGGER_LEVEL", raising=False)
    monkeypatch.setenv("TT_METAL_LOGGER_LEVEL", "debug")
    assert sdk.quiet()["TT_METAL_LOGGER_LEVEL"] == "debug"
    assert sdk.quiet()["TT_LOGGER_LEVEL"] == "error"


@needs_sdk
def test_what_is_unused_for_long_goes(tmp_path: Path) -> None:
    old, fresh = tmp_path / "sdk" / "old", tmp_path / "sdk" / "fresh"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
    month_ago = time.time() - (sdk.UNUSED_DAYS + 1) * 24 * 3600
    os.utime(old, (month_ago, month_ago))
    root = sdk.prepare_root(tmp_path)
    assert sorted((tmp_path / "sdk").iterdir()) == sorted([fresh, root.path])


def test_importing_is_cheap() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import ttgen.sdk, ttgen.toolchain;"
        "names = {module.split('.')[0] for module in sys.modules};"
        "print(sorted(names & {'ttnn', 'tvm', 'numpy', 'ziglang'}))"
    )
    folder = str(Path(sdk.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
