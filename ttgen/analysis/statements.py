"""The stores of a PrimFunc, each with the loops around it: loops, blocks and threads unrolled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod
from itertools import count
from typing import Any

import tvm
from tvm import s_tir, tirx
from tvm.ir import prim
from tvm.tirx.stmt import Bind

from ttgen.analysis.conditions import truth
from ttgen.analysis.index import Affine, Axis, Restart, affine
from ttgen.errors import Location, LoweringError
from ttgen.frontend.places import location

_PLAIN_LOOPS = (tirx.ForKind.SERIAL, tirx.ForKind.PARALLEL, tirx.ForKind.UNROLLED)


@dataclass(frozen=True)
class Guard:
    """A condition that a statement runs under, and what it has to be."""

    condition: prim.Expr
    scope: Mapping[tvm.ir.Var, Affine]
    wanted: bool

    def with_values(self, values: Mapping[Axis, Affine]) -> Guard:
        """The guard with other indices in the place of some axes."""
        return replace(self, scope={var: bound.of(values) for var, bound in self.scope.items()})


@dataclass(frozen=True)
class Statement:
    """One ``buffer[indices] = value`` with the loops that it runs in, outermost first.

    A block's ``T.init()`` runs once before the block's reduction: the loops that its reduction
    axes are bound to are none of its own. It runs where all ``guards`` hold.
    """

    store: tirx.BufferStore
    axes: tuple[Axis, ...]
    scope: Mapping[tvm.ir.Var, Affine]
    at: Location
    guards: tuple[Guard, ...] = ()

    def runs(self) -> bool:
        """Whether it runs at all; Restart where only some iterations do."""
        return all(
            truth(guard.condition, guard.scope, self.at) == guard.wanted for guard in self.guards
        )

    def with_axis(self, axis: Axis, value: Affine, parts: tuple[Axis, ...]) -> Statement:
        """The statement with the loops ``parts`` in the place of ``axis``, which is ``value``."""
        values = {axis: value}
        scope = {var: bound.of(values) for var, bound in self.scope.items()}
        guards = tuple(guard.with_values(values) for guard in self.guards)
        axes = tuple(a for one in self.axes for a in (parts if one == axis else (one,)))
        return replace(self, axes=axes, scope=scope, guards=guards)


@dataclass(frozen=True)
class _Context:
    """What surrounds a statement; ``at`` is the nearest enclosing place in the source."""

    at: Location
    axes: tuple[Axis, ...] = ()
    scope: Mapping[tvm.ir.Var, Affine] = field(default_factory=dict)
    threads: frozenset[str] = frozenset()
    guards: tuple[Guard, ...] = ()

    def near(self, node: Any) -> _Context:
        return replace(self, at=location(node.span, self.at))

    def bound(self, var: tvm.ir.Var, value: Affine, axes: tuple[Axis, ...] = ()) -> _Context:
        return replace(self, axes=(*self.axes, *axes), scope={**self.scope, var: value})

    def under(self, condition: prim.Expr, wanted: bool) -> _Context:
        """Where ``condition`` is ``wanted``."""
        guard = Guard(condition, self.scope, wanted)
        return replace(self, guards=(*self.guards, guard))

    def thread(self, tag: str) -> _Context:
        """Inside a loop that is bound to the thread axis ``tag``."""
        if tag in self.threads:
            raise LoweringError(
                f"'{tag}' is bound twice, so that both loops run in step",
                at=self.at,
                hint="give each loop a thread axis of its own",
            )
        return replace(self, threads=self.threads | {tag})


def statements(func: tirx.PrimFunc, at: Location) -> list[Statement]:
    """Every store of ``func`` in program order; LoweringError at what is neither loop nor store.

    ``at`` stands for nodes without a span, which is all of them for TE.
    """
    return list(_Walker().walk(func.body, _Context(at)))


class _Walker:
    def __init__(self) -> None:
        self._serial = count()

    @singledispatchmethod
    def walk(self, node: Any, context: _Context) -> Iterator[Statement]:
        context = context.near(node)
        raise LoweringError(
            f"{type(node).__name__} is not supported in a kernel",
            at=context.at,
            hint="kernels are loops and blocks around stores to tensors",
        )

    @walk.register
    def _(self, node: tirx.BufferStore, context: _Context) -> Iterator[Statement]:
        at = context.near(node).at
        yield Statement(node, context.axes, context.scope, at, context.guards)

    @walk.register
    def _(self, node: tirx.IfThenElse, context: _Context) -> Iterator[Statement]:
        context = context.near(node)
        yield from self.walk(node.then_case, context.under(node.condition, True))
        if node.else_case is not None:
            yield from self.walk(node.else_case, context.under(node.condition, False))

    @walk.register
    def _(self, node: tirx.SeqStmt, context: _Context) -> Iterator[Statement]:
        for part in node.seq:
            if isinstance(part, Bind):
                value = affine(part.value, context.scope, context.near(part).at)
                context = context.bound(part.var, value)
            else:
                yield from self.walk(part, context)

    @walk.register(tirx.AllocBuffer)
    @walk.register(tirx.DeclBuffer)
    def _(self, node: Any, context: _Context) -> Iterator[Statement]:
        yield from ()

    @walk.register
    def _(self, node: tirx.For, context: _Context) -> Iterator[Statement]:
        context = context.near(node)
        is_thread = node.kind == tirx.ForKind.THREAD_BINDING
        if not is_thread and node.kind not in _PLAIN_LOOPS:
            raise LoweringError("this kind of loop is not supported", at=context.at)
        if node.step is not None and _integer(node.step, context.at) != 1:
            raise LoweringError("loops must count in steps of 1", at=context.at)
        if is_thread:
            context = context.thread(str(node.thread_binding.thread_tag))
        start = affine(node.min, context.scope, context.at)
        yield from self._loop(node.loop_var, start, node.extent, node.body, context)

    @walk.register
    def _(self, node: tirx.AttrStmt, context: _Context) -> Iterator[Statement]:
        context = context.near(node)
        if node.attr_key != "thread_extent":
            raise LoweringError(f"attribute '{node.attr_key}' is not supported", at=context.at)
        context, start = context.thread(str(node.node.thread_tag)), Affine({}, 0)
        yield from self._loop(node.node.var, start, node.value, node.body, context)

    @walk.register
    def _(self, node: s_tir.SBlockRealize, context: _Context) -> Iterator[Statement]:
        context = context.near(node)
        if not (isinstance(node.predicate, prim.IntImm) and int(node.predicate.value) == 1):
            context = context.under(node.predicate, True)
        block = node.block
        if block.match_buffers:
            raise LoweringError("match_buffer in a block is not supported", at=context.at)
        reduced: set[Axis] = set()
        for iter_var, bound_to in zip(block.iter_vars, node.iter_values, strict=True):
            value = affine(bound_to, context.scope, context.at)
            context = context.bound(iter_var.var, value)
            if iter_var.iter_type == tirx.IterVar.CommReduce:
                _check_counts_up(iter_var, value, context.at)
                reduced |= set(value.terms)
        if block.init is not None:
            axes = tuple(axis for axis in context.axes if axis not in reduced)
            yield from self.walk(block.init, replace(context, axes=axes))
        yield from self.walk(block.body, context)

    def _loop(
        self,
        var: tvm.ir.Var,
        start: Affine,
        extent: prim.Expr,
        body: tirx.Stmt,
        context: _Context,
    ) -> Iterator[Statement]:
        trips = _integer(extent, context.at)
        if trips == 1:  # a loop of one iteration is no axis
            yield from self.walk(body, context.bound(var, start))
            return
        parts: tuple[Axis, ...] = (self._axis(var, trips),)
        while True:
            try:
                inside = context.bound(var, start + _count(parts), parts)
                made = list(self.walk(body, inside))
            except Restart as request:  # an axis of a block, or a variable, is one part of the loop
                if request.axis not in parts:
                    raise
                parts = tuple(one for part in parts for one in self._split(var, part, request))
            else:
                yield from made
                return

    def _split(self, var: tvm.ir.Var, part: Axis, request: Restart) -> tuple[Axis, ...]:
        if part != request.axis:
            return (part,)
        return self._axis(var, part.extent // request.inner), self._axis(var, request.inner)

    def _axis(self, var: tvm.ir.Var, extent: int) -> Axis:
        return Axis(var.name, extent, next(self._serial))


def _count(parts: tuple[Axis, ...]) -> Affine:
    """What a loop that is ``parts``, outermost first, counts."""
    value, weight = Affine({}, 0), 1
    for part in reversed(parts):
        value += Affine({part: weight}, 0)
        weight *= part.extent
    return value


def _check_counts_up(iter_var: tirx.IterVar, value: Affine, at: Location) -> None:
    """A block's init runs where its reduction axes are at their start, which must come first."""
    starts = value.offset == _integer(iter_var.dom.min, at)
    if not starts or any(step < 0 for step in value.terms.values()):
        raise LoweringError(
            f"the reduction axis '{iter_var.var.name}' does not count up from its start",
            at=at,
            hint="T.init() would come too late; bind the axis to a loop that counts from 0",
        )


def _integer(value: prim.Expr, at: Location) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, prim.IntImm):
        return int(value.value)
    raise LoweringError(f"'{value}' must be a number when the kernel is lowered", at=at)
