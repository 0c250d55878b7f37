"""The order in which the blocks of an author's grid store the output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm import tirx
from tvm.ir import Var, prim
from tvm.tirx import PrimFunc

Numbers = npt.NDArray[np.int64]
#: Variables with a number for each block.
_Scope = Mapping[Var, Numbers]

_ARITHMETIC: dict[type, Any] = {
    prim.Add: np.add,
    prim.Sub: np.subtract,
    prim.Mul: np.multiply,
    prim.FloorDiv: np.floor_divide,
    prim.FloorMod: np.mod,
}


@dataclass(frozen=True)
class AuthorGrid:
    """``blocks`` of the output, one after the other; ``block`` is rows and columns of elements.

    ``order`` is how they follow each other over the output, ``row_major`` or ``column_major``;
    None where they do neither, or are no equal parts of it.
    """

    blocks: int
    block: tuple[int, int] = (1, 1)
    order: str | None = None


def author_grid(func: PrimFunc, ids: tuple[tuple[Var, int], ...]) -> AuthorGrid | None:
    """What the blocks of the grid ``ids`` store, its first id moving fastest.

    None where there is but one block. ``func`` is without tile primitives.
    """
    blocks = prod(extent for _, extent in ids)
    if blocks == 1:
        return None
    numbers = np.indices([extent for _, extent in ids]).reshape(len(ids), -1, order="F")
    scope = {var: numbers[axis] for axis, (var, _) in enumerate(ids)}
    try:
        stored = [
            _reach(store, loops, scope)
            for store, loops in _stores(func.body, dict(ids))
            if store.buffer in func.params
        ]
    except _Unknown:
        return AuthorGrid(blocks)
    outputs = {store.buffer for store, _ in _stores(func.body, {}) if store.buffer in func.params}
    if len(outputs) != 1:
        return AuthorGrid(blocks)
    low = np.min([low for low, _ in stored], axis=0)
    high = np.max([high for _, high in stored], axis=0)
    shape = [int(extent) for extent in outputs.pop().ty.shape]
    return _in_order(low, high + 1 - low, shape) or AuthorGrid(blocks)


def _in_order(starts: Numbers, sizes: Numbers, shape: list[int]) -> AuthorGrid | None:
    """The grid whose blocks start there, and are so large, along each dimension of ``shape``."""
    if len(shape) == 1:  # a vector is a row
        starts = np.concatenate([np.zeros_like(starts), starts])
        sizes = np.concatenate([np.ones_like(sizes), sizes])
        shape = [1, *shape]
    size = sizes[:, :1]
    counts = [extent // int(s) for extent, s in zip(shape, size[:, 0], strict=True)]
    is_even = all(n * int(s) == e for n, s, e in zip(counts, size[:, 0], shape, strict=True))
    blocks = starts.shape[1]
    if not is_even or (sizes != size).any() or (starts % size).any() or prod(counts) != blocks:
        return None
    if any(int(s) != 1 for s in size[:-2, 0]):
        return None
    *above, columns = counts
    *rows, column = starts // size
    row = np.ravel_multi_index(tuple(rows), above)
    block = (int(size[-2, 0]), int(size[-1, 0]))
    in_turn = np.arange(blocks)
    if (row * columns + column == in_turn).all():
        return AuthorGrid(blocks, block, "row_major")
    if (column * prod(above) + row == in_turn).all():
        return AuthorGrid(blocks, block, "column_major")
    return None


class _Unknown(Exception):
    """An index that is not worked out here."""


def _stores(
    node: Any, grid: Mapping[Var, int], loops: tuple[tirx.For, ...] = ()
) -> Iterator[tuple[tirx.BufferStore, tuple[tirx.For, ...]]]:
    """Every store, with the loops around it that are not the grid's."""
    match node:
        case tirx.BufferStore():
            yield node, loops
        case tirx.SeqStmt():
            for part in node.seq:
                yield from _stores(part, grid, loops)
        case tirx.For():
            own = loops if node.loop_var in grid else (*loops, node)
            yield from _stores(node.body, grid, own)
        case tirx.IfThenElse():
            yield from _stores(node.then_case, grid, loops)
            if node.else_case is not None:
                yield from _stores(node.else_case, grid, loops)
        case tirx.AttrStmt():
            yield from _stores(node.body, grid, loops)


def _reach(
    store: tirx.BufferStore, loops: tuple[tirx.For, ...], scope: _Scope
) -> tuple[Numbers, Numbers]:
    """The first and last element that a store reaches, per dimension and block.

    Indices are looked at where loops begin and end: between, they are between.
    """
    reached = []
    for ends in product((False, True), repeat=len(loops)):
        values = dict(scope)
        for loop, at_end in zip(loops, ends, strict=True):
            last = _value(loop.extent, values) - 1
            values[loop.loop_var] = _value(loop.min, values) + (last if at_end else 0)
        reached.append([_value(index, values) for index in store.indices])
    blocks = next(iter(scope.values())).shape
    every = np.array([[np.broadcast_to(i, blocks) for i in indices] for indices in reached])
    return every.min(axis=0), every.max(axis=0)


def _value(expr: Any, scope: _Scope) -> Any:
    if isinstance(expr, int):
        return expr
    if isinstance(expr, prim.IntImm):
        return int(expr.value)
    if isinstance(expr, Var) and expr in scope:
        return scope[expr]
    if type(expr) in _ARITHMETIC:
        return _ARITHMETIC[type(expr)](_value(expr.a, scope), _value(expr.b, scope))
    raise _Unknown
