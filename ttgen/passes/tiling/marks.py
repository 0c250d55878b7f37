"""How a lowered function says what its loops and buffers are for."""

from __future__ import annotations

from dataclasses import dataclass

from ttgen.passes.device_shape import TILE

#: Marks the loops over output tiles, whose iterations are independent of each other.
PARALLEL = {"tt.axis": "parallel"}
#: Marks a loop over the tiles that an output tile is reduced over, in DST.
REDUCE = {"tt.axis": "reduce"}
#: Marks a loop that makes a temporary tile in each iteration.
MAP = {"tt.axis": "map"}
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
