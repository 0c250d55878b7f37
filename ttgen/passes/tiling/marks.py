"""How a lowered function says what its loops and buffers are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isinf
from typing import Any

from ttgen.passes.device_shape import TILE

#: Marks the loops over output tiles, whose iterations are independent of each other.
PARALLEL = {"tt.axis": "parallel"}
#: Marks a loop over the tiles that an output tile is reduced over, in DST.
REDUCE = {"tt.axis": "reduce"}
#: Marks a loop that makes a temporary tile in each iteration.
MAP = {"tt.axis": "map"}
#: Marks a loop over chunks of a dimension, whose stages go on from what they have left before.
STREAM = {"tt.axis": "stream"}
#: Storage scopes of temporary tiles, and of tiles that no data goes into.
TEMPORARY, CONSTANT = "tt.cb", "tt.const"


@dataclass(frozen=True)
class ConstantPage:
    """A page of a constant buffer: ``value`` in the first ``rows`` and ``columns`` of its tile.

    With a ``diagonal``, ``value`` is where the row's number, less the column's, plus that is not
    negative. ``beyond`` is what the rest of the tile holds.
    """

    value: float
    beyond: float = 0.0
    rows: int = TILE
    columns: int = TILE
    diagonal: int | None = None

    @property
    def is_uniform(self) -> bool:
        """Whether the page holds one number everywhere."""
        return self.rows == TILE and self.columns == TILE and self.diagonal is None

    def as_attribute(self) -> dict[str, Any]:
        """The page in an attribute of a function; infinities as text, or they are not printed."""
        return {
            name: str(value) if isinstance(value, float) and isinf(value) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def of_attribute(cls, page: Mapping[str, Any]) -> ConstantPage:
        """The page that :meth:`as_attribute` gives ``page`` for."""
        numbers = {name: float(page[name]) for name in ("value", "beyond")}
        return cls(**{**page, **numbers})
