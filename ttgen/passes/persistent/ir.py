"""Small pieces of TIR that the programs are put together from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import prim
from tvm.tirx.stmt import Bind

from ttgen.identity import address
from ttgen.ops import TILE_OPS
from ttgen.passes import intrin

Body: TypeAlias = list[tirx.Stmt]
ONE = prim.IntImm("int32", 1)
#: The body of a loop over blocks: from the first tile of a block and how many it holds.
BlockBody: TypeAlias = Callable[[tvm.ir.Var, prim.Expr], Body]


def operation(name: str, args: list[Any], span: Any) -> tirx.Stmt:
    """The device operation ``name`` of :mod:`ttgen.ops`."""
    assert len(args) == len(TILE_OPS[name].params), name
    return intrin.call(name, args, span)


def blocks(
    name: str,
    start: Any,
    extent: prim.Expr,
    size: int,
    *,
    is_even: bool,
    body: BlockBody,
    there: prim.Expr | None = None,
) -> tirx.For:
    """``for <name>_block in range(start, start + extent, size)``; the last block may be partial.

    ``there``: how many of ``extent`` tiles from 0 there are, where they may be fewer. Blocks behind
    these are empty then, but as many as ever.
    """
    block = tirx.Var(f"{name}_block" if name else "block", "int32")
    tiles: Any = prim.IntImm("int32", size)
    binding: Body = []
    if there is not None or not is_even:
        tiles = tirx.Var(f"{name}_tiles" if name else "tiles", "int32")
        left = _end(start, extent) if there is None else tirx.max(there, block)
        binding = [Bind(tiles, tirx.min(left - block, size))]
    return loop(block, start, extent, [*binding, *body(block, tiles)], step=size)


def _end(start: Any, extent: prim.Expr) -> prim.Expr:
    return extent if isinstance(start, int) and start == 0 else start + extent


def slots(extent: prim.Expr, body: Callable[[Any], Body], name: str = "slot") -> tirx.Stmt:
    """``body`` for each tile of a block; no loop around a block of one tile."""
    if is_one(extent):
        return sequence(body(prim.IntImm("int32", 0)))
    slot = tirx.Var(name, "int32")
    return loop(slot, 0, extent, body(slot))


def loop(var: tvm.ir.Var, start: Any, extent: Any, body: Body, step: int | None = None) -> tirx.For:
    """A serial loop of ``extent`` from ``start``."""
    steps = None if step in (None, 1) else step
    return tirx.For(var, start, extent, tirx.ForKind.SERIAL, sequence(body), step=steps)


def over_chunks(stream: tirx.For, body: Body) -> tirx.For:
    """The loop ``stream`` around ``body``."""
    return loop(stream.loop_var, 0, stream.extent, body)


def sequence(body: Body) -> tirx.Stmt:
    """The statements as one, without sequences in sequences."""
    flat = [
        part
        for stmt in body
        for part in (stmt.seq[:] if isinstance(stmt, tirx.SeqStmt) else [stmt])
    ]
    return flat[0] if len(flat) == 1 else tirx.SeqStmt(flat)


def substitute(expr: prim.Expr, values: Mapping[tvm.ir.Var, prim.Expr]) -> prim.Expr:
    """``expr`` with variables replaced."""
    return tvm_ffi.structural_map(expr, (tvm.ir.Var, lambda var: values.get(var, var)))


def variables(node: Any) -> list[tvm.ir.Var]:
    """Every variable that occurs in ``node``, buffers included, in order, without repeats."""
    found: dict[int, tvm.ir.Var] = {}

    def visit(var: tvm.ir.Var) -> None:
        found.setdefault(address(var), var)

    tvm_ffi.structural_walk(node, (tvm.ir.Var, visit))
    return list(found.values())


def divides(expr: prim.Expr) -> bool:
    """Whether the value of ``expr`` takes a division."""
    found: list[prim.Expr] = []

    def visit(node: prim.Expr) -> None:
        found.append(node)

    tvm_ffi.structural_walk(expr, ((prim.FloorDiv, prim.FloorMod), visit))
    return bool(found)


def is_one(value: Any) -> bool:
    """Whether ``value`` is the number 1."""
    return isinstance(value, prim.IntImm) and int(value.value) == 1
