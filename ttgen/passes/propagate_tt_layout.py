"""PropagateTTLayout: roles by dataflow, and the shapes that tensors have on the device."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import msgspec
from tvm.tirx import PrimFunc

from ttgen.analysis import Computation, analyse
from ttgen.arch import Architecture, architecture
from ttgen.errors import LoweringError
from ttgen.formats import FORMATS
from ttgen.frontend.places import location
from ttgen.layouts import planned, shard
from ttgen.passes import attrs
from ttgen.passes.base import FuncPass
from ttgen.passes.device_shape import Form, device_shape, output_form, padded
from ttgen.passes.infer_tt_layout import layout_errors
from ttgen.passes.meaning import meaning
from ttgen.passes.tiling.emitter import tile_loops
from ttgen.plan.shards import l1_bytes

#: Nothing is streamed: what lines up does so in whole rows as in chunks of them.
_WHOLE_ROWS = sys.maxsize


@dataclass(frozen=True)
class PropagateTTLayout(FuncPass):
    """Sets ``tt.roles``, and completes ``tt.layout_desc``.

    ``order`` is set where the kernel does not lower in its tensors' own order, and matrix products
    decide on another (:mod:`ttgen.analysis.orders`).
    ``device_shape`` is a tensor's shape in its order with at least two dimensions, of which the
    last two make tiles (:class:`ttgen.passes.device_shape.Form`), ``padded_shape`` that in whole
    tiles. Padding is zero in inputs, and is never read in results. ``nd_shard`` gets what was not
    said of it, and ``l1_bytes`` is what a tensor takes of every core's L1.
    """

    name: ClassVar[str] = "tir.tenstorrent.PropagateTTLayout"

    def apply(self, func: PrimFunc) -> PrimFunc:
        """Add the attributes; LoweringError at shards that do not cut their tensor, or fill L1."""
        inferred = attrs.require(func, attrs.LAYOUT_DESC, self.name)
        layouts: dict[str, dict[str, Any]] = {}
        arch = architecture(attrs.require(func, attrs.ARCH, self.name))
        computation = _settled(func, inferred, arch)
        output = computation.output
        form = output_form(computation)
        roles: dict[str, str] = {}
        for param in func.params:
            desc = layouts[param.name] = dict(inferred[param.name])
            roles[param.name] = "output" if param == output else "input"
            if param.name in computation.orders:
                desc["order"] = list(computation.orders[param.name])
            at = location(param.span, attrs.kernel_place(func))
            with layout_errors(param.name, at):
                _shape(desc, form if param == output else Form.TILES)
                _place(desc, arch)
        _check_l1(func, layouts, arch)
        return func.with_attr(attrs.ROLES, roles).with_attr(attrs.LAYOUT_DESC, layouts)


def _settled(func: PrimFunc, layouts: Mapping[str, Any], arch: Architecture) -> Computation:
    """What ``func`` computes: in its tensors' own order where that lowers, else as deduced."""
    found = meaning(func)
    said = {name: tuple(desc["order"]) for name, desc in layouts.items() if "order" in desc}
    if found.orders == said:
        return found
    own = {name: tuple(range(len(order))) for name, order in found.orders.items()}
    formats = {name: desc["dtype"] for name, desc in layouts.items()}
    dst_tiles = arch.dst_tiles(fp32_dest_acc=True, dst_full_sync=False)
    try:
        plain = analyse(func, attrs.kernel_place(func), own | said)
        tile_loops(plain, formats, dst_tiles=dst_tiles, stream_tiles=_WHOLE_ROWS)
    except LoweringError:
        return found
    return plain


def _shape(desc: dict[str, Any], form: Form) -> None:
    """Work out a tensor's shapes on the device."""
    shape = desc["shape"]
    plain = list(range(len(shape)))
    order = desc.get("order", plain)
    if order != plain and form is not Form.TILES:
        raise LoweringError(
            f"order is {order}, and the output is made of {form.value}",
            hint="only tensors that are whole tiles can lie in another order than their own",
        )
    desc["device_shape"] = device_shape([shape[position] for position in order], form)
    desc["padded_shape"] = padded(desc["device_shape"])


def _place(desc: dict[str, Any], arch: Architecture) -> None:
    """Complete a tensor's shards, and count what it takes of L1."""
    tile_rows, tile_columns = desc["tile_shape"]
    if desc.get("nd_shard") is not None:
        found = shard(desc["nd_shard"], desc["padded_shape"], (tile_rows, tile_columns), arch.grid)
        desc["nd_shard"] = msgspec.to_builtins(found)
    format_ = FORMATS[desc["dtype"]]
    desc["pages"] = prod(desc["padded_shape"]) // (tile_rows * tile_columns)
    desc["page_bytes"] = format_.tile_bytes
    if desc["page"] == "row":
        *rows, columns = desc["device_shape"]
        desc["pages"], desc["page_bytes"] = prod(rows), columns * format_.value_bytes
    desc["l1_bytes"] = l1_bytes(planned(desc), desc["pages"], desc["page_bytes"], arch.grid)


def _check_l1(func: PrimFunc, layouts: dict[str, Any], arch: Architecture) -> None:
    sizes = {name: desc["l1_bytes"] for name, desc in layouts.items() if desc["l1_bytes"]}
    if sum(sizes.values()) > arch.l1_bytes:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise LoweringError(
            f"the tensors in L1 take {sum(sizes.values())} bytes of every core ({listed}); "
            f"{arch.name} has {arch.l1_bytes}",
            at=attrs.kernel_place(func),
            hint="cut them into more shards, or leave some in DRAM",
        )
