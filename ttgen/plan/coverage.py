"""Every output tile once, and cores that there are: rules of partitions, for passes and plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from ttgen.textpos import PathItem

#: Where in a plan, and what is wrong.
Problem: TypeAlias = tuple[list[PathItem], str]
_Core: TypeAlias = tuple[int, int]
_CORES: tuple[PathItem, ...] = ("partition", "cores")


def work_problems(shares: Sequence[tuple[int, int]], total: int) -> Iterator[Problem]:
    """``shares``: (first tile, tiles) of each core. Sorted, they must meet end to end."""
    position = 0
    for start, count, i in sorted((start, count, i) for i, (start, count) in enumerate(shares)):
        if count < 0:
            yield [*_CORES, i], f"{count} tiles cannot be given to a core"
        if count <= 0:
            continue
        if start < position:
            yield [*_CORES, i], f"output tile {start} is given to two cores"
        if start > position:
            yield [*_CORES, i], f"output tile {position} is given to no core"
        position = start + count
    if position != total:
        yield [*_CORES], f"the cores' work ends at output tile {position}, the grid has {total}"


def core_problems(
    listed: Sequence[_Core], covered: Sequence[_Core], grid: tuple[int, int]
) -> Iterator[Problem]:
    """``listed``: the cores that have work, or none to do; ``covered``: those in core ranges."""
    for i, (x, y) in enumerate(listed):
        if not (0 <= x < grid[0] and 0 <= y < grid[1]):
            yield [*_CORES, i, "core"], f"core ({x}, {y}) is outside the {grid[0]}x{grid[1]} grid"
    if len(set(covered)) != len(covered):
        yield ["core_ranges"], "ranges overlap"
    if len(set(listed)) != len(listed):
        yield [*_CORES], "a core is listed twice"
    for odd in sorted(set(covered) ^ set(listed))[:1]:
        yield [*_CORES], f"core {odd} is in core_ranges or in partition, not in both"
