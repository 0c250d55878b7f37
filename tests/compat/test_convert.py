"""Attributes from the legacy spelling into today's, and back (M4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttgen.annotate import WorkItem, with_core_grid, with_layout_desc, with_work_partition
from ttgen.compat import to_legacy, to_new
from ttgen.compat.convert import RULES
from ttgen.errors import LoweringError
from ttgen.frontend.spelling import LEGACY, is_legacy
from ttgen.partition import TILE_ORDERS, tile_places
from ttgen.passes import attrs

from .kernels import copy, said

CHEAP = settings(max_examples=80, deadline=None, derandomize=True, database=None)
#: Rows and columns of output tiles, and columns and rows of cores.
EXTENTS = st.tuples(st.integers(1, 5), st.integers(1, 5))
WORK = attrs.WORK_PARTITION


def new(rows: int, columns: int, **legacy: Any) -> dict[str, Any]:
    """What is made of legacy attributes; ``__`` stands for the dot of ``tt.grid``."""
    given = {key.replace("__", "."): value for key, value in legacy.items()}
    return said(to_new(copy(rows, columns).with_attrs(given)))


def items(*places: tuple[int, int]) -> list[dict[str, int]]:
    return [{"io": row, "jo": column} for row, column in places]


# There and back -----------------------------------------------------------------------------------


@CHEAP
@given(EXTENTS, EXTENTS, st.sampled_from([None, "row_major", "column_major"]), st.data())
def test_runs_go_there_and_back(
    tiles: tuple[int, int], grid: tuple[int, int], order: str | None, data: st.DataObject
) -> None:
    """Any split of the tiles, uneven ones and idle cores included, on any grid."""
    cores = grid[0] * grid[1]
    total = tiles[0] * tiles[1]
    cuts = sorted(
        data.draw(st.lists(st.integers(0, total), min_size=cores - 1, max_size=cores - 1))
    )
    starts, ends = [0, *cuts], [*cuts, total]
    places = tile_places(tiles, order or "row_major")
    work = {
        (n % grid[0], n // grid[0]): [WorkItem(*p, tile_order=order) for p in places[start:end]]
        for n, (start, end) in enumerate(zip(starts, ends, strict=True))
    }
    func = with_core_grid(with_work_partition(copy(*tiles), work), *grid)
    legacy = to_legacy(func)
    assert all(is_legacy(key) for key in attrs.of(legacy) if key.startswith("tt"))
    assert said(to_new(legacy)) == said(func)
    assert said(to_legacy(to_new(legacy))) == said(legacy)


@CHEAP
@given(EXTENTS, st.permutations(range(25)), st.integers(1, 6))
def test_any_work_goes_there_and_back(tiles: tuple[int, int], order: list[int], cores: int) -> None:
    """Tiles in no order at all, on cores that lie anywhere: each keeps its own."""
    places = [divmod(n, tiles[1]) for n in order if n < tiles[0] * tiles[1]]
    work = {
        (3 * n % 8, 2 * n): [WorkItem(*p, len_k=1) for p in places[n::cores]] for n in range(cores)
    }
    func = with_work_partition(copy(*tiles), work)
    assert said(to_new(to_legacy(func))) == said(func)


@CHEAP
@given(
    st.dictionaries(
        st.sampled_from("AC"),
        st.fixed_dictionaries(
            {},
            optional={
                "memory": st.sampled_from(["DRAM", "L1"]),
                "layout": st.sampled_from(["interleaved", "sharded"]),
                "tile_shape": st.just([32, 32]),
                "dtype": st.sampled_from(["bf16", "fp32"]),
                "page": st.sampled_from(["tile", "row"]),
                "nd_shard": st.fixed_dictionaries(
                    {"grid": st.just([2, 1])},
                    optional={
                        "shard_shape": st.just([32, 64]),
                        "order": st.sampled_from(["row_major", "column_major"]),
                        "cores": st.just([[0, 0, 2, 1]]),
                    },
                ),
            },
        ).filter(bool),
        min_size=1,
    )
)
def test_layouts_go_there_and_back(layouts: dict[str, dict[str, Any]]) -> None:
    func = with_layout_desc(copy(2, 2), layouts)
    assert said(to_new(to_legacy(func))) == said(func)


@CHEAP
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 2, *[st.integers(1, 4)] * 2), min_size=1))
def test_rectangles_go_there_and_back(rectangles: list[tuple[int, int, int, int]]) -> None:
    """First and last cores; first core and extent."""
    func = copy(2, 2).with_attr(attrs.CORE_RANGES, [list(r) for r in rectangles])
    assert said(to_new(to_legacy(func))) == said(func)


def test_a_function_of_today_is_handed_back() -> None:
    func = with_core_grid(copy(2, 2), 2, 1)
    assert to_new(func).same_as(func)


def test_every_attribute_has_a_rule() -> None:
    assert {today for today in LEGACY.values() if today} == set(RULES)


def test_an_order_that_legacy_code_had_not_is_refused() -> None:
    for order in set(TILE_ORDERS) - {"row_major", "column_major"}:
        work = {(0, 0): [WorkItem(0, 0, tile_order=order)]}
        with pytest.raises(
            LoweringError, match=f"tt.work_partition has tiles in the order {order}"
        ):
            to_legacy(with_work_partition(copy(1, 1), work))


# Legacy forms -------------------------------------------------------------------------------------

TWO_CORES = {"(0, 0)": items((0, 0), (0, 1)), "(1, 0)": items((1, 0), (1, 1))}


@pytest.mark.parametrize(
    "legacy",
    [
        {"tt_tiles_per_core": [[0, 2], [2, 2]]},
        {"tt_core_runtime_args": [[0, 2, 2, 1, 2], [2, 2, 2, 1, 2]]},
        {"tt_core_ranges": [[0, 0, 0, 0, 0, 2], [1, 0, 1, 0, 2, 2]]},
        {"tt_num_cores": 2},
        {
            "tt_schedule": {
                "policy": "contiguous",
                "grid_shape": [2, 2, 1],
                "total_tiles": 4,
                "num_cores": 2,
                "assignments": [
                    {"core_id": 0, "start_tile": 0, "tile_count": 2},
                    {"core_id": 1, "start_tile": 2, "count": 2},
                ],
            }
        },
        {
            "tt_runtime_args": {
                "start_tile": {"name": "tt_start_tile", "dtype": "int32"},
                "grid_shape": [2, 2, 1],
                "iteration_order": "row_major_xyz",
                "partition_mode": "global",
                "core_assignments": {
                    "(0, 0)": [{"m_idx": 0, "n_idx": 0}, {"m_idx": 0, "n_idx": 1}],
                    "(1,0)": [{"m_idx": 1, "n_idx": 0}, {"m_idx": 1, "n_idx": 1}],
                },
            }
        },
    ],
    ids=lambda legacy: next(iter(legacy)),
)
def test_every_form_says_the_same(legacy: dict[str, Any]) -> None:
    assert new(2, 2, **legacy) == {WORK: TWO_CORES}
    assert new(2, 2, tt_num_tiles=4, tt_schedule_policy="contiguous", **legacy)[WORK] == TWO_CORES


def test_blocks_are_those_of_the_grid() -> None:
    """3x4 tiles on three columns and two rows of cores: the last row and column are smaller."""
    found = new(3, 4, tt__grid=[3, 2], tt__block_shape=[2, 2], tt__start_tile=[0, 0])
    assert found[attrs.CORE_GRID] == [3, 2]
    assert found[WORK]["(1, 0)"] == items((0, 2), (0, 3), (1, 2), (1, 3))
    assert found[WORK]["(0, 1)"] == items((2, 0), (2, 1))
    assert found[WORK]["(2, 0)"] == []


def test_columns_first() -> None:
    found = new(2, 3, tt_schedule_order="column_major", tt_tiles_per_core=[[0, 2], [2, 4]])
    assert found[WORK]["(0, 0)"] == [
        {"io": 0, "jo": 0, "tile_order": "column_major"},
        {"io": 1, "jo": 0, "tile_order": "column_major"},
    ]


def test_cores_are_counted_along_the_rows_of_their_grid() -> None:
    """By 8 as the legacy passes did, or as the kernel's core grid has it: axes are not swapped."""
    runs = [[n, 1] for n in range(10)]
    assert "(1, 1)" in new(2, 5, tt_tiles_per_core=runs)[WORK]
    wide = new(2, 5, tt_tiles_per_core=runs, tt__grid=[5, 2])
    assert wide[WORK]["(4, 1)"] == items((1, 4))
    tall = new(2, 5, tt_tiles_per_core=runs, tt__grid=[2, 5])
    assert tall[WORK]["(1, 4)"] == items((1, 4))


def test_cores_without_tiles_stay() -> None:
    found = new(1, 1, tt_num_cores=3, tt_tiles_per_core=[[0, 1]])[WORK]
    assert found == {"(0, 0)": items((0, 0)), "(1, 0)": [], "(2, 0)": []}


def test_rectangles_have_extents() -> None:
    assert new(2, 2, tt_core_ranges=[[1, 1, 3, 2]]) == {attrs.CORE_RANGES: [[1, 1, 3, 2]]}
    assert new(2, 2, tt_core_ranges=[[2, 0, 2, 3]]) == {attrs.CORE_RANGES: [[2, 0, 1, 4]]}


@pytest.mark.parametrize(
    ("legacy", "layout"),
    [
        ({"tt_buffer_A_layout": "dram_interleaved"}, {"memory": "DRAM", "layout": "interleaved"}),
        ({"tt_buffer_A_tile_shape": [32, 32]}, {"tile_shape": [32, 32]}),
        (
            {"tt_buffer_A_layout": {"shard": "L1", "interleave": True}},
            {"shard": "L1", "interleave": True},
        ),
        ({"tt_shard": {"A": {"dtype": "float32", "tiles_height": 2}}}, {"dtype": "fp32"}),
        (
            {
                "tt_shard": {
                    "A": {
                        "memory": "L1",
                        "layout": "sharded",
                        "padded_shape": [64, 64],
                        "nd_shard": {
                            "axes": ["M", "N"],
                            "grid": [2, 1],
                            "shard_shape_elems": [32, 64],
                            "projected_grid": [2, 1],
                            "projected_shard_tiles": [1, 2],
                        },
                    }
                }
            },
            {
                "memory": "L1",
                "layout": "sharded",
                "nd_shard": {"axes": ["M", "N"], "grid": [2, 1], "shard_shape": [32, 64]},
            },
        ),
    ],
)
def test_layouts(legacy: dict[str, Any], layout: Mapping[str, Any]) -> None:
    assert new(2, 2, **legacy) == {attrs.USER_LAYOUT: {"A": layout}}


def test_what_follows_anyway_leaves_nothing() -> None:
    assert new(2, 3, tt_grid_x=3, tt_grid_y=2, tt_grid_z=1, tt_num_tiles=6) == {}
    defaults = {"tt_layout_type": "dram_interleaved", "tt_tile_height": 32, "tt_tile_width": 32}
    policy = {"tt_schedule_policy": "contiguous", "tt_schedule_order": "row_major"}
    derived = {"needs_padding": False, "num_tiles_height": 2, "padded_shape": [64, 96]}
    about_a = {f"tt_buffer_A_{name}": value for name, value in derived.items()}
    assert new(2, 3, **defaults, **policy, **about_a) == {}


def test_both_spellings_at_once_must_agree() -> None:
    func = with_core_grid(with_work_partition(copy(1, 2), {(0, 0): items((0, 0), (0, 1))}), 1, 1)
    same = func.with_attrs({"tt.grid": [1, 1], "tt_tiles_per_core": [[0, 2]]})
    assert said(to_new(same)) == said(func)
    with pytest.raises(LoweringError, match=r"tt.grid is \[2, 1\]: tt.core_grid is \[1, 1\]"):
        to_new(func.with_attr("tt.grid", [2, 1]))
    other = func.with_attr("tt_tiles_per_core", [[0, 1], [1, 1]])
    with pytest.raises(LoweringError, match=r"tt_tiles_per_core is .*others in tt.work_partition"):
        to_new(other)


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("legacy", "message"),
    [
        # lost and doubled work
        (
            {"tt_tiles_per_core": [[0, 2], [3, 1]]},
            r"tt_tiles_per_core is \[\[0, 2\], \[3, 1\]\]: .* \(0, 2\) is given to no core; 3 of 6",
        ),
        ({"tt_tiles_per_core": [[0, 4], [3, 3]]}, r"output tile \(1, 0\) is given twice"),
        ({"tt_tiles_per_core": [[0, 7]]}, r"core \(0, 0\) has tiles 0 to 6; there are 6"),
        ({"tt_tiles_per_core": [[0, 6, 1]]}, r"tt_tiles_per_core is \[0, 6, 1\]: it is \[first"),
        ({"tt_tiles_per_core": [[0, -6]]}, r"tt_tiles_per_core is \[0, -6\]"),
        ({"tt_tiles_per_core": 3}, r"tt_tiles_per_core is 3: it has \[first tile"),
        (
            {"tt_num_cores": 1, "tt_tiles_per_core": [[0, 3], [3, 3]]},
            r"core 1 has work in it, and tt_num_cores is 1",
        ),
        (
            {"tt_num_cores": 2, "tt_schedule": {"num_cores": 3}},
            r"tt_schedule.num_cores is 3: tt_num_cores is 2",
        ),
        ({"tt_num_cores": 0}, r"tt_num_cores is 0"),
        (
            {
                "tt_tiles_per_core": [[0, 6]],
                "tt_core_ranges": [[0, 0, 0, 0, 0, 3], [1, 0, 1, 0, 3, 3]],
            },
            r"tt_core_ranges is .*: core \(0, 0\) has 3 .* in it, and others in tt_tiles_per_core",
        ),
        ({"tt_core_ranges": [[0, 0, 1, 0, 0, 6]]}, r"several cores share one run"),
        (
            {"tt_core_ranges": [[0, 0, 0, 0, 0, 3], [0, 0, 0, 0, 3, 3]]},
            r"core \(0, 0\) has two runs",
        ),
        ({"tt_core_ranges": [[1, 0, 0, 0]]}, r"its last core comes before its first"),
        ({"tt_core_ranges": [[0, 0, 0, 0], [1, 0, 1, 0, 0, 6]]}, r"some of it has runs"),
        (
            {"tt_core_runtime_args": [[0, 1, 2, 1, 2, 1, 1, 2, 2, 0, 0]]},
            r"\[first tile, number of tiles\]",
        ),
        (
            {"tt.runtime_args": {"core_assignments": {"(0, 0)": [{"m_idx": 0, "n_idx": 0}]}}},
            r"core_assignments is .* output tile \(0, 1\) is given to no core",
        ),
        ({"tt.runtime_args": {"core_assignments": {"a": []}}}, r"has the key 'a', no core"),
        (
            {"tt.runtime_args": {"core_assignments": {"(0, 0)": [{"m": 0}]}}},
            r"core_assignments is \{'m': 0\}",
        ),
        (
            {
                "tt.runtime_args": {
                    "core_assignments": {"(0, 0)": [{"m_idx": 0, "n_idx": 0, "k_len": 9}]}
                }
            },
            r"reduces output tile \(0, 0\) over 9 tiles of 1",
        ),
        # the grid of output tiles
        (
            {"tt_grid_x": 2, "tt_grid_y": 3},
            r"tt_grid_x is 2: .* 3 columns \(x\), 2 rows \(y\) .* so that it is 3\n  .*work_part",
        ),
        (
            {"tt_grid_z": 2},
            r"tt_grid_z is 2: .* no depth \(z\) of tiles, so that it is 1\n  .* batches rows",
        ),
        (
            {"tt_schedule": {"grid_shape": [3, 2, 4]}},
            r"tt_schedule.grid_shape is \[3, 2, 4\]: .* so that it is \[3, 2, 1\]",
        ),
        ({"tt_schedule": {"grid_shape": [2, 3, 1]}}, r"so that it is \[3, 2, 1\]"),
        ({"tt_runtime_args": {"grid_tiles": [3, 2]}}, r"so that it is \[2, 3\]"),
        ({"tt_schedule": {"grid_shape": 6}}, r"tt_schedule.grid_shape is 6"),
        (
            {"tt_runtime_args": {"runtime_constants": {"Nt": 4}}},
            r"runtime_constants.Nt is 4: .* so that it is 3\n",
        ),
        ({"tt_runtime_args": {"runtime_constants": {"Q": 4}}}, r"constants.Q is 4: no entry"),
        (
            {"tt_runtime_args": {"shard_grid": [2, 1]}},
            r"shard_grid is \[2, 1\]: .* it is \[1, 1\]\n",
        ),
        ({"tt_core_runtime_args": [[0, 6, 3, 1, 2]]}, r"\[0, 6, 3, 1, 2\]: .* has \(2, 3\) tiles"),
        (
            {"tt_num_cores": 1, "tt_core_ranges": [[0, 0, 0, 0, 0, 3], [1, 0, 1, 0, 3, 3]]},
            r"tt_num_cores is 1: 2 cores have work in tt_core_ranges",
        ),
        ({"tt_num_tiles": 5}, r"tt_num_tiles is 5: .* so that it is 6"),
        # orders and policies
        (
            {"tt_schedule_order": "column_major"},
            r"tt_schedule_order is 'column_major': no core .*\n.* spec, `partition: column_major`",
        ),
        ({"tt_schedule_order": "z_order"}, r"it is one of: row_major, column_major"),
        (
            {"tt_schedule_order": "row_major", "tt_schedule": {"order": "column_major"}},
            r"tt_schedule.order is 'column_major': tt_schedule_order is 'row_major'",
        ),
        (
            {"tt_schedule_policy": "block_cyclic"},
            r"tt_schedule_policy is 'block_cyclic': .* 'contiguous' alone\n.*tt.work_partition",
        ),
        (
            {"tt_runtime_args": {"iteration_order": "zyx"}},
            r"tt_runtime_args.iteration_order is 'zyx'",
        ),
        (
            {"tt_runtime_args": {"partition_mode": "local_shard"}},
            r"partition_mode is 'local_shard'.*\n  ask for it in the build spec",
        ),
        (
            {"tt_schedule": {"assignment": []}},
            r"tt_schedule.assignment is \[\]: no entry\n  did you mean 'assignments'",
        ),
        ({"tt_schedule": [1]}, r"tt_schedule is \[1\]: no mapping"),
        (
            {"tt_schedule": {"assignments": [{"core_id": 0}]}},
            r"assignments is \{'core_id': 0\}: an entry has",
        ),
        ({"tt_schedule": {"assignments": 1}}, r"assignments is 1: it is a list"),
        # cores and blocks
        ({"tt.grid": [2, 2, 2]}, r"tt.grid is \[2, 2, 2\]: cores have columns and rows"),
        ({"tt.grid": [2, 0]}, r"tt.grid is \[2, 0\]"),
        ({"tt.grid": 4}, r"tt.grid is 4"),
        ({"tt.block_shape": [1, 1]}, r"tt.block_shape is \[1, 1\]: it needs tt.grid"),
        (
            {"tt.block_shape": [64, 32], "tt.grid": [2, 1]},
            r"tt.block_shape is \[64, 32\]: 2x1 .* are not the 2x3 output tiles; \[2, 2\] are",
        ),
        ({"tt.start_tile": [0, 0]}, r"tt.start_tile is \[0, 0\]: it needs tt.block_shape"),
        (
            {"tt.start_tile": [1, 0], "tt.block_shape": [2, 2], "tt.grid": [2, 1]},
            r"tt.start_tile is \[1, 0\]: the tiles before it would be lost",
        ),
        # layouts
        (
            {"tt_buffer_A_layout": "l1"},
            r"tt_buffer_A_layout is 'l1': it is one of: dram_interleaved",
        ),
        ({"tt_buffer_B_layout": "sharded"}, r"tt_buffer_B_layout is .*: the tensors are A, C"),
        (
            {"tt_buffer_A_padded_shape": [64, 64]},
            r"padded_shape of a tensor of \[64, 96\] is \[64, 96\]",
        ),
        ({"tt_buffer_A_needs_padding": True}, r"needs_padding of a tensor of \[64, 96\] is False"),
        (
            {"tt_buffer_A_layout": "interleaved", "tt_shard": {"A": {"layout": "sharded"}}},
            r"layout of A is 'sharded' elsewhere",
        ),
        ({"tt_shard": {"A": {"halo": 1}}}, r"tt_shard of A: halo is 1: no key of a layout"),
        ({"tt_shard": {"A": 1}}, r"tt_shard of A is 1"),
        ({"tt_shard": 1}, r"tt_shard is 1"),
        (
            {"tt_shard": {"A": {"nd_shard": {"grid": [2, 1], "projected_grid": [1, 2]}}}},
            r"projected_grid is \[2, 1\]",
        ),
        (
            {
                "tt_shard": {
                    "A": {"nd_shard": {"shard_shape": [32, 32], "shard_shape_elems": [64, 32]}}
                }
            },
            r"shard_shape and shard_shape_elems differ",
        ),
        (
            {"tt_layout_type": "l1_interleaved"},
            r"tt_layout_type is 'l1_interleaved': it can be 'dram_interleaved' alone",
        ),
        ({"tt_tile_height": 16}, r"tt_tile_height is 16: it can be 32 alone"),
        # attributes that nobody knows, or has a use for
        ({"tt_grid_q": 1}, r"tt_grid_q is 1: no such attribute\n  did you mean 'tt_grid_"),
        (
            {"tt_zzz": 1},
            r"tt_zzz is 1: no such attribute\n  known ones are in docs/LEGACY_MIGRATION.md",
        ),
        (
            {"tt_persistent_loop": True},
            r"tt_persistent_loop is .*: no such attribute\n  a legacy pass has left it",
        ),
    ],
)
def test_what_cannot_be_converted_is_named(legacy: dict[str, Any], message: str) -> None:
    """Of a kernel with two rows and three columns of output tiles."""
    with pytest.raises(LoweringError, match=message) as caught:
        to_new(copy(2, 3).with_attrs(legacy))
    assert str(caught.value.at).startswith("kernels/k.py:")
