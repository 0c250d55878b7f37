"""The semantic rules of a plan: what its types cannot say. Checked on write and on load.

Each rule is a generator of violations; the first violation found is reported. Rules run in order,
and a rule may rely on those before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from operator import floordiv
from pathlib import PurePosixPath

import msgspec
from msgspec import UNSET

from ttgen.arch import ARCHITECTURES
from ttgen.formats import FORMATS
from ttgen.ops import TILE_OPS, WORDS, Kind
from ttgen.plan import work_rules
from ttgen.plan.model import Expr, For, Let, Op, Plan, Program, Statement, Tensor
from ttgen.plan.pages import pages_touched
from ttgen.plan.protocol import protocols
from ttgen.plan.shards import l1_bytes, matrix, shard_at, shard_count, shard_problems
from ttgen.plan.trace import variables
from ttgen.plan.violation import Rule, Violation, grid_text
from ttgen.textpos import PathItem

#: What plans say of their programs that was found to keep all rules, the latest last.
_SOUND: dict[bytes, None] = {}
_SOUND_LIMIT = 64


def first_violation(plan: Plan) -> Violation | None:
    """The first rule that ``plan`` breaks, or None.

    VerifyTTIR, writing and loading ask about the same programs: they are checked once a process.
    """
    for violation in _paths(plan):
        return violation
    content = _content(plan)
    if content in _SOUND:
        return None
    for rule in _RULES:
        for violation in rule(plan):
            return violation
    _remember(content)
    return None


def found_sound(plan: Plan) -> None:
    """VerifyTTIR has found, in C++ perhaps, that the programs of ``plan`` keep all rules."""
    _remember(_content(plan))


def _remember(content: bytes) -> None:
    _SOUND[content] = None
    if len(_SOUND) > _SOUND_LIMIT:
        del _SOUND[next(iter(_SOUND))]


def _content(plan: Plan) -> bytes:
    """Everything that :data:`_RULES` look at: not what a plan is called or where it comes from."""
    apart = {"kernel", "source", "templates", "tolerance"}
    said = [getattr(plan, field) for field in plan.__struct_fields__ if field not in apart]
    # Arguments of operations come in the order of their parameters, or sorted, from a file.
    return msgspec.json.encode([ARCHITECTURES.get(plan.arch), *said], order="deterministic")


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


@lru_cache(maxsize=1024)
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
            ["device_grid"],
            f"{grid_text(plan.device_grid)} is not {plan.arch}'s {grid_text(arch.grid)}",
        )
    if plan.l1.limit_bytes > arch.l1_bytes:
        yield Violation(["l1", "limit_bytes"], f"{plan.arch} has {arch.l1_bytes} bytes per core")
    compute = plan.compute
    dst = arch.dst_tiles(fp32_dest_acc=compute.fp32_dest_acc, dst_full_sync=compute.dst_full_sync)
    if compute.dst_tiles != dst:
        yield Violation(["compute", "dst_tiles"], f"DST holds {dst} tiles in this configuration")


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
        if not _is_order(tensor):
            problem = f"it has each of the {len(tensor.shape)} dimensions once, moved, and no other"
            yield Violation([*at, "layout", "order"], problem)
            continue
        yield from _shards(plan, tensor, [*at, "layout"])
        yield from _padding(at, tensor, layout.tile_shape)
        yield from _pages(at, tensor)


def _is_order(tensor: Tensor) -> bool:
    """Whether the order is one of the tensor's dimensions; what is not moved has none."""
    plain = tuple(range(len(tensor.shape)))
    if tensor.layout.order is UNSET:
        return True
    is_moved = tensor.order != plain and len(tensor.device_shape) == len(plain)
    return is_moved and tuple(sorted(tensor.order)) == plain


def _shards(plan: Plan, tensor: Tensor, at: list[PathItem]) -> Iterator[Violation]:
    layout = tensor.layout
    if (layout.layout == "sharded") != (layout.nd_shard is not None):
        yield Violation(at, "nd_shard belongs to a sharded layout, and only there")
    elif layout.nd_shard is not None:
        if layout.memory != "L1":
            yield Violation([*at, "memory"], f"sharded tensors lie in L1, not in {layout.memory}")
        extents = matrix(tensor.padded_shape)
        found = shard_problems(layout.nd_shard, extents, layout.tile_shape, plan.device_grid)
        for field, problem in found:
            yield Violation([*at, "nd_shard", field], problem)


def _pages(at: list[PathItem], tensor: Tensor) -> Iterator[Violation]:
    """Pages are tiles or rows."""
    layout, format_ = tensor.layout, FORMATS[tensor.layout.dtype]
    pages, page_bytes = tensor.tiles, format_.tile_bytes
    shape = tensor.padded_shape
    if layout.page == "row":
        if layout.nd_shard is not None or format_.kind == "block":
            yield Violation([*at, "layout", "page"], "shards and block formats are made of tiles")
            return
        shape = tensor.device_shape
        pages, page_bytes = prod(shape[:-1]), shape[-1] * format_.value_bytes
    if tensor.page_bytes != page_bytes:
        problem = f"a {layout.dtype} {layout.page} is {page_bytes} bytes"
        yield Violation([*at, "page_bytes"], problem)
    if tensor.pages != pages:
        yield Violation([*at, "pages"], f"{list(shape)} is {pages} {layout.page}s")


def _unknown_format(name: str) -> str:
    return f"'{name}' is not a data format; known: {', '.join(FORMATS)}"


def _padding(at: list[PathItem], tensor: Tensor, tile: tuple[int, int]) -> Iterator[Violation]:
    device, padded = tensor.device_shape, tensor.padded_shape
    shape = [tensor.shape[position] for position in tensor.order]
    if len(device) < 2:
        yield Violation([*at, "device_shape"], "the device holds tiles: at least two dimensions")
        return
    if [extent for extent in device if extent > 1] != [extent for extent in shape if extent > 1]:
        problem = f"{list(device)} is not the shape {shape} with extents of 1 added"
        yield Violation([*at, "device_shape"], problem)
    steps = [1] * (len(device) - 2) + list(tile)
    wanted = [-(-extent // step) * step for extent, step in zip(device, steps, strict=True)]
    if list(padded) != wanted:
        problem = f"{list(device)} in whole {grid_text(tile)} tiles is {wanted}"
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


def _alignment(plan: Plan) -> Iterator[Violation]:
    """The NoC moves pages from memory to memory only where both lie as it wants them."""
    arch = ARCHITECTURES[plan.arch]
    pages: list[tuple[list[PathItem], str, int, str]] = [
        (["tensors", i], tensor.name, tensor.page_bytes, tensor.layout.memory)
        for i, tensor in enumerate(plan.tensors)
        if tensor.layout.page == "tile"  # tt-metal leaves gaps between rows that need them
    ]
    pages += [
        (["circular_buffers", i], cb.name, cb.page_bytes, "L1")
        for i, cb in enumerate(plan.circular_buffers)
    ]
    for at, name, page_bytes, memory in pages:
        step = arch.alignment(memory)
        if page_bytes % step:
            problem = f"pages of '{name}' are {page_bytes} bytes"
            yield Violation(
                [*at, "page_bytes"], f"{problem}; {memory} of {arch.name} takes multiples of {step}"
            )


def _l1(plan: Plan) -> Iterator[Violation]:
    tensors = {
        tensor.name: l1_bytes(tensor.layout, tensor.pages, tensor.page_bytes, plan.device_grid)
        for tensor in plan.tensors
    }
    if plan.l1.tensor_bytes != sum(tensors.values()):
        yield Violation(["l1", "tensor_bytes"], f"tensors take {sum(tensors.values())} bytes")
    sizes = [(f"{cb.name}_cb", cb.page_bytes * cb.pages) for cb in plan.circular_buffers]
    sizes += [(name, size) for name, size in tensors.items() if size]
    used = sum(size for _, size in sizes)
    if plan.l1.used_bytes != used:
        problem = f"the circular buffers and the tensors in L1 take {used} bytes"
        yield Violation(["l1", "used_bytes"], problem)
    if used > plan.l1.limit_bytes:
        largest = sorted(sizes, key=lambda item: -item[1])
        filled = ", ".join(f"{name} {size}" for name, size in largest[:4])
        yield Violation(
            ["l1"], f"{used} bytes do not fit {plan.l1.limit_bytes}; the largest: {filled}"
        )


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
        known = {"start": work.start, "count": work.count}
        if plan.partition.mode == "local_shard":
            known |= zip(("sy", "sx"), shard_at(plan.partition, work), strict=True)
        for name, value in zip(args.names, row, strict=False):
            expected = known.get(name, value)
            if value != expected:
                problem = f"{name} is {value}; the partition gives {expected} to core {work.core}"
                yield Violation([*at, "runtime_args", "values", i], problem)


def _constants(plan: Plan, program: Program, at: list[PathItem]) -> Iterator[Violation]:
    """Mt and Nt are the output's; Kt is one reduction's, which may not be the longest."""
    known: dict[str, int] = {
        constant.name: constant.value
        for _, other in reversed(plan.programs.items())
        for constant in other.constants
    }
    for tensor in plan.tensors:
        if tensor.role == "output":
            tile, extents = tensor.layout.tile_shape, tensor.padded_shape[-2:]
            known |= dict(zip(("Mt", "Nt"), map(floordiv, extents, tile), strict=True))
    if plan.partition.block is not None:
        known |= zip(("Sm", "Sn"), plan.partition.block, strict=True)
        shards = shard_count(plan.partition.tiles, plan.partition.block)
        known |= zip(("Gy", "Gx"), shards, strict=True)
    len_k = plan.partition.len_k
    for i, constant in enumerate(program.constants):
        name, value = constant.name, constant.value
        here: list[PathItem] = [*at, "constants", i]
        if value < 1 or (name == "Kt" and value > len_k):
            yield Violation(here, f"{name} is {value}, the partition says {len_k}")
        elif name in ("Mt", "Nt") and known[name] != value:
            yield Violation(here, f"{name} is {value}, the output has {known[name]} tiles there")
        elif name in ("Sm", "Sn", "Gy", "Gx") and known[name] != value:
            yield Violation(here, f"{name} is {value}, the partition gives {known[name]}")
        elif known[name] != value:
            yield Violation(here, f"{name} is {value}, and {known[name]} in another program")


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


_RULES: tuple[Rule, ...] = (
    _architecture,
    _unique_names,
    _tensors,
    _circular_buffers,
    _alignment,
    _l1,
    work_rules.cores,
    work_rules.work,
    work_rules.order,
    _programs,
    protocols,
    pages_touched,
)
