"""Where tensors lie: layouts completed and refused, shards, L1 (D5, D6, P3, P4)."""

from __future__ import annotations

from typing import Any

import pytest
from sources import buffers, gemm, plan_of, prim_func, run, values

from ttgen.arch import ARCHITECTURES
from ttgen.errors import LoweringError
from ttgen.layouts import from_old_form
from ttgen.plan import Plan
from ttgen.plan.model import CoreRange, NdShard
from ttgen.plan.shards import cores_of, sharding


def add(shape: tuple[int, ...], attributes: str = "{}") -> str:
    axes = ", ".join("ijkl"[: len(shape)])
    return prim_func(
        buffers("ABC", [shape] * 3),
        f"T.func_attr({attributes})\n"
        f"for {axes} in T.grid{shape}:\n    C[{axes}] = A[{axes}] + B[{axes}]",
    )


def shard_of(shape: tuple[int, ...], asked: dict[str, Any], arch: str = "wormhole_b0") -> NdShard:
    """The shards of an output of ``shape`` that are made of what is asked for."""
    shard = (
        plan_of(add(shape), arch, layouts={"C": {"nd_shard": asked}}).tensor("C").layout.nd_shard
    )
    assert shard is not None
    return shard


# Completed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "grid", "shape", "kind"),
    [
        ({"grid": [4, 1]}, (4, 1), (32, 96), "height"),
        ({"axes": ["M"], "grid": [4]}, (4, 1), (32, 96), "height"),
        ({"axes": ["M"], "shard_shape": [64]}, (2, 1), (64, 96), "height"),
        ({"axes": ["N"], "grid": [3]}, (1, 3), (128, 32), "width"),
        ({"shard_shape": [128, 64]}, (1, 2), (128, 64), "width"),
        ({"grid": [2, 3]}, (2, 3), (64, 32), "block"),
        ({"shard_shape": [96, 64]}, (2, 2), (96, 64), "block"),
        ({"grid": [2, 2], "shard_shape": [64, 64]}, (2, 2), (64, 64), "block"),
    ],
)
def test_shards_are_completed(
    asked: dict[str, Any], grid: tuple[int, int], shape: tuple[int, int], kind: str
) -> None:
    """D6: what is not said of the shards follows from the rest."""
    found = shard_of((128, 96), asked)
    assert (found.axes, found.grid, found.shard_shape) == (("M", "N"), grid, shape)
    assert found.order == "row_major"
    assert sharding(found.grid) == kind


@pytest.mark.parametrize(
    ("asked", "grid", "shape"),
    [
        ({"axes": ["B", "M", "N"], "grid": [3, 2, 1]}, (6, 1), (32, 64)),
        ({"grid": [3, 1, 2]}, (3, 2), (64, 32)),
        ({"axes": ["B", "M", "N"], "shard_shape": [1, 32, 64]}, (6, 1), (32, 64)),
        ({"axes": ["B", "M", "N"], "shard_shape": [3, 64, 32]}, (1, 2), (192, 32)),
        ({"grid": [2, 1]}, (2, 1), (96, 64)),
    ],
)
def test_leading_dimensions_are_rows(
    asked: dict[str, Any], grid: tuple[int, int], shape: tuple[int, int]
) -> None:
    """D6: as ttnn folds them, after padding: 3 matrices of 50 rows are 192 rows."""
    found = shard_of((3, 50, 40), asked)
    assert (found.grid, found.shard_shape) == (grid, shape)


def test_partial_layouts_get_defaults() -> None:
    """D6: a partial layout is no crash; L1 and ``sharded`` follow from shards."""
    plan = plan_of(
        add((64, 64), '{"tt.buffer.A": {"memory": "L1"}, "tt.user_layout": {"B": {}}}'),
        layouts={"C": {"nd_shard": {"grid": [2, 1]}}},
    )
    found = {t.name: (t.layout.memory, t.layout.layout, t.layout.dtype) for t in plan.tensors}
    assert found == {
        "A": ("L1", "interleaved", "bf16"),
        "B": ("DRAM", "interleaved", "bf16"),
        "C": ("L1", "sharded", "bf16"),
    }
    assert {t.layout.tile_shape for t in plan.tensors} == {(32, 32)}


def test_the_spec_overrides_the_source() -> None:
    """D6: annotation, then user_layout, then the spec; who wants no shards gets none."""
    attributes = (
        '{"tt.buffer.A": {"nd_shard": {"grid": [2, 1]}},'
        ' "tt.user_layout": {"A": {"nd_shard": {"grid": [1, 2]}}}}'
    )
    source = add((64, 64), attributes)
    shard = plan_of(source).tensor("A").layout.nd_shard
    assert shard is not None
    assert shard.grid == (1, 2)
    wish = {"memory": "DRAM", "layout": "interleaved"}
    layout = plan_of(source, layouts={"A": wish}).tensor("A").layout
    assert (layout.memory, layout.layout, layout.nd_shard) == ("DRAM", "interleaved", None)


# Cores --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "cores"),
    [
        ({"grid": [2, 3]}, [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]),
        (
            {"grid": [2, 3], "order": "column_major"},
            [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)],
        ),
        (
            {"grid": [2, 3], "cores": [[4, 5, 3, 2]]},
            [(4, 5), (5, 5), (6, 5), (4, 6), (5, 6), (6, 6)],
        ),
        ({"grid": [4, 1], "cores": [[0, 2, 1, 2], [5, 5, 2, 1]]}, [(0, 2), (0, 3), (5, 5), (6, 5)]),
    ],
)
def test_grid_axes_are_not_swapped(asked: dict[str, Any], cores: list[tuple[int, int]]) -> None:
    """The mistake of other back ends: rows of shards are rows of cores on asymmetric grids, too."""
    assert cores_of(shard_of((128, 96), asked)) == cores


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_many_shards_go_on_in_the_next_row(arch: str) -> None:
    columns, rows = ARCHITECTURES[arch].grid
    found = shard_of(((columns + 1) * 32, 32), {"axes": ["M"], "grid": [columns + 1]}, arch)
    assert found.cores == (
        CoreRange(start=(0, 0), extent=(columns, 1)),
        CoreRange(start=(0, 1), extent=(1, 1)),
    )
    asked = {"axes": ["M"], "grid": [rows + 1], "order": "column_major"}
    found = shard_of(((rows + 1) * 32, 32), asked, arch)
    assert cores_of(found)[-2:] == [(0, rows - 1), (1, 0)]


# Refused ------------------------------------------------------------------------------------------

CHIP = (32 * 10, 32 * 10)
REFUSED: dict[str, tuple[tuple[int, ...], dict[str, Any], str]] = {
    "P3 needs nd_shard": ((64, 64), {"memory": "L1", "layout": "sharded"}, "needs nd_shard"),
    "P3 tiles": ((64, 64), {"nd_shard": {"shard_shape": [48, 64]}}, "48x64 is not in whole tiles"),
    "P4 halo": ((64, 64), {"nd_shard": {"grid": [2, 1], "halo": 1}}, "'halo': halos are not"),
    "DRAM": ((64, 64), {"memory": "DRAM", "nd_shard": {"grid": [2, 1]}}, "lie in L1, not in DRAM"),
    "interleaved": (
        (64, 64),
        {"layout": "interleaved", "nd_shard": {"grid": [2, 1]}},
        "nd_shard is given, and the layout is interleaved",
    ),
    "conflict": (
        (128, 64),
        {"nd_shard": {"grid": [2, 1], "shard_shape": [32, 64]}},
        "shards of 32x64 cut 128x64 into 4x1, not into 2x1",
    ),
    "an empty shard": ((160, 64), {"nd_shard": {"grid": [4, 1]}}, "into 3x1, not into 4x1"),
    "too large": ((64, 64), {"nd_shard": {"shard_shape": [96, 64]}}, "96x64 is larger than"),
    "columns": (CHIP, {"nd_shard": {"grid": [2, 10]}}, r"core \(8, 0\) is outside of 8 columns"),
    "rows": (
        CHIP,
        {"nd_shard": {"grid": [10, 2]}},
        r"10x2 shards in row_major: core \(0, 9\) is outside of 8 columns and 9 rows",
    ),
    "cores": ((4000, 64), {"nd_shard": {"grid": [125, 1]}}, "125 shards; the chip has 72 cores"),
    "fewer cores": (
        (128, 64),
        {"nd_shard": {"grid": [4, 1], "cores": [[0, 0, 3, 1]]}},
        "nd_shard.cores: there are 3 for 4 shards",
    ),
    "swapped cores": (
        (64, 96),
        {"nd_shard": {"grid": [2, 3], "cores": [[0, 0, 2, 3]]}},
        "2x3 shards in row_major take one rectangle of 3 columns and 2 rows",
    ),
    "overlapping cores": (
        (128, 64),
        {"nd_shard": {"grid": [4, 1], "cores": [[0, 0, 2, 1], [1, 0, 2, 1]]}},
        r"core \(1, 0\) is in two ranges",
    ),
    "no rectangle": ((64, 64), {"nd_shard": {"grid": [2, 1], "cores": [[0, 0]]}}, "no rectangle"),
    "axes": ((64, 64), {"nd_shard": {"axes": ["X"], "grid": [2]}}, r"axes is \['X'\]\n.*\[M, N\]"),
    "axes and grid": ((64, 64), {"nd_shard": {"axes": ["M"], "grid": [2, 1]}}, "2 values for"),
    "order": ((64, 64), {"nd_shard": {"grid": [2, 1], "order": "z"}}, "order is 'z'; it is one of"),
    "nothing": ((64, 64), {"nd_shard": {}}, "needs grid or shard_shape"),
    "zero": ((64, 64), {"nd_shard": {"grid": [0, 1]}}, "list of positive integers"),
    "unknown": ((64, 64), {"nd_shard": {"gird": [2, 1]}}, "unknown key 'gird'\n.*'grid'"),
    "no mapping": ((64, 64), {"nd_shard": [2, 1]}, r"nd_shard is \[2, 1\]; it maps keys"),
    "memory": ((64, 64), {"memory": "SRAM"}, "memory is SRAM; supported: DRAM, L1"),
    "parts of matrices": (
        (4, 64, 64),
        {"nd_shard": {"shard_shape": [2, 32, 64]}},
        "takes 32 of 64 rows of 2 matrices",
    ),
    "matrices": ((3, 64, 64), {"nd_shard": {"shard_shape": [2, 64, 64]}}, "no whole shards of 2"),
}


@pytest.mark.parametrize(("shape", "layout", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_layouts_are_refused(shape: tuple[int, ...], layout: dict[str, Any], says: str) -> None:
    """D5, P3, P4: with the tensor and its place in the source."""
    with pytest.raises(LoweringError, match=rf"(?s)^kernels/k.py:4:\d+: layout of C: .*{says}"):
        plan_of(add(shape), layouts={"C": layout})


def test_tensors_that_fill_l1_are_named() -> None:
    """P3: shards of 896 KB, two of which no core holds."""
    layouts = {"A": {"nd_shard": {"grid": [1, 1]}}, "B": {"nd_shard": {"grid": [1, 1]}}}
    with pytest.raises(
        LoweringError, match=r"tensors in L1 take 1835008 .*A 917504, B 917504.*wormhole_b0 has"
    ):
        plan_of(add((14 * 32, 32 * 32)), layouts=layouts)


def test_buffers_and_tensors_that_fill_l1_are_named() -> None:
    """P3: shards fit, and circular buffers of 64 tiles beside them do not."""
    layouts = {"C": {"nd_shard": {"grid": [1, 1]}}}
    source = add((18 * 32, 32 * 32))
    assert plan_of(source, layouts=layouts).l1.tensor_bytes == 18 * 32 * 2048
    with pytest.raises(LoweringError, match=r"(?s)A \d+, B \d+.*, tensors 1179648 \(C 1179648\)"):
        plan_of(source, layouts=layouts, grid=(1, 1), block_tiles=64, buffering=16)


def test_a_tensor_may_be_called_like_a_buffer() -> None:
    """Both count in L1: what holds A's tiles on the way is called ``A_cb`` in messages."""
    plan = plan_of(
        prim_func(
            buffers(("A", "A_cb", "C"), [(64, 64)] * 3),
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[i, j] + A_cb[i, j]",
        ),
        layouts={"A_cb": {"memory": "L1"}},
    )
    assert plan.l1.tensor_bytes == 2048
    assert plan.l1.used_bytes == 2048 + sum(
        cb.page_bytes * cb.pages for cb in plan.circular_buffers
    )


def test_an_order_of_none_leaves_it_open() -> None:
    source = add((64, 64))
    assert plan_of(source, layouts={"A": {"order": None}}) == plan_of(source)


def test_interleaved_pages_count_in_l1() -> None:
    """80 pages on 72 cores: two of them on some."""
    plan = plan_of(add((80 * 32, 32)), layouts={"A": {"memory": "L1"}})
    assert plan.l1.tensor_bytes == 2 * 2048


# The other form -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"shard": "DRAM", "interleave": True}, {"memory": "DRAM", "layout": "interleaved"}),
        ({"shard": "DDR"}, {"memory": "DRAM"}),
        ({"shard": "SRAM", "tile_id_order": "row_major"}, {"memory": "L1"}),
        ({"stride": [96, 1]}, {}),
        ({"stride": [96, 1], "dtype": "bf16"}, {"dtype": "bf16"}),
        (
            {"shard": "L1", "interleave": False, "tile_id_order": "column_major"},
            {"memory": "L1", "layout": "sharded", "nd_shard": {"order": "column_major"}},
        ),
        (
            {"shard": "L1", "tile_id_order": "match_shard", "nd_shard": {"grid": [2, 1]}},
            {"memory": "L1", "nd_shard": {"grid": [2, 1]}},
        ),
    ],
)
def test_the_other_form_is_converted(old: dict[str, Any], new: dict[str, Any]) -> None:
    """D6."""
    assert from_old_form(old, (64, 96)) == new


@pytest.mark.parametrize(
    ("old", "says"),
    [
        ({"shard": "HBM"}, "shard is 'HBM'"),
        ({"shard": "L1", "memory": "DRAM"}, "shard means memory: L1, and memory is DRAM"),
        ({"interleave": 1}, "interleave is 1; it is True or False"),
        ({"interleave": False}, "a tensor in DRAM is interleaved"),
        ({"stride": [1, 64]}, r"stride is \[1, 64\]; a dense tensor of \[64, 96\] has \[96, 1\]"),
        ({"tile_id_order": "column_major"}, "which interleaved tensors cannot have"),
        ({"shard": "L1", "interleave": False, "tile_id_order": "z_order"}, "which sharded tensors"),
        (
            {"nd_shard": {"order": "row_major"}, "tile_id_order": "column_major"},
            "tile_id_order means order: column_major, and order is row_major",
        ),
    ],
)
def test_what_the_other_form_cannot_mean_is_refused(old: dict[str, Any], says: str) -> None:
    """D6: nothing is dropped."""
    with pytest.raises(LoweringError, match=says):
        from_old_form(old, (64, 96))


def test_annotations_may_have_the_other_form() -> None:
    attributes = '{"tt.buffer.A": {"shard": "L1", "interleave": True, "stride": [64, 1]}}'
    layout = plan_of(add((64, 64), attributes)).tensor("A").layout
    assert (layout.memory, layout.layout) == ("L1", "interleaved")


# Meaning ------------------------------------------------------------------------------------------


def result(plan: Plan) -> bytes:
    """The output's bytes, for inputs that are the same for every plan."""
    return bytes(run(plan, values(plan))["C"].tobytes())


@pytest.mark.parametrize("grid", [[5, 1], [1, 3], [2, 3], [3, 2], [5, 3]])
@pytest.mark.parametrize("order", ["row_major", "column_major"])
def test_sharded_is_interleaved_and_local_is_global(grid: list[int], order: str) -> None:
    """Metamorphic: layouts and modes change where work is done, and no value."""
    shards = {"nd_shard": {"grid": grid, "order": order}}
    layouts = dict.fromkeys("ABC", shards)
    plain = result(plan_of(add((160, 96))))
    for mode in ("global", "local_shard"):
        assert result(plan_of(add((160, 96)), layouts=layouts, partition_mode=mode)) == plain


def test_products_of_shards() -> None:
    """local_shard with a reduction, and shards that are smaller at the edges."""
    layouts = {"C": {"nd_shard": {"shard_shape": [64, 64]}}}
    plan = plan_of(gemm(160, 160, 96), layouts=layouts, partition_mode="local_shard")
    assert result(plan) == result(plan_of(gemm(160, 160, 96)))
    assert [work.count for work in plan.partition.cores] == [4, 4, 2, 4, 4, 2, 2, 2, 1]
