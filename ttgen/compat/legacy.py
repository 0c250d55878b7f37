"""The legacy attributes of one kernel, and the errors about them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tvm.tirx import PrimFunc

from ttgen.analysis import Computation, analyse
from ttgen.errors import Location, LoweringError
from ttgen.frontend import spelling
from ttgen.passes import attrs
from ttgen.passes.device_shape import device_shape, output_form, padded
from ttgen.passes.infer_tt_layout import tiles
from ttgen.passes.tt_tiles_to_core_map import core_grid
from ttgen.plan.shards import Grid

#: The two names of runtime arguments.
ARGUMENTS = ("tt.runtime_args", "tt_runtime_args")
#: Mappings that are taken apart, ``tt_schedule`` into ``tt_schedule.order`` and so on, and what is
#: in them. What describes the signature of a program follows from the kernel and its work.
_SCHEDULE = ("policy", "order", "grid_shape", "total_tiles", "num_cores", "assignments")
_SIGNATURE = (
    "arg_names",
    "count",
    "grid_x",
    "grid_y",
    "iteration_ndims",
    "iteration_symbols",
    "param_order",
    "runtime_constants.Kt",
    "start_id",
    "start_tile",
    "tile_count",
)
_RUNTIME_ARGS = (
    "core_assignments",
    "grid_shape",
    "grid_tiles",
    "iteration_order",
    "local_shape_tiles",
    "partition_mode",
    "runtime_constants.Mt",
    "runtime_constants.Nt",
    "shard_grid",
    *_SIGNATURE,
)
_PARTS = {"tt_schedule": _SCHEDULE, **dict.fromkeys(ARGUMENTS, _RUNTIME_ARGS)}
_LONGEST = 80


@dataclass(frozen=True)
class Legacy:
    """A kernel and its legacy attributes, as plain Python, by their names.

    An entry of ``tt_schedule`` and of the runtime arguments is an attribute of its own:
    ``tt_schedule.order``.
    """

    func: PrimFunc
    at: Location
    values: Mapping[str, Any]

    @staticmethod
    def of(func: PrimFunc, at: Location | None = None) -> Legacy:
        """The legacy attributes of ``func``; LoweringError at those that nobody knows."""
        found = Legacy(func, at or attrs.kernel_place(func), {})
        values: dict[str, Any] = {}
        for key in attrs.of(func):
            if spelling.is_legacy(key):
                value = attrs.optional(func, key)
                entry = spelling.known_as(key)
                if entry is None or spelling.LEGACY[entry[0]] is None:
                    raise found.error(key, value, "no such attribute", spelling.advice(key))
                values |= found._parts(key, value)
        return Legacy(func, found.at, values)

    def _parts(self, key: str, value: Any) -> dict[str, Any]:
        known = _PARTS.get(key)
        if known is None:
            return {key: value}
        if not isinstance(value, Mapping):
            raise self.error(key, value, "no mapping", f"its entries are {', '.join(known)}")
        constants = value.get("runtime_constants")
        if isinstance(constants, Mapping):
            rest = {name: part for name, part in value.items() if name != "runtime_constants"}
            value = rest | {f"runtime_constants.{name}": part for name, part in constants.items()}
        for name in value:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
                raise self.error(f"{key}.{name}", value[name], "no entry", hint)
        return {f"{key}.{name}": part for name, part in value.items()}

    def error(self, key: str, value: Any, problem: str, hint: str | None = None) -> LoweringError:
        """An error that names the attribute, what it holds, and what to write instead."""
        text = repr(value)
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        return LoweringError(f"{key} is {shown}: {problem}", at=self.at, hint=hint)

    def given(self, *keys: str) -> Iterator[tuple[str, Any]]:
        """Those of ``keys`` that the kernel has, with what they hold."""
        return ((key, self.values[key]) for key in keys if key in self.values)

    def integers(self, key: str, value: Any, what: str, lengths: Sequence[int]) -> list[int]:
        """``value`` as a list of whole numbers, 0 or more, of one of ``lengths``."""
        fine = isinstance(value, Sequence) and not isinstance(value, str)
        if not (fine and len(value) in lengths and all(type(v) is int and v >= 0 for v in value)):
            raise self.error(key, value, f"it is {what}")
        return list(value)

    @cached_property
    def grid(self) -> Grid | None:
        """Columns and rows of cores, in whichever spelling; None where it is not said."""
        return asked_grid(self.func)

    @cached_property
    def computation(self) -> Computation:
        """What the kernel computes."""
        return analyse(self.func, self.at)

    @cached_property
    def tiles(self) -> Grid:
        """Rows and columns of tiles of the output."""
        return output_tiles(self.computation)


def asked_grid(func: PrimFunc) -> Grid | None:
    """Columns and rows of cores that ``func`` asks for, in whichever spelling."""
    grid = attrs.optional(func, attrs.CORE_GRID)
    if grid is None:
        grid = (attrs.optional(func, "tt.grid") or [])[:2] or None
    return None if grid is None else core_grid(grid)


def output_tiles(computation: Computation) -> Grid:
    """Rows and columns of tiles of what is computed."""
    shape = [int(extent) for extent in computation.output.ty.shape]
    on_device = padded(device_shape(shape, output_form(computation)))
    return tiles({"padded_shape": on_device, "tile_shape": [32, 32]})
