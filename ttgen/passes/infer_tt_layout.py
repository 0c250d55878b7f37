"""InferTTLayout: one canonical layout per tensor, from defaults, annotations and the spec."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar

import tvm
from tvm.tirx import BufferType, PrimFunc

from ttgen.analysis.expr import static_extent
from ttgen.arch import architecture
from ttgen.errors import Location, LoweringError
from ttgen.formats import BY_SOURCE_DTYPE, FORMATS
from ttgen.frontend.places import location
from ttgen.layouts import check_order, completed, from_old_form, merged
from ttgen.passes import attrs
from ttgen.passes.base import FuncPass

#: What each key of a layout may be today. Adding a value here needs its lowering and a template.
_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "memory": ("DRAM", "L1"),
    "layout": ("interleaved", "sharded"),
    "tile_shape": ([32, 32],),
    "dtype": ("bf16", "fp32", "bfp8_b", "int32"),
    "page": ("tile", "row"),
}


@dataclass(frozen=True)
class InferTTLayout(FuncPass):
    """Sets ``tt.arch`` and ``tt.layout_desc``.

    Precedence, lowest first: defaults, the function's ``tt.buffer.<name>`` annotation, its
    ``tt.user_layout``, and ``layouts`` (the spec). The data format follows from the source dtype.
    Annotations may have either documented form; see :mod:`ttgen.layouts`.
    """

    name: ClassVar[str] = "tir.tenstorrent.InferTTLayout"
    arch: str
    layouts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def apply(self, func: PrimFunc) -> PrimFunc:
        """Add the attributes; LoweringError at an annotation that means nothing."""
        architecture(self.arch)
        buffers = [param for param in func.params if isinstance(param.ty, BufferType)]
        _check_buffers(func, buffers)
        self._check_names(func, [buffer.name for buffer in buffers])
        desc = {buffer.name: self._layout(func, buffer) for buffer in buffers}
        return func.with_attr(attrs.ARCH, self.arch).with_attr(attrs.LAYOUT_DESC, desc)

    def _layout(self, func: PrimFunc, buffer: tvm.ir.Var) -> dict[str, Any]:
        at = location(buffer.span, attrs.kernel_place(func))
        shape = [static_extent(extent, buffer, at) for extent in buffer.ty.shape]
        with layout_errors(buffer.name, at):
            asked = [from_old_form(wish, shape) for wish in self._asked(func, buffer.name)]
            layout = completed({"dtype": _default_format(buffer, at), **merged(asked)})
            check_order(layout, shape)
        _check(layout, buffer, at)
        return {**layout, "shape": shape}

    def _asked(self, func: PrimFunc, name: str) -> list[Mapping[str, Any]]:
        annotation = _mapping(func, attrs.BUFFER_PREFIX + name)
        user = _mapping(func, attrs.USER_LAYOUT).get(name, {})
        if not isinstance(user, Mapping):
            raise _no_mapping(func, f"{attrs.USER_LAYOUT} of {name}", user)
        return [annotation, user, self.layouts.get(name, {})]

    def _check_names(self, func: PrimFunc, known: list[str]) -> None:
        annotated = [
            key.removeprefix(attrs.BUFFER_PREFIX)
            for key in attrs.of(func)
            if key.startswith(attrs.BUFFER_PREFIX)
        ]
        user = _mapping(func, attrs.USER_LAYOUT)
        for name in [*annotated, *user, *self.layouts]:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                raise LoweringError(
                    f"a layout is given for '{name}', but the tensors are {', '.join(known)}",
                    at=attrs.kernel_place(func),
                    hint=f"did you mean '{near[0]}'?" if near else None,
                )


def _mapping(func: PrimFunc, key: str) -> Mapping[str, Any]:
    """The annotation ``key``, empty where there is none; LoweringError if it is no mapping."""
    value = attrs.optional(func, key)
    if value is not None and not isinstance(value, Mapping):
        raise _no_mapping(func, key, value)
    return value or {}


def _no_mapping(func: PrimFunc, what: str, value: Any) -> LoweringError:
    return LoweringError(
        f"{what} is {value!r}; it maps keys of a layout to values",
        at=attrs.kernel_place(func),
        hint='for example {"memory": "DRAM"}',
    )


def _check_buffers(func: PrimFunc, buffers: list[tvm.ir.Var]) -> None:
    """Names that C++ and the plan can hold, one per tensor; dense row-major tensors."""
    seen: set[str] = set()
    for buffer in buffers:
        at = location(buffer.span, attrs.kernel_place(func))
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", buffer.name):
            problem = "use ASCII letters, digits and '_'"
            raise LoweringError(f"a tensor cannot be called '{buffer.name}': {problem}", at=at)
        if buffer.name in seen:
            raise LoweringError(
                f"two tensors are called '{buffer.name}'", at=at, hint="give each a name of its own"
            )
        seen.add(buffer.name)
        _check_dense(buffer, at)


def _check_dense(buffer: tvm.ir.Var, at: Location) -> None:
    kind = buffer.ty
    scope = kind.storage_scope
    has_offset = isinstance(kind.elem_offset, tvm.ir.prim.IntImm) and int(kind.elem_offset) != 0
    for is_so, what in (
        (len(kind.strides) > 0, "strides"),
        (has_offset, "an element offset"),
        (scope not in ("", "global"), f"the scope '{scope}'"),
    ):
        if is_so:
            raise LoweringError(
                f"{buffer.name} has {what}", at=at, hint="tensors are dense and in global memory"
            )


def _default_format(buffer: tvm.ir.Var, at: Location) -> str:
    dtype = str(buffer.ty.dtype)
    if dtype not in BY_SOURCE_DTYPE:
        known = ", ".join(BY_SOURCE_DTYPE)
        raise LoweringError(f"{buffer.name} is {dtype}; the device has {known}", at=at)
    return BY_SOURCE_DTYPE[dtype].name


@contextmanager
def layout_errors(name: str, at: Location) -> Iterator[None]:
    """What is wrong with a layout, as an error that says whose it is and where."""
    try:
        yield
    except LoweringError as error:
        if error.at is not None:
            raise
        message = f"layout of {name}: {error.message}"
        raise LoweringError(message, at=at, hint=error.hint) from None


def _check(layout: Mapping[str, Any], buffer: tvm.ir.Var, at: Location) -> None:
    for key, supported in _SUPPORTED.items():
        if layout[key] not in supported:
            wanted = ", ".join(str(v) for v in supported)
            raise LoweringError(
                f"layout of {buffer.name}: {key} is {layout[key]}; supported: {wanted}", at=at
            )
    for is_so, what in (
        (layout["layout"] == "sharded", "a sharded tensor"),
        (FORMATS[layout["dtype"]].kind == "block", layout["dtype"]),
    ):
        if layout["page"] == "row" and is_so:
            raise LoweringError(
                f"layout of {buffer.name}: {what} is made of tiles, not rows", at=at
            )
    source = str(buffer.ty.dtype)
    is_integer = FORMATS[layout["dtype"]].kind == "integer"
    if is_integer != (BY_SOURCE_DTYPE[source].kind == "integer"):
        raise LoweringError(
            f"layout of {buffer.name}: {layout['dtype']} cannot hold the values of {source}", at=at
        )


def tiles(layout: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of tiles of a tensor, its leading dimensions folded into the rows."""
    *leading, rows, columns = layout["padded_shape"]
    tile_rows, tile_columns = layout["tile_shape"]
    return prod(leading) * (rows // tile_rows), columns // tile_columns
