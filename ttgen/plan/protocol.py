"""The protocols that the programs of a core keep: circular buffers, barriers and DST registers.

Every program is walked with the arguments of each core that differs, as
:func:`ttgen.plan.trace.trace` does it, and each operation is held against what those before it have
left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from ttgen.ops import TILE_OPS, Kind
from ttgen.plan.model import For, Op, Plan, Program, Statement
from ttgen.plan.trace import Event, UnknownVariable, trace
from ttgen.plan.violation import Violation
from ttgen.textpos import PathItem

#: Arguments that say which data is meant, not how much: they do not change the protocol.
_ADDRESSES = ("page", "word")

#: Each step of DST's protocol: the state that it needs, and the one that it leaves.
_REGISTERS = {
    "tile_regs_acquire": ("released", "acquired"),
    "tile_regs_commit": ("acquired", "committed"),
    "tile_regs_wait": ("committed", "packing"),
    "tile_regs_release": ("packing", "released"),
}


def protocols(plan: Plan) -> Iterator[Violation]:
    """The programs of every core keep the protocols, and what is pushed is popped."""
    done: set[tuple[tuple[int, ...], ...]] = set()
    for core in range(len(plan.partition.cores)):
        # Cores that differ only in where their work starts do the same.
        key = tuple(
            tuple(
                value
                for name, value in zip(args.names, args.values[core], strict=True)
                if name not in ("start", "sy", "sx")
            )
            for args in (program.runtime_args for _, program in plan.programs.items())
        )
        if key not in done:
            done.add(key)
            yield from _core(plan, core)


def _core(plan: Plan, core: int) -> Iterator[Violation]:
    who = f"core {plan.partition.cores[core].core}"
    totals: dict[str, _Totals] = {}
    for name, program in plan.programs.items():
        at: list[PathItem] = ["programs", name, "body"]
        state = _State({cb.name: cb.pages for cb in plan.circular_buffers}, plan.compute.dst_tiles)
        totals[name] = _Totals()
        try:
            for problem, op in _program(plan, name, program, core, state, totals[name]):
                where = f"{who}, {op.op} at {op.at}" if op else who
                yield Violation(at, f"{where}: {problem}", op.at if op else None)
        except (UnknownVariable, ZeroDivisionError) as error:
            yield Violation(at, f"{who}: cannot be evaluated: {error}")
            return
    yield from _balance(plan, core, totals)
    yield from _sums(plan, core, totals["compute"])


@dataclass
class _Totals:
    """What a program does on one core, over all of its run."""

    pushed: Counter[str] = field(default_factory=Counter)
    #: How often pages are pushed, however many at a time.
    pushes: Counter[str] = field(default_factory=Counter)
    popped: Counter[str] = field(default_factory=Counter)
    #: Executions of each operation that reduces, by its place among them.
    reduced: Counter[int] = field(default_factory=Counter)


def _program(
    plan: Plan, name: str, program: Program, core: int, state: _State, totals: _Totals
) -> Iterator[tuple[str, Op | None]]:
    reducing: dict[int, int] = {}
    for event in trace(program, core, ignore=_ADDRESSES, settled=state.snapshot):
        for problem in state.after(event):
            yield problem, event.op
        match event.op.op:
            case "cb_push_back":
                totals.pushed[str(event.op.args["cb"])] += event.values["pages"] * event.times
                totals.pushes[str(event.op.args["cb"])] += event.times
            case "cb_pop_front":
                totals.popped[str(event.op.args["cb"])] += event.values["pages"] * event.times
            case "matmul_tiles" | "reduce_tile" | "accumulate_tiles":
                place = reducing.setdefault(id(event.op), len(reducing))
                totals.reduced[place] += event.times
    for problem in state.at_the_end():
        yield problem, None


def _balance(plan: Plan, core: int, totals: dict[str, _Totals]) -> Iterator[Violation]:
    """Circular buffers have one producer and one consumer, and come out even."""
    for i, buffer in enumerate(plan.circular_buffers):
        at: list[PathItem] = ["circular_buffers", i]
        cb = buffer.name
        pushed = {name: t.pushed[cb] for name, t in totals.items() if t.pushed[cb]}
        popped = {name: t.popped[cb] for name, t in totals.items() if t.popped[cb]}
        given, taken = sum(pushed.values()), sum(popped.values())
        if given != taken:
            problem = f"'{cb}': {given} pages pushed, {taken} popped on core {core}"
            yield Violation(at, problem)
        for users, what in ((pushed, "push"), (popped, "pop")):
            if len(users) > 1:
                yield Violation(at, f"'{cb}': more than one program does {what}")


def _sums(plan: Plan, core: int, compute: _Totals) -> Iterator[Violation]:
    """The longest sum of an output tile has as many steps as the partition says.

    It may be made once for all of the core's tiles in a row, or for a block of them. Where parts of
    the output are made in different ways, which the writer then has loops of their own for, those
    without that sum have none.
    """
    steps, work = compute.reduced.values(), plan.partition.cores[core]
    columns = plan.partition.tiles[1]
    rows = -(-(work.start + work.count) // columns) - work.start // columns
    outputs = (cb.name for cb in plan.circular_buffers if cb.role == "output")
    blocks = sum(compute.pushes[name] for name in outputs)
    longest = work.count * plan.partition.len_k
    together = {one * plan.partition.len_k for one in (work.count, rows, blocks)}
    is_there = not together.isdisjoint(steps) or _writes(plan.programs.writer.body) > 1
    if steps and not (is_there and max(steps) <= longest):
        problem = f"core {work.core} makes {max(steps)} steps of sums for {work.count} output tiles"
        at: list[PathItem] = ["partition", "len_k"]
        yield Violation(at, f"{problem}; {plan.partition.len_k} for each are said here")


def _writes(body: tuple[Statement, ...]) -> int:
    """The places that write pages."""
    return sum(
        _writes(part.body)
        if isinstance(part, For)
        else isinstance(part, Op) and part.op == "write_page"
        for part in body
    )


@dataclass
class _State:
    """What the operations of one program so far have left.

    ``capacity``: pages of each circular buffer; ``dst_tiles``: tiles that DST holds.
    """

    capacity: dict[str, int]
    dst_tiles: int
    reserved: Counter[str] = field(default_factory=Counter)
    waited: Counter[str] = field(default_factory=Counter)
    #: Buffers that the NoC still writes to, or still reads from.
    arriving: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)
    registers: str = "released"
    #: DST tiles that hold something.
    filled: set[int] = field(default_factory=set)

    def snapshot(self) -> Hashable:
        """All of this, to be compared."""
        return (
            frozenset(self.reserved.items()),
            frozenset(self.waited.items()),
            frozenset(self.arriving),
            frozenset(self.leaving),
            self.registers,
            frozenset(self.filled),
        )

    def after(self, event: Event) -> Iterator[str]:
        """Take ``event``; what is wrong with it."""
        op, values = event.op, event.values
        if "pages" in values:
            yield from self._queue(op.op, str(op.args["cb"]), values["pages"])
        elif op.op in _REGISTERS:
            yield from self._step_registers(op.op)
        elif op.op in ("read_barrier", "write_barrier"):
            (self.arriving if op.op == "read_barrier" else self.leaving).clear()
        else:
            yield from self._tiles(op, values)
            yield from self._registers(op, values)

    def at_the_end(self) -> Iterator[str]:
        """What a program must not leave."""
        for cb, pages in self.reserved.items():
            if pages:
                yield f"{pages} pages of '{cb}' are reserved and never pushed"
        for cb in sorted(self.leaving):
            yield f"'{cb}' is written to memory without a write_barrier after it"
        if self.registers != "released":
            yield f"DST is left {self.registers}"

    def _queue(self, op: str, cb: str, pages: int) -> Iterator[str]:
        # A block of pages must not straddle the end of the buffer, since its pages are addressed
        # from one pointer: the capacity is a multiple of every block.
        if pages <= 0 or self.capacity[cb] % pages:
            yield f"{pages} pages at a time do not divide the {self.capacity[cb]} pages of '{cb}'"
        match op:
            case "cb_reserve_back":
                self.reserved[cb] = pages
            case "cb_push_back":
                self.reserved[cb] -= pages
                if self.reserved[cb] < 0:
                    yield f"{pages} pages of '{cb}' are pushed that were not reserved"
                if cb in self.arriving:
                    yield f"'{cb}' is pushed before a read_barrier, while its pages still arrive"
            case "cb_wait_front":
                self.waited[cb] = max(self.waited[cb], pages)
            case "cb_pop_front":
                self.waited[cb] -= pages
                if self.waited[cb] < 0:
                    yield f"{pages} pages of '{cb}' are popped that were not waited for"
                if cb in self.leaving:
                    yield f"'{cb}' is popped before a write_barrier, while its pages are still read"

    def _step_registers(self, op: str) -> Iterator[str]:
        needed, left = _REGISTERS[op]
        if self.registers != needed:
            yield f"DST is {self.registers} here, and must be {needed}"
        if op == "tile_regs_acquire":
            self.filled.clear()
        self.registers = left

    def _tiles(self, op: Op, values: dict[str, int]) -> Iterator[str]:
        """Pages that are used have been reserved or waited for."""
        for cb, index, is_new in _uses(op, values):
            if is_new and not 0 <= index < self.reserved[cb]:
                yield f"page {index} of '{cb}' is filled; {self.reserved[cb]} are reserved"
            if not is_new and not 0 <= index < self.waited[cb]:
                yield f"page {index} of '{cb}' is used; {self.waited[cb]} were waited for"
        match TILE_OPS[op.op].transfer:
            case "read":
                self.arriving.add(str(op.args["cb"]))
            case "write":
                self.leaving.add(str(op.args["cb"]))

    def _registers(self, op: Op, values: dict[str, int]) -> Iterator[str]:
        is_pack = op.op == "pack_tile"
        for name in TILE_OPS[op.op].dst:
            tile = values[name]
            if not 0 <= tile < self.dst_tiles:
                yield f"DST tile {tile}, but there are {self.dst_tiles}"
            needed = "packing" if is_pack else "acquired"
            if self.registers != needed:
                yield f"DST is {self.registers} here, and must be {needed}"
            if (is_pack or _reads_dst(op, name)) and tile not in self.filled:
                yield f"DST tile {tile} is used, and nothing was computed in it"
            self.filled.add(tile)


def _reads_dst(op: Op, name: str) -> bool:
    """Whether an operation takes an operand from the DST register that its argument names."""
    return name != "dst" or op.op.endswith("_dst_tiles") or op.op == "unary_tile"


def _uses(op: Op, values: dict[str, int]) -> Iterator[tuple[str, int, bool]]:
    """The pages of circular buffers that ``op`` touches, and whether it fills them."""
    transfer = TILE_OPS[op.op].transfer
    if transfer is not None:
        yield str(op.args["cb"]), values["slot"], transfer == "read"
        return
    match op.op:
        case "fill_page" | "fill_corner" | "fill_triangle":
            yield str(op.args["cb"]), 0, True
        case "pack_tile":
            yield str(op.args["out"]), values["slot"], True
        case _:
            kinds = dict(TILE_OPS[op.op].params)
            for number in range(2):
                if kinds.get(f"tile{number}") is Kind.EXPR:
                    yield str(op.args[f"in{number}"]), values[f"tile{number}"], False
