"""Every semantic rule of a plan, broken by hand once (D4, D5, D7, D8, P3, P14)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sources import elementwise, gemm, plan_of

from ttgen.arch import ARCHITECTURES
from ttgen.errors import PlanError
from ttgen.plan import encode, load

GEMM = encode(plan_of(gemm(64, 96, 352), grid=(2, 2), partition="column_major"))
ADD = encode(plan_of(elementwise("add", (96, 64)), grid=(1, 1), block_tiles=4))
#: Its shards lie in two rows of three cores.
SHARDED = encode(
    plan_of(
        gemm(64, 96, 64),
        layouts={"A": {"memory": "L1"}, "C": {"nd_shard": {"grid": [2, 3]}}},
        partition_mode="local_shard",
    )
)
Document = dict[str, Any]
Edit = Callable[[Document], object]


def find(plan: Document, program: str, op: str) -> Document:
    """The first such operation of a program."""

    def search(statements: list[Any]) -> Any:
        for statement in statements:
            found = statement if statement.get("op") == op else search(statement.get("body", []))
            if found:
                return found
        return None

    found = search(plan["programs"][program]["body"])
    assert found, op
    return found  # type: ignore[no-any-return]


def without(plan: Document, program: str, op: str) -> None:
    """Drop the first such operation of a program."""

    def drop(statements: list[Any]) -> bool:
        for i, statement in enumerate(statements):
            if statement.get("op") == op:
                del statements[i]
                return True
            if drop(statement.get("body", [])):
                return True
        return False

    assert drop(plan["programs"][program]["body"])


def loop(plan: Document, program: str, var: str) -> Document:
    """The first loop of a program over ``var``."""

    def search(statements: list[Any]) -> Any:
        for statement in statements:
            if statement["kind"] == "for":
                found = statement if statement["var"] == var else search(statement["body"])
                if found:
                    return found
        return None

    found = search(plan["programs"][program]["body"])
    assert found, var
    return found  # type: ignore[no-any-return]


def put(*path: Any, value: Any) -> Edit:
    """Set one value."""

    def edit(plan: Document) -> None:
        place: Any = plan
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return edit


def both(first: Edit, second: Edit) -> Edit:
    """One edit after the other."""
    return lambda plan: (first(plan), second(plan))


def grow(key: str, **changes: Any) -> Edit:
    """Repeat the last item of a list, changed."""
    return lambda plan: plan[key].append({**plan[key][-1], **changes})


#: name: (the edit, the value that is blamed, what is said about it)
EDITS: dict[str, tuple[Edit, str, str]] = {
    # Paths
    "absolute source": (
        put("source", "path", value="/etc/k.py"),
        "source.path",
        "below the project",
    ),
    "source outside": (put("source", "path", value="../k.py"), "source.path", "below the project"),
    "absolute templates": (put("templates", value=["/t"]), "templates.0", "below the project"),
    "absolute place": (put("tensors", 0, "at", value="/k.py:1"), "tensors.0.at", "below the"),
    "absolute place of an operation": (
        lambda p: find(p, "reader", "read_page").update(at="/k.py:1"),
        "programs.reader.body.0.body.2.body.3.body.0.at",
        "below the project",
    ),
    # Architecture
    "architecture": (put("arch", value="grayskull"), "arch", "is not an architecture; known:"),
    "device grid": (
        put("device_grid", value=[8, 8]),
        "device_grid",
        "8x8 is not wormhole_b0's 8x9",
    ),
    "L1 limit": (
        put("l1", "limit_bytes", value=2**21),
        "l1.limit_bytes",
        "wormhole_b0 has 1393312 bytes",
    ),
    "DST": (put("compute", "dst_tiles", value=4), "compute.dst_tiles", "DST holds 8 tiles"),
    # Names
    "tensor twice": (grow("tensors"), "tensors.3.name", "'C' appears twice"),
    "buffer twice": (
        grow("circular_buffers", index=3),
        "circular_buffers.3.name",
        "'C' appears twice",
    ),
    "index twice": (
        grow("circular_buffers", name="D"),
        "circular_buffers.3.index",
        "'2' appears twice",
    ),
    "index 32": (
        put("circular_buffers", 0, "index", value=32),
        "circular_buffers.0.index",
        "Expected `int` <= 31",
    ),
    "semaphore twice": (
        put("semaphores", value=[{"index": i, "name": "s", "initial": 0} for i in (0, 1)]),
        "semaphores.1.name",
        "'s' appears twice",
    ),
    "semaphore index twice": (
        put("semaphores", value=[{"index": 0, "name": n, "initial": 0} for n in "st"]),
        "semaphores.1.index",
        "'0' appears twice",
    ),
    # Tensors
    "format": (
        put("tensors", 0, "layout", "dtype", value="bf17"),
        "tensors.0.layout.dtype",
        "is not a data format; known: bf16",
    ),
    "page bytes of fp16 for fp32": (
        put("tensors", 0, "layout", "dtype", value="fp32"),
        "tensors.0.page_bytes",
        "a fp32 tile is 4096 bytes",
    ),
    "sharded without shards": (
        put("tensors", 0, "layout", "layout", value="sharded"),
        "tensors.0.layout",
        "nd_shard belongs to a sharded layout",
    ),
    "no whole tiles": (
        put("tensors", 0, "padded_shape", value=[64, 360]),
        "tensors.0.padded_shape",
        r"\[64, 352\] in whole 32x32 tiles is \[64, 352\]",
    ),
    "padding of a whole tile too much": (
        put("tensors", 0, "padded_shape", value=[96, 352]),
        "tensors.0.padded_shape",
        r"in whole 32x32 tiles is \[64, 352\]",
    ),
    "padding smaller than the shape": (
        both(
            put("tensors", 0, "shape", value=[96, 96]),
            put("tensors", 0, "device_shape", value=[96, 96]),
        ),
        "tensors.0.padded_shape",
        r"\[96, 96\] in whole 32x32 tiles is \[96, 96\]",
    ),
    "another shape on the device": (
        put("tensors", 0, "shape", value=[96, 96]),
        "tensors.0.device_shape",
        r"\[64, 352\] is not the shape \[96, 96\] with extents of 1 added",
    ),
    "turned on the device": (
        put("tensors", 0, "device_shape", value=[352, 64]),
        "tensors.0.device_shape",
        r"\[352, 64\] is not the shape \[64, 352\]",
    ),
    "an order without a dimension": (
        put("tensors", 0, "layout", "order", value=[1]),
        "tensors.0.layout.order",
        "each of the 2 dimensions once",
    ),
    "an order that moves nothing": (
        put("tensors", 0, "layout", "order", value=[0, 1]),
        "tensors.0.layout.order",
        "moved, and no other",
    ),
    "in order on the device": (
        put("tensors", 0, "layout", "order", value=[1, 0]),
        "tensors.0.device_shape",
        r"\[64, 352\] is not the shape \[352, 64\]",
    ),
    "one dimension": (
        put("tensors", 0, "device_shape", value=[64]),
        "tensors.0.device_shape",
        "at least two dimensions",
    ),
    "one dimension of padding": (
        put("tensors", 0, "padded_shape", value=[64]),
        "tensors.0.padded_shape",
        r"in whole 32x32 tiles is \[64, 352\]",
    ),
    "pages": (put("tensors", 0, "pages", value=21), "tensors.0.pages", "is 22 tiles"),
    # Circular buffers and L1
    "buffer of no tensor": (
        put("circular_buffers", 0, "tensor", value="Q"),
        "circular_buffers.0.tensor",
        "there is no tensor 'Q'",
    ),
    "format of a buffer": (
        put("circular_buffers", 0, "dtype", value="float"),
        "circular_buffers.0.dtype",
        "is not a data format",
    ),
    "bytes of a buffer": (
        put("circular_buffers", 0, "page_bytes", value=4096),
        "circular_buffers.0.page_bytes",
        "a bf16 tile is 2048",
    ),
    "buffer in another format than its tensor": (
        lambda p: p["circular_buffers"][0].update(dtype="fp16"),
        "circular_buffers.0.dtype",
        "tensor 'A' is bf16",
    ),
    "L1 use": (
        put("l1", "used_bytes", value=1),
        "l1.used_bytes",
        "circular buffers and the tensors in L1 take .* bytes",
    ),
    "L1 full": (
        put("l1", "limit_bytes", value=1000),
        "l1",
        "bytes do not fit 1000; the largest: A",
    ),
    # Cores and work
    "core outside": (
        put("partition", "cores", 0, "core", value=[8, 0]),
        "partition.cores.0.core",
        "outside the 8x9 grid",
    ),
    "ranges overlap": (grow("core_ranges"), "core_ranges", "ranges overlap"),
    "core twice": (
        put("partition", "cores", 1, "core", value=[0, 0]),
        "partition.cores",
        "listed twice",
    ),
    "core without range": (
        put("core_ranges", 0, "extent", value=[2, 1]),
        "partition.cores",
        "in core_ranges or in partition, not in both",
    ),
    "tile given twice": (
        put("partition", "cores", 1, "start", value=1),
        "partition.cores.1",
        "output tile 1 is given to two cores",
    ),
    "tile given to none": (
        put("partition", "cores", 1, "start", value=3),
        "partition.cores.1",
        "output tile 2 is given to no core",
    ),
    "tiles lost": (
        put("partition", "cores", 3, "count", value=0),
        "partition.cores",
        "ends at output tile 5, the grid has 6",
    ),
    "too many tiles": (
        put("partition", "tiles", value=[2, 2]),
        "partition.tiles",
        r"\[2, 2\] is 4 tiles, 'C' has 6",
    ),
    # Programs
    "tensor of a program": (
        put("programs", "reader", "tensors", 0, value="Q"),
        "programs.reader.tensors.0",
        "there is no tensor 'Q'",
    ),
    "rows of arguments": (
        lambda p: p["programs"]["reader"]["runtime_args"]["values"].pop(),
        "programs.reader.runtime_args.values",
        "3 rows for 4 cores",
    ),
    "a row too short": (
        lambda p: p["programs"]["reader"]["runtime_args"]["values"][1].pop(),
        "programs.reader.runtime_args.values.1",
        "1 values for 2 names",
    ),
    "start of another core": (
        put("programs", "reader", "runtime_args", "values", 1, value=[3, 2]),
        "programs.reader.runtime_args.values.1",
        r"start is 3; the partition gives 2 to core \(1, 0\)",
    ),
    "count of another core": (
        put("programs", "compute", "runtime_args", "values", 3, value=[2]),
        "programs.compute.runtime_args.values.3",
        "count is 2; the partition gives 1",
    ),
    "Mt": (
        put("programs", "reader", "constants", 0, "value", value=10),
        "programs.reader.constants.0",
        "Mt is 10, the output has 2 tiles there",
    ),
    "Nt": (
        put("programs", "reader", "constants", 1, "value", value=10),
        "programs.reader.constants.1",
        "Nt is 10, the output has 3 tiles there",
    ),
    "Kt, the tiles reduced over": (
        put("programs", "reader", "constants", 2, "value", value=12),
        "programs.reader.constants.2",
        "Kt is 12, the partition says 11",
    ),
    "Mt, of which the right one is a multiple": (
        put("programs", "writer", "constants", 0, "value", value=1),
        "programs.writer.constants.0",
        "Mt is 1, the output has 2 tiles there",
    ),
    "Kt, of which the right one is a multiple": (
        put("programs", "compute", "constants", 0, "value", value=1),
        "programs.compute.constants.0",
        "Kt is 1, and 11 in another program",
    ),
    "Kt, everywhere": (
        lambda p: (
            p["programs"]["compute"]["constants"][0].update(value=1),
            p["programs"]["reader"]["constants"][2].update(value=1),
        ),
        "partition.len_k",
        r"core \(0, 0\) makes 2 steps of sums for 2 output tiles; 11 for each are said here",
    ),
    "the tiles reduced over": (
        put("partition", "len_k", value=22),
        "partition.len_k",
        "makes 11 steps of sums for 1 output tiles; 22 for each",
    ),
    "name of a constant and an argument": (
        put("programs", "reader", "runtime_args", "names", value=["start", "Kt"]),
        "programs.reader",
        "'Kt' is defined twice",
    ),
    "variable twice": (
        lambda p: loop(p, "reader", "tile").update(var="count"),
        "programs.reader.body.0.var",
        "'count' is defined twice",
    ),
    "unknown variable": (
        lambda p: find(p, "reader", "read_page")["args"].update(page="row"),
        "programs.reader.body.0.body.2.body.3.body.0.args.page",
        "'row' is not defined here",
    ),
    "variable of an inner loop": (
        lambda p: loop(p, "reader", "k_block").update(stop="slot"),
        "programs.reader.body.0.body.2.stop",
        "'slot' is not defined here",
    ),
    "unknown operation": (
        lambda p: find(p, "reader", "read_barrier").update(op="read_barier"),
        "programs.reader.body.0.body.2.body.4.op",
        "no operation 'read_barier'",
    ),
    "operation of another program": (
        lambda p: find(p, "reader", "read_barrier").update(op="write_barrier"),
        "programs.reader.body.0.body.2.body.4.op",
        "does not belong in the reader",
    ),
    "missing argument": (
        lambda p: find(p, "reader", "read_page")["args"].pop("slot"),
        "programs.reader.body.0.body.2.body.3.body.0.args",
        "'read_page' takes tensor, page, cb, slot",
    ),
    "unknown buffer": (
        lambda p: find(p, "writer", "cb_wait_front")["args"].update(cb="D"),
        "programs.writer.body.0.body.1.args.cb",
        "no circular buffer 'D' in the writer",
    ),
    "tensor of another program in an operation": (
        lambda p: find(p, "reader", "read_page")["args"].update(tensor="C"),
        "programs.reader.body.0.body.2.body.3.body.0.args.tensor",
        "no tensor 'C' in the reader",
    ),
    # Traffic
    "pops too little": (
        lambda p: loop(p, "compute", "k_block").update(stop=8),
        "circular_buffers.0",
        "pages pushed, .* popped on core 0",
    ),
    "push without reserve": (
        lambda p: find(p, "reader", "cb_push_back")["args"].update(pages=16),
        "programs.reader.body",
        "16 pages of 'A' are pushed that were not reserved",
    ),
    "fill without reserve": (
        lambda p: without(p, "reader", "cb_reserve_back"),
        "programs.reader.body",
        "page 0 of 'A' is filled; 0 are reserved",
    ),
    "pop of more than was waited for": (
        lambda p: find(p, "compute", "cb_pop_front")["args"].update(pages=16),
        "programs.compute.body",
        "16 pages of 'A' are popped that were not waited for",
    ),
    "reserve without push": (
        lambda p: without(p, "compute", "cb_push_back"),
        "programs.compute.body",
        "2 pages of 'C' are reserved and never pushed",
    ),
    "capacity": (
        lambda p: (
            p["circular_buffers"][0].update(pages=12),
            p["l1"].update(used_bytes=2048 * (12 + 16 + 4)),
        ),
        "programs.reader.body",
        "8 pages at a time do not divide the 12 pages of 'A'",
    ),
    "DST index": (
        lambda p: find(p, "compute", "pack_tile")["args"].update(dst=8),
        "programs.compute.body",
        "DST tile 8, but there are 8",
    ),
    "division by zero": (
        lambda p: find(p, "compute", "pack_tile")["args"].update(slot=["//", 1, 0]),
        "programs.compute.body",
        "cannot be evaluated: integer division",
    ),
    "two producers": (
        lambda p: p["programs"]["writer"]["body"].extend(
            {"kind": "op", "op": op, "args": {"cb": "A", "pages": 8}, "at": "k.py:1"}
            for op in ("cb_reserve_back", "cb_push_back", "cb_wait_front", "cb_pop_front")
        ),
        "circular_buffers.0",
        "more than one program does push",
    ),
    "slot that is not reserved": (
        lambda p: find(p, "reader", "read_page")["args"].update(slot=8),
        "programs.reader.body",
        "page 8 of 'A' is filled; 8 are reserved",
    ),
    "push before the barrier": (
        lambda p: without(p, "reader", "read_barrier"),
        "programs.reader.body",
        "'A' is pushed before a read_barrier",
    ),
    "pop before the barrier": (
        lambda p: without(p, "writer", "write_barrier"),
        "programs.writer.body",
        "'C' is popped before a write_barrier",
    ),
    "pop without wait": (
        lambda p: without(p, "writer", "cb_wait_front"),
        "programs.writer.body",
        "page 0 of 'C' is used; 0 were waited for",
    ),
    "use of what is not waited for": (
        lambda p: find(p, "compute", "cb_wait_front")["args"].update(pages=4),
        "programs.compute.body",
        "page 4 of 'A' is used; 4 were waited for",
    ),
    "packed into what is not reserved": (
        lambda p: find(p, "compute", "pack_tile")["args"].update(slot=2),
        "programs.compute.body",
        "page 2 of 'C' is filled; 2 are reserved",
    ),
    "registers never acquired": (
        lambda p: without(p, "compute", "tile_regs_acquire"),
        "programs.compute.body",
        "matmul_tiles at .*: DST is released here, and must be acquired",
    ),
    "registers never committed": (
        lambda p: without(p, "compute", "tile_regs_commit"),
        "programs.compute.body",
        "tile_regs_wait at .*: DST is acquired here, and must be committed",
    ),
    "packer does not wait": (
        lambda p: without(p, "compute", "tile_regs_wait"),
        "programs.compute.body",
        "pack_tile at .*: DST is committed here, and must be packing",
    ),
    "registers never released": (
        lambda p: without(p, "compute", "tile_regs_release"),
        "programs.compute.body",
        "DST is packing here, and must be released",
    ),
    "packed from another register": (
        lambda p: find(p, "compute", "pack_tile")["args"].update(dst=1),
        "programs.compute.body",
        "DST tile 1 is used, and nothing was computed in it",
    ),
    # Pages
    "a page beyond an input": (
        lambda p: find(p, "reader", "read_page")["args"].update(
            page=["+", find(p, "reader", "read_page")["args"]["page"], 1]
        ),
        "programs.reader.body",
        "page 22 of 'A' is read; it has 22",
    ),
    "a page before an input": (
        lambda p: find(p, "reader", "read_page")["args"].update(
            page=["-", find(p, "reader", "read_page")["args"]["page"], 1]
        ),
        "programs.reader.body",
        "page -1 of 'A' is read; it has 22",
    ),
    "a page of no number": (
        lambda p: find(p, "reader", "read_page")["args"].update(page=["//", 1, 0]),
        "programs.reader.body",
        "the page of read_page cannot be evaluated: divide by zero",
    ),
    "an output is read": (
        lambda p: (
            p["programs"]["reader"].update(tensors=["A", "B", "C"]),
            find(p, "reader", "read_page")["args"].update(tensor="C", page=0),
        ),
        "programs.reader.body",
        "'C' is read, but it is an output",
    ),
    # Results
    "a result never written": (
        lambda p: find(p, "writer", "write_page")["args"].update(page=0),
        "programs.writer.body",
        "page 1 of 'C' is never written",
    ),
    "a result beyond the tensor": (
        lambda p: find(p, "writer", "write_page")["args"].update(
            page=["+", find(p, "writer", "write_page")["args"]["page"], 1]
        ),
        "programs.writer.body",
        "page 6 of 'C' is written; it has 6",
    ),
    "an input is written": (
        lambda p: (
            p["programs"]["writer"].update(tensors=["A"]),
            find(p, "writer", "write_page")["args"].update(tensor="A"),
        ),
        "programs.writer.body",
        "'A' is written, but it is an input",
    ),
}


C_LAYOUT = ("tensors", 2, "layout")
#: The same for shards and their cores (D5, D6, D8, P3).
SHARD_EDITS: dict[str, tuple[Edit, str, str]] = {
    "shards without a layout": (
        put(*C_LAYOUT, "layout", value="interleaved"),
        "tensors.2.layout",
        "nd_shard belongs to a sharded layout",
    ),
    "a layout without shards": (
        put("tensors", 1, "layout", "layout", value="sharded"),
        "tensors.1.layout",
        "nd_shard belongs to a sharded layout",
    ),
    "shards in DRAM": (
        put(*C_LAYOUT, "memory", value="DRAM"),
        "tensors.2.layout.memory",
        "sharded tensors lie in L1",
    ),
    "axes": (
        put(*C_LAYOUT, "nd_shard", "axes", value=["B", "M", "N"]),
        "tensors.2.layout.nd_shard.axes",
        "along M and N",
    ),
    "no whole tiles": (
        put(*C_LAYOUT, "nd_shard", "shard_shape", value=[32, 48]),
        "tensors.2.layout.nd_shard.shard_shape",
        "32x48 is not in whole tiles",
    ),
    "another shard grid": (
        put(*C_LAYOUT, "nd_shard", "grid", value=[3, 2]),
        "tensors.2.layout.nd_shard.grid",
        "cut 64x96 into 2x3, not into 3x2",
    ),
    "swapped cores": (
        put(*C_LAYOUT, "nd_shard", "order", value="column_major"),
        "tensors.2.layout.nd_shard.cores",
        "one rectangle of 2 columns and 3 rows",
    ),
    "cores outside": (
        put(*C_LAYOUT, "nd_shard", "cores", 0, "start", value=[6, 0]),
        "tensors.2.layout.nd_shard.cores",
        r"core \(8, 0\) is outside",
    ),
    "L1 of tensors": (put("l1", "tensor_bytes", value=0), "l1.tensor_bytes", "tensors take 4096"),
    "L1 full of tensors": (put("l1", "limit_bytes", value=10000), "l1", "largest: .*A_cb 8192"),
    "tile order": (put("partition", "tile_order", value="spiral"), "partition.tile_order", "enum"),
    "no block": (put("partition", "block", value=None), "partition.block", "the orders block, "),
    "block without an order": (
        put("partition", "tile_order", value="row_major"),
        "partition.block",
        "a block belongs to the orders block, match_shard",
    ),
    "another block": (
        put("partition", "block", value=[2, 1]),
        "partition.block",
        r"local_shard: \(2, 1\) is not the shard of 'C'",
    ),
    "shards of other cores": (
        both(
            put("partition", "cores", 0, "core", value=[1, 0]),
            put("partition", "cores", 1, "core", value=[0, 0]),
        ),
        "partition.cores.0",
        r"the shard of core \(1, 0\) has 1 tiles from 1 on",
    ),
    "sy": (
        lambda p: p["programs"]["writer"]["runtime_args"]["values"][4].__setitem__(2, 0),
        "programs.writer.runtime_args.values.4",
        r"sy is 0; the partition gives 1 to core \(1, 1\)",
    ),
    "Sm": (
        lambda p: next(c for c in p["programs"]["writer"]["constants"] if c["name"] == "Sm").update(
            value=2
        ),
        "programs.writer.constants.1",
        "Sm is 2, the partition gives 1",
    ),
}


@pytest.mark.parametrize(
    ("text", "edit", "blamed", "says"),
    [
        pytest.param(text, *edit, id=name)
        for text, edits in ((GEMM, EDITS), (SHARDED, SHARD_EDITS))
        for name, edit in edits.items()
    ],
)
def test_a_plan_edited_into_nonsense_says_where_and_what(
    text: str, edit: Edit, blamed: str, says: str, tmp_path: Path
) -> None:
    plan = json.loads(text)
    edit(plan)
    path = tmp_path / "tt.plan.json"
    path.write_text(json.dumps(plan, indent=1))
    with pytest.raises(PlanError, match=says) as caught:
        load(path)
    at = caught.value.at
    assert at is not None
    assert at.path == str(path)
    line = path.read_text().splitlines()[at.line - 1]
    key = blamed.rpartition(".")[2]
    assert key.isdigit() or line.strip().startswith(f'"{key}":')
    assert f": {blamed}: " in str(caught.value)
    assert "made by `ttgen plan`" in str(caught.value)


def test_what_the_edits_start_from_is_right(tmp_path: Path) -> None:
    for text in (GEMM, ADD, SHARDED):
        (tmp_path / "tt.plan.json").write_text(text)
        load(tmp_path / "tt.plan.json")


def test_pages_written_twice_or_outside(tmp_path: Path) -> None:
    """D5: every output tile once."""
    path = tmp_path / "tt.plan.json"
    plan = json.loads(ADD)
    write = find(plan, "writer", "write_page")
    slots = loop(plan, "writer", "slot")
    for page, says in (
        (write["args"]["page"], "written 2 times"),
        (6, "page 6 of 'C' is written"),
        (["-", 0, 1], "page -1 of 'C' is written"),
    ):
        again = json.loads(ADD)
        loop(again, "writer", "slot")["body"].append(
            {**write, "args": {**write["args"], "page": page}}
        )
        path.write_text(json.dumps(again))
        with pytest.raises(PlanError, match=says):
            load(path)
    assert slots["var"] == "slot"


def test_pages_that_the_chip_cannot_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tile of today is aligned; a page of another size would not be."""
    path = tmp_path / "tt.plan.json"
    path.write_text(GEMM)
    arch = ARCHITECTURES["wormhole_b0"]
    for field, blamed in (("dram_alignment", "tensors"), ("l1_alignment", "circular_buffers")):
        with monkeypatch.context() as patch:
            patch.setitem(ARCHITECTURES, arch.name, replace(arch, **{field: 4096}))
            with pytest.raises(
                PlanError, match=rf"{blamed}.0.page_bytes: pages of 'A' .* multiples of 4096"
            ):
                load(path)


@pytest.mark.parametrize("indent", [" ", "\t"])
def test_a_key_given_twice(tmp_path: Path, indent: str) -> None:
    """JSON would take the last one."""
    path = tmp_path / "tt.plan.json"
    text = json.dumps(json.loads(GEMM), indent=indent)
    line = text[: text.index('"len_k"')].count("\n") + 2
    path.write_text(text.replace('"len_k": 11', '"len_k": 10,\n"len_k": 11'))
    with pytest.raises(PlanError, match=rf"tt.plan.json:{line}:1: 'len_k' is given twice"):
        load(path)
