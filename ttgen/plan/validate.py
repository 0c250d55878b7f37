"""The semantic rules of a plan: what its types cannot say. Checked on write and on load.

Each rule is a generator of violations; the first violation found is reported. Rules run in order,
and a rule may rely on those before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import PurePosixPath

from ttgen.arch import ARCHITECTURES
from ttgen.formats import FORMATS
from ttgen.ops import TILE_OPS, WORDS, Kind
from ttgen.plan.model import Expr, For, Let, Op, Plan, Program, Statement, Tensor
from ttgen.plan.trace import UnknownVariable, trace, variables
from ttgen.textpos import PathItem


@dataclass(frozen=True)
class Violation:
    """A broken rule: where in the document, and what is wrong."""

    path: list[PathItem]
    message: str


Rule = Callable[[Plan], Iterator[Violation]]


def first_violation(plan: Plan) -> Violation | None:
    """The first rule that ``plan`` breaks, or None."""
    for rule in _RULES:
        for violation in rule(plan):
            return violation
    return None


def _paths(plan: Plan) -> Iterator[Violation]:
    named = [("source", "path", plan.source.path)]
    for place in named:
        if not _is_relative(place[2]):
            yield Violation(list(place[:2]), f"'{place[2]}' must be a path below the project")
    for i, tensor in enumerate(plan.tensors):
        if not _is_relative(tensor.at):
            yield Violation(["tensors", i, "at"], f"'{tensor.at}' must be below the project")
    for i, folder in enumerate(plan.templates):
        if not _is_relative(folder):
            yield Violation(["templates", i], f"'{folder}' must be a path below the project")


def _is_relative(path: str) -> bool:
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts


def _architecture(plan: Plan) -> Iterator[Violation]:
    arch = ARCHITECTURES.get(plan.arch)
    if arch is None:
        known = ", ".join(sorted(ARCHITECTURES))
        yield Violation(["arch"], f"'{plan.arch}' is not an architecture; known: {known}")
        return
    if plan.device_grid != arch.grid:
        yield Violation(
            ["device_grid"], f"{_grid(plan.device_grid)} is not {plan.arch}'s {_grid(arch.grid)}"
        )
    if plan.l1.limit_bytes > arch.l1_bytes:
        yield Violation(["l1", "limit_bytes"], f"{plan.arch} has {arch.l1_bytes} bytes per core")
    compute = plan.compute
    dst = arch.dst_tiles(fp32_dest_acc=compute.fp32_dest_acc, dst_full_sync=compute.dst_full_sync)
    if compute.dst_tiles != dst:
        yield Violation(["compute", "dst_tiles"], f"DST holds {dst} tiles in this configuration")


def _grid(grid: tuple[int, int]) -> str:
    return f"{grid[0]}x{grid[1]}"


def _unique_names(plan: Plan) -> Iterator[Violation]:
    collections: dict[str, list[str]] = {
        "tensors": [t.name for t in plan.tensors],
        "circular_buffers": [cb.name for cb in plan.circular_buffers],
        "semaphores": [s.name for s in plan.semaphores],
    }
    for field, names in collections.items():
        yield from _repeated(field, names, "name")
    yield from _repeated("circular_buffers", [cb.index for cb in plan.circular_buffers], "index")
    yield from _repeated("semaphores", [s.index for s in plan.semaphores], "index")


def _repeated(field: str, values: Iterable[object], what: str) -> Iterator[Violation]:
    seen: set[object] = set()
    for i, value in enumerate(values):
        if value in seen:
            yield Violation([field, i, what], f"'{value}' appears twice")
        seen.add(value)


def _tensors(plan: Plan) -> Iterator[Violation]:
    for i, tensor in enumerate(plan.tensors):
        at: list[PathItem] = ["tensors", i]
        layout = tensor.layout
        if layout.dtype not in FORMATS:
            yield Violation([*at, "layout", "dtype"], _unknown_format(layout.dtype))
            continue
        if (layout.layout == "sharded") != (layout.nd_shard is not None):
            yield Violation([*at, "layout"], "nd_shard belongs to a sharded layout, and only there")
        if tensor.page_bytes != FORMATS[layout.dtype].tile_bytes:
            want = FORMATS[layout.dtype].tile_bytes
            yield Violation([*at, "page_bytes"], f"a {layout.dtype} tile is {want} bytes")
        yield from _padding(at, tensor, layout.tile_shape)
        tiles = prod(tensor.padded_shape) // prod(layout.tile_shape)
        if tensor.pages != tiles:
            yield Violation([*at, "pages"], f"{list(tensor.padded_shape)} is {tiles} tiles")


def _unknown_format(name: str) -> str:
    return f"'{name}' is not a data format; known: {', '.join(FORMATS)}"


def _padding(at: list[PathItem], tensor: Tensor, tile: tuple[int, int]) -> Iterator[Violation]:
    shape, device, padded = tensor.shape, tensor.device_shape, tensor.padded_shape
    if len(device) < 2:
        yield Violation([*at, "device_shape"], "the device holds tiles: at least two dimensions")
        return
    if [extent for extent in device if extent > 1] != [extent for extent in shape if extent > 1]:
        problem = f"{list(device)} is not the shape {list(shape)} with extents of 1 added"
        yield Violation([*at, "device_shape"], problem)
    steps = [1] * (len(device) - 2) + list(tile)
    wanted = [-(-extent // step) * step for extent, step in zip(device, steps, strict=True)]
    if list(padded) != wanted:
        problem = f"{list(device)} in whole {_grid(tile)} tiles is {wanted}"
        yield Violation([*at, "padded_shape"], problem)


def _circular_buffers(plan: Plan) -> Iterator[Violation]:
    formats = {tensor.name: tensor.layout.dtype for tensor in plan.tensors}
    for i, cb in enumerate(plan.circular_buffers):
        at: list[PathItem] = ["circular_buffers", i]
        if cb.tensor is not None and cb.tensor not in formats:
            yield Violation([*at, "tensor"], f"there is no tensor '{cb.tensor}'")
        if cb.dtype not in FORMATS:
            yield Violation([*at, "dtype"], _unknown_format(cb.dtype))
        elif cb.page_bytes != FORMATS[cb.dtype].tile_bytes:
            want = FORMATS[cb.dtype].tile_bytes
            yield Violation([*at, "page_bytes"], f"a {cb.dtype} tile is {want} bytes")
        elif cb.tensor is not None and cb.dtype != formats[cb.tensor]:
            problem = (
                f"tensor '{cb.tensor}' is {formats[cb.tensor]}, and pages are copied as they are"
            )
            yield Violation([*at, "dtype"], problem)


def _l1(plan: Plan) -> Iterator[Violation]:
    used = sum(cb.page_bytes * cb.pages for cb in plan.circular_buffers)
    if plan.l1.used_bytes != used:
        yield Violation(["l1", "used_bytes"], f"the circular buffers take {used} bytes")
    if used > plan.l1.limit_bytes:
        largest = sorted(plan.circular_buffers, key=lambda cb: -cb.page_bytes * cb.pages)
        filled = ", ".join(f"{cb.name} {cb.page_bytes * cb.pages}" for cb in largest[:4])
        yield Violation(
            ["l1"], f"{used} bytes do not fit {plan.l1.limit_bytes}; the largest: {filled}"
        )


def _cores(plan: Plan) -> Iterator[Violation]:
    width, height = plan.device_grid
    listed = [work.core for work in plan.partition.cores]
    for i, (x, y) in enumerate(listed):
        if x >= width or y >= height:
            at: list[PathItem] = ["partition", "cores", i, "core"]
            yield Violation(at, f"core ({x}, {y}) is outside the {_grid(plan.device_grid)} grid")
    covered: list[tuple[int, int]] = []
    for core_range in plan.core_ranges:
        covered += core_range.cores()
    if len(set(covered)) != len(covered):
        yield Violation(["core_ranges"], "ranges overlap")
    if len(set(listed)) != len(listed):
        yield Violation(["partition", "cores"], "a core is listed twice")
    if set(covered) != set(listed):
        odd = sorted(set(covered) ^ set(listed))[0]
        yield Violation(
            ["partition", "cores"], f"core {odd} is in core_ranges or in partition, not in both"
        )


def _work(plan: Plan) -> Iterator[Violation]:
    """Every output tile once: the cores' ranges, sorted, must meet end to end."""
    total = prod(plan.partition.tiles)
    position = 0
    ranges = [(w.start, w.count, i) for i, w in enumerate(plan.partition.cores) if w.count]
    for start, count, i in sorted(ranges):
        at: list[PathItem] = ["partition", "cores", i]
        if start < position:
            yield Violation(at, f"output tile {start} is given to two cores")
        if start > position:
            yield Violation(at, f"output tile {position} is given to no core")
        position = start + count
    if position != total:
        problem = f"the cores' work ends at output tile {position}, the grid has {total}"
        yield Violation(["partition", "cores"], problem)


def _programs(plan: Plan) -> Iterator[Violation]:
    tensors = {tensor.name for tensor in plan.tensors}
    buffers = {cb.name for cb in plan.circular_buffers}
    for name, program in plan.programs.items():
        at: list[PathItem] = ["programs", name]
        for i, tensor in enumerate(program.tensors):
            if tensor not in tensors:
                yield Violation([*at, "tensors", i], f"there is no tensor '{tensor}'")
        yield from _runtime_args(plan, program, at)
        yield from _constants(plan, program, at)
        scope: set[str] = set()
        for argument in (*(c.name for c in program.constants), *program.runtime_args.names):
            if argument in scope:
                yield Violation(at, f"'{argument}' is defined twice")
            scope.add(argument)
        checker = _BodyChecker(name, buffers, set(program.tensors))
        yield from checker.check(program.body, scope, [*at, "body"])


def _runtime_args(plan: Plan, program: Program, at: list[PathItem]) -> Iterator[Violation]:
    args = program.runtime_args
    if len(args.values) != len(plan.partition.cores):
        problem = f"{len(args.values)} rows for {len(plan.partition.cores)} cores"
        yield Violation([*at, "runtime_args", "values"], problem)
    for i, row in enumerate(args.values):
        if len(row) != len(args.names):
            problem = f"{len(row)} values for {len(args.names)} names"
            yield Violation([*at, "runtime_args", "values", i], problem)
    for i, (work, row) in enumerate(zip(plan.partition.cores, args.values, strict=False)):
        for name, value in zip(args.names, row, strict=False):
            expected = {"start": work.start, "count": work.count}.get(name, value)
            if value != expected:
                problem = f"{name} is {value}; the partition gives {expected} to core {work.core}"
                yield Violation([*at, "runtime_args", "values", i], problem)


def _constants(plan: Plan, program: Program, at: list[PathItem]) -> Iterator[Violation]:
    """The extents of a batch stand beside Mt and Kt, so these divide what the partition says."""
    rows, columns = plan.partition.tiles
    for i, constant in enumerate(program.constants):
        whole = {"Mt": rows, "Kt": plan.partition.len_k}.get(constant.name, constant.value)
        wrong = constant.value < 1 or whole % constant.value
        if wrong or (constant.name == "Nt" and constant.value != columns):
            whole = columns if constant.name == "Nt" else whole
            problem = f"{constant.name} is {constant.value}, the partition says {whole}"
            yield Violation([*at, "constants", i], problem)


@dataclass(frozen=True)
class _BodyChecker:
    """References and scopes of one program's body."""

    program: str
    buffers: set[str]
    tensors: set[str]

    def check(
        self, body: tuple[Statement, ...], scope: set[str], at: list[PathItem]
    ) -> Iterator[Violation]:
        scope = set(scope)
        for i, statement in enumerate(body):
            here = [*at, i]
            match statement:
                case Let(var=var, value=value):
                    yield from self._expr(value, scope, [*here, "value"])
                    yield from self._defined(var, scope, here)
                    scope.add(var)
                case For():
                    yield from self._expr(statement.start, scope, [*here, "start"])
                    yield from self._expr(statement.stop, scope, [*here, "stop"])
                    yield from self._defined(statement.var, scope, here)
                    yield from self.check(statement.body, scope | {statement.var}, [*here, "body"])
                case Op():
                    yield from self._op(statement, scope, here)

    def _defined(self, var: str, scope: set[str], at: list[PathItem]) -> Iterator[Violation]:
        """In C++ a second definition is an error, or hides the first."""
        if var in scope:
            yield Violation([*at, "var"], f"'{var}' is defined twice")

    def _op(self, op: Op, scope: set[str], at: list[PathItem]) -> Iterator[Violation]:
        if not _is_relative(op.at):
            yield Violation([*at, "at"], f"'{op.at}' must be below the project")
        known = TILE_OPS.get(op.op)
        if known is None:
            yield Violation([*at, "op"], f"there is no operation '{op.op}'")
            return
        if self.program not in known.programs:
            yield Violation([*at, "op"], f"'{op.op}' does not belong in the {self.program}")
        names = [name for name, _ in known.params]
        if set(op.args) != set(names):
            wanted = ", ".join(names) or "no arguments"
            yield Violation([*at, "args"], f"'{op.op}' takes {wanted}; found {', '.join(op.args)}")
            return
        for name, kind in known.params:
            yield from self._argument(kind, op.args[name], scope, [*at, "args", name])

    def _argument(
        self, kind: Kind, value: Expr, scope: set[str], at: list[PathItem]
    ) -> Iterator[Violation]:
        if kind is Kind.EXPR:
            yield from self._expr(value, scope, at)
        elif kind in WORDS:
            if value not in WORDS[kind]:
                yield Violation(at, f"'{value}' is no {kind.value}; it is {', '.join(WORDS[kind])}")
        elif value not in (self.buffers if kind is Kind.CB else self.tensors):
            yield Violation(at, f"there is no {kind.value} '{value}' in the {self.program}")

    def _expr(self, expr: Expr, scope: set[str], at: list[PathItem]) -> Iterator[Violation]:
        for name in sorted(variables(expr) - scope):
            yield Violation(at, f"'{name}' is not defined here")


#: Arguments that say which data is meant, not how much: they do not change the traffic.
_ADDRESSES = ("page",)


def _traffic(plan: Plan) -> Iterator[Violation]:
    """Circular buffers: one producer, one consumer, what is pushed is popped, and chunks fit."""
    done: set[tuple[tuple[int, ...], ...]] = set()
    for core in range(len(plan.partition.cores)):
        # Cores that differ only in where their work starts have the same traffic.
        key = tuple(
            tuple(
                value
                for name, value in zip(args.names, args.values[core], strict=True)
                if name != "start"
            )
            for args in (program.runtime_args for _, program in plan.programs.items())
        )
        if key not in done:
            done.add(key)
            yield from _core_traffic(plan, core)


def _core_traffic(plan: Plan, core: int) -> Iterator[Violation]:
    pages: dict[str, Counter[str]] = {"push": Counter(), "pop": Counter()}
    users: dict[tuple[str, str], set[str]] = {}
    capacity = {cb.name: cb.pages for cb in plan.circular_buffers}
    for name, program in plan.programs.items():
        at: list[PathItem] = ["programs", name, "body"]
        who = f"core {plan.partition.cores[core].core}"
        held: Counter[str] = Counter()
        try:
            for event in trace(program, core, ignore=_ADDRESSES):
                for problem in _event_problems(event.op, event.values, held, capacity, plan):
                    yield Violation(at, f"{who}, {event.op.op} at {event.op.at}: {problem}")
                for end in ("push", "pop"):
                    if event.op.op.startswith(f"cb_{end}"):
                        cb = str(event.op.args["cb"])
                        pages[end][cb] += event.values["pages"] * event.times
                        users.setdefault((end, cb), set()).add(name)
        except (UnknownVariable, ZeroDivisionError) as error:
            yield Violation(at, f"{who}: cannot be evaluated: {error}")
        for cb, count in held.items():
            if count:
                yield Violation(at, f"{who}: {count} pages of '{cb}' are reserved and never pushed")
    for i, buffer in enumerate(plan.circular_buffers):
        pushed, popped = pages["push"][buffer.name], pages["pop"][buffer.name]
        here: list[PathItem] = ["circular_buffers", i]
        if pushed != popped:
            problem = f"{pushed} pages pushed, {popped} popped on core {core}"
            yield Violation(here, f"'{buffer.name}': {problem}")
        for end in ("push", "pop"):
            if len(users.get((end, buffer.name), ())) > 1:
                yield Violation(here, f"'{buffer.name}': more than one program does {end}")


def _event_problems(
    op: Op, values: dict[str, int], held: Counter[str], capacity: dict[str, int], plan: Plan
) -> Iterator[str]:
    for name in TILE_OPS[op.op].dst:
        if not 0 <= values[name] < plan.compute.dst_tiles:
            yield f"DST tile {values[name]}, but there are {plan.compute.dst_tiles}"
    if "pages" not in values:
        return
    cb, pages = str(op.args["cb"]), values["pages"]
    # A block of pages must not straddle the end of the buffer, since its pages are addressed
    # from one pointer: the capacity is a multiple of every block.
    if pages <= 0 or capacity[cb] % pages:
        yield f"{pages} pages at a time do not divide the {capacity[cb]} pages of '{cb}'"
    if op.op == "cb_reserve_back":
        held[cb] = pages
    elif op.op == "cb_push_back":
        held[cb] -= pages
        if held[cb] < 0:
            yield f"{pages} pages of '{cb}' are pushed that were not reserved"


def _outputs(plan: Plan) -> Iterator[Violation]:
    """Every page of every output tensor is written once."""
    written: dict[str, Counter[int]] = {
        tensor.name: Counter() for tensor in plan.tensors if tensor.role == "output"
    }
    at: list[PathItem] = ["programs", "writer", "body"]
    for core in range(len(plan.partition.cores)):
        for event in trace(plan.programs.writer, core):
            if event.op.op == "write_page":
                tensor = str(event.op.args["tensor"])
                if tensor not in written:
                    yield Violation(at, f"'{tensor}' is written, but it is an input")
                    return
                written[tensor][event.values["page"]] += event.times
    for name, counts in written.items():
        expected = plan.tensor(name).pages
        missing = [page for page in range(expected) if not counts[page]]
        if missing:
            yield Violation(at, f"page {missing[0]} of '{name}' is never written")
        for page, times in sorted(counts.items()):
            if not 0 <= page < expected:
                yield Violation(at, f"page {page} of '{name}' is written; it has {expected}")
            elif times > 1:
                yield Violation(at, f"page {page} of '{name}' is written {times} times")


_RULES: tuple[Rule, ...] = (
    _paths,
    _architecture,
    _unique_names,
    _tensors,
    _circular_buffers,
    _l1,
    _cores,
    _work,
    _programs,
    _traffic,
    _outputs,
)
