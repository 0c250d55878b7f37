"""The functions of old: what they warn of, and what they make of a module (M3)."""

from __future__ import annotations

from typing import Any

import pytest
import tvm_ffi
from sources import kernel
from tvm import relax
from tvm.ir import IRModule

from ttgen import compat
from ttgen.compat import to_legacy, to_new
from ttgen.errors import LoweringError
from ttgen.ops import PROGRAM_NAMES
from ttgen.passes import attrs
from ttgen.passes.pipeline import PASSES, build_tt_pipeline

from .kernels import ADD, GEMM, carrying

#: Each function, and how many passes a module has been through after it.
THROUGH = {
    "infer_tt_layout": 1,
    "propagate_tt_layout": 2,
    "infer_default_tt_shard": 2,
    "tile_pad_tt": 2,
    "infer_default_tt_schedule": 3,
    "layout_aware_work_partition_tt": 3,
    "tt_tiles_to_core_map": 3,
    "apply_tt_metadata_passes": 3,
    "apply_layout_aware_metadata_passes": 3,
    "lower_gemm_to_tt_intrinsics": 4,
    "grid_to_persistent_tt": 5,
    "memory_space_lower_tt": 5,
    "apply_tt_transform_passes": 6,
}
UNCHANGED = {"verify_tt_ir", "apply_tt_defaults"}
RUNS = {"tt_num_cores": 2, "tt_tiles_per_core": [[0, 2], [2, 4]]}


def legacy_module(source: str = GEMM, **attributes: Any) -> IRModule:
    """A module of one kernel, with attributes as legacy code has them."""
    return IRModule({"k": kernel(source).func.with_attrs({**RUNS, **attributes})})


def call(name: str, module: IRModule, **options: Any) -> IRModule:
    with pytest.warns(DeprecationWarning, match=f"^{name} is deprecated: .") as caught:
        result = getattr(compat, name)(module, **options)
    assert [warning.filename for warning in caught] == [__file__]
    return result


def today(module: IRModule, passes: int, arch: str = "wormhole_b0") -> IRModule:
    """A legacy module after so many passes, called as code of today calls them."""
    result = IRModule({var: to_new(func) for var, func in module.functions.items()})
    for step in build_tt_pipeline(arch=arch)[:passes]:
        result = step(result)
    return result


def test_every_name_is_there() -> None:
    assert {*THROUGH, *UNCHANGED, "to_new", "to_legacy"} == set(compat.__all__)


@pytest.mark.parametrize("name", THROUGH)
@pytest.mark.parametrize("source", [GEMM, ADD], ids=["gemm", "add"])
def test_a_function_does_what_the_passes_do(name: str, source: str) -> None:
    module = legacy_module(source)
    result = call(name, module)
    assert tvm_ffi.structural_equal(result, today(module, THROUGH[name]))
    assert getattr(compat, name).__name__ == name


@pytest.mark.parametrize("name", THROUGH)
def test_what_is_done_is_not_done_twice(name: str) -> None:
    once = call(name, legacy_module())
    assert tvm_ffi.structural_equal(call(name, once), once)


def test_old_code_calls_them_in_its_own_order() -> None:
    """The legacy pipeline: loops that persist came before cores, buffers and padding."""
    module = legacy_module()
    result = module
    for name in (
        "apply_tt_defaults",
        "infer_default_tt_schedule",
        "infer_default_tt_shard",
        "grid_to_persistent_tt",
        "tt_tiles_to_core_map",
        "memory_space_lower_tt",
        "tile_pad_tt",
        "lower_gemm_to_tt_intrinsics",
        "verify_tt_ir",
    ):
        options = {} if name == "apply_tt_defaults" else {"arch": "blackhole"}
        result = call(name, result, **options)
    assert tvm_ffi.structural_equal(result, today(module, len(PASSES), "blackhole"))
    assert {var.name_hint for var in result.functions} == {f"k_{p}" for p in PROGRAM_NAMES}


def test_the_work_of_the_module_is_kept() -> None:
    func = call("apply_tt_metadata_passes", legacy_module())["k"]
    assert attrs.optional(func, attrs.WORK_PARTITION) == [[0, 0, 0, 2], [1, 0, 2, 4]]


def test_defaults_are_those_of_a_function_that_asks_for_nothing() -> None:
    plain = IRModule({"k": kernel(ADD).func})
    found = attrs.optional(call("apply_tt_defaults", plain)["k"], attrs.USER_LAYOUT)
    assert found == {name: {"memory": "DRAM", "layout": "interleaved"} for name in "ABC"}
    asking = legacy_module()
    assert call("apply_tt_defaults", asking)["k"].same_as(asking["k"])


def test_verification_raises_and_changes_nothing() -> None:
    module = legacy_module()
    assert call("verify_tt_ir", module).same_as(module)
    programs = call("apply_tt_transform_passes", module)
    lost = IRModule({"k_reader": programs["k_reader"], "k_writer": programs["k_writer"]})
    with (
        pytest.raises(LoweringError, match="has no compute"),
        pytest.warns(DeprecationWarning, match="verify_tt_ir"),
    ):
        compat.verify_tt_ir(lost)


def test_functions_at_different_stages_share_a_module() -> None:
    lowered = call("lower_gemm_to_tt_intrinsics", legacy_module())["k"]
    raw = kernel(ADD).func.with_attr("global_symbol", "sum")
    result = call("grid_to_persistent_tt", IRModule({"k": lowered, "sum": raw}))
    assert {v.name_hint for v in result.functions} == {
        f"{name}_{p}" for name in ("k", "sum") for p in PROGRAM_NAMES
    }


def test_other_functions_stay() -> None:
    other = relax.Function([], relax.Tuple([]))
    module = legacy_module()
    module["main"] = other
    assert call("tile_pad_tt", module)["main"].same_as(module["main"])


def test_wrong_attributes_are_errors_here_too() -> None:
    with (
        pytest.raises(LoweringError, match="tt_num_tiles is 5"),
        pytest.warns(DeprecationWarning, match="infer_default_tt_schedule"),
    ):
        compat.infer_default_tt_schedule(legacy_module(tt_num_tiles=5))


def test_a_kernel_of_today_goes_through_as_legacy_code_would_have_it() -> None:
    source = carrying(GEMM, {"tt.core_grid": [3, 2]})
    func = kernel(source).func
    module = IRModule({"k": to_legacy(func)})
    expected = IRModule({"k": func})
    for step in build_tt_pipeline(arch="wormhole_b0"):
        expected = step(expected)
    assert tvm_ffi.structural_equal(call("apply_tt_transform_passes", module), expected)
