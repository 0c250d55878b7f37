"""From stores to meaning: the one expression that a kernel's output is.

Nothing here looks at names. A store is recognised by its shape: one whose dimensions are all those
of its loops is elementwise; one that combines its target with a value over further loops, after a
store of the neutral value, is a reduction. Intermediate buffers vanish: what they hold is put in
the place of their loads, so a kernel of several blocks becomes one expression.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import tvm
from tvm import tirx

from ttgen.analysis.expr import (
    Access,
    Binary,
    Const,
    Expr,
    Load,
    Reduce,
    access,
    expression,
    loads,
    renamed,
    replaced,
)
from ttgen.analysis.index import Axis, Dim
from ttgen.analysis.statements import Statement, statements
from ttgen.errors import Location, LoweringError

#: Reductions, and the values that they may start from: at most as much as any value there is.
_NEUTRAL = {"add": lambda value: value == 0.0, "max": lambda value: value <= -3.0e38}


@dataclass(frozen=True)
class Computation:
    """``output[...] = value``; ``at`` is the store's place."""

    output: Access
    value: Expr
    at: Location

    def inputs(self) -> list[tvm.ir.Var]:
        """The buffers read, in the order in which the expression first names them."""
        found: list[tvm.ir.Var] = []
        for operand in loads(self.value):
            if operand.buffer not in found:
                found.append(operand.buffer)
        return found


@dataclass(frozen=True)
class _Store:
    """A statement with its access and expression worked out."""

    statement: Statement
    target: Access
    value: Expr

    @property
    def at(self) -> Location:
        return self.statement.at

    def free_axes(self) -> set[Axis]:
        """Axes that the store runs over and its target does not."""
        return set(self.statement.axes) - _axes([self.target])


def analyse(func: tirx.PrimFunc, at: Location) -> Computation:
    """What ``func`` computes; LoweringError at the first thing that has no lowering.

    ``at`` is the kernel's own place, for what carries none.
    """
    stores = [_resolve(statement) for statement in statements(func, at)]
    if not stores:
        raise LoweringError("the kernel stores nothing", at=at)
    definitions: dict[tvm.ir.Var, Computation] = {}
    loops: dict[tvm.ir.Var, set[Axis]] = {}
    for group in _by_target(stores):
        for store in group:
            for read in loads(store.value):
                known = (*func.params, *definitions, store.target.buffer)
                if read.buffer not in known:
                    raise LoweringError(
                        f"'{read.buffer.name}' is read before it is stored", at=store.at
                    )
                if read.buffer in definitions:
                    stored = definitions[read.buffer].output
                    _check_complete(loops[read.buffer], stored, store, read)
        computation = _inlined(_combine(group), definitions)
        definitions[computation.output.buffer] = computation
        loops[computation.output.buffer] = {a for s in group for a in s.statement.axes}
    outputs = [definitions[buffer] for buffer in definitions if buffer in func.params]
    if not outputs:
        raise LoweringError("the kernel stores to no parameter", at=at)
    if len(outputs) > 1:
        raise LoweringError(
            f"a second output, '{outputs[1].output.buffer.name}': a kernel computes one tensor",
            at=outputs[1].at,
        )
    _check_parameters(func, outputs[0], at)
    return outputs[0]


def _resolve(statement: Statement) -> _Store:
    store, scope, at = statement.store, statement.scope, statement.at
    target = access(store.buffer, list(store.indices), scope, at)
    return _Store(statement, target, expression(store.value, scope, at))


def _by_target(stores: list[_Store]) -> list[list[_Store]]:
    """The stores of each buffer, in program order, which must not interleave with reads of it."""
    groups: dict[tvm.ir.Var, list[_Store]] = {}
    for store in stores:
        groups.setdefault(store.target.buffer, []).append(store)
    complete: set[tvm.ir.Var] = set()
    current = stores[0].target.buffer
    for store in stores:
        if store.target.buffer is not current and not store.target.buffer.same_as(current):
            complete.add(current)
            current = store.target.buffer
        if current in complete:
            raise LoweringError(
                f"{store.target} is stored again after another tensor was",
                at=store.at,
                hint="complete one tensor before the next",
            )
    return list(groups.values())


def _inlined(computation: Computation, definitions: dict[tvm.ir.Var, Computation]) -> Computation:
    """The computation with the meaning of earlier buffers in the place of their loads."""

    def expand(load: Access) -> Expr:
        earlier = definitions[load.buffer]
        dims = dict(zip(earlier.output.dims, load.dims, strict=True))
        return renamed(earlier.value, {a: b for a, b in dims.items() if a.axes})

    value = replaced(computation.value, dict.fromkeys(definitions, expand))
    return Computation(computation.output, value, computation.at)


def _combine(stores: list[_Store]) -> Computation:
    match stores:
        case [only]:
            return _elementwise(only)
        case [first, update] if isinstance(first.value, Const):
            return _reduction(first, first.value, update)
        case _:
            raise LoweringError(
                f"{stores[-1].target} is stored {len(stores)} times in a way that has no lowering",
                at=stores[-1].at,
                hint="store it once, or set it to a constant and then add to it",
            )


def _elementwise(store: _Store) -> Computation:
    _check_not_read(store.value, store)
    if store.free_axes():
        raise LoweringError(
            f"{store.target} is overwritten in every iteration of {_names(store.free_axes())}",
            at=store.at,
            hint="a sum adds to the target after setting it to 0",
        )
    return Computation(store.target, store.value, store.at)


def _reduction(first: _Store, init: Const, update: _Store) -> Computation:
    op, added = _update(update)
    _check_not_read(added, update)
    _check_start(op, init, first)
    reduced_axes = update.free_axes()
    again = set(first.statement.axes) & reduced_axes
    if again:
        raise LoweringError(
            f"{first.target} is set to {init} again in every iteration of {_names(again)}",
            at=first.at,
        )
    _check_initialised(first, update)
    unused = reduced_axes - _axes(loads(added))
    if unused:
        raise LoweringError(
            f"no tensor is read along {_names(unused)}, so the same value is added again",
            at=update.at,
        )
    reduced = tuple(
        dim
        for dim in dict.fromkeys(d for operand in loads(added) for d in operand.dims)
        if dim not in update.target.dims and dim.axes
    )
    if _dims_axes(reduced) != reduced_axes:
        raise LoweringError(
            f"loops {_names(reduced_axes)} are split differently in different accesses",
            at=update.at,
        )
    value = Reduce(op, reduced, added, update.at) if reduced else added
    return Computation(update.target, value, update.at)


def _check_initialised(first: _Store, update: _Store) -> None:
    """The first store sets every element, and in loops of both just the one that is added to."""
    missing = _axes([first.target]) - set(first.statement.axes)
    if missing:
        raise LoweringError(
            f"{first.target} is set only in the first iteration of {_names(missing)}",
            at=first.at,
            hint="a block's reduction axes are those that its target does not use",
        )
    elsewhere = _moving_apart(first.statement.axes, first.target, update, update.target)
    if elsewhere:
        raise LoweringError(
            f"in an iteration of {_names(elsewhere)}, {first.target} is set and {update.target} "
            "is added to: these are not the same elements",
            at=first.at,
            hint="set the target to 0 before these loops, or with the same indices",
        )


def _check_complete(axes: Iterable[Axis], stored: Access, reader: _Store, read: Access) -> None:
    """In loops around both, what is read has been stored in the same iteration."""
    elsewhere = _moving_apart(axes, stored, reader, read)
    if elsewhere:
        raise LoweringError(
            f"in an iteration of {_names(elsewhere)}, {stored} is stored and {read} is read: "
            "these are not the same elements",
            at=reader.at,
            hint="store the whole tensor before it is read",
        )


def _moving_apart(axes: Iterable[Axis], one: Access, store: _Store, other: Access) -> set[Axis]:
    """The loops around both statements whose iterations mean different elements in the two."""
    shared = set(axes) & set(store.statement.axes)
    before, after = _digits(one), _digits(other)
    return {axis for axis in shared if before.get(axis) != after.get(axis)}


def _digits(target: Access) -> dict[Axis, tuple[int, int]]:
    """The dimension that each axis belongs to, and what it counts in there."""
    digits: dict[Axis, tuple[int, int]] = {}
    for position, dim in enumerate(target.dims):
        weight = 1
        for axis in reversed(dim.axes):
            digits[axis] = position, weight
            weight *= axis.extent
    return digits


def _update(update: _Store) -> tuple[str, Expr]:
    """The operation and X in ``target = op(target, X)``."""
    match update.value:
        case Binary(op=op, a=Load(access=target), b=other) if target == update.target:
            pass
        case Binary(op=op, a=other, b=Load(access=target)) if target == update.target:
            pass
        case _:
            op, other = "", update.value
    if op not in _NEUTRAL:
        raise LoweringError(
            f"{update.target} is stored twice, and the second store is no reduction into it",
            at=update.at,
            hint="a reduction is written target = target + value, or target = max(target, value)",
        )
    return op, other


def _check_start(op: str, init: Const, first: _Store) -> None:
    if not _NEUTRAL[op](init.value):
        wanted = {"add": "0", "max": "the smallest number of its type"}[op]
        raise LoweringError(
            f"the reduction of {first.target} starts from {init}; it must start from {wanted}",
            at=first.at,
        )


def _check_not_read(value: Expr, store: _Store) -> None:
    if store.target.buffer in {operand.buffer for operand in loads(value)}:
        raise LoweringError(
            f"{store.target} is computed from its own earlier values",
            at=store.at,
            hint="a sum must first set its target to a constant; in-place updates do not lower",
        )


def _check_parameters(func: tirx.PrimFunc, computation: Computation, at: Location) -> None:
    used = [computation.output.buffer, *computation.inputs()]
    for param in func.params:
        if not isinstance(param.ty, tirx.BufferType):
            raise LoweringError(
                f"parameter '{param.name}' is no tensor", at=at, hint="give it a value instead"
            )
        if param not in used:
            raise LoweringError(f"parameter '{param.name}' is never used", at=at)


def _axes(accesses: Iterable[Access]) -> set[Axis]:
    return {axis for access in accesses for axis in _dims_axes(access.dims)}


def _dims_axes(dims: Iterable[Dim]) -> set[Axis]:
    return {axis for dim in dims for axis in dim.axes}


def _names(axes: Iterable[Axis]) -> str:
    return ", ".join(axis.name for axis in sorted(axes, key=lambda axis: axis.serial))
