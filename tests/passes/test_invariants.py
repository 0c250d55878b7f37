"""Attributes that cannot be right are told at once, and blamed on the pass that left them (P10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from sources import gemm, kernel
from tvm import relax
from tvm.ir import IRModule
from tvm.tirx import PrimFunc

from ttgen.errors import LoweringError
from ttgen.passes import attrs
from ttgen.passes.base import FuncPass, TTPass
from ttgen.passes.grid_to_persistent_tt import GridToPersistentTT
from ttgen.passes.infer_tt_layout import InferTTLayout
from ttgen.passes.pipeline import build_tt_pipeline, kernel_module


@dataclass(frozen=True)
class Setting(FuncPass):
    """Sets one attribute."""

    name: ClassVar[str] = "test.Setting"
    key: str
    value: Any

    def apply(self, func: PrimFunc) -> PrimFunc:
        return func.with_attr(self.key, self.value)


def after(passes: int) -> IRModule:
    """A product of 2 x 3 output tiles, after that many passes."""
    module = kernel_module(kernel(gemm(64, 96, 64)))
    for step in build_tt_pipeline(arch="wormhole_b0", grid=(2, 1))[:passes]:
        module = step(module)
    return module


LAYOUT = {"tile_shape": [32, 32], "device_shape": [64, 64], "padded_shape": [64, 64]}
CASES = {
    "architecture": (1, attrs.ARCH, "grayskull", "there is no architecture 'grayskull'"),
    "layouts": (1, attrs.LAYOUT_DESC, {"A": LAYOUT, "B": LAYOUT}, "the tensor 'C' has none"),
    "padding": (
        2,
        attrs.LAYOUT_DESC,
        {name: {**LAYOUT, "padded_shape": [64, 96]} for name in "ABC"},
        r"'A' is \[64, 64\] on the device, which is \[64, 64\] in whole tiles: \[64, 96\]",
    ),
    "roles": (2, attrs.ROLES, {"A": "input", "C": "output"}, "'B' has a role or a layout, and not"),
    "no output": (2, attrs.ROLES, dict.fromkeys("ABC", "input"), "there is no output"),
    "work twice": (
        3,
        attrs.WORK_PARTITION,
        [[0, 0, 0, 4], [1, 0, 3, 3]],
        "output tile 3 is given to two cores",
    ),
    "work lost": (
        3,
        attrs.WORK_PARTITION,
        [[0, 0, 0, 3], [1, 0, 3, 2]],
        "ends at output tile 5, the grid has 6",
    ),
    "negative work": (
        3,
        attrs.WORK_PARTITION,
        [[0, 0, 0, 6], [1, 0, 6, -1]],
        "-1 tiles cannot be given to a core",
    ),
    "core outside": (
        3,
        attrs.WORK_PARTITION,
        [[0, 0, 0, 3], [9, 0, 3, 3]],
        r"core \(9, 0\) is outside the 8x9 grid",
    ),
    "core without range": (
        3,
        attrs.WORK_PARTITION,
        [[0, 0, 0, 3], [2, 0, 3, 3]],
        r"core \(1, 0\) is in core_ranges or in partition, not in both",
    ),
    "work without partition": (
        1,
        attrs.WORK_PARTITION,
        [[0, 0, 0, 6]],
        "it comes with an architecture, a partition and core ranges",
    ),
    "constants": (4, attrs.CONSTANTS, {"Qt": 2}, "the function does not take 'Qt'"),
    "value of a constant": (
        4,
        attrs.CONSTANTS,
        {"Mt": 0, "Nt": 3, "Kt": 2},
        "'Mt' is 0, and must be a number of tiles",
    ),
    "program": (5, attrs.PROGRAM, "loader", "'loader' is none of reader, compute, writer"),
}


@pytest.mark.parametrize(
    ("passes", "key", "value", "says"), CASES.values(), ids=[key.replace(" ", "-") for key in CASES]
)
def test_a_wrong_attribute_is_blamed_on_the_pass(
    passes: int, key: str, value: Any, says: str
) -> None:
    with pytest.raises(LoweringError, match=says) as caught:
        Setting(key, value)(after(passes))
    assert f"test.Setting has left a wrong '{key}'" in str(caught.value)
    assert str(caught.value).startswith("kernels/k.py:4:")


def test_attributes_that_stay_are_not_blamed_on_a_pass() -> None:
    """Each is checked once, after the pass that has set it."""
    module = after(2)
    roles = dict.fromkeys("ABC", "input")
    wrong = IRModule({v: f.with_attr(attrs.ROLES, roles) for v, f in module.functions.items()})
    Setting(attrs.ARCH, "blackhole")(wrong)


def test_an_attribute_that_no_pass_knows() -> None:
    with pytest.raises(LoweringError, match=r"unknown attribute 'tt.role'\n.*'tt.roles'"):
        Setting("tt.role", {})(after(1))


def test_a_pass_of_a_whole_module_is_held_to_the_same() -> None:
    @dataclass(frozen=True)
    class Whole(TTPass):
        name: ClassVar[str] = "test.Whole"

        def transform(self, module: IRModule) -> IRModule:
            return Setting(attrs.ARCH, "grayskull").transform(module)

    with pytest.raises(LoweringError, match=r"test.Whole has left a wrong 'tt.arch'"):
        Whole()(after(1))
    with pytest.raises(RuntimeError, match=r"LoweringError: .*test.Whole has left"):
        Whole().as_tvm_pass()(after(1))


def test_a_function_that_is_no_kernel_is_left_alone_or_refused_and_never_lost() -> None:
    lowered = after(4)
    extern = relax.ExternFunc("other")
    module = IRModule({**dict(lowered.functions.items()), "other": extern})
    kept = InferTTLayout(arch="wormhole_b0")(
        IRModule({**dict(after(0).functions.items()), "other": extern})
    )
    assert {var.name_hint for var in kept.functions} == {"k", "other"}
    with pytest.raises(LoweringError, match=r"'other' is no PrimFunc, but of type ExternFunc"):
        GridToPersistentTT()(module)
