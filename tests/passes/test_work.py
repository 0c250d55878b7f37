"""Which core computes what: strategies, modes, cores, work that users give (D1, D2, D5, D8, P5)."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import buffers, gemm, kernel, plan_of, prim_func, run, values

from ttgen.analysis import analyse
from ttgen.annotate import (
    CoreRange,
    WorkItem,
    with_core_grid,
    with_core_ranges,
    with_layout_desc,
    with_work_partition,
)
from ttgen.errors import LoweringError
from ttgen.frontend.kernel import Kernel, find_kernel
from ttgen.frontend.source import load_source
from ttgen.partition import STRATEGIES, tile_places
from ttgen.passes.pipeline import run_pipeline
from ttgen.plan import Plan
from ttgen.plan.io import decode, encode
from ttgen.plan.model import Tensor
from ttgen.plan.shards import matrix
from ttgen.spec import load_variants


def copy(shape: tuple[int, ...], attributes: str = "{}") -> str:
    axes = ", ".join("ijkl"[: len(shape)])
    return prim_func(
        buffers("AC", [shape] * 2),
        f"T.func_attr({attributes})\nfor {axes} in T.grid{shape}:\n    C[{axes}] = A[{axes}]",
    )


def result(plan: Plan) -> bytes:
    """The output's bytes, for inputs that are the same for every plan."""
    return bytes(run(plan, values(plan))["C"].tobytes())


def work(plan: Plan) -> list[tuple[tuple[int, int], int, int]]:
    return [(w.core, w.start, w.count) for w in plan.partition.cores]


# Strategies ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 8), st.integers(1, 9)),
    st.sampled_from(sorted(set(STRATEGIES) - {"match_shard"})),
    st.integers(1, 4),
)
def test_strategies_deal_every_tile_evenly(
    tiles: tuple[int, int], grid: tuple[int, int], order: str, block_tiles: int
) -> None:
    """P5, D5: any grid, any tiles. Loading a plan checks that every page is written once."""
    source = copy((tiles[0] * 32, tiles[1] * 32))
    plan = plan_of(source, grid=grid, partition=order, block_tiles=block_tiles)
    counts = [count for _, _, count in work(plan)]
    assert len(counts) == grid[0] * grid[1]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == tiles[0] * tiles[1]


@pytest.mark.parametrize("order", sorted(set(STRATEGIES) - {"match_shard"}))
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 6), (6, 1)])
def test_strategies_agree(order: str, shape: tuple[int, int]) -> None:
    """Metamorphic: strategy A gives what strategy B gives, with batches and reductions too."""
    m, n = shape[0] * 32, shape[1] * 32
    assert result(plan_of(gemm(m, n, 64), partition=order, grid=(3, 2))) == result(
        plan_of(gemm(m, n, 64))
    )
    batch = copy((2, m, n))
    assert result(plan_of(batch, partition=order, grid=(2, 2))) == result(plan_of(batch))


def test_blocks_are_where_their_cores_are() -> None:
    """P5: 4x6 tiles on 3x2 cores, a block of 2x2 for each."""
    plan = plan_of(copy((128, 192)), grid=(3, 2), partition="block")
    assert plan.partition.block == (2, 6)
    places = tile_places((4, 6), "block", plan.partition.block)
    for (x, y), start, count in work(plan):
        assert set(places[start : start + count]) == {
            (2 * y + i, 2 * x + j) for i in range(2) for j in range(2)
        }


def test_match_shard_follows_the_output() -> None:
    """P5: on the shards' own cores, evenly; elsewhere when that is asked for."""
    layouts = {"C": {"nd_shard": {"grid": [2, 2], "cores": [[3, 1, 2, 2]]}}}
    plan = plan_of(copy((128, 128)), partition="match_shard", layouts=layouts)
    assert plan.partition.mode == "global"
    assert plan.partition.block == (2, 2)
    assert work(plan) == [((3, 1), 0, 4), ((4, 1), 4, 4), ((3, 2), 8, 4), ((4, 2), 12, 4)]
    moved = plan_of(copy((128, 128)), partition="match_shard", layouts=layouts, grid=(3, 1))
    assert work(moved) == [((0, 0), 0, 6), ((1, 0), 6, 5), ((2, 0), 11, 5)]
    assert result(plan) == result(moved) == result(plan_of(copy((128, 128))))


# Modes --------------------------------------------------------------------------------------------


def test_runtime_arguments_of_local_shard() -> None:
    """D8: start, count, sy, sx for each core; Sm, Sn, Gy, Gx and the extents are constants."""
    layouts = {"C": {"nd_shard": {"shard_shape": [64, 64], "order": "column_major"}}}
    plan = plan_of(copy((160, 96)), partition_mode="local_shard", layouts=layouts)
    assert (plan.partition.mode, plan.partition.block) == ("local_shard", (2, 2))
    for program in (plan.programs.reader, plan.programs.writer):
        assert program.runtime_args.names == ("start", "count", "sy", "sx")
        constants = {constant.name: constant.value for constant in program.constants}
        assert constants == {"Nt": 3, "Sm": 2, "Sn": 2, "Gy": 3, "Gx": 2}
        cores = [work.core for work in plan.partition.cores]
        rows = dict(zip(cores, program.runtime_args.values, strict=True))
        assert rows == {
            (0, 0): (0, 4, 0, 0),
            (0, 1): (4, 2, 0, 1),
            (1, 0): (6, 4, 1, 0),
            (1, 1): (10, 2, 1, 1),
            (2, 0): (12, 2, 2, 0),
            (2, 1): (14, 1, 2, 1),
        }


def test_runtime_arguments_of_global() -> None:
    """D8."""
    plan = plan_of(gemm(64, 96, 160))
    assert plan.programs.reader.runtime_args.names == ("start", "count")
    assert {c.name: c.value for c in plan.programs.reader.constants} == {"Kt": 5, "Nt": 3}


def test_parts_of_an_output_follow_no_shards() -> None:
    """Tiles are numbered part by part; a shard may have tiles of several."""
    parts = prim_func(
        buffers("ABC", [(32, 64), (32, 64), (64, 64)]),
        """
        for i, j in T.grid(32, 64):
            C[i, j] = A[i, j]
        for i, j in T.grid(32, 64):
            C[i + 32, j] = B[i, j]
        """,
    )
    with pytest.raises(LoweringError, match="in 2 parts, and partition_mode local_shard says"):
        plan_of(parts, partition_mode="local_shard", layouts=SHARDED)
    dealt = plan_of(parts, partition="match_shard", layouts=SHARDED)
    inputs = values(dealt)
    assert np.array_equal(run(dealt, inputs)["C"], np.concatenate(list(inputs.values())))


def test_cores_without_a_shard_are_idle() -> None:
    """P5: the cores that are asked for take part, with nothing to do."""
    layouts = {"C": {"nd_shard": {"grid": [2, 1]}}}
    plan = plan_of(copy((64, 64)), partition_mode="local_shard", layouts=layouts, grid=(2, 2))
    assert work(plan) == [((0, 0), 0, 2), ((1, 0), 2, 2), ((0, 1), 0, 0), ((1, 1), 0, 0)]
    assert result(plan) == result(plan_of(copy((64, 64))))


SHARDED = {"C": {"nd_shard": {"grid": [2, 1]}}}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown strategy": ({"partition": "zorder"}, "unknown partition 'zorder'.*\n.*'z_order'"),
    "unknown mode": (
        {"partition_mode": "local"},
        "unknown partition_mode 'local'; known: global, local_shard",
    ),
    "match_shard": ({"partition": "match_shard"}, "match_shard follows the shards of the output"),
    "local_shard": ({"partition_mode": "local_shard"}, "follows the shards of the output"),
    "local_shard and an order": (
        {"partition_mode": "local_shard", "partition": "row_major", "layouts": SHARDED},
        "partition_mode is local_shard, and partition is row_major",
    ),
    "local_shard elsewhere": (
        {"partition_mode": "local_shard", "layouts": SHARDED, "grid": (1, 4)},
        r"core \(1, 0\) holds a shard of the output and takes no part",
    ),
    "overlap": ({"core_ranges": [[0, 0, 2, 2], [1, 1, 1, 1]]}, r"core \(1, 1\) is in two ranges"),
    "outside": ({"core_ranges": [[7, 0, 2, 1]]}, r"core \(8, 0\) is outside of 8 columns and 9"),
    "empty": ({"core_ranges": []}, r"core_ranges: \[\] is no rectangle of cores"),
    "short": ({"core_ranges": [[0, 0, 1]]}, r"\[0, 0, 1\] is no rectangle of cores\n.*width"),
    "negative": ({"core_ranges": [[-1, 0, 1, 1]]}, r"\[-1, 0, 1, 1\] is no rectangle"),
    "grid and ranges": (
        {"core_ranges": [[0, 0, 2, 1]], "grid": (1, 1)},
        "the core grid is 1x1, the core ranges have 2 cores",
    ),
}


@pytest.mark.parametrize(("options", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_cores_and_strategies_are_refused(options: dict[str, Any], says: str) -> None:
    """D5, P5: nothing falls back."""
    with pytest.raises(LoweringError, match=rf"(?s)^kernels/k.py:4:\d+: .*{says}"):
        plan_of(copy((64, 64)), **options)


# Cores --------------------------------------------------------------------------------------------


def test_core_ranges_may_lie_apart() -> None:
    """D1, D5."""
    ranges = [[6, 7, 2, 1], [0, 3, 1, 2]]
    plan = plan_of(copy((96, 32)), core_ranges=ranges)
    assert [[*r.start, *r.extent] for r in plan.core_ranges] == ranges
    assert work(plan) == [((6, 7), 0, 1), ((7, 7), 1, 1), ((0, 3), 2, 1), ((0, 4), 3, 0)]
    assert result(plan) == result(plan_of(copy((96, 32))))


def test_the_logical_grid_is_apart_from_the_cores() -> None:
    """P5: blocks of a 2x2 grid on four cores in a row."""
    options = {"partition": "block", "core_ranges": [[0, 0, 4, 1]]}
    plan = plan_of(copy((128, 128)), grid=(2, 2), **options)
    places = tile_places((4, 4), "block", plan.partition.block)
    assert [set(places[s : s + c]) for _, s, c in work(plan)] == [
        {(i, j) for i in (y, y + 1) for j in (x, x + 1)} for y in (0, 2) for x in (0, 2)
    ]


# Sugar --------------------------------------------------------------------------------------------


def lowered(func: Any, source: Kernel, **options: Any) -> Plan:
    """The plan of ``func``, which takes the place of a kernel's function."""
    changed = Kernel(**{**vars(source), "func": func})
    return decode(encode(run_pipeline(changed, arch="wormhole_b0", **options).plan), "plan")


def test_sugar_says_what_options_say() -> None:
    """D2: and the spec overrides it."""
    source = kernel(copy((128, 64)))
    func = source.func
    assert (
        lowered(with_core_grid(func, 2, 3), source).partition
        == plan_of(copy((128, 64)), grid=(2, 3)).partition
    )
    ranges = [CoreRange(start=(1, 1), extent=(2, 1)), (5, 5, 1, 1)]
    ranged = lowered(with_core_ranges(func, ranges), source)
    assert [work.core for work in ranged.partition.cores] == [(1, 1), (2, 1), (5, 5)]
    shards = {"nd_shard": {"grid": [2, 1]}}
    described = with_layout_desc(with_layout_desc(func, {"A": {"memory": "L1"}}), {"C": shards})
    assert [t.layout for t in lowered(described, source).tensors] == [
        t.layout
        for t in plan_of(copy((128, 64)), layouts={"A": {"memory": "L1"}, "C": shards}).tensors
    ]
    over = lowered(with_core_grid(func, 2, 3), source, grid=(1, 1))
    assert [work.core for work in over.partition.cores] == [(0, 0)]


def test_a_source_may_have_the_attributes() -> None:
    """D2: without any import of ttgen."""
    plan = plan_of(copy((64, 64), '{"tt.core_grid": [2, 2]}'))
    assert len(plan.partition.cores) == 4
    plan = plan_of(copy((64, 64), '{"tt.core_ranges": [[3, 3, 1, 1]]}'))
    assert plan.partition.cores[0].core == (3, 3)
    items = '{"(1, 0)": [{"io": 0, "jo": 0}], "(0, 0)": [{"io": 1, "jo": 0}]}'
    plan = plan_of(copy((64, 32), f'{{"tt.work_partition": {items}}}'))
    assert work(plan) == [((1, 0), 0, 1), ((0, 0), 1, 1)]


GIVEN: dict[str, tuple[dict[tuple[int, int], list[WorkItem]], str]] = {
    "rows": (
        {(0, 0): [WorkItem(0, j) for j in range(3)], (1, 0): [WorkItem(1, j) for j in range(3)]},
        "row_major",
    ),
    "columns": ({(j, 0): [WorkItem(0, j), WorkItem(1, j)] for j in range(3)}, "column_major"),
    "rows, turned round": (
        {(x, 4): [WorkItem(1 - x, j) for j in range(3)] for x in range(2)},
        "row_major",
    ),
    "uneven, one idle": (
        {
            (0, 0): [WorkItem(0, 0)],
            (1, 1): [],
            (2, 2): [WorkItem(0, 1), WorkItem(0, 2), *(WorkItem(1, j) for j in range(3))],
        },
        "row_major",
    ),
    "squares": (
        {
            (0, 0): [WorkItem(i, j) for i in range(2) for j in range(2)],
            (1, 0): [WorkItem(0, 2), WorkItem(1, 2)],
        },
        "z_order",
    ),
    "named": (
        {
            (0, 0): [WorkItem(i, j, 1, "match_shard") for i in range(2) for j in range(2)],
            (1, 0): [WorkItem(i, 2, 1, "match_shard") for i in range(2)],
        },
        "match_shard",
    ),
}


@pytest.mark.parametrize(("given", "order"), GIVEN.values(), ids=GIVEN.keys())
def test_work_that_is_given_is_done(
    given: dict[tuple[int, int], list[WorkItem]], order: str
) -> None:
    """D1, D2: each core computes the tiles that it is given, in that order."""
    source = kernel(copy((64, 96)))
    plan = lowered(with_work_partition(source.func, given), source)
    assert plan.partition.tile_order == order
    places = tile_places((2, 3), order, plan.partition.block)
    assert {core: places[start : start + count] for core, start, count in work(plan)} == {
        core: [(item.io, item.jo) for item in items] for core, items in given.items()
    }
    assert result(plan) == result(plan_of(copy((64, 96))))


LOST = {(x, 0): [WorkItem(0, x)] for x in range(4)}
WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "lost": (LOST, {}, r"tile \(1, 0\) is given to no core; 60 of 64 are lost"),
    "twice": (
        {(0, 0): [WorkItem(0, 0)], (1, 0): [WorkItem(0, 0)]},
        {},
        r"tile \(0, 0\) is given twice, to cores \(0, 0\) and \(1, 0\)",
    ),
    "twice in a core": ({(0, 0): [WorkItem(3, 1)] * 2}, {}, r"\(3, 1\) .*twice, to core \(0, 0\)"),
    "no tile": ({(0, 0): [WorkItem(16, 0)]}, {}, r"output tile \(16, 0\); there are 16x4"),
    "len_k": ({(0, 0): [WorkItem(0, 0, 7)]}, {}, r"tile \(0, 0\) over 7 tiles of 1"),
    "no core": ({"x": [WorkItem(0, 0)]}, {}, "the key 'x', no core"),
    "same core": ({"0,0": [], "(0, 0)": []}, {}, r"lists core \(0, 0\) twice"),
    "no item": ({(0, 0): [{"io": 0}]}, {}, "the item {'io': 0}"),
    "outside": (
        {(9, 0): [WorkItem(i, j) for i in range(16) for j in range(4)]},
        {},
        r"core ranges: core \(9, 0\) is outside of 8 columns",
    ),
    "not in the grid": (
        {(3, 3): [WorkItem(i, j) for i in range(16) for j in range(4)]},
        {"grid": (2, 2)},
        r"the work partition has core \(3, 3\), the grid has not",
    ),
    "two orders": (
        {(0, 0): [WorkItem(0, 0)], (1, 0): []},
        {"partition": "block"},
        "the spec asks for another",
    ),
    "no order": (
        {(0, 0): [WorkItem(i, j) for i in reversed(range(16)) for j in range(4)]},
        {},
        "in no order of tiles that cores can walk\n.*z_order",
    ),
    "unknown order": (
        {(0, 0): [WorkItem(i, j, 1, "hilbert") for i in range(16) for j in range(4)]},
        {},
        "unknown tile_order 'hilbert'",
    ),
}


@pytest.mark.parametrize(("given", "options", "says"), WRONG.values(), ids=WRONG.keys())
def test_work_that_is_wrong_is_refused(given: Any, options: dict[str, Any], says: str) -> None:
    """D5: the first tile that is lost or doubled is named."""
    source = kernel(copy((512, 128)))
    with pytest.raises(LoweringError, match=rf"(?s)^kernels/k.py:4:\d+: .*{says}"):
        lowered(with_work_partition(source.func, given), source, **options)


# The kernel library -------------------------------------------------------------------------------

PROJECT = Path(__file__).parents[2]
LIBRARY = sorted(path.name for path in (PROJECT / "kernels").glob("*.py"))


def dealt_otherwise(output: Tensor, *, in_shards: bool) -> list[dict[str, Any]]:
    """Options that deal the output's tiles in other ways."""
    wish: dict[str, Any] = {"dtype": output.layout.dtype, "nd_shard": {"shard_shape": [32, 32]}}
    options: list[dict[str, Any]] = [
        {"partition": "z_order", "grid": (2, 1)},
        {"partition": "block", "grid": (2, 2)},
    ]
    rows, columns = matrix(output.padded_shape)
    if rows <= 9 * 32 and columns <= 8 * 32 and in_shards:
        options.append({"partition_mode": "local_shard", "layouts": {output.name: wish}})
    return options


@pytest.mark.parametrize("source", LIBRARY)
def test_kernels_of_the_library_give_the_same_dealt_in_other_ways(source: str) -> None:
    """Metamorphic, on every form of kernel that there is: fused, chained, ragged, cast."""
    done = 0
    for variant in load_variants(PROJECT / "kernels" / source, PROJECT):
        loaded = load_source(PROJECT / "kernels" / source, PROJECT)
        made = find_kernel(loaded, variant.function, variant.parameters)
        formats = {
            name: {"dtype": layout["dtype"]}
            for name, layout in variant.options.get("layouts", {}).items()
            if "dtype" in layout
        }
        plain = run_pipeline(made, arch="wormhole_b0", layouts=formats).plan
        if prod(plain.partition.tiles) * plain.partition.len_k > 30:
            continue
        (output,) = (tensor for tensor in plain.tensors if tensor.role == "output")
        expected = run(plain, values(plain))[output.name].tobytes()
        first, *others = analyse(made.func, made.at).parts
        # Neither parts of an output nor blocks of its columns follow shards.
        in_shards = not others and not first.output.beside
        for options in dealt_otherwise(output, in_shards=in_shards):
            layouts = {**formats, **options.pop("layouts", {})}
            plan = run_pipeline(made, arch="wormhole_b0", layouts=layouts, **options).plan
            found = run(decode(encode(plan), "plan"), values(plan))[output.name]
            assert found.tobytes() == expected, f"{variant.name}: {options}"
            done += 1
    assert done
