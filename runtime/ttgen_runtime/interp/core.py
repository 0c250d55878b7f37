"""One core: its three programs as coroutines that take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ttgen.ops import TILE_OPS, ProgramName
from ttgen.plan.model import Expr, For, Let, Op, Plan, Program, Statement
from ttgen.plan.trace import evaluate, expressions
from ttgen_runtime.interp import dst as sides
from ttgen_runtime.interp.buffers import Buffer
from ttgen_runtime.interp.dst import Dst
from ttgen_runtime.interp.errors import Blocked, Deadlock, Misuse, ProgramError, location
from ttgen_runtime.interp.fpu import Numerics
from ttgen_runtime.interp.mathematics import SetUp
from ttgen_runtime.interp.memory import Memory
from ttgen_runtime.interp.operations import OPERATIONS

Scope = dict[str, int]


@dataclass
class Core:
    """What a core's operations work on. ``at`` is the place of the operation under way.

    ``transfers`` are those that no barrier has waited for: their places, and what completes them.
    """

    plan: Plan
    index: int
    memory: Mapping[str, Memory]
    numerics: Numerics
    buffers: dict[str, Buffer] = field(init=False)
    dst: Dst = field(init=False)
    setup: SetUp = field(default_factory=SetUp)
    transfers: dict[str, list[tuple[str, Callable[[], None]]]] = field(init=False)
    at: str = ""
    steps: int = 0

    def __post_init__(self) -> None:
        self.buffers = {cb.name: Buffer(cb) for cb in self.plan.circular_buffers}
        self.dst = Dst(self.plan.compute, self.numerics)
        self.transfers = {"read": [], "write": []}

    @property
    def place(self) -> tuple[int, int]:
        """The core's coordinates."""
        return self.plan.partition.cores[self.index].core

    def run(self) -> None:
        """All three programs to their ends; ProgramError where one does what it must not."""
        running: dict[ProgramName, Iterator[Blocked]] = {
            name: self._program(name, program) for name, program in self.plan.programs.items()
        }
        while running:
            before = self.steps
            blocked = {name: next(program, None) for name, program in running.items()}
            stuck = [state for state in blocked.values() if state is not None]
            if len(stuck) == len(running) and self.steps == before:
                ended = [name for name, _ in self.plan.programs.items() if name not in running]
                raise Deadlock(self.place, stuck, ended)
            running = {name: running[name] for name, state in blocked.items() if state is not None}
        self._finish()

    def complete(self, kind: str) -> None:
        """What a barrier does: end every transfer of its kind."""
        for _, arrive in self.transfers[kind]:
            arrive()
        self.transfers[kind].clear()

    def _program(self, name: str, program: Program) -> Iterator[Blocked]:
        scope = {constant.name: constant.value for constant in program.constants}
        args = program.runtime_args
        if args.names:
            scope |= dict(zip(args.names, args.values[self.index], strict=True))
        return self._body(name, program.body, scope)

    def _body(self, name: str, body: tuple[Statement, ...], scope: Scope) -> Iterator[Blocked]:
        scope = dict(scope)
        for statement in body:
            match statement:
                case Let(var=var, value=value):
                    scope[var] = self._unsigned(value, scope)
                case For():
                    start = self._unsigned(statement.start, scope)
                    stop = self._unsigned(statement.stop, scope)
                    for value in range(start, stop, statement.step):
                        scope[statement.var] = value
                        yield from self._body(name, statement.body, scope)
                case Op():
                    yield from self._operation(name, statement, scope)

    def _operation(self, name: str, op: Op, scope: Scope) -> Iterator[Blocked]:
        arguments: dict[str, Expr] = dict(op.args)
        for argument, expr in expressions(op).items():
            arguments[argument] = self._unsigned(expr, scope, op)
        while True:
            self.at = op.at
            try:
                wait = OPERATIONS[op.op](self, **arguments)
            except Misuse as error:
                message = f"{op.op}({_listed(op, arguments)}): {error}"
                raise self._error(message, op.at) from None
            if wait is None:
                break
            yield Blocked(name, op.op, wait, location(op.at))
        self.steps += 1

    def _unsigned(self, expr: Expr, scope: Scope, op: Op | None = None) -> int:
        """The value of an expression; ProgramError where it is no uint32_t."""
        value = evaluate(expr, scope)
        if not 0 <= value < 2**32:
            where = op.at if op is not None else self.at
            raise self._error(f"{value} is no uint32_t", where)
        return value

    def _finish(self) -> None:
        """What must be so when all programs have ended."""
        for kind, transfers in self.transfers.items():
            for at, _ in transfers:
                raise self._error(f"no barrier waits for this {kind}", at)
        for message, at in self._left_over():
            raise self._error(f"at the end of the programs {message}", at)

    def _left_over(self) -> Iterator[tuple[str, str]]:
        """What must not be there when the programs have ended, and where it comes from."""
        for buffer in self.buffers.values():
            if buffer.filled:
                yield f"{buffer.filled} pages of '{buffer.name}' are left over", buffer.pushed_at
            if buffer.reserved:
                held = f"{buffer.reserved} pages of '{buffer.name}' are reserved and never pushed"
                yield held, buffer.reserved_at
        if self.dst.state != sides.RELEASED:
            yield f"DST is {self.dst.state}", self.dst.at
        if self.setup.mask is not None:
            yield f"the packer is still set to {self.setup.mask}", self.setup.masked_at

    def _error(self, message: str, at: str) -> ProgramError:
        return ProgramError(f"core {self.place}: {message}", at=location(at))


def _listed(op: Op, arguments: Mapping[str, Expr]) -> str:
    return ", ".join(f"{name}={arguments[name]}" for name, _ in TILE_OPS[op.op].params)
