"""The registry of ``tt.*`` function attributes: what passes leave for each other.

Layouts and buffers are keyed by name, since a TVM buffer cannot carry attributes of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

import tvm
from tvm.ir import IRModule
from tvm.tirx import PrimFunc

from ttgen.errors import Location, LoweringError
from ttgen.frontend import spelling
from ttgen.frontend.places import location
from ttgen.identity import address

ARCH = "tt.arch"
AUTHOR_GRID = "tt.author_grid"
BUFFER_PREFIX = "tt.buffer."
CB_DESC = "tt.cb_desc"
COMPUTE_CONFIG = "tt.compute_config"
CONSTANTS = "tt.constants"
CONST_TILES = "tt.const_tiles"
CORE_GRID = "tt.core_grid"
CORE_RANGES = "tt.core_ranges"
LAYOUT_DESC = "tt.layout_desc"
PARTITION = "tt.partition"
PROGRAM = "tt.program"
ROLES = "tt.roles"
SOURCE = "tt.source"
USER_LAYOUT = "tt.user_layout"
WORK_PARTITION = "tt.work_partition"

#: Every key, and what it holds. ``tt.buffer.<name>`` stands for a family of keys.
REGISTRY: dict[str, str] = {
    ARCH: "name of the architecture",
    AUTHOR_GRID: "of a kernel with a grid: blocks, block (rows, columns of elements), order",
    CB_DESC: "per circular buffer, in index order: name, tensor, role, dtype, page_bytes, pages",
    COMPUTE_CONFIG: "fidelity, fp32_dest_acc, math_approx, dst_full_sync",
    CONSTANTS: "name and value of each compile-time constant that the function takes",
    CONST_TILES: "per constant buffer, its pages: value, beyond, rows, columns",
    CORE_GRID: "logical grid of cores: columns, rows",
    CORE_RANGES: "rectangles of cores: x, y, width, height",
    LAYOUT_DESC: "per tensor: canonical layout with shape, padded shape and page size",
    PARTITION: "mode, tile_order, tiles (rows, columns), block (rows, columns of tiles), len_k",
    PROGRAM: "which of a core's programs the function is: reader, compute or writer",
    ROLES: "per tensor: input or output",
    SOURCE: "where the kernel stands: path, line, column",
    USER_LAYOUT: "layouts that the spec asks for, per tensor",
    WORK_PARTITION: "per core: x, y, first output tile, number of output tiles; in a source: items",
}

_NEEDED_FROM = {
    ARCH: "InferTTLayout",
    LAYOUT_DESC: "InferTTLayout",
    ROLES: "PropagateTTLayout",
    PARTITION: "TTTilesToCoreMap",
    WORK_PARTITION: "TTTilesToCoreMap",
    CORE_RANGES: "TTTilesToCoreMap",
    CONSTANTS: "LowerTTTileIntrinsics",
    CONST_TILES: "LowerTTTileIntrinsics",
    COMPUTE_CONFIG: "LowerTTTileIntrinsics",
    CB_DESC: "GridToPersistentTT",
}


#: What a kernel may set itself, apart from ``tt.buffer.<name>``, and how to ask for the rest.
_IN_SOURCE = (USER_LAYOUT, CORE_GRID, CORE_RANGES, WORK_PARTITION)
_ASK_BY = {
    ARCH: "`arch`",
    PARTITION: "`partition`, `partition_mode`",
    COMPUTE_CONFIG: "`fidelity`, `fp32_dest_acc`, `math_approx`, `dst_full_sync`",
    LAYOUT_DESC: "`layouts`",
}


def check_source(func: PrimFunc, at: Location) -> None:
    """LoweringError at an attribute of a kernel's source that a pass would overwrite."""
    check_known(func)
    for key in of(func):
        if key in REGISTRY and key not in _IN_SOURCE:
            by = _ASK_BY.get(key)
            raise LoweringError(
                f"'{key}' is set by the passes, not by a kernel",
                at=at,
                hint=f"ask for it in the spec: {by}" if by else None,
            )


def check_all_known(module: IRModule) -> None:
    """:func:`check_known` of each PrimFunc of ``module``."""
    for func in module.functions.values():
        if isinstance(func, PrimFunc):
            check_known(func)


def check_known(func: PrimFunc) -> None:
    """LoweringError at a ``tt.*`` attribute that is not in the registry, and at legacy ones."""
    for key in of(func):
        if spelling.is_legacy(key):
            message = f"'{key}' is an attribute in the legacy spelling"
            raise LoweringError(message, at=kernel_place(func), hint=spelling.advice(key))
        if key.startswith("tt.") and key not in REGISTRY and not key.startswith(BUFFER_PREFIX):
            near = difflib.get_close_matches(key, REGISTRY, n=1)
            hint = f"did you mean '{near[0]}'?" if near else None
            raise LoweringError(f"unknown attribute '{key}'", at=kernel_place(func), hint=hint)


def of(func: PrimFunc) -> Mapping[str, Any]:
    """Every attribute of ``func``, as TVM holds it."""
    found: Mapping[str, Any] = _once(func, lambda: dict(func.attrs.items() if func.attrs else ()))
    return found


def require(func: PrimFunc, key: str, asked_by: str) -> Any:
    """The attribute ``key`` as plain Python; LoweringError says which pass has to run first.

    Whoever asks for the same attribute is given the same value: it is not to be changed.
    """
    check_present(func, key, asked_by)
    return optional(func, key)


def check_present(func: PrimFunc, key: str, asked_by: str) -> None:
    """LoweringError, which says which pass has to run first, where ``key`` is not set."""
    if key not in of(func):
        raise LoweringError(
            f"{asked_by} needs the attribute '{key}'",
            at=kernel_place(func),
            hint=f"run {_NEEDED_FROM[key]} first",
        )


def is_same(earlier: Any, value: Any) -> bool:
    """Whether an attribute is the very object that it was; numbers and text are compared."""
    return bool(value.same_as(earlier) if hasattr(value, "same_as") else value == earlier)


def optional(func: PrimFunc, key: str) -> Any:
    """The attribute ``key`` as plain Python, or None; like :func:`require`'s not to be changed."""
    value = of(func).get(key)
    if isinstance(value, tvm.runtime.Object):
        return _once(value, lambda: plain(value))
    return plain(value)


#: What was made of objects of TVM's, by their addresses; the objects are held, and so are these.
_made: dict[int, tuple[tvm.runtime.Object, Any]] = {}
_MADE_LIMIT = 512


def _once(node: tvm.runtime.Object, make: Callable[[], Any]) -> Any:
    """``make()`` for the first call with ``node``: passes hand most attributes on as they are.

    TVM never changes an object that somebody else holds.
    """
    at = address(node)
    if at not in _made:
        if len(_made) >= _MADE_LIMIT:
            _made.clear()
        _made[at] = node, make()
    return _made[at][1]


def plain(value: Any) -> Any:
    """A TVM attribute value as dict, list, str, int, float, bool or None."""
    # By exact type: an instance check of an abstract class, as TVM's containers are, takes longer
    # than all the rest.
    if isinstance(value, str):
        return str(value)
    kind = type(value)
    if kind in _SEQUENCES:
        return [plain(item) for item in value[:]]  # a slice is much faster than iteration
    if kind in _MAPPINGS:
        return {str(key): plain(item) for key, item in value.items()}
    if kind in _IMMEDIATES:
        return value.value
    return value


_SEQUENCES = (tvm.ir.Array, list, tuple)
_MAPPINGS = (tvm.ir.Map, dict)
_IMMEDIATES = (tvm.ir.prim.IntImm, tvm.ir.prim.FloatImm, tvm.ir.StringImm)


def kernel_place(func: PrimFunc) -> Location:
    """Where the kernel stands: its source attribute, or the first parameter that has a span."""
    source = optional(func, SOURCE)
    if source:
        return Location(source["path"], source["line"], source["column"])
    name = of(func).get("global_symbol", "kernel")
    spans = [param.span for param in func.params if param.span is not None]
    return location(spans[0], Location(str(name))) if spans else Location(str(name))
