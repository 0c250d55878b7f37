"""Which twin of a pass runs, and that a difference is told. (R2, R3, R6)"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import pytest
import tvm
import tvm_ffi
from sources import gemm, kernel
from tvm.ir import IRModule
from tvm.tirx import PrimFunc

from ttgen.build.passes import Toolchain, ffi_folder
from ttgen.errors import TTError
from ttgen.native import VARIABLE, abi, generate
from ttgen.native import library as native_library
from ttgen.passes import twins
from ttgen.passes.infer_tt_layout import InferTTLayout
from ttgen.passes.pipeline import build_tt_pipeline, kernel_module

needs_library = pytest.mark.skipif(
    not native_library.load(), reason="the passes in C++ have not been built: ./scons passes"
)
ARCH = "wormhole_b0"


@pytest.fixture
def module() -> IRModule:
    return kernel_module(kernel(gemm(64, 64, 64, "nested")))


@dataclass(frozen=True)
class Watched(InferTTLayout):
    """Notes when Python's twin runs. Its name is its own, so that it has a twin in C++, too."""

    name: ClassVar[str] = InferTTLayout.name
    runs: ClassVar[list[str]] = []

    def in_python(self, module: IRModule) -> IRModule:
        self.runs.append(self.name)
        return super().in_python(module)


@dataclass(frozen=True)
class Derived(InferTTLayout):
    """Does something else than the pass that it is derived from."""

    def apply(self, func: PrimFunc) -> PrimFunc:
        return super().apply(func).with_attr("tt.arch", "blackhole")


@dataclass(frozen=True)
class Deviating(Derived):
    """A twin that does not do what the one in C++ does."""

    name: ClassVar[str] = InferTTLayout.name


@pytest.mark.parametrize(
    ("mode", "runs"), [("python", 1), ("cpp", 0), ("both", 1), (None, 0)], ids=str
)
@needs_library
def test_mode(
    mode: str | None, runs: int, module: IRModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's twin runs where it is asked for, C++'s otherwise; both give the same."""
    if mode is None:
        monkeypatch.delenv(twins.VARIABLE, raising=False)
    else:
        monkeypatch.setenv(twins.VARIABLE, mode)
    Watched.runs.clear()
    made = Watched(ARCH)(module)
    assert len(Watched.runs) == runs
    assert tvm_ffi.structural_equal(made, InferTTLayout(ARCH).in_python(module))


def test_unknown_mode(module: IRModule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(twins.VARIABLE, "fortran")
    with pytest.raises(TTError, match="'fortran'; it is one of: python, cpp, both"):
        InferTTLayout(ARCH)(module)


@needs_library
def test_difference_is_told(module: IRModule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(twins.VARIABLE, "both")
    with pytest.raises(twins.TwinError, match=r"'tt\.arch' is blackhole, and wormhole_b0"):
        Deviating(ARCH)(module)


@needs_library
def test_derived_pass_has_no_twin(module: IRModule, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user derives from a pass is what runs."""
    monkeypatch.setenv(twins.VARIABLE, "cpp")
    (func,) = Derived(ARCH)(module).functions.values()
    assert func.attrs["tt.arch"] == "blackhole"


@needs_library
def test_errors_are_the_same(module: IRModule, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type, text and place, of an error of the kernel's and of one of the options'."""
    for step in (InferTTLayout(ARCH, {"A": {"memory": "SRAM"}}), InferTTLayout("grayskull")):
        told = []
        for mode in ("python", "cpp"):
            monkeypatch.setenv(twins.VARIABLE, mode)
            with pytest.raises(TTError) as raised:
                step(module)
            error = raised.value
            told.append((type(error), error.message, error.at, error.hint))
        assert told[0] == told[1]


@pytest.mark.parametrize(
    ("about", "why"), [(None, "has not been built"), ("TVM 0.1", "is of other sources")]
)
def test_without_library(about: str | None, why: str, tmp_path: Path) -> None:
    """Python's twin runs, unless C++'s is asked for. An old library is none."""
    library = tmp_path / "libttgen_passes.so"
    if about is not None:
        library.write_text("would not load")
        library.with_suffix(".from").write_text(about)
    program = """
from sources import gemm, kernel
from ttgen.errors import TTError
from ttgen.passes import twins
from ttgen.passes.infer_tt_layout import InferTTLayout
from ttgen.passes.pipeline import kernel_module
import os
module = kernel_module(kernel(gemm(64, 64, 64, "nested")))
InferTTLayout("blackhole")(module)
os.environ[twins.VARIABLE] = "cpp"
try:
    InferTTLayout("blackhole")(module)
except TTError as error:
    print(error)
"""
    environment = {name: text for name, text in os.environ.items() if name != twins.VARIABLE}
    environment[VARIABLE] = str(library)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == (
        f"TTGEN_PASSES is cpp: libttgen_passes.so {why}\n  run ./scons passes\n"
    ), done.stderr


@needs_library
def test_passes_are_tvm_passes(module: IRModule) -> None:
    """``tir.tenstorrent.*`` make passes for a ``Sequential`` of TVM's."""
    names = [step.name for step in build_tt_pipeline(arch=ARCH)]
    passes = []
    for step, name in zip(build_tt_pipeline(arch=ARCH), names, strict=True):
        options = {field.name: getattr(step, field.name) for field in fields(step)}  # type: ignore[arg-type]
        passes.append(tvm_ffi.get_global_func(name)(options))
    assert [one.info.name for one in passes] == names
    made = tvm.transform.Sequential(passes)(module)
    for step in build_tt_pipeline(arch=ARCH):
        module = step.in_python(module)
    assert tvm_ffi.structural_equal(made, module)


@needs_library
def test_tvm_pass_tells_errors(module: IRModule) -> None:
    make = tvm_ffi.get_global_func("tir.tenstorrent.PropagateTTLayout")
    with pytest.raises(RuntimeError, match=r"LoweringError: .*needs the attribute"):
        make({})(module)


def test_another_tvm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views are of the nodes of one TVM."""
    monkeypatch.setattr(generate, "version", lambda name: "0.99")
    with pytest.raises(TTError, match=r"apache-tvm 0\.27\.0\.post1; 0\.99 is installed"):
        generate.check_releases()


def test_views_are_checked(tmp_path: Path) -> None:
    """A node that has changed does not compile; one that is gone cannot even be viewed."""
    toolchain = Toolchain.found()
    if toolchain is None:
        pytest.skip("there is no C++ compiler")
    text = abi.header(["ir.Span"])
    assert text.count("offsetof(Span, line) == 32") == 1
    checked = [toolchain.compiler, "-std=c++17", "-fsyntax-only", f"-I{ffi_folder() / 'include'}"]
    results = []
    for views in (text, text.replace("line) == 32", "line) == 36")):
        file = tmp_path / "views.cc"
        file.write_text(views)
        results.append(subprocess.run([*checked, str(file)], stderr=subprocess.DEVNULL).returncode)
    assert results[0] == 0
    assert results[1] != 0
    with pytest.raises(LookupError, match=r"no node 'tirx\.Nothing'"):
        abi.header(["tirx.Nothing"])
