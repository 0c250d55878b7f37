"""A lowered function taken apart: loops over output tiles, and the stages that make one tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any, Literal, TypeAlias

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import prim
from tvm.tirx import PrimFunc

from ttgen.errors import LoweringError
from ttgen.identity import address
from ttgen.passes import attrs, intrin
from ttgen.passes.persistent.ir import variables
from ttgen.passes.tiling.marks import CONSTANT, MAP, PARALLEL, REDUCE, STREAM, ConstantPage
from ttgen.vector import FORMS

OperandKind: TypeAlias = Literal["tensor", "temporary", "constant"]
#: For what a stage is done once: an output tile, a block of neighbours in a row, or all of a run of
#: them (see :mod:`.runs`).
Scope: TypeAlias = Literal["tile", "block", "run"]


#: What the words of an operation are called; of the others the dimension of a broadcast is one.
_WORDS = {
    "matmul": ("transpose",),
    "reduce": ("pool", "dim"),
    **dict.fromkeys(FORMS.values(), ("function",)),
}


@dataclass(frozen=True)
class Operand:
    """A tile that a step reads or a stage makes: page ``page`` of ``tensor``, through ``buffer``.

    ``buffer`` names the circular buffer.
    """

    tensor: tvm.ir.Var
    page: prim.Expr
    buffer: str
    kind: OperandKind

    @property
    def name(self) -> str:
        """The tensor's name."""
        return str(self.tensor.name)

    def moves_with(self, loops: Sequence[tirx.For]) -> bool:
        """Whether another tile is meant in another iteration of ``loops``."""
        return any(address(loop.loop_var) in self._page_variables for loop in loops)

    @cached_property
    def _page_variables(self) -> frozenset[int]:
        """The addresses of those that ``page`` depends on."""
        return frozenset(map(address, variables(self.page)))


@dataclass(frozen=True)
class Step:
    """One tile operation of a stage, into the DST register ``dst``.

    ``registers`` are those that it reads, where these are more than ``dst``.
    """

    math: intrin.TileMath
    operands: tuple[Operand, ...]
    words: tuple[Any, ...]
    dst: int = 0
    registers: tuple[int, ...] = ()

    @property
    def is_row_sum(self) -> bool:
        """A sum along rows is a product with a column: its tile is in source B, the scale in A."""
        return self.math.name == "reduce" and tuple(map(str, self.words)) == ("SUM", "REDUCE_ROW")

    @property
    def sources(self) -> tuple[str, ...]:
        """The parameters that go to sources A and B of the FPU, as in :class:`.TileMath`."""
        return ("in1", "in0") if self.is_row_sum else self.math.sources

    def arguments(self) -> dict[str, Any]:
        """Buffers and words by the names of the device operation's parameters."""
        named: dict[str, Any] = {f"in{i}": o.buffer for i, o in enumerate(self.operands)}
        names = _WORDS.get(self.math.name, ("dim",) if self.math.words else ())
        return {**named, **dict(zip(names, self.words, strict=True))}


@dataclass(frozen=True)
class Stage:
    """Steps in DST, then a pack of its register 0 into ``target``.

    ``reduces``: the loops that the first ``reducing`` steps add up over. ``maps``: the loops around
    all of it, a tile for each iteration. Both are outermost first. ``stream``: the loop over chunks
    around it and its neighbours, in which it may go on from what has been packed before.
    """

    steps: tuple[Step, ...]
    target: Operand
    maps: tuple[tirx.For, ...] = ()
    reduces: tuple[tirx.For, ...] = ()
    reducing: int = 0
    stream: tirx.For | None = None
    scope: Scope = "tile"

    @property
    def is_per_tile(self) -> bool:
        """Whether it is done for each output tile."""
        return self.scope == "tile"

    @property
    def chunks(self) -> int | None:
        """What tells its stream from others."""
        return None if self.stream is None else address(self.stream.loop_var)

    @property
    def registers(self) -> int:
        """DST registers that one result takes."""
        return 1 + max(number for step in self.steps for number in (step.dst, *step.registers))

    def streams(self) -> list[Operand]:
        """The operands that come from DRAM, one per circular buffer."""
        return self._operands("tensor")

    def temporaries(self) -> list[Operand]:
        """The operands that earlier stages have made, one per circular buffer."""
        return self._operands("temporary")

    def _operands(self, kind: OperandKind) -> list[Operand]:
        found = {o.buffer: o for step in self.steps for o in step.operands if o.kind == kind}
        return list(found.values())

    def innermost(self, operand: Operand) -> tirx.For | None:
        """The innermost of the blocked loops that ``operand`` moves with; None: with none."""
        if self.reduces and operand.moves_with(self.reduces):
            return self.reduces[-1]
        if self.maps and operand.moves_with(self.maps):
            return self.maps[-1]
        return None

    def at_level(self, loop: tirx.For | None, operands: Sequence[Operand]) -> list[Operand]:
        """Those of ``operands`` that move with ``loop``, and with none inside it."""
        found = [(operand, self.innermost(operand)) for operand in operands]
        return [o for o, at in found if at is loop or (at and loop and at.same_as(loop))]


@dataclass(frozen=True)
class Nest:
    """A lowered function, or the part of it that makes a part of the output.

    ``rows``: the loops above the columns, outermost first.
    """

    rows: tuple[tirx.For, ...]
    columns: tirx.For | None
    stages: tuple[Stage, ...]
    const_tiles: dict[str, list[ConstantPage]]
    span: Any

    @property
    def output(self) -> Operand:
        """The tile that the last stage makes."""
        return self.stages[-1].target

    @property
    def of_runs(self) -> list[Stage]:
        """The stages that are done once per run."""
        return [stage for stage in self.stages if stage.scope == "run"]

    @property
    def of_blocks(self) -> list[Stage]:
        """The stages that are done for each block of output tiles, or each tile of it."""
        return [stage for stage in self.stages if stage.scope != "run"]

    @property
    def of_tiles(self) -> list[Stage]:
        """The stages that are done for each output tile."""
        return [stage for stage in self.stages if stage.is_per_tile]

    @property
    def has_runs(self) -> bool:
        """Whether anything is done once for several output tiles."""
        return len(self.of_tiles) < len(self.stages)

    @property
    def loops(self) -> tuple[tirx.For, ...]:
        """The loops over output tiles, outermost first."""
        return self.rows if self.columns is None else (*self.rows, self.columns)

    @property
    def constant_uses(self) -> list[Operand]:
        """The constant tiles, wherever they are read."""
        steps = [step for stage in self.stages for step in stage.steps]
        return [o for step in steps for o in step.operands if o.kind == "constant"]

    @property
    def constants(self) -> list[Operand]:
        """The constant buffers, one operand each."""
        return list({operand.buffer: operand for operand in self.constant_uses}.values())

    def maker(self, temporary: Operand) -> Stage:
        """The stage that makes ``temporary``."""
        return next(stage for stage in self.stages if stage.target.buffer == temporary.buffer)

    def last_used_by(self, stage: Stage) -> list[Operand]:
        """The temporaries that no stage after ``stage`` reads before they are made anew.

        In a stream those of a chunk, and of what it goes on from those of the chunk before.
        """
        return [one for one in stage.temporaries() if not self._is_read_after(stage, one.buffer)]

    def _is_read_after(self, stage: Stage, buffer: str) -> bool:
        later = self._after(stage)
        if stage.chunks is not None:
            later = [one for one in later if one.chunks == stage.chunks]
        if stage.chunks is not None and self._outlives(buffer, stage.chunks):
            again = [n for n, one in enumerate(later) if one.target.buffer == buffer]
            if not again:
                return True  # in the next chunk, or behind the stream
            later = later[: again[0] + 1]
        return _is_read(buffer, later)

    def last_used_by_stream(self, group: Sequence[Stage]) -> list[Operand]:
        """The temporaries of more than a chunk that no stage after the stream ``group`` reads."""
        last = group[-1]
        assert last.chunks is not None
        used = [one for stage in group for one in (*stage.temporaries(), stage.target)]
        return [
            one
            for one in {one.buffer: one for one in used if one.kind == "temporary"}.values()
            if self._outlives(one.buffer, last.chunks)
            and not _is_read(one.buffer, self._after(last))
        ]

    def _after(self, stage: Stage) -> Sequence[Stage]:
        position = next(i for i, one in enumerate(self.stages) if one is stage)
        return self.stages[position + 1 :]

    def _outlives(self, buffer: str, chunks: int) -> bool:
        """Whether the tile is there from before the stream ``chunks`` on."""
        makers = (stage for stage in self.stages if stage.target.buffer == buffer)
        return any(stage.chunks != chunks for stage in makers)


def _is_read(buffer: str, stages: Sequence[Stage]) -> bool:
    return any(buffer == one.buffer for stage in stages for one in stage.temporaries())


def longest(loop: tirx.For) -> tvm.ir.Var:
    """The parameter that holds the iterations of ``loop``; in a last chunk there may be fewer."""
    return loop.extent.a if isinstance(loop.extent, prim.Min) else loop.extent


def by_stream(stages: Sequence[Stage]) -> Iterator[tuple[tirx.For | None, list[Stage]]]:
    """The stages in order, those of a stream together with the loop over its chunks."""
    for _, group in groupby(stages, key=lambda stage: stage.chunks):
        found = list(group)
        yield found[0].stream, found


def parse(func: PrimFunc) -> list[Nest]:
    """Take ``func`` apart; LoweringError at what LowerTTTileIntrinsics does not make."""
    return _Parser(func).nests()


class _Parser:
    def __init__(self, func: PrimFunc) -> None:
        self._func = func
        self._names: dict[str, list[tuple[prim.Expr, str]]] = {}
        self._read: set[str] = set()
        self._taken = {param.name for param in func.params}

    def nests(self) -> list[Nest]:
        """One for each part of the output, which ends with its loops or with a pack into it."""
        nests: list[Nest] = []
        pending: list[tirx.Stmt] = []
        for part in _parts(self._func.body):
            if isinstance(part, tirx.AllocBuffer):
                continue
            pending.append(part)
            if _annotated(part, PARALLEL) or self._is_pack(part, into_output=True):
                nests.append(self._nest(pending))
                pending = []
        if pending or not nests:
            raise self._unexpected(pending[-1] if pending else None, "a tt.pack at the end")
        return nests

    def _nest(self, body: list[tirx.Stmt]) -> Nest:
        self._names = {}
        loops: list[tirx.For] = []
        while len(body) == 1 and _annotated(body[0], PARALLEL):
            loops.append(body[0])
            body = _parts(body[0].body)
        stages = tuple(self._stages(body))
        rows, columns = _rows_and_columns(loops)
        tiles = attrs.require(self._func, attrs.CONST_TILES, "GridToPersistentTT")
        const_tiles = {n: [*map(ConstantPage.of_attribute, pages)] for n, pages in tiles.items()}
        return Nest(rows, columns, stages, const_tiles, body[-1].span)

    def _stages(self, body: list[tirx.Stmt]) -> list[Stage]:
        stages: list[Stage] = []
        pending: list[tirx.Stmt] = []
        for part in body:
            if _annotated(part, STREAM) and not pending:
                inner = self._stages(_parts(part.body))
                if any(stage.stream is not None for stage in inner):
                    raise self._unexpected(part, "no stream inside of another one")
                stages += [replace(stage, stream=part) for stage in inner]
                continue
            if _annotated(part, MAP):
                maps = [part]
                while _annotated(maps[-1].body, MAP):
                    maps.append(maps[-1].body)
                stages.append(self._stage(_parts(maps[-1].body), maps))
                continue
            pending.append(part)
            if self._is_pack(part):
                stages.append(self._stage(pending))
                pending = []
        if pending or not stages:
            raise self._unexpected(pending[-1] if pending else None, "a tt.pack at the end")
        return stages

    def _stage(self, parts: list[tirx.Stmt], maps: Sequence[tirx.For] = ()) -> Stage:
        *operations, last = parts
        steps: list[Step] = []
        reduces: tuple[tirx.For, ...] = ()
        reducing = 0
        for part in operations:
            inner: tirx.Stmt = part
            reduced: list[tirx.For] = []
            while _annotated(inner, REDUCE):
                reduced.append(inner)
                inner = inner.body
            if reduced and steps:
                raise self._unexpected(part, "a reduction as the first operation of its stage")
            steps += [self._step(part) for part in _parts(inner)]
            if reduced:
                reduces, reducing = tuple(reduced), len(steps)
        name, pack_args = self._call(last)
        if not steps or name != intrin.PACK or len(pack_args) != 3:
            raise self._unexpected(last, "tile operations and a tt.pack(dst, tensor, page)")
        _, target, page = pack_args
        is_output = target in self._func.params
        kind: OperandKind = "tensor" if is_output else "temporary"
        packed = Operand(target, page, str(target.name), kind)
        return Stage(tuple(steps), packed, tuple(maps), reduces, reducing)

    def _step(self, node: tirx.Stmt) -> Step:
        name, (dst, *rest) = self._call(node)
        math = intrin.TILE_MATH.get(name)
        if math is None or len(rest) != math.registers + 2 * math.operands + math.words:
            raise self._unexpected(node, f"one of tt.{', tt.'.join(intrin.TILE_MATH)}")
        registers, rest = rest[: math.registers], rest[math.registers :]
        flat, words = rest[: 2 * math.operands], rest[2 * math.operands :]
        pairs = zip(flat[::2], flat[1::2], strict=True)
        operands = tuple(self._operand(tensor, page) for tensor, page in pairs)
        return Step(
            math,
            operands,
            tuple(_word(word) for word in words),
            int(dst),
            tuple(int(register) for register in registers),
        )

    def _operand(self, tensor: tvm.ir.Var, page: prim.Expr) -> Operand:
        """One circular buffer per distinct tile; a tensor read at two places has two of them."""
        if tensor not in self._func.params:
            scope = str(tensor.ty.storage_scope)
            kind: OperandKind = "constant" if scope == CONSTANT else "temporary"
            return Operand(tensor, page, str(tensor.name), kind)
        known = self._names.setdefault(str(tensor.name), [])
        for seen, buffer in known:
            if tvm_ffi.structural_equal(seen, page):
                return Operand(tensor, page, buffer, "tensor")
        name = str(tensor.name)
        number = 1
        while str(tensor.name) in self._read and name in self._taken:
            number += 1
            name = f"{tensor.name}_{number}"
        self._taken.add(name)
        self._read.add(str(tensor.name))
        known.append((page, name))
        return Operand(tensor, page, name, "tensor")

    def _is_pack(self, node: tirx.Stmt, *, into_output: bool = False) -> bool:
        if not isinstance(node, tirx.Evaluate):
            return False
        name, args = self._call(node)
        return name == intrin.PACK and (not into_output or args[1] in self._func.params)

    def _call(self, node: tirx.Stmt) -> tuple[str, list[Any]]:
        if isinstance(node, tirx.Evaluate) and isinstance(node.value, tvm.ir.Call):
            name = str(node.value.op.name)
            if name.startswith("tt.") and node.value.args:
                return name.removeprefix("tt."), list(node.value.args)
        raise self._unexpected(node, "a tt.* operation on tiles")

    def _unexpected(self, node: Any, wanted: str) -> LoweringError:
        found = str(node).strip().splitlines()[-1].strip() if node is not None else "nothing"
        return LoweringError(
            f"GridToPersistentTT wants {wanted}, found '{found}'",
            at=attrs.kernel_place(self._func),
            hint="run LowerTTTileIntrinsics first",
        )


def _parts(node: tirx.Stmt) -> list[tirx.Stmt]:
    return list(node.seq[:]) if isinstance(node, tirx.SeqStmt) else [node]


def _annotated(node: tirx.Stmt, kind: dict[str, str]) -> bool:
    return isinstance(node, tirx.For) and attrs.plain(node.annotations) == kind


def _word(node: Any) -> Any:
    return str(node.value) if isinstance(node, tvm.ir.StringImm) else node


def _rows_and_columns(
    loops: list[tirx.For],
) -> tuple[tuple[tirx.For, ...], tirx.For | None]:
    """The loop over columns is the one whose extent is called Nt, or Nt_1; there may be none."""
    if loops and str(loops[-1].extent.name).partition("_")[0] == "Nt":
        return tuple(loops[:-1]), loops[-1]
    return tuple(loops), None
