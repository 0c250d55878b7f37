"""What a whole run shares, in one process or several: a cache of what is compiled; the order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What takes longest comes first where several processes share the work: none of them is left with
#: it when the others are done. One of the first two builds the library for all; what needs it comes
#: late enough not to wait.
LONGEST = (
    "tests/generated/test_simulated.py",
    "tests/build/test_wrong_kernels.py",
    "tests/build/test_fuzz.py",
    "tests/native/test_unit.py",
    "tests/interp/test_vector.py",
    "tests/generated/test_interpreted.py",
    "tests/build/test_increments.py",
    "tests/runtime/test_layouts.py",
    "tests/toolchain/test_sfpi_library.py",
    "tests/build/test_compiledb.py",
    "tests/build/test_environments.py",
    "tests/runtime/test_templates.py",
    "tests/test_launcher.py",
    "tests/build/test_scons.py",
    "tests/passes/test_meaning.py",
    "tests/test_docs_pages.py",
    "tests/build/test_bad_input.py",
    "tests/build/test_bench.py",
    "tests/runtime/test_sessions.py",
    "tests/build/test_library.py",
    "tests/build/test_robustness.py",
    "tests/interp/test_agreement.py",
)


#: Where each pass runs twice, in Python and in C++, and any difference fails the test.
COMPARED = ("tests/generated/", "tests/passes/")


@pytest.fixture(autouse=True)
def compared_twins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the twins of passes compared, if those in C++ have been built."""
    if request.node.nodeid.startswith(COMPARED):
        from ttgen.native import library
        from ttgen.passes import twins

        if library.load():
            monkeypatch.setenv(twins.VARIABLE, "both")


def is_one_of_several(config: pytest.Config) -> bool:
    """Whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_one_of_several(config):
        order = {name: number for number, name in enumerate(LONGEST)}
        items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run, the same one in all of its processes."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if is_one_of_several(pytestconfig) else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def cache(run_folder: Path) -> Path:
    """For what the SDK compiles, firmware above all; $TTGEN_TEST_CACHE outlives the run."""
    return Path(os.environ.get("TTGEN_TEST_CACHE") or run_folder / "cache")


@pytest.fixture(scope="session")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as anyone would build it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    options = ["--no-build-isolation", "--no-deps", "--wheel-dir", str(folder)]
    root = Path(__file__).resolve().parents[1]
    subprocess.run([*command, *options, str(root)], check=True, cwd=folder)
    (path,) = folder.iterdir()
    return path
