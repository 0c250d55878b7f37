"""One SDK root and one firmware build per architecture, shared by all tests of a session."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ttgen import sdk
from ttgen.toolchain import install

HERE = Path(__file__).parent
DATA = HERE / "data"
SECONDS = 120

needs_sdk = pytest.mark.skipif(
    importlib.util.find_spec("ttnn") is None, reason="ttnn is not installed (extra: sim)"
)


@dataclass(frozen=True)
class Bench:
    """A cache, its SDK root, and an empty home and working folder to compile from."""

    cache: Path
    root: sdk.SdkRoot
    home: Path

    def environment(self, arch: str) -> dict[str, str]:
        """For the mock device: nothing of the caller's but PATH, folders of our own."""
        wolfpine = importlib.util.find_spec("framework")
        assert wolfpine is not None
        assert wolfpine.submodule_search_locations is not None
        descriptors = Path(wolfpine.submodule_search_locations[0]) / "sim"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TT_METAL_SLOW_DISPATCH_MODE": "1",
            "TT_METAL_MOCK_CLUSTER_DESC_PATH": str(descriptors / arch / "cluster_descriptor.yaml"),
            **sdk.jit_environment(self.root, self.cache),
        }

    def build(self, arch: str, *programs: dict[str, str]) -> list[str | None]:
        """Builds programs for ``arch`` (``wormhole``): for each None, or the exception's text.

        ``programs`` name files in data/; what is not named is the default of that role.
        """
        default = {"reader": "reader.cpp", "compute": "fpu.cpp", "writer": "writer.cpp"}
        request = [
            {role: str(DATA / name) for role, name in {**default, **program}.items()}
            for program in programs
        ]
        done = subprocess.run(
            [sys.executable, str(HERE / "compile_kernels.py"), json.dumps(request)],
            env=self.environment(arch),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        results: list[str | None] = json.loads(done.stdout.splitlines()[-1])
        return results

    def elfs(self, kernel: str) -> set[str]:
        """Names of the ELF files that the JIT has for a kernel file (``fpu``)."""
        found = (self.cache / "jit").glob(f"*/kernels/{kernel}/*/*/*.elf")
        return {path.name for path in found if not path.name.endswith(".xip.elf")}


@pytest.fixture(scope="session")
def bench(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Made with the stand-in, in the cache that all tests share: firmware is compiled once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTGEN_TOOLCHAIN", "clang")
        root = sdk.prepare_root(cache)
    return Bench(cache, root, tmp_path_factory.mktemp("home"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An SDK root with nothing but the stand-in."""
    stand_in = install.find_stand_in()
    assert stand_in is not None
    sfpi = tmp_path / "root" / "runtime" / "sfpi"
    sfpi.parent.mkdir(parents=True)
    stand_in.install(sfpi)
    return tmp_path / "root"


def launch(
    sfpi: Path, *args: str, cwd: Path, cache: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Runs the JIT's compiler in a clean environment with ``cwd`` as home and working folder."""
    store = str(cache or cwd / "cache")
    return subprocess.run(
        [str(sfpi / install.COMPILER), *args],
        env={"PATH": os.defpath, "HOME": str(cwd), "TTGEN_TOOLCHAIN_CACHE": store, **more},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
