"""The rules of a plan about cores and their work."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ttgen.plan.coverage import core_problems, work_problems
from ttgen.plan.model import Plan
from ttgen.plan.shards import cores_of, shard_shares, shard_tiles
from ttgen.plan.violation import Violation

#: Tile orders that take blocks of tiles together.
BLOCKED = ("block", "match_shard", "column_blocks")


def cores(plan: Plan) -> Iterator[Violation]:
    """Cores are on the chip, and those with work are those of the ranges."""
    listed = [work.core for work in plan.partition.cores]
    covered = [core for core_range in plan.core_ranges for core in core_range.cores()]
    for at, problem in core_problems(listed, covered, plan.device_grid):
        yield Violation(at, problem)


def work(plan: Plan) -> Iterator[Violation]:
    """Every output tile once."""
    total = prod(plan.partition.tiles)
    for tensor in plan.tensors:
        if tensor.role == "output" and tensor.tiles != total:
            problem = f"{list(plan.partition.tiles)} is {total} tiles, '{tensor.name}' has"
            yield Violation(["partition", "tiles"], f"{problem} {tensor.tiles}")
    shares = [(work.start, work.count) for work in plan.partition.cores]
    for at, problem in work_problems(shares, total):
        yield Violation(at, problem)


def order(plan: Plan) -> Iterator[Violation]:
    """The blocks of the tile order, and in ``local_shard`` who has which shard."""
    partition = plan.partition
    if (partition.block is not None) != (partition.tile_order in BLOCKED):
        problem = f"a block belongs to the orders {', '.join(BLOCKED)}, and only there"
        yield Violation(["partition", "block"], problem)
    if partition.mode == "local_shard":
        yield from _own_shards(plan)


def _own_shards(plan: Plan) -> Iterator[Violation]:
    """Every core has the tiles of the shard of the output that it holds."""
    (output,) = (tensor for tensor in plan.tensors if tensor.role == "output")
    shard, partition = output.layout.nd_shard, plan.partition
    if shard is None or partition.block != shard_tiles(output.layout):
        problem = f"local_shard: {partition.block} is not the shard of '{output.name}'"
        yield Violation(["partition", "block"], problem)
        return
    runs = dict(zip(cores_of(shard), shard_shares(partition.tiles, partition.block), strict=True))
    for i, work in enumerate(partition.cores):
        start, count = runs.pop(work.core, (work.start, 0))
        if (work.start, work.count) != (start, count):
            problem = f"the shard of core {work.core} has {count} tiles from {start} on"
            yield Violation(["partition", "cores", i], problem)
    for core in runs:
        yield Violation(["partition", "cores"], f"core {core} holds a shard and is not listed")
