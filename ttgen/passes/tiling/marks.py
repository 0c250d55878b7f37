"""How a lowered function says what its loops and buffers are for."""

from __future__ import annotations

#: Marks the loops over output tiles, whose iterations are independent of each other.
PARALLEL = {"tt.axis": "parallel"}
#: Marks a loop over the tiles that an output tile is reduced over, in DST.
REDUCE = {"tt.axis": "reduce"}
#: Marks a loop that makes a temporary tile in each iteration.
MAP = {"tt.axis": "map"}
#: Storage scopes of temporary tiles, and of tiles that hold one number.
TEMPORARY, CONSTANT = "tt.cb", "tt.const"
