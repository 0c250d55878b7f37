"""Operations of the vector unit (SFPU) on a tile in DST: one row each.

A row is all that the lowering, the templates and the checks need. The interpreter has a function
for each of them besides (``runtime/ttgen_runtime/interp/vector.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Unary:
    """``of`` is its meaning; ``header`` (below ``api/compute``) declares ``init`` and ``tile``.

    ``tile`` is called with the number of a DST tile.
    """

    name: str
    of: Callable[[float], float]
    header: str
    init: str
    tile: str

    @property
    def keeps_zero(self) -> bool:
        """Whether zero stays what it is: padding need not be masked."""
        return self.of(0.0) == 0.0


def _eltwise(name: str, of: Callable[[float], float], header: str = "") -> Unary:
    """An operation as most of the SDK's compute API has them."""
    path = f"api/compute/eltwise_unary/{header or name}.h"
    return Unary(name, of, path, f"{name}_tile_init", f"{name}_tile")


UNARY: dict[str, Unary] = {
    unary.name: unary
    for unary in (
        # The larger of the value and zero.
        _eltwise("relu", lambda value: max(value, 0.0)),
    )
}
