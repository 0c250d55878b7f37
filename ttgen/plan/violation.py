"""What a rule of plans finds wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ttgen.plan.model import Plan, SourcePlace
from ttgen.textpos import PathItem


@dataclass(frozen=True)
class Violation:
    """A broken rule: where in the document, and what is wrong.

    ``at`` is the place in the kernel source of the operation that is to blame, if there is one.
    """

    path: list[PathItem]
    message: str
    at: SourcePlace | None = None


#: A rule of plans: a generator of what breaks it.
Rule: TypeAlias = Callable[[Plan], Iterator[Violation]]


def grid_text(grid: tuple[int, int]) -> str:
    """An extent in two dimensions, to show in a message."""
    return f"{grid[0]}x{grid[1]}"
