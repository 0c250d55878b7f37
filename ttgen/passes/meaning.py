"""What a function computes, as passes ask for it."""

from __future__ import annotations

from tvm.tirx import PrimFunc

from ttgen.analysis import Computation, analyse
from ttgen.passes import attrs


def meaning(func: PrimFunc) -> Computation:
    """What ``func`` computes, of tensors that lie as its layouts say.

    LoweringError at the first thing that has no lowering.
    """
    layouts = attrs.optional(func, attrs.LAYOUT_DESC) or {}
    orders = {name: tuple(desc["order"]) for name, desc in layouts.items() if "order" in desc}
    return analyse(func, attrs.kernel_place(func), orders)
