"""PropagateTTLayout: roles by dataflow, and the shapes that tensors have on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tvm.tirx import PrimFunc

from ttgen.analysis import analyse
from ttgen.passes import attrs
from ttgen.passes.base import FuncPass
from ttgen.passes.device_shape import device_dims, device_shape, padded


@dataclass(frozen=True)
class PropagateTTLayout(FuncPass):
    """Sets ``tt.roles``, and completes ``tt.layout_desc``.

    ``device_shape`` is a tensor's shape with at least two dimensions, ``padded_shape`` that in
    whole tiles. Padding is zero in inputs, and is never read in results.
    """

    name: ClassVar[str] = "tir.tenstorrent.PropagateTTLayout"

    def apply(self, func: PrimFunc) -> PrimFunc:
        """Add the attributes."""
        layouts = attrs.require(func, attrs.LAYOUT_DESC, self.name)
        computation = analyse(func, attrs.kernel_place(func))
        output = computation.output.buffer
        is_column = len(device_dims(computation)) > max(2, len(output.ty.shape)) or (
            len(output.ty.shape) == 1 and bool(device_dims(computation)[0].axes)
        )
        roles: dict[str, str] = {}
        for param in func.params:
            desc: dict[str, Any] = layouts[param.name]
            roles[param.name] = "output" if param == output else "input"
            shape = device_shape(desc["shape"], is_column=is_column and param == output)
            desc["device_shape"], desc["padded_shape"] = shape, padded(shape)
        return func.with_attr(attrs.ROLES, roles).with_attr(attrs.LAYOUT_DESC, layouts)
