"""From stores to meaning: which output, over which dimensions, reduced how, from which expression.

Nothing here looks at names. A computation is recognised by its shape: a store whose dimensions are
all those of its loops is elementwise; a store that adds to itself over further loops, after a
store of a constant, is a sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import tvm
from tvm import tirx

from ttgen.analysis.expr import Access, Binary, Const, Expr, Load, access, expression, loads
from ttgen.analysis.index import Axis, Dim
from ttgen.analysis.statements import Statement, statements
from ttgen.errors import Location, LoweringError


@dataclass(frozen=True)
class Computation:
    """``output[...] = value``, or ``output[...] = init + sum(value)`` over the dims ``reduced``."""

    output: Access
    reduced: tuple[Dim, ...]
    init: float | None
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
    outputs = {store.target.buffer for store in stores}
    if len(outputs) > 1:
        second = next(s for s in stores if s.target.buffer != stores[0].target.buffer)
        raise LoweringError(
            f"a second output, '{second.target.buffer.name}': a kernel computes one tensor so far",
            at=second.at,
        )
    computation = _combine(stores)
    _check_parameters(func, computation, at)
    return computation


def _resolve(statement: Statement) -> _Store:
    store, scope, at = statement.store, statement.scope, statement.at
    target = access(store.buffer, list(store.indices), scope, at)
    return _Store(statement, target, expression(store.value, scope, at))


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
    return Computation(store.target, (), None, store.value, store.at)


def _reduction(first: _Store, init: Const, update: _Store) -> Computation:
    added = _added(update)
    _check_not_read(added, update)
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
    if {axis for dim in reduced for axis in dim.axes} != reduced_axes:
        raise LoweringError(
            f"loops {_names(reduced_axes)} are split differently in different accesses",
            at=update.at,
        )
    return Computation(update.target, reduced, init.value, added, update.at)


def _check_initialised(first: _Store, update: _Store) -> None:
    """The first store sets every element, and in loops of both just the one that is added to."""
    missing = _axes([first.target]) - set(first.statement.axes)
    if missing:
        raise LoweringError(
            f"{first.target} is set only in the first iteration of {_names(missing)}",
            at=first.at,
            hint="a block's reduction axes are those that its target does not use",
        )
    shared = set(first.statement.axes) & set(update.statement.axes)
    before, after = _digits(first.target), _digits(update.target)
    elsewhere = {axis for axis in shared if before.get(axis) != after.get(axis)}
    if elsewhere:
        raise LoweringError(
            f"in an iteration of {_names(elsewhere)}, {first.target} is set and {update.target} "
            "is added to: these are not the same elements",
            at=first.at,
            hint="set the target to 0 before these loops, or with the same indices",
        )


def _digits(target: Access) -> dict[Axis, tuple[int, int]]:
    """The dimension that each axis belongs to, and what it counts in there."""
    digits: dict[Axis, tuple[int, int]] = {}
    for position, dim in enumerate(target.dims):
        weight = 1
        for axis in reversed(dim.axes):
            digits[axis] = position, weight
            weight *= axis.extent
    return digits


def _added(update: _Store) -> Expr:
    """X in ``target = target + X``."""
    match update.value:
        case Binary(op="add", a=Load(access=target), b=other) if target == update.target:
            return other
        case Binary(op="add", a=other, b=Load(access=target)) if target == update.target:
            return other
        case _:
            raise LoweringError(
                f"{update.target} is stored twice, and the second store is not a sum into it",
                at=update.at,
                hint="a reduction is written target = target + value",
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
    return {axis for access in accesses for dim in access.dims for axis in dim.axes}


def _names(axes: Iterable[Axis]) -> str:
    return ", ".join(axis.name for axis in sorted(axes, key=lambda axis: axis.serial))
