"""PropagateTTLayout: roles by dataflow, and what a layout implies for the tiles on the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import tvm
from tvm.tirx import PrimFunc

from ttgen.analysis import analyse
from ttgen.errors import LoweringError
from ttgen.frontend.kernel import location
from ttgen.passes import attrs
from ttgen.passes.base import FuncPass


@dataclass(frozen=True)
class PropagateTTLayout(FuncPass):
    """Sets ``tt.roles`` and checks that every tensor is made of whole tiles."""

    name: ClassVar[str] = "tir.tenstorrent.PropagateTTLayout"

    def apply(self, func: PrimFunc) -> PrimFunc:
        """Add the attribute; LoweringError at a tensor that is no whole number of tiles."""
        layouts = attrs.require(func, attrs.LAYOUT_DESC, self.name)
        computation = analyse(func, attrs.kernel_place(func))
        for param in func.params:
            _check_tiles(func, param, layouts[param.name])
        output = computation.output.buffer
        roles = {param.name: "output" if param == output else "input" for param in func.params}
        return func.with_attr(attrs.ROLES, roles)


def _check_tiles(func: PrimFunc, buffer: tvm.ir.Var, layout: Mapping[str, Any]) -> None:
    at = location(buffer.span, attrs.kernel_place(func))
    shape, tile = layout["shape"], layout["tile_shape"]
    size = "x".join(str(extent) for extent in shape)
    if len(shape) < 2:
        raise LoweringError(f"{buffer.name} has {len(shape)} dimension; a tile has two", at=at)
    for dim, (extent, step) in enumerate(zip(shape[-2:], tile, strict=True), len(shape) - 2):
        if extent % step:
            raise LoweringError(
                f"{buffer.name} is {size}: dimension {dim} ({extent}) is no multiple of "
                f"the {tile[0]}x{tile[1]} tile",
                at=at,
                hint=f"use {-(-extent // step) * step}, or the next smaller {extent // step * step}"
                if extent > step
                else f"use {step}",
            )
