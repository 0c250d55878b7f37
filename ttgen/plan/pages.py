"""Which pages of the tensors the programs touch: the rule, and how all of them are found at once.

An operation's page is an expression of loop variables. Instead of walking the loops of every core,
their iterations are rows of a table, a loop makes more rows of it, and the expression is evaluated
on whole columns. The table holds only the variables that the page depends on, so that a tile that
a thousand iterations read again is one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ttgen.ops import TILE_OPS, Kind
from ttgen.plan.model import BinaryOp, Expr, For, Let, Op, Plan, Program, Statement
from ttgen.plan.trace import UnknownVariable, variables
from ttgen.plan.violation import Violation
from ttgen.textpos import PathItem

_Column: TypeAlias = npt.NDArray[np.int64]

_OPERATORS: dict[str, Callable[[_Column, _Column], _Column]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "//": np.floor_divide,
    "%": np.remainder,
    "min": np.minimum,
    "max": np.maximum,
}


def pages_touched(plan: Plan) -> Iterator[Violation]:
    """Pages are read within their tensor; every page of every output is written once."""
    written: dict[str, list[_Column]] = {
        tensor.name: [] for tensor in plan.tensors if tensor.role == "output"
    }
    for name, program in plan.programs.items():
        at: list[PathItem] = ["programs", name, "body"]
        for access in accesses(program.body):
            op, tensor = access.op, str(access.op.args["tensor"])
            is_write = TILE_OPS[op.op].transfer == "write"
            if is_write != (tensor in written):
                what = "written, but it is an input" if is_write else "read, but it is an output"
                yield Violation(at, f"'{tensor}' is {what}", op.at)
                return
            try:
                touched = access.pages(program, distinct=not is_write)
            except (UnknownVariable, FloatingPointError) as error:
                yield Violation(at, f"the page of {op.op} cannot be evaluated: {error}", op.at)
                return
            problems = list(_outside(plan, touched, access.op, at))
            yield from problems
            if problems:
                return
            if is_write:
                written[tensor].append(touched)
    for tensor, columns in written.items():
        yield from _once(tensor, columns, plan.tensor(tensor).tiles)


def _outside(plan: Plan, touched: _Column, op: Op, at: list[PathItem]) -> Iterator[Violation]:
    tensor = plan.tensor(str(op.args["tensor"]))
    done = "written" if TILE_OPS[op.op].transfer == "write" else "read"
    for page in (touched.min(), touched.max()) if touched.size else ():
        if not 0 <= page < tensor.tiles:
            problem = f"page {page} of '{tensor.name}' is {done}; it has {tensor.tiles}"
            yield Violation(at, problem, op.at)


def _once(tensor: str, columns: list[_Column], pages: int) -> Iterator[Violation]:
    at: list[PathItem] = ["programs", "writer", "body"]
    counts = np.bincount(np.concatenate([*columns, np.empty(0, np.int64)]), minlength=pages)
    for page in np.flatnonzero(counts == 0)[:1]:
        yield Violation(at, f"page {page} of '{tensor}' is never written")
    for page in np.flatnonzero(counts > 1)[:1]:
        yield Violation(at, f"page {page} of '{tensor}' is written {counts[page]} times")


def accesses(body: tuple[Statement, ...], around: tuple[Let | For, ...] = ()) -> Iterator[Access]:
    """The operations of ``body`` that name a page of a tensor."""
    for statement in body:
        match statement:
            case Let():
                around = (*around, statement)
            case For():
                yield from accesses(statement.body, (*around, statement))
            case Op():
                kinds = dict(TILE_OPS[statement.op].params)
                if "page" in kinds and Kind.TENSOR in kinds.values():
                    yield Access(statement, around)


@dataclass(frozen=True)
class Access:
    """An operation on a page, with the bindings and loops around it, outermost first."""

    op: Op
    around: tuple[Let | For, ...]

    def pages(self, program: Program, *, distinct: bool) -> _Column:
        """The pages, over all cores: each execution's, or (``distinct``) with few repeats.

        UnknownVariable, FloatingPointError (a division by zero).
        """
        page, needed = self.op.args["page"], self._needed()
        table = _Table.of_cores(program)
        with np.errstate(divide="raise"):
            for statement, later in zip(self.around, needed, strict=True):
                if isinstance(statement, For):
                    table = table.distinct() if distinct else table
                    table = table.looped(statement, later, distinct=distinct)
                elif statement.var in later:
                    table = table.bound(statement.var, statement.value)
                table = table.only(later)
            return table.evaluate(page)

    def _needed(self) -> list[set[str]]:
        """After each of ``around``, the variables that the page still depends on."""
        needed = variables(self.op.args["page"])
        result: list[set[str]] = []
        for position in range(len(self.around) - 1, -1, -1):
            result.append(needed)
            needed = set(needed)
            match self.around[position]:
                case Let(var=var, value=value):
                    needed |= variables(value) if var in needed else set()
                    needed -= {var}
                case For(var=var, start=start, stop=stop):
                    needed = (needed - {var}) | variables(start) | variables(stop)
        return result[::-1]


@dataclass(frozen=True)
class _Table:
    """Columns of variables; a row is an iteration of the loops so far, on some core."""

    rows: int
    columns: dict[str, _Column]

    @classmethod
    def of_cores(cls, program: Program) -> _Table:
        args = program.runtime_args
        rows = len(args.values)
        values = np.array(args.values, dtype=np.int64).reshape(rows, len(args.names))
        columns = {name: values[:, i] for i, name in enumerate(args.names)}
        for constant in program.constants:
            columns[constant.name] = np.full(rows, constant.value, dtype=np.int64)
        return cls(rows, columns)

    def evaluate(self, expr: Expr) -> _Column:
        if isinstance(expr, BinaryOp):
            return _OPERATORS[expr.operator](self.evaluate(expr.left), self.evaluate(expr.right))
        if isinstance(expr, str):
            if expr not in self.columns:
                raise UnknownVariable(expr)
            return self.columns[expr]
        return np.full(self.rows, expr, dtype=np.int64)

    def bound(self, var: str, value: Expr) -> _Table:
        return _Table(self.rows, {**self.columns, var: self.evaluate(value)})

    def only(self, names: set[str]) -> _Table:
        return _Table(self.rows, {k: v for k, v in self.columns.items() if k in names})

    def distinct(self) -> _Table:
        """One of each of the rows that are equal."""
        if not self.columns:
            return _Table(min(self.rows, 1), {})
        # NumPy has to sort for this.
        rows = dict.fromkeys(
            zip(*(column.tolist() for column in self.columns.values()), strict=True)
        )
        values = np.array(list(rows), dtype=np.int64).reshape(len(rows), len(self.columns))
        return _Table(len(rows), dict(zip(self.columns, values.T, strict=True)))

    def looped(self, loop: For, later: set[str], *, distinct: bool) -> _Table:
        """A row for each iteration; where its variable is not needed later, perhaps one for all."""
        start, stop = self.evaluate(loop.start), self.evaluate(loop.stop)
        trips = np.maximum(0, -((start - stop) // loop.step))
        if distinct and loop.var not in later:
            trips = np.minimum(trips, 1)
        row = np.repeat(np.arange(self.rows), trips)
        first = np.cumsum(trips) - trips
        number = np.arange(len(row)) - first[row]
        columns = {name: column[row] for name, column in self.columns.items()}
        return _Table(len(row), {**columns, loop.var: start[row] + number * loop.step})
