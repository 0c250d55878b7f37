"""The table of operations: for each row of :data:`ttgen.ops.TILE_OPS`, what it does to a core.

An operation is a function of the core and of its arguments by name, expressions evaluated. It
returns a :class:`~ttgen_runtime.interp.errors.Wait` when it cannot go on yet, and is called again
later; it raises :class:`~ttgen_runtime.interp.errors.Misuse` for what the chip would not survive.
"""

from __future__ import annotations

from collections.abc import Callable

from ttgen_runtime.interp import mathematics, movement
from ttgen_runtime.interp.errors import Wait

Operation = Callable[..., Wait | None]

OPERATIONS: dict[str, Operation] = {**movement.OPERATIONS, **mathematics.OPERATIONS}
