"""From stores to meaning: the expression that each part of a kernel's output is.

Nothing here looks at names. A store is recognised by its shape: one whose target moves with all of
its loops is elementwise; one that combines its target with a value over further loops is a
reduction. What later stores to the same elements read of them is what earlier ones have stored.
Intermediate buffers vanish: what they hold is put in the place of their loads, so a kernel of
several blocks becomes one expression for each part of its output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import tvm
from tvm import tirx

from ttgen.analysis.boxes import Box, check_covers, separate
from ttgen.analysis.expr import (
    Access,
    Binary,
    Const,
    Expr,
    Load,
    Reduce,
    Vector,
    binary,
    loads,
    moved,
    reductions,
    replaced,
    vector,
)
from ttgen.analysis.index import Affine, Axis, Dim, Restart
from ttgen.analysis.inlining import solved
from ttgen.analysis.loops import Loops
from ttgen.analysis.orders import Orders, deduced
from ttgen.analysis.statements import statements
from ttgen.analysis.stores import Store, privatised, resolve
from ttgen.analysis.views import settled
from ttgen.errors import Location, LoweringError

#: Reductions, and the values that they start from as if from nothing.
_NEUTRAL = {
    "add": lambda value: value == 0.0,
    "max": lambda value: value <= -3.0e38,
    "min": lambda value: value >= 3.0e38,
}


@dataclass(frozen=True)
class Part:
    """``output[...] = value``, over all or a part of the output; ``at`` is the store's place."""

    output: Access
    value: Expr
    at: Location


@dataclass(frozen=True)
class Computation:
    """What a kernel stores: parts of one output, which do not overlap and leave nothing out.

    ``orders``: of the tensors whose dimensions lie on the device in another order than their own,
    and of those that have been asked to keep theirs.
    """

    parts: tuple[Part, ...]
    orders: Orders

    @property
    def output(self) -> tvm.ir.Var:
        """The buffer stored to."""
        return self.parts[0].output.buffer

    def inputs(self) -> list[tvm.ir.Var]:
        """The buffers read, in the order in which the expressions first name them."""
        found: list[tvm.ir.Var] = []
        for part in self.parts:
            for operand in loads(part.value):
                if operand.buffer not in found:
                    found.append(operand.buffer)
        return found

    def reductions(self) -> Iterator[Reduce]:
        """Every reduction in every part."""
        for part in self.parts:
            yield from reductions(part.value)


def analyse(func: tirx.PrimFunc, at: Location, orders: Orders) -> Computation:
    """What ``func`` computes; LoweringError at the first thing that has no lowering.

    ``at`` is the kernel's own place, for what carries none; ``orders`` are those that are decided.
    """
    loops = Loops(statements(func, at))
    while True:
        try:
            return _Analysis(func, at).computation(loops, orders)
        except Restart as request:
            loops.apply(request)


@dataclass(frozen=True)
class _Stored:
    """What stores to one box of a buffer add up to: ``target`` is ``value``."""

    target: Access
    box: Box
    value: Expr
    at: Location


class _Analysis:
    """One attempt: ends with the computation, or with the request to take a loop apart."""

    def __init__(self, func: tirx.PrimFunc, at: Location) -> None:
        self._func, self._at = func, at
        self._stored: dict[tvm.ir.Var, list[_Stored]] = {}
        self._stores: dict[tvm.ir.Var, list[Store]] = {}

    def computation(self, loops: Loops, orders: Orders) -> Computation:
        stores = [resolve(statement) for statement in loops.statements if statement.runs()]
        if not stores:
            raise LoweringError("the kernel stores nothing", at=self._at)
        stores = privatised(stores, self._func)
        for buffer, group in _by_buffer(stores).items():
            self._check_reads(group)
            parts = separate(group)
            self._stored[buffer] = [self._combined(box, same) for box, same in parts.items()]
            self._stores[buffer] = group
        stored = self._output()
        boxes = [part.box for part in stored]
        check_covers(stored[0].target.buffer, boxes, stored[0].at)
        orders = {**deduced((part.target, part.value) for part in stored), **orders}
        settled_parts = (settled(part.target, part.value, part.at, orders) for part in stored)
        return Computation(tuple(Part(*part) for part in settled_parts), orders)

    def _output(self) -> list[_Stored]:
        """What is stored to the output; LoweringError if there is not just one."""
        outputs = [parts for buffer, parts in self._stored.items() if buffer in self._func.params]
        if not outputs:
            raise LoweringError("the kernel stores to no parameter", at=self._at)
        if len(outputs) > 1:
            second = outputs[1][0]
            raise LoweringError(
                f"a second output, '{second.target.buffer.name}': a kernel computes one tensor",
                at=second.at,
            )
        for param in self._func.params:
            if not isinstance(param.ty, tirx.BufferType):
                raise LoweringError(
                    f"parameter '{param.name}' is no tensor",
                    at=self._at,
                    hint="give it a value instead",
                )
        return outputs[0]

    def _check_reads(self, group: list[Store]) -> None:
        for store in group:
            for read in loads(store.value):
                if read.buffer in self._stored:
                    _check_complete(self._stores[read.buffer], store, read)
                elif read.buffer not in (*self._func.params, store.target.buffer):
                    raise LoweringError(
                        f"'{read.buffer.name}' is read before it is stored", at=store.at
                    )

    # One box of a buffer ----------------------------------------------------------------------

    def _combined(self, box: Box, stores: list[Store]) -> _Stored:
        """What the stores to a box leave there, one after the other."""
        first, *others = stores
        if _reads_itself(first):
            raise LoweringError(
                f"{first.target} is computed from its own earlier values",
                at=first.at,
                hint="a sum must first set its target to a constant; in-place updates do not lower",
            )
        if first.free_axes():
            for update in others:
                _check_set_once(first, update)
            raise LoweringError(
                f"{first.target} is overwritten in every iteration of {names(first.free_axes())}",
                at=first.at,
                hint="a sum adds to the target after setting it to 0",
            )
        value = self._expanded(first.value, first.at)
        current = _Stored(first.target, box, value, first.at)
        for number, store in enumerate(others, 1):
            for earlier in stores[:number]:
                _check_follows(earlier, store)
            current = self._updated(current, store)
        return current

    def _updated(self, current: _Stored, store: Store) -> _Stored:
        """``current`` after one more store to its elements."""
        before = moved(current.value, solved(current.target, store.target, store.at))
        if store.free_axes():
            value = self._reduction(before, current, store)
        elif not _reads_itself(store):
            raise LoweringError(
                f"{store.target} is stored again, whatever it held",
                at=store.at,
                hint="store it once, or update it: target = target + value",
            )
        else:
            _check_reads_target_only(store)
            value = replaced(
                store.value, lambda read: before if read == store.target else Load(read)
            )
            value = self._expanded(_without_neutral(value), store.at)
        return _Stored(store.target, current.box, value, store.at)

    def _reduction(self, before: Expr, current: _Stored, store: Store) -> Expr:
        op, added = _update(store)
        _check_reads_target_only(store, added)
        reduced = store.free_axes()
        added = self._expanded(added, store.at)
        unused = reduced - {axis for operand in loads(added) for axis in operand.axes}
        if unused:
            raise LoweringError(
                f"no tensor is read along {names(unused)}, so the same value is added again",
                at=store.at,
            )
        dims = tuple(Dim((axis,)) for axis in store.statement.axes if axis in reduced)
        reduce = _reduced(op, dims, added, store.at)
        if isinstance(before, Const) and _NEUTRAL[op](before.value):
            return reduce
        if op == "add":
            return binary(op, before, reduce, store.at)
        return vector(op, before, reduce, at=store.at)

    # Intermediate buffers ---------------------------------------------------------------------

    def _expanded(self, value: Expr, at: Location) -> Expr:
        """``value`` with the meaning of earlier buffers in the place of their loads."""

        def expand(load: Access) -> Expr:
            if load.buffer not in self._stored:
                return Load(load)
            stored = self._part_of(load, at)
            return moved(stored.value, solved(stored.target, load, at))

        return replaced(value, expand)

    def _part_of(self, load: Access, at: Location) -> _Stored:
        """The part that all of ``load`` lies in; Restart where it lies in several."""
        for stored in self._stored[load.buffer]:
            if stored.box.holds(load):
                return stored
        raise LoweringError(f"{load} is read, but not all of it has been stored", at=at)


def _by_buffer(stores: list[Store]) -> dict[tvm.ir.Var, list[Store]]:
    """The stores of each buffer, in program order; the buffer that is complete first comes first.

    LoweringError at a buffer that is stored again after another has been computed from it.
    """
    groups: dict[tvm.ir.Var, list[Store]] = {}
    readers: dict[tvm.ir.Var, Store] = {}
    for store in stores:
        target = store.target.buffer
        if target in readers and target not in groups:
            raise LoweringError(
                f"'{target.name}' is read before it is stored", at=readers[target].at
            )
        if target in readers:
            raise LoweringError(
                f"{store.target} is stored again after it was read",
                at=store.at,
                hint="complete a tensor before it is read",
            )
        read = {access.buffer for access in loads(store.value)} - {target}
        readers |= {buffer: store for buffer in read if buffer not in readers}
        groups[target] = [*groups.pop(target, []), store]
    return groups


def _reduced(op: str, dims: tuple[Dim, ...], value: Expr, at: Location) -> Expr:
    """The reduction of ``value``; the smallest is the largest of negatives, without its sign."""
    if op != "min":
        return Reduce(op, dims, value, at)
    zero = Const(0.0)
    return binary("sub", zero, Reduce("max", dims, binary("sub", zero, value, at), at), at)


def _reads_itself(store: Store) -> bool:
    return any(read.buffer == store.target.buffer for read in loads(store.value))


def _without_neutral(value: Expr) -> Expr:
    """``0 + x`` is ``x``: a sum that starts from a number starts from nothing."""
    match value:
        case (
            Binary(op="add", a=Const(value=0.0), b=other)
            | Binary(op="add", a=other, b=Const(value=0.0))
        ):
            return other
        case _:
            return value


def _check_reads_target_only(store: Store, value: Expr | None = None) -> None:
    """Of its own buffer, an update reads the element that it stores, and a sum's value nothing."""
    for read in loads(store.value if value is None else value):
        if read.buffer == store.target.buffer and (value is not None or read != store.target):
            raise LoweringError(
                f"{store.target} is computed from its own earlier values",
                at=store.at,
                hint="a sum must first set its target to a constant; other in-place updates "
                "do not lower",
            )


def _check_set_once(first: Store, update: Store) -> None:
    again = set(first.statement.axes) & update.free_axes()
    if again:
        raise LoweringError(
            f"{first.target} is set to {first.value} again in every iteration of {names(again)}",
            at=first.at,
            hint="set it before that loop; a Tx.gemm that adds to what is there has beta=1.0",
        )


def _check_follows(first: Store, update: Store) -> None:
    """The first store sets every element, and in loops of both just the one that is updated."""
    _check_set_once(first, update)
    missing = first.target.axes - set(first.statement.axes)
    if missing:
        raise LoweringError(
            f"{first.target} is set only in the first iteration of {names(missing)}",
            at=first.at,
            hint="a block's reduction axes are those that its target does not use",
        )
    elsewhere = _moving_apart([first], update, update.target)
    if elsewhere:
        raise LoweringError(
            f"in an iteration of {names(elsewhere)}, {first.target} is set and {update.target} "
            "is added to: these are not the same elements",
            at=first.at,
            hint="set the target to 0 before these loops, or with the same indices",
        )


def _check_complete(stores: list[Store], reader: Store, read: Access) -> None:
    """In loops around both, what is read has been stored in the same iteration, and completely."""
    unfinished = {a for s in stores for a in s.free_axes()} & set(reader.statement.axes)
    if unfinished:
        raise LoweringError(
            f"{read} is read inside of the loop {names(unfinished)}, which still adds to it",
            at=reader.at,
            hint="read a sum when it is complete",
        )
    elsewhere = _moving_apart(stores, reader, read)
    if elsewhere:
        raise LoweringError(
            f"in an iteration of {names(elsewhere)}, {stores[0].target} is stored and {read} is "
            "read: these are not the same elements",
            at=reader.at,
            hint="store the whole tensor before it is read",
        )


def _moving_apart(stores: list[Store], reader: Store, read: Access) -> set[Axis]:
    """The loops around stores and reader whose iterations mean different elements in the two."""
    apart: set[Axis] = set()
    for store in stores:
        shared = set(store.statement.axes) & set(reader.statement.axes)
        apart |= {axis for axis in shared if _steps(store.target, axis) != _steps(read, axis)}
    shared = {a for s in stores for a in s.statement.axes} & set(reader.statement.axes)
    if apart or not shared & read.axes:
        return apart
    beside = [store for store in stores if shared <= set(store.statement.axes)]
    for position, index in enumerate(read.indices):
        low, high = _within(index, shared)
        bounds = [_within(store.target.indices[position], shared) for store in beside]
        if not bounds or low < min(b[0] for b in bounds) or high > max(b[1] for b in bounds):
            return shared & read.axes
    return set()


def _steps(access: Access, axis: Axis) -> list[int]:
    """How far each index moves with an iteration of ``axis``."""
    return [index.terms.get(axis, 0) for index in access.indices]


def _within(index: Affine, shared: set[Axis]) -> tuple[int, int]:
    """The elements that ``index`` visits in one iteration of the shared loops."""
    return Affine({a: c for a, c in index.terms.items() if a not in shared}, index.offset).bounds


def _update(update: Store) -> tuple[str, Expr]:
    """The operation and X in ``target = op(target, X)``."""
    match update.value:
        case (
            Binary(op=op, a=Load(access=target), b=other)
            | Vector(op=op, operands=(Load(access=target), other))
        ) if target == update.target:
            pass
        case (
            Binary(op=op, a=other, b=Load(access=target))
            | Vector(op=op, operands=(other, Load(access=target)))
        ) if target == update.target:
            pass
        case _:
            op, other = "", update.value
    if op not in _NEUTRAL:
        raise LoweringError(
            f"{update.target} is stored twice, and the second store is no reduction into it",
            at=update.at,
            hint="a reduction is written target = target + value, or target = max(target, value), "
            "or with min",
        )
    return op, other


def names(axes: Iterable[Axis]) -> str:
    """The loops' names, in the order of the program."""
    return ", ".join(axis.name for axis in sorted(axes, key=lambda axis: axis.serial))
