"""How many tiles move at a time: one barrier, one push and one pop for a block of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from tvm import tirx

from ttgen.passes.persistent.stages import Nest, Operand, Stage, longest


@dataclass(frozen=True)
class Blocks:
    """Tiles per block: of the output, and along each loop inside an output tile, by its variable.

    ``extents`` are the tiles along those loops, at most; ``buffering`` is how many blocks a
    circular buffer holds between two programs.
    """

    output: int
    output_is_even: bool
    along: Mapping[str, int]
    extents: Mapping[str, int]
    buffering: int

    def size(self, loop: tirx.For) -> int:
        """Tiles per block along ``loop``."""
        return self.along[str(loop.loop_var.name)]

    def is_even(self, loop: tirx.For) -> bool:
        """Whether every block along ``loop`` is full."""
        name = str(loop.loop_var.name)
        return self.extents[name] % self.along[name] == 0

    def of(self, stage: Stage, operand: Operand) -> int:
        """Tiles of ``operand`` that move at a time."""
        loop = stage.innermost(operand)
        return self.at_once(stage) if loop is None else self.size(loop)

    def at_once(self, stage: Stage) -> int:
        """Results of ``stage`` that are made together, loops of its own apart."""
        return self.output if stage.is_per_tile else 1

    def made_by(self, stage: Stage) -> int:
        """Tiles that ``stage`` leaves for others before they use the first one."""
        if not stage.maps:
            return self.at_once(stage)
        *outer, innermost = (str(loop.loop_var.name) for loop in stage.maps)
        size = self.along[innermost]
        blocks = -(-self.extents[innermost] // size)
        return prod(self.extents[name] for name in outer) * blocks * size


def choose_blocks(
    nest: Nest,
    constants: Mapping[str, int],
    counts: Iterable[int],
    *,
    dst_tiles: int,
    block_tiles: int,
    buffering: int,
    most_output: int,
) -> Blocks:
    """Blocks of at most ``block_tiles``, for cores that have ``counts`` output tiles each.

    Results that are in DST together are a block: it takes no more than ``dst_tiles``, with the
    registers that each of them needs. A block of the output is no larger than ``most_output``. With
    stages that are done once per run, ``counts`` are the lengths of runs.
    """
    busy = {count for count in counts if count}
    output = min(block_tiles, max(busy), most_output)
    for stage in nest.of_tiles:
        if not stage.reduces and not stage.maps:
            output = min(output, dst_tiles // stage.registers)
    if any(stage.maps for stage in nest.of_tiles):
        output = 1  # temporary tiles of one output tile at a time
    along: dict[str, int] = {}
    extents: dict[str, int] = {}
    for stage in nest.stages:
        for loop in (*stage.maps, *stage.reduces):
            extents[str(loop.loop_var.name)] = constants[str(longest(loop).name)]
        if stage.maps:
            name = str(stage.maps[-1].loop_var.name)
            together = dst_tiles // stage.registers
            limit = block_tiles if stage.reduces else min(block_tiles, together)
            # Tiles of several loops are one row of pages, which takes blocks that are all full.
            choose = _divisor_or_limit if len(stage.maps) == 1 else _divisor
            along[name] = choose(extents[name], limit)
        if stage.reduces:
            name = str(stage.reduces[-1].loop_var.name)
            along[name] = _divisor_or_limit(extents[name], block_tiles)
    is_even = all(count % output == 0 for count in busy)
    return Blocks(output, is_even, along, extents, buffering)


def _divisor_or_limit(extent: int, limit: int) -> int:
    """Tiles of a block along a loop: a divisor of ``extent`` if one is near the limit.

    A divisor makes every block full; where the best one is under half of the limit, a partly
    filled last block costs less than small blocks do.
    """
    limit = min(limit, extent)
    best = _divisor(extent, limit)
    return best if 2 * best >= limit else limit


def _divisor(extent: int, limit: int) -> int:
    """The largest divisor of ``extent`` up to ``limit``."""
    return max(size for size in range(1, min(limit, extent) + 1) if extent % size == 0)
