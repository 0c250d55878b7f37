"""One plan, whichever spelling: the switch TT_USE_NEW_PIPELINE, and kernels in either (M1, M2)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sources import HEADER, kernel, lower
from tvm.ir import IRModule

from ttgen import fingerprint
from ttgen.errors import LoweringError, TTError
from ttgen.frontend.kernel import find_kernel
from ttgen.frontend.source import load_source
from ttgen.frontend.spelling import VARIABLE, uses_new_pipeline
from ttgen.passes.infer_tt_layout import InferTTLayout
from ttgen.passes.pipeline import run_pipeline
from ttgen.plan import encode
from ttgen.spec import load_variants

from .kernels import ADD, GEMM, carrying

ROOT = Path(__file__).parents[2]
LIBRARY = sorted(path.stem for path in (ROOT / "kernels").glob("*.py"))
#: What apply_tt_defaults, infer_default_tt_schedule and infer_default_tt_shard left in a kernel
#: of two rows and three columns of tiles, here on two cores.
LEFT: dict[str, Any] = {
    "tt_schedule_policy": "contiguous",
    "tt_schedule_order": "row_major",
    "tt_layout_type": "dram_interleaved",
    "tt_tile_height": 32,
    "tt_tile_width": 32,
    "tt_grid_x": 3,
    "tt_grid_y": 2,
    "tt_grid_z": 1,
    "tt_num_tiles": 6,
    "tt_num_cores": 2,
    "tt_tiles_per_core": [[0, 4], [4, 2]],
    "tt_schedule": {
        "policy": "contiguous",
        "order": "row_major",
        "grid_shape": [3, 2, 1],
        "total_tiles": 6,
        "num_cores": 2,
        "assignments": [
            {"core_id": 0, "start_tile": 0, "tile_count": 4},
            {"core_id": 1, "start_tile": 4, "tile_count": 2},
        ],
    },
    "tt_core_ranges": [[0, 0, 0, 0, 0, 4], [1, 0, 1, 0, 4, 2]],
    "tt_core_runtime_args": [[0, 4], [4, 2]],
    "tt_runtime_args": {
        "start_tile": {"name": "tt_start_tile", "dtype": "int32", "semantic": "tile_start"},
        "tile_count": {"name": "tt_tile_count", "dtype": "int32", "semantic": "tile_count"},
        "grid_shape": [3, 2, 1],
        "iteration_ndims": 2,
        "iteration_order": "row_major_xyz",
        "iteration_symbols": ["bx", "by"],
        "grid_tiles": [2, 3],
        "local_shape_tiles": [2, 3],
        "shard_grid": [1, 1],
        "runtime_constants": {"Mt": 2, "Nt": 3, "Kt": 1},
        "partition_mode": "global",
        "param_order": ["tt_start_tile", "tt_tile_count"],
    },
    "tt_buffer_A_layout": "dram_interleaved",
    "tt_buffer_A_tile_shape": [32, 32],
    "tt_buffer_A_needs_padding": 0,
}


def dealt(*shares: tuple[str, int, int], order: str | None = None) -> dict[str, Any]:
    """A work partition in today's spelling: runs of the six tiles of both kernels, by rows."""
    named = {} if order is None else {"tile_order": order}
    return {
        core: [{"io": n // 3, "jo": n % 3, **named} for n in range(start, start + count)]
        for core, start, count in shares
    }


TWO_CORES = dealt(("(0, 0)", 0, 4), ("(1, 0)", 4, 2), order="row_major")
DRAM = {"memory": "DRAM", "layout": "interleaved", "tile_shape": [32, 32]}
#: A kernel, its legacy attributes, and today's.
PAIRS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "gemm": (GEMM, LEFT, {"tt.work_partition": TWO_CORES, "tt.user_layout": {"A": DRAM}}),
    "elementwise": (ADD, LEFT, {"tt.work_partition": TWO_CORES, "tt.user_layout": {"A": DRAM}}),
    "default schedule": (
        GEMM,
        {"tt_schedule_policy": "contiguous", "tt_schedule_order": "row_major", "tt_grid_x": 3},
        {},
    ),
    "core grid": (
        GEMM,
        {"tt.grid": [1, 2], "tt.block_shape": [1, 3], "tt.start_tile": [0, 0]},
        {"tt.core_grid": [1, 2], "tt.work_partition": dealt(("(0, 0)", 0, 3), ("(0, 1)", 3, 3))},
    ),
    "core ranges": (ADD, {"tt_core_ranges": [[2, 1, 3, 2]]}, {"tt.core_ranges": [[2, 1, 2, 2]]}),
    "cores in another order": (
        ADD,
        {"tt_core_ranges": [[5, 3, 5, 3, 0, 1], [0, 2, 0, 2, 1, 2], [1, 0, 1, 0, 3, 3]]},
        {"tt.work_partition": dealt(("(5, 3)", 0, 1), ("(0, 2)", 1, 2), ("(1, 0)", 3, 3))},
    ),
    "sharded": (
        ADD,
        {
            "tt_num_cores": 2,
            "tt_tiles_per_core": [[0, 3], [3, 3]],
            "tt_shard": {
                name: {
                    "memory": "L1",
                    "layout": "sharded",
                    "tiles_height": 2,
                    "tiles_width": 3,
                    "nd_shard": {
                        "axes": ["M", "N"],
                        "grid": [2, 1],
                        "shard_shape_elems": [32, 96],
                        "projected_grid": [2, 1],
                        "projected_shard_tiles": [1, 3],
                    },
                }
                for name in "ABC"
            },
        },
        {
            "tt.work_partition": dealt(("(0, 0)", 0, 3), ("(1, 0)", 3, 3)),
            "tt.user_layout": {
                name: {
                    "memory": "L1",
                    "layout": "sharded",
                    "nd_shard": {"axes": ["M", "N"], "grid": [2, 1], "shard_shape": [32, 96]},
                }
                for name in "ABC"
            },
        },
    ),
    "sharded, annotated": (
        ADD,
        {"tt.user_layout": {"C": {"nd_shard": {"grid": [1, 3], "shard_shape_elems": [64, 32]}}}},
        {"tt.user_layout": {"C": {"nd_shard": {"grid": [1, 3], "shard_shape": [64, 32]}}}},
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("arch", ["wormhole_b0", "blackhole"])
def test_plans_are_identical(pair: str, arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte by byte: the structural hash and every place in the source included."""
    source, legacy, today = PAIRS[pair]
    monkeypatch.delenv(VARIABLE, raising=False)
    plan = encode(lower(carrying(source, today), arch).plan)
    monkeypatch.setenv(VARIABLE, "false")
    assert encode(lower(carrying(source, legacy), arch).plan) == plan
    assert encode(lower(carrying(source, today), arch).plan) == plan


def test_cores_that_keep_to_their_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """What legacy code called ``local_shard`` is asked for in the spec, in either spelling."""
    shards = {name: {"nd_shard": {"grid": [2, 1]}} for name in "ABC"}
    plans = []
    for switch, key in (("true", "tt.user_layout"), ("false", "tt_shard")):
        monkeypatch.setenv(VARIABLE, switch)
        lowered = lower(carrying(ADD, {key: shards}), partition_mode="local_shard")
        plans.append(encode(lowered.plan))
    assert plans[0] == plans[1]
    assert '"mode": "local_shard"' in plans[0]


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_has_the_same_plans_either_way(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2: a variant of every kernel source."""
    path = ROOT / "kernels" / f"{name}.py"
    variant = min(load_variants(path, ROOT), key=lambda v: sum(v.parameters.values()))
    plans = []
    for switch in ("true", "false"):
        monkeypatch.setenv(VARIABLE, switch)
        found = find_kernel(load_source(path, ROOT), variant.function, variant.parameters)
        plans.append(encode(run_pipeline(found, arch=variant.arch[0], **variant.options).plan))
    assert plans[0] == plans[1]


# The switch ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "new"), [("true", True), ("1", True), ("False", False), ("0", False)]
)
def test_values_of_the_switch(value: str, new: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert uses_new_pipeline() is new
    monkeypatch.delenv(VARIABLE)
    assert uses_new_pipeline()


@pytest.mark.parametrize("value", ["", "no", "2"])
def test_other_values_are_errors(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    for ask in (uses_new_pipeline, fingerprint.environment_key, lambda: kernel(GEMM)):
        with pytest.raises(TTError, match=rf"{VARIABLE} is '{value}'\n  .*true, 1, false, 0"):
            ask()


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("tt_tiles_per_core", "write 'tt.work_partition' .*, or set TT_USE_NEW_PIPELINE=false"),
        ("tt.grid", "write 'tt.core_grid' .*, or set TT_USE_NEW_PIPELINE=false"),
        ("tt_buffer_A_layout", "write 'tt.user_layout'"),
        ("tt_tiles_per_cor", "did you mean 'tt_tiles_per_core'"),
        ("tt_num_cbs", "a legacy pass has left it: give the kernel"),
    ],
)
def test_the_new_pipeline_ignores_no_legacy_attribute(
    key: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a build, and where a pass is called alone."""
    monkeypatch.delenv(VARIABLE, raising=False)
    source = carrying(ADD, {key: [1, 1]})
    with pytest.raises(LoweringError, match=f"kernels/k.py:.*'{key}' is an attr.*\n  {advice}"):
        lower(source)
    monkeypatch.setenv(VARIABLE, "true")
    with pytest.raises(LoweringError, match=f"'{key}'.*\n  {advice}"):
        lower(source)


def test_a_pass_alone_ignores_none_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor with the switch off: what is no source is converted by whoever has it."""
    monkeypatch.setenv(VARIABLE, "false")
    module = IRModule({"k": kernel(ADD).func.with_attr("tt_num_tiles", 6)})
    with pytest.raises(LoweringError, match=r"'tt_num_tiles' is .*\n.* call ttgen.compat.to_new"):
        InferTTLayout(arch="wormhole_b0")(module)


def test_the_normal_path_does_without_the_layer(tmp_path: Path) -> None:
    (tmp_path / "k.py").write_text(HEADER + ADD)
    script = (
        "import sys; from ttgen.planner import plan\n"
        "variant = {'name': 'k', 'source': 'k.py', 'arch': [], 'parameters': {}, 'options': {}, "
        "'tolerance': {'pcc': 1, 'relative_error': 0}, 'templates': [], 'function': None}\n"
        "plan({'project': '.', 'variant': variant, 'arch': 'wormhole_b0'}, 'plan.json')\n"
        "print([name for name in sys.modules if name.startswith('ttgen.compat')])"
    )
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("step", ["plan", "golden", "render"])
def test_the_switch_decides_freshness(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what loads kernels, and of nothing else."""
    found = []
    for switch in ("true", "false"):
        monkeypatch.setenv(VARIABLE, switch)
        fingerprint.fingerprint.cache_clear()
        found.append((fingerprint.environment_key(), fingerprint.fingerprint(step)))
    fingerprint.fingerprint.cache_clear()
    assert found[0][0] != found[1][0]
    assert (found[0][1] == found[1][1]) == (step == "render")
