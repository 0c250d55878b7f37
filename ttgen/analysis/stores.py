"""Stores worked out: what they store to, what they store, and over which loops."""

from __future__ import annotations

from dataclasses import dataclass, replace

import tvm
from tvm import tirx

from ttgen.analysis.expr import Access, Expr, Load, access, expression, loads, replaced
from ttgen.analysis.index import Affine, Axis
from ttgen.analysis.statements import Statement
from ttgen.errors import Location, LoweringError


@dataclass(frozen=True)
class Store:
    """A statement with its access and expression worked out."""

    statement: Statement
    target: Access
    value: Expr

    @property
    def at(self) -> Location:
        return self.statement.at

    def free_axes(self) -> set[Axis]:
        """Axes that the store runs over and its target does not."""
        return set(self.statement.axes) - self.target.axes

    def accesses(self) -> list[Access]:
        """The target, and all that is read."""
        return [self.target, *loads(self.value)]


def resolve(statement: Statement) -> Store:
    """The store of a statement; LoweringError where it has no meaning here."""
    store, scope, at = statement.store, statement.scope, statement.at
    target = access(store.buffer, list(store.indices), scope, at)
    check_independent(target, at)
    return Store(statement, target, expression(store.value, scope, at))


def check_independent(target: Access, at: Location) -> None:
    """Two indices that move together visit a diagonal, each of them completely."""
    seen: set[Axis] = set()
    for axis in (axis for index in target.indices for axis in index.terms):
        if axis in seen:
            raise LoweringError(
                f"loop {axis.name} runs over two dimensions of {target.buffer.name}: that is a "
                "diagonal, not all of its elements",
                at=at,
                hint="every index needs loops of its own",
            )
        seen.add(axis)


def privatised(stores: list[Store], func: tirx.PrimFunc) -> list[Store]:
    """The stores, with a copy of each intermediate buffer for every iteration that fills it anew.

    A buffer that is stored and read in the same iteration of a loop, and whose elements do not
    move with that loop, holds something else each time: it gets the loop as a further index.
    """
    buffers = {store.target.buffer for store in stores} - set(func.params)
    extra = {buffer: _private_axes(buffer, stores) for buffer in buffers}
    return [_with_indices(store, extra) for store in stores]


def _private_axes(buffer: tvm.ir.Var, stores: list[Store]) -> list[Axis]:
    users = [s for s in stores if any(a.buffer.same_as(buffer) for a in s.accesses())]
    common = [axis for axis in users[0].statement.axes if _in_all(axis, users)]
    targets = [store.target for store in users if store.target.buffer.same_as(buffer)]
    return [axis for axis in common if not any(axis in target.axes for target in targets)]


def _in_all(axis: Axis, users: list[Store]) -> bool:
    return all(axis in store.statement.axes for store in users)


def _with_indices(store: Store, extra: dict[tvm.ir.Var, list[Axis]]) -> Store:
    def private(access: Access) -> Access:
        own = tuple(Affine({axis: 1}, 0) for axis in extra.get(access.buffer, ()))
        return Access(access.buffer, (*own, *access.indices))

    value = replaced(store.value, lambda read: Load(private(read)))
    return replace(store, target=private(store.target), value=value)
