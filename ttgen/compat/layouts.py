"""Where tensors lie: ``tt_buffer_<b>_*`` and ``tt_shard``, and ``tt.user_layout``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tvm.tirx import BufferType, PrimFunc

from ttgen.analysis.expr import static_extent
from ttgen.compat.legacy import Legacy
from ttgen.formats import BY_SOURCE_DTYPE
from ttgen.frontend import spelling
from ttgen.layouts import KEYS, OLD_KEYS
from ttgen.passes import attrs
from ttgen.passes.device_shape import TILE, device_shape, padded

#: What ``layout`` may be in a word.
WORDS: dict[str, dict[str, str]] = {
    "dram_interleaved": {"memory": "DRAM", "layout": "interleaved"},
    "interleaved": {"layout": "interleaved"},
    "sharded": {"layout": "sharded"},
}
#: What legacy code said of all tensors at once: nothing that is not so anyway.
_FIXED = {"tt_layout_type": "dram_interleaved", "tt_tile_height": TILE, "tt_tile_width": TILE}
_INSTEAD = 'write tt.user_layout: {"<tensor>": {…}} (docs/layouts.md)'
#: What follows from a tensor's padded rows and columns; legacy code had two names for some of it.
_DERIVED: dict[str, Callable[[list[int], list[int]], Any]] = {
    "padded_shape": lambda _, whole: whole,
    "needs_padding": lambda shape, whole: shape != whole,
    **dict.fromkeys(("num_tiles_height", "tiles_height"), lambda _, whole: whole[-2] // TILE),
    **dict.fromkeys(("num_tiles_width", "tiles_width"), lambda _, whole: whole[-1] // TILE),
}


def read(legacy: Legacy) -> dict[str, dict[str, Any]] | None:
    """Layouts by tensor, with what ``tt.user_layout`` has; None where nothing is to be changed.

    LoweringError at what contradicts that, the tensors' shapes, or itself.
    """
    for key, wanted in _FIXED.items():
        for _, value in legacy.given(key):
            if value != wanted:
                raise legacy.error(key, value, f"it can be {wanted!r} alone", _INSTEAD)
    before = attrs.optional(legacy.func, attrs.USER_LAYOUT) or {}
    layouts = {name: _today(legacy, attrs.USER_LAYOUT, wish) for name, wish in before.items()}
    for tensor, key, fields in _fields(legacy):
        layout = _layout(legacy, tensor, key, fields)
        known = layouts.setdefault(tensor, {})
        for name, value in layout.items():
            if known.setdefault(name, value) != value:
                problem = f"{name} of {tensor} is {known[name]!r} elsewhere"
                raise legacy.error(key, fields, problem, "leave out one of them")
    layouts = {name: layout for name, layout in layouts.items() if layout or name in before}
    return None if layouts == before else layouts


def _fields(legacy: Legacy) -> list[tuple[str, str, dict[str, Any]]]:
    """What is said of each tensor: the tensor, the attribute, and its fields."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    for key, value in legacy.given("tt_shard"):
        if not isinstance(value, Mapping):
            raise legacy.error(key, value, "it maps tensors to layouts", _INSTEAD)
        for tensor, fields in value.items():
            if not isinstance(fields, Mapping):
                raise legacy.error(f"{key} of {tensor}", fields, "it maps keys to values", _INSTEAD)
            found.append((tensor, f"{key} of {tensor}", dict(fields)))
    for key, value in legacy.values.items():
        known, tensor = spelling.known_as(key) or (key, None)
        if tensor is not None:
            found.append((tensor, key, {known.partition("<b>_")[2]: value}))
    return found


def _layout(legacy: Legacy, tensor: str, key: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The layout that ``fields`` say; what follows from the tensor's shape is checked."""
    shape = _shape(legacy, tensor, key, fields)
    whole = padded(device_shape(shape))
    layout: dict[str, Any] = {}
    if isinstance(fields.get("layout"), Mapping):
        fields = {**{k: v for k, v in fields.items() if k != "layout"}, **fields["layout"]}
    for name, value in fields.items():
        if name in _DERIVED:
            wanted = _DERIVED[name](device_shape(shape), whole)
            if value != wanted:
                problem = f"{name} of a tensor of {shape} is {wanted!r}"
                raise legacy.error(key, value, problem, "leave it out: it follows from the shape")
        elif name == "layout":
            if value not in WORDS:
                raise legacy.error(key, value, f"it is one of: {', '.join(WORDS)}", _INSTEAD)
            layout |= WORDS[value]
        elif name in (*KEYS, *OLD_KEYS):
            layout[name] = value
        else:
            known = (*KEYS, *OLD_KEYS, *_DERIVED)
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
            raise legacy.error(f"{key}: {name}", value, "no key of a layout", hint)
    return dict(_today(legacy, key, layout))


def _shape(legacy: Legacy, tensor: str, key: str, value: Any) -> list[int]:
    tensors = {p.name: p for p in legacy.func.params if isinstance(p.ty, BufferType)}
    if tensor not in tensors:
        near = difflib.get_close_matches(tensor, tensors, n=1)
        hint = f"did you mean '{near[0]}'?" if near else None
        raise legacy.error(key, value, f"the tensors are {', '.join(tensors)}", hint)
    param = tensors[tensor]
    return [static_extent(extent, param, legacy.at) for extent in param.ty.shape]


def _today(legacy: Legacy, key: str, layout: Any) -> Any:
    """A layout with today's names for formats and in ``nd_shard``."""
    if not isinstance(layout, Mapping):
        return layout
    found = dict(layout)
    if found.get("dtype") in BY_SOURCE_DTYPE:
        found["dtype"] = BY_SOURCE_DTYPE[found["dtype"]].name
    shards = found.get("nd_shard")
    if isinstance(shards, Mapping):
        shards = dict(shards)
        if "shard_shape_elems" in shards:
            elements = shards.pop("shard_shape_elems")
            if shards.setdefault("shard_shape", elements) != elements:
                raise legacy.error(key, dict(layout), "shard_shape and shard_shape_elems differ")
        _check_projected(legacy, key, shards)
        found["nd_shard"] = shards
    return found


def _check_projected(legacy: Legacy, key: str, shards: dict[str, Any]) -> None:
    """Take away what ``infer_tt_layout`` added to ``nd_shard``, which must follow from the rest."""
    axes = shards.get("axes", ["M", "N"])
    for name, source, unit in (
        ("projected_grid", "grid", 1),
        ("projected_shard_tiles", "shard_shape", TILE),
    ):
        if name in shards:
            said, values = shards.pop(name), shards.get(source)
            matrix = isinstance(values, Sequence) and len(values) == len(axes)
            by_axis = dict(zip(axes, values, strict=True)) if matrix and values else {}
            wanted = [-(-by_axis.get(axis, unit) // unit) for axis in ("M", "N")]
            if said != wanted:
                raise legacy.error(key, said, f"{name} is {wanted}", "leave it out: it follows")


# Writing ------------------------------------------------------------------------------------------


def write(func: PrimFunc) -> dict[str, Any]:
    """``tt.user_layout`` of ``func`` as legacy attributes."""
    found: dict[str, Any] = {}
    for tensor, asked in attrs.optional(func, attrs.USER_LAYOUT).items():
        layout = dict(asked)
        if "tile_shape" in layout:
            found[f"tt_buffer_{tensor}_tile_shape"] = layout.pop("tile_shape")
        if isinstance(layout.get("nd_shard"), Mapping):
            shards = dict(layout["nd_shard"])
            if "shard_shape" in shards:
                shards["shard_shape_elems"] = shards.pop("shard_shape")
            layout["nd_shard"] = shards
        word = next((word for word, means in WORDS.items() if means == layout), None)
        if layout:
            found[f"tt_buffer_{tensor}_layout"] = word or layout
    return found
