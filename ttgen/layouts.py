"""The canonical layout of a tensor, made from what a user has said of it.

``memory`` DRAM or L1, ``layout`` interleaved or sharded, ``tile_shape``, ``dtype``, and for a
sharded tensor ``nd_shard``: ``axes``, ``grid`` and ``shard_shape`` along them (elements), ``order``
and ``cores``; ``page`` tile, or row for a row-major tensor; ``order``, which of the source's
dimensions comes where on the device. What is not said follows from the rest; what contradicts
itself is refused.

Every function raises LoweringError without a place; the passes add it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any, TypeGuard

import msgspec
from msgspec import UNSET

from ttgen.errors import LoweringError
from ttgen.plan.model import CoreRange, Layout, NdShard
from ttgen.plan.shards import (
    MATRIX_AXES,
    ORDERS,
    Grid,
    default_cores,
    shard_count,
    shard_problems,
)

DEFAULTS: dict[str, Any] = {
    "memory": "DRAM",
    "layout": "interleaved",
    "tile_shape": [32, 32],
    "page": "tile",
}
KEYS = ("memory", "layout", "tile_shape", "dtype", "nd_shard", "page", "order")
SHARD_KEYS = ("axes", "grid", "shard_shape", "order", "cores")
#: Keys that users may know from elsewhere, and why they are refused.
REFUSED = {"halo": "halos are not supported: every tile belongs to one shard"}
_EXAMPLE = "for example nd_shard: {grid: [4, 1]}, which cuts the rows into four shards"
_AXES = "axes are [M, N] (rows and columns), [M], [N], or [B, M, N]"


def merged(asked: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What ``asked`` says together, later ones winning.

    Who asks for an interleaved tensor does away with the shards that were asked for before.
    """
    layout: dict[str, Any] = {}
    for wish in asked:
        for key in wish:
            check_key(key, KEYS)
        if wish.get("layout") == "interleaved" and "nd_shard" not in wish:
            layout.pop("nd_shard", None)
        layout |= wish
    return layout


def check_key(key: str, known: Sequence[str]) -> None:
    """LoweringError at a key that is not ``known``."""
    if key in REFUSED:
        raise LoweringError(f"'{key}': {REFUSED[key]}")
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        raise LoweringError(f"unknown key '{key}'", hint=hint)


def completed(asked: Mapping[str, Any]) -> dict[str, Any]:
    """``asked`` with defaults; ``nd_shard`` is checked and completed by :func:`shard`.

    Shards imply the layout ``sharded``, and that implies L1.
    """
    shards = asked.get("nd_shard")
    if shards is not None:
        if not isinstance(shards, Mapping):
            raise LoweringError(f"nd_shard is {shards!r}; it maps keys to values", hint=_EXAMPLE)
        for key in shards:
            check_key(key, SHARD_KEYS)
        if asked.get("layout", "sharded") != "sharded":
            raise LoweringError(
                f"nd_shard is given, and the layout is {asked['layout']}",
                hint="leave out one of them",
            )
    is_sharded = shards is not None or asked.get("layout") == "sharded"
    implied = {"memory": "L1", "layout": "sharded"} if is_sharded else {}
    own = {key: value for key, value in asked.items() if key != "order" or value is not None}
    layout = {**DEFAULTS, **implied, **own}
    if is_sharded and layout["memory"] == "DRAM":
        raise LoweringError("sharded tensors lie in L1, not in DRAM", hint="give memory: L1")
    if is_sharded and shards is None:
        raise LoweringError("a sharded layout needs nd_shard", hint=_EXAMPLE)
    return layout


def check_order(asked: Mapping[str, Any], shape: Sequence[int]) -> None:
    """LoweringError at an ``order`` that does not have each dimension of ``shape`` once."""
    order, plain = asked.get("order"), list(range(len(shape)))
    if order is None:
        return
    is_numbers = _is_list(order) and all(type(position) is int for position in order)
    if not is_numbers or sorted(order) != plain:
        raise LoweringError(
            f"order is {order!r}; it has each dimension of {list(shape)} once, by its number",
            hint=f"{plain} is the source's own order; the last two dimensions make tiles",
        )


def shard(asked: Mapping[str, Any], padded_shape: Sequence[int], tile: Grid, device: Grid) -> Any:
    """The shards of a tensor of ``padded_shape``: what a user has asked for, completed.

    Without ``grid`` there are as many shards as it takes, without ``shard_shape`` they are as even
    as whole tiles allow. ``device`` is (columns, rows) of the chip's cores.
    """
    *leading, rows, columns = padded_shape
    extents = (prod(leading) * rows, columns)
    axes = _axes(asked)
    grid = _along(asked, "grid", axes)
    shape = _along(asked, "shard_shape", axes)
    if grid is None and shape is None:
        raise LoweringError("nd_shard needs grid or shard_shape", hint=_EXAMPLE)
    order = asked.get("order", "row_major")
    if order not in ORDERS:
        raise LoweringError(f"nd_shard.order is {order!r}; it is one of: {', '.join(ORDERS)}")
    whole = (prod(leading), rows, columns)
    folded_grid = None if grid is None else _folded_grid(grid, axes)
    if shape is not None:
        folded_shape = _folded_shape(shape, axes, whole)
    else:
        assert folded_grid is not None
        folded_shape = _even_shape(folded_grid, extents, tile)
    if folded_grid is None:
        folded_grid = shard_count(extents, folded_shape)
    found = NdShard(
        axes=MATRIX_AXES,
        grid=folded_grid,
        shard_shape=folded_shape,
        order=order,
        cores=_cores(asked, folded_grid, order, device),
    )
    for field, problem in shard_problems(found, extents, tile, device):
        raise LoweringError(f"nd_shard.{field}: {problem}")
    return found


def _axes(asked: Mapping[str, Any]) -> tuple[str, ...]:
    axes = asked.get("axes")
    if axes is None:
        given = asked.get("grid", asked.get("shard_shape", ()))
        return ("B", "M", "N") if _is_list(given) and len(given) == 3 else MATRIX_AXES
    known = (("M", "N"), ("M",), ("N",), ("B", "M", "N"))
    found = tuple(axes) if _is_list(axes) else ()
    if found not in known:
        raise LoweringError(f"nd_shard.axes is {axes!r}", hint=_AXES)
    return found


def _along(asked: Mapping[str, Any], key: str, axes: tuple[str, ...]) -> dict[str, int] | None:
    """The values of ``key`` by axis."""
    values = asked.get(key)
    if values is None:
        return None
    if not _is_list(values) or not all(type(value) is int and value > 0 for value in values):
        raise LoweringError(f"nd_shard.{key} is {values!r}; it is a list of positive integers")
    if len(values) != len(axes):
        raise LoweringError(
            f"nd_shard.{key} has {len(values)} values for the axes {', '.join(axes)}", hint=_AXES
        )
    return dict(zip(axes, values, strict=True))


def _folded_grid(grid: Mapping[str, int], axes: tuple[str, ...]) -> Grid:
    return grid.get("B", 1) * grid.get("M", 1), grid.get("N", 1)


def _folded_shape(
    shape: Mapping[str, int], axes: tuple[str, ...], whole: tuple[int, int, int]
) -> Grid:
    """Rows and columns of a shard; with a batch axis, it is of one matrix or of whole ones."""
    batch, rows, columns = whole
    if "B" not in axes:
        return shape.get("M", batch * rows), shape.get("N", columns)
    if shape["B"] > 1 and shape["M"] != rows:
        raise LoweringError(
            f"nd_shard.shard_shape takes {shape['M']} of {rows} rows of {shape['B']} matrices",
            hint="leading dimensions are folded into rows: cut one matrix, or take whole ones",
        )
    if batch % shape["B"] or rows % shape["M"]:
        raise LoweringError(
            f"nd_shard.shard_shape: {batch} matrices of {rows} rows are no whole shards of "
            f"{shape['B']} and {shape['M']}",
        )
    return shape["B"] * shape["M"], shape["N"]


def _even_shape(grid: Grid, extents: Grid, tile: Grid) -> Grid:
    rows, columns = (
        -(-extent // (count * step)) * step
        for extent, count, step in zip(extents, grid, tile, strict=True)
    )
    return rows, columns


def _cores(asked: Mapping[str, Any], grid: Grid, order: Any, device: Grid) -> tuple[CoreRange, ...]:
    if asked.get("cores") is None:
        if prod(grid) > prod(device):
            raise LoweringError(
                f"nd_shard.grid: {prod(grid)} shards; the chip has {prod(device)} cores"
            )
        return default_cores(grid, order, device)
    return core_ranges(asked["cores"], "nd_shard.cores")


def core_ranges(asked: Any, what: str) -> tuple[CoreRange, ...]:
    """Rectangles ``[x, y, width, height]`` of cores; LoweringError where they are none."""
    for values in asked if _is_list(asked) and asked else [asked]:
        fine = _is_list(values) and len(values) == 4
        fine = fine and all(type(value) is int for value in values)
        if not (fine and min(values[:2]) >= 0 and min(values[2:]) >= 1):
            raise LoweringError(
                f"{what}: {shown(values)} is no rectangle of cores",
                hint="give [x, y, width, height] of each, for example [[0, 0, 4, 2]]",
            )
    return tuple(CoreRange(start=(x, y), extent=(w, h)) for x, y, w, h in asked)


def shown(value: object) -> str:
    """A value for a message: as a list, if it is a sequence of any kind."""
    return repr(list(value) if _is_list(value) else value)


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def nd_shard(layout: Mapping[str, Any]) -> NdShard | None:
    """The shards in a completed layout, if it has any."""
    found = layout.get("nd_shard")
    return None if found is None else msgspec.convert(found, NdShard)


def planned(desc: Mapping[str, Any]) -> Layout:
    """A completed layout as plans hold it."""
    rows, columns = desc["tile_shape"]
    order = tuple(desc.get("order", ()))
    return Layout(
        memory=desc["memory"],
        layout=desc["layout"],
        tile_shape=(rows, columns),
        dtype=desc["dtype"],
        nd_shard=nd_shard(desc),
        page=desc["page"],
        order=UNSET if order == tuple(range(len(order))) else order,
    )


# The other form ---------------------------------------------------------------------------------

#: Keys of layouts as the older documents of the TileLang back end describe them.
OLD_KEYS = ("shard", "interleave", "stride", "tile_id_order")
_MEMORIES = {"DRAM": "DRAM", "DDR": "DRAM", "L1": "L1", "SRAM": "L1"}


def from_old_form(old: Mapping[str, Any], shape: Sequence[int]) -> dict[str, Any]:
    """A layout in the form ``shard``, ``interleave``, ``stride``, ``tile_id_order`` as ours.

    ``shape`` is the tensor's, elements. Keys of our own form are kept. LoweringError at what has
    no equivalent: nothing is dropped.
    """
    found = {key: value for key, value in old.items() if key not in OLD_KEYS}
    if "shard" in old:
        _set(found, "memory", _memory(old["shard"]), "shard")
    if "interleave" in old:
        if type(old["interleave"]) is not bool:
            raise LoweringError(f"interleave is {old['interleave']!r}; it is True or False")
        if not old["interleave"] and found.get("memory", "DRAM") == "DRAM":
            raise LoweringError(
                "interleave is False: a tensor in DRAM is interleaved",
                hint="leave it out, or say shard: L1 with nd_shard",
            )
        layout = "interleaved" if old["interleave"] else "sharded"
        _set(found, "layout", layout, "interleave")
    if "stride" in old:
        _check_strides(old["stride"], shape)
    if "tile_id_order" in old:
        _apply_order(found, old["tile_id_order"])
    return found


def _memory(value: Any) -> str:
    if value not in _MEMORIES:
        raise LoweringError(f"shard is {value!r}; it is one of: {', '.join(_MEMORIES)}")
    return _MEMORIES[value]


def _set(found: dict[str, Any], key: str, value: Any, old_key: str) -> None:
    if found.setdefault(key, value) != value:
        raise LoweringError(f"{old_key} means {key}: {value}, and {key} is {found[key]}")


def _check_strides(strides: Any, shape: Sequence[int]) -> None:
    dense = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    if not isinstance(strides, Sequence) or list(strides) != dense:
        raise LoweringError(
            f"stride is {strides!r}; a dense tensor of {list(shape)} has {dense}",
            hint="tensors are dense and row-major",
        )


def _apply_order(found: dict[str, Any], order: Any) -> None:
    """Pages of an interleaved tensor are numbered row by row; those of shards follow the shards."""
    is_sharded = found.get("layout") == "sharded" or "nd_shard" in found
    if order == "row_major" and not is_sharded:
        return
    if is_sharded and order == "match_shard":
        return
    if is_sharded and order in ORDERS:
        shards = dict(found.get("nd_shard", {}))
        _set(shards, "order", order, "tile_id_order")
        found["nd_shard"] = shards
        return
    kind = "sharded" if is_sharded else "interleaved"
    raise LoweringError(f"tile_id_order is {order!r}, which {kind} tensors cannot have")
