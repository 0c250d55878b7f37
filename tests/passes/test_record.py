"""IR dumps and timings of a pipeline run, and the analysis that its passes share (P11)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import tvm
import tvm_ffi
from sources import elementwise, gemm, kernel
from tvm.ir import IRModule

from ttgen import analysis
from ttgen.errors import LoweringError, TTError
from ttgen.frontend.kernel import find_kernel
from ttgen.frontend.source import load_source
from ttgen.passes.base import TTPass
from ttgen.passes.pipeline import build_tt_pipeline, kernel_module, run_pipeline
from ttgen.passes.record import Recorder, Timing, short_name, table
from ttgen.spec import Variant, load_variants

ROOT = Path(__file__).parents[2]
PIPELINE = [short_name(step) for step in build_tt_pipeline(arch="wormhole_b0")]


@dataclass(frozen=True)
class Nothing(TTPass):
    """A pass of somebody else's."""

    name: ClassVar[str] = "test.Not/hing"

    def transform(self, module: IRModule) -> IRModule:
        return module


@dataclass(frozen=True)
class Refusing(TTPass):
    name: ClassVar[str] = "test.Refusing"

    def transform(self, module: IRModule) -> IRModule:
        raise LoweringError("no")


def dumps(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_a_dump_after_each_pass_numbered_and_called_like_it(tmp_path: Path) -> None:
    run_pipeline(kernel(gemm(64, 64, 64)), arch="wormhole_b0", dump_ir=tmp_path)
    expected = ["source", *PIPELINE]
    assert list(dumps(tmp_path)) == [f"{i:02}_{name}.py" for i, name in enumerate(expected)]


@pytest.mark.parametrize(
    "variant",
    [v for path in sorted((ROOT / "kernels").glob("*.py")) for v in load_variants(path, ROOT)],
    ids=lambda variant: variant.name,
)
def test_dumps_of_the_library_parse_to_the_modules_that_they_show(
    variant: Variant, tmp_path: Path
) -> None:
    source = load_source(ROOT / variant.source, ROOT)
    made = find_kernel(source, variant.function, variant.parameters)
    modules = [kernel_module(made)]
    for step in build_tt_pipeline(arch=variant.arch[0], **variant.options):
        modules.append(step(modules[-1]))
    run_pipeline(made, arch=variant.arch[0], dump_ir=tmp_path, **variant.options)
    texts = list(dumps(tmp_path).values())
    assert len(texts) == len(modules)
    for text, module in zip(texts, modules, strict=True):
        assert tvm_ffi.structural_equal(tvm.script.from_source(text), module)


def test_dumps_are_the_same_every_time(tmp_path: Path) -> None:
    for name in "ab":
        run_pipeline(kernel(gemm(64, 96, 64)), arch="blackhole", dump_ir=tmp_path / name)
    assert dumps(tmp_path / "a") == dumps(tmp_path / "b")


def test_passes_of_ones_own_are_dumped_and_timed_too(tmp_path: Path) -> None:
    steps = build_tt_pipeline(arch="wormhole_b0")
    steps.insert(1, Nothing())
    lowered = run_pipeline(kernel(gemm(64, 64, 64)), passes=steps, dump_ir=tmp_path)
    assert list(dumps(tmp_path))[1:4] == [
        "01_InferTTLayout.py",
        "02_Not_hing.py",
        "03_PropagateTTLayout.py",
    ]
    timed = [timing.step for timing in lowered.timings]
    assert timed[:3] == ["InferTTLayout", "Not/hing", "PropagateTTLayout"]


def test_a_refusal_leaves_the_dumps_up_to_it(tmp_path: Path) -> None:
    steps = build_tt_pipeline(arch="wormhole_b0")
    steps.insert(2, Refusing())
    with pytest.raises(LoweringError):
        run_pipeline(kernel(gemm(64, 64, 64)), passes=steps, dump_ir=tmp_path)
    assert list(dumps(tmp_path)) == [
        "00_source.py",
        "01_InferTTLayout.py",
        "02_PropagateTTLayout.py",
    ]


def test_a_folder_holds_the_dumps_of_one_run_and_what_was_there_before(tmp_path: Path) -> None:
    own = tmp_path / "07_mine.py"
    own.write_text("mine\n")
    made = kernel(gemm(64, 64, 64))
    run_pipeline(made, arch="wormhole_b0", dump_ir=tmp_path)
    with pytest.raises(LoweringError):
        run_pipeline(made, passes=[Refusing()], dump_ir=tmp_path)
    assert list(dumps(tmp_path)) == ["00_source.py", own.name]


def test_a_dump_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TTError, match=r"cannot write .*file/00_source\.py: File exists"):
        run_pipeline(kernel(gemm(64, 64, 64)), arch="wormhole_b0", dump_ir=tmp_path / "file")


def test_timings_of_every_step_and_what_was_shared(tmp_path: Path) -> None:
    made = kernel(gemm(64, 64, 64))
    lowered = run_pipeline(made, arch="wormhole_b0", plan_path=tmp_path / "plan.json")
    steps = [timing.step for timing in lowered.timings]
    assert steps == [*PIPELINE, "plan", "check and write"]
    assert all(timing.milliseconds > 0 for timing in lowered.timings)
    notes = [timing.note for timing in lowered.timings]
    assert notes[1:4] == ["analysis made", "analysis shared", "analysis shared"]
    assert set(notes[:1] + notes[4:]) == {""}


def test_a_step_that_fails_is_timed() -> None:
    recorder = Recorder()
    with pytest.raises(LoweringError):
        recorder.run(Refusing(), kernel_module(kernel(gemm(32, 32, 32))))
    assert [timing.step for timing in recorder.timings] == ["Refusing"]


def test_the_table() -> None:
    text = table([Timing("one", 1.234, "analysis made"), Timing("longer", 10.0)])
    assert text.splitlines() == [
        "one         1.23  analysis made",
        "longer     10.00",
        "total      11.23",
    ]


# The shared analysis ------------------------------------------------------------------------------


def counted(func: object, at: object) -> tuple[int, int]:
    """How many analyses a call makes, and how many it shares."""
    made, shared = analysis.calls()
    analysis.analyse(func, at)  # type: ignore[arg-type]
    made_now, shared_now = analysis.calls()
    return made_now - made, shared_now - shared


def test_a_function_with_other_attributes_means_the_same() -> None:
    made = kernel(elementwise("add", (64, 64)))
    assert counted(made.func, made.at) == (1, 0)
    assert counted(made.func.with_attr("tt.roles", {"A": "input"}), made.at) == (0, 1)


def test_a_function_with_another_body_or_other_parameters_is_analysed_anew() -> None:
    made = kernel(elementwise("add", (64, 64)))
    other = kernel(elementwise("sub", (64, 64)))
    assert counted(made.func, made.at) == (1, 0)
    assert counted(other.func, other.at) == (1, 0)
    swapped = tvm.tirx.PrimFunc(list(made.func.params)[::-1], made.func.body)
    assert counted(swapped, made.at) == (1, 0)
    assert analysis.analyse(made.func, made.at) is not analysis.analyse(swapped, made.at)


def test_a_kernel_that_is_equal_but_another_is_analysed_anew() -> None:
    """Its places are its own."""
    for _ in range(2):
        made = kernel(elementwise("add", (64, 64)))
        assert counted(made.func, made.at) == (1, 0)


def test_a_refusal_is_given_again() -> None:
    made = kernel(elementwise("add", (64, 64)))
    empty = tvm.tirx.PrimFunc(list(made.func.params), tvm.tirx.Evaluate(0))
    for _ in range(2):
        with pytest.raises(LoweringError):
            analysis.analyse(empty, made.at)
