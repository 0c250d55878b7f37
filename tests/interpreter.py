"""Runs a plan with NumPy: what its programs do, without a compiler or a simulator.

Each core's three programs take turns on circular buffers of their true capacity, DST and pages of
32x32 tiles, all in float32. It is strict where the chip would give wrong values or hang: a slot
that was not reserved or waited for, a read that no barrier waited for, mathematics without DST or
without its set-up, and programs that wait for each other are errors (:class:`Misuse`).

What is not defined is NaN: a circular buffer's page before it is written and after it is popped,
and what a reduction leaves beside its result. Padding is zero in inputs and is dropped in outputs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ttgen.ops import TILE_OPS
from ttgen.plan.model import For, Let, Op, Plan, Program, Statement, Tensor
from ttgen.plan.trace import evaluate, expressions

Array = npt.NDArray[np.float32]
TILE = 32


class Misuse(Exception):
    """An operation that the chip would not survive, or would answer with garbage."""


def run(plan: Plan, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of ``plan`` by name, in their source's shape; NaN where nothing was written."""
    memory = {tensor.name: _memory(tensor, inputs) for tensor in plan.tensors}
    for index in range(len(plan.partition.cores)):
        _Core(plan, index, memory).run()
    outputs = (tensor for tensor in plan.tensors if tensor.role == "output")
    return {tensor.name: _from_pages(memory[tensor.name], tensor) for tensor in outputs}


def _memory(tensor: Tensor, inputs: Mapping[str, Array]) -> Array:
    """The pages of a tensor in DRAM."""
    whole = np.full(tensor.padded_shape, np.nan, np.float32)
    if tensor.role == "input":
        whole[...] = 0
        whole[_logical(tensor)] = np.reshape(inputs[tensor.name], tensor.device_shape)
    columns = tensor.padded_shape[-1] // TILE
    tiles = whole.reshape(-1, TILE, columns, TILE).swapaxes(1, 2)
    return tiles.reshape(-1, TILE, TILE).copy()


def _from_pages(pages: Array, tensor: Tensor) -> Array:
    columns = tensor.padded_shape[-1] // TILE
    rows = pages.reshape(-1, columns, TILE, TILE).swapaxes(1, 2)
    whole = rows.reshape(tensor.padded_shape)
    return whole[_logical(tensor)].reshape(tensor.shape)


def _logical(tensor: Tensor) -> tuple[slice, ...]:
    """The part of the padded tensor that is no padding."""
    return tuple(slice(extent) for extent in tensor.device_shape)


#: The part of a tile that a broadcast reads, and the part that a reduction fills.
_BROADCAST: dict[str, Any] = {
    "ROW": np.s_[:1, :],
    "COL": np.s_[:, :1],
    "SCALAR": np.s_[:1, :1],
}
_REDUCED: dict[str, Any] = {
    "REDUCE_COL": np.s_[:1, :],
    "REDUCE_ROW": np.s_[:, :1],
    "REDUCE_SCALAR": np.s_[:1, :1],
}
_REDUCED_AXES: dict[str, Any] = {"REDUCE_COL": 0, "REDUCE_ROW": 1, "REDUCE_SCALAR": None}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "rsub": lambda a, b: b - a,
}


@dataclass
class _Queue:
    """A circular buffer: ``front`` and ``back`` count the pages ever popped and pushed."""

    pages: Array
    front: int = 0
    back: int = 0
    reserved: int = 0
    waited: int = 0

    @property
    def capacity(self) -> int:
        return len(self.pages)

    def reserve(self, pages: int) -> bool:
        self.reserved = pages
        return self.capacity - (self.back - self.front) >= pages

    def push(self, pages: int) -> None:
        _check(pages <= self.reserved, f"{pages} pages pushed, {self.reserved} reserved")
        self.back, self.reserved = self.back + pages, self.reserved - pages

    def wait(self, pages: int) -> bool:
        self.waited = pages
        return self.back - self.front >= pages

    def pop(self, pages: int) -> None:
        _check(pages <= self.waited, f"{pages} pages popped, {self.waited} waited for")
        self.pages[[(self.front + page) % self.capacity for page in range(pages)]] = np.nan
        self.front, self.waited = self.front + pages, self.waited - pages

    def written(self, slot: int) -> int:
        """The page behind ``slot`` from the write pointer."""
        _check(0 <= slot < self.reserved, f"slot {slot} of {self.reserved} reserved")
        return self._address(self.back, slot)

    def read(self, slot: int) -> int:
        """The page behind ``slot`` from the read pointer."""
        _check(0 <= slot < self.waited, f"slot {slot} of {self.waited} waited for")
        return self._address(self.front, slot)

    def _address(self, pointer: int, slot: int) -> int:
        address = pointer % self.capacity + slot
        _check(address < self.capacity, "a block straddles the end of the circular buffer")
        return address


@dataclass
class _Core:
    """One core: its queues, DST, and the transfers that no barrier has waited for."""

    plan: Plan
    index: int
    memory: dict[str, Array]
    queues: dict[str, _Queue] = field(init=False)
    dst: Array = field(init=False)
    dst_state: str = "released"
    fresh: set[int] = field(default_factory=set)
    has_started: bool = False
    ready_for: tuple[Any, ...] = ()
    mask: str | None = None
    pending: dict[str, list[Callable[[], None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queues = {
            buffer.name: _Queue(np.full((buffer.pages, TILE, TILE), np.nan, np.float32))
            for buffer in self.plan.circular_buffers
        }
        self.dst = np.zeros((self.plan.compute.dst_tiles, TILE, TILE), np.float32)
        self.pending = {"read": [], "write": []}

    def run(self) -> None:
        """All three programs to their ends, in turns."""
        running = {name: self._program(program) for name, program in self.plan.programs.items()}
        while running:
            waiting = {name: next(program, None) for name, program in running.items()}
            progress = self._take_turns(running, waiting)
            _check(progress, f"core {self.index}: programs wait for each other: {waiting}")
        for name, queue in self.queues.items():
            _check(queue.front == queue.back, f"{name}: {queue.back - queue.front} pages are left")
        _check(not any(self.pending.values()), "a transfer is not waited for at the end")
        _check(self.dst_state == "released", f"DST is {self.dst_state} at the end")
        _check(self.mask is None, f"the packer is still set to {self.mask} at the end")

    @staticmethod
    def _take_turns(running: dict[Any, Any], waiting: Mapping[Any, str | None]) -> bool:
        """Forget the programs that ended; whether any did, or did anything but wait."""
        ended = [name for name, state in waiting.items() if state is None]
        for name in ended:
            del running[name]
        return bool(ended) or "worked" in waiting.values()

    def _program(self, program: Program) -> Iterator[str]:
        scope = {constant.name: constant.value for constant in program.constants}
        args = program.runtime_args
        scope |= dict(zip(args.names, args.values[self.index], strict=True))
        return self._body(program.body, scope)

    def _body(self, body: tuple[Statement, ...], scope: dict[str, int]) -> Iterator[str]:
        for statement in body:
            match statement:
                case Let(var=var, value=value):
                    scope = {**scope, var: _unsigned(evaluate(value, scope))}
                case For():
                    start, stop = evaluate(statement.start, scope), evaluate(statement.stop, scope)
                    for value in range(_unsigned(start), _unsigned(stop), statement.step):
                        yield from self._body(statement.body, {**scope, statement.var: value})
                case Op():
                    yield from self._operation(statement, scope)

    def _operation(self, op: Op, scope: dict[str, int]) -> Iterator[str]:
        args: dict[str, Any] = dict(op.args)
        for name, expr in expressions(op).items():
            args[name] = _unsigned(evaluate(expr, scope))
        for name in TILE_OPS[op.op].dst:
            _check(args[name] < len(self.dst), f"DST tile {args[name]} of {len(self.dst)}")
        try:
            while getattr(self, f"_{op.op}")(**args) is False:
                yield f"{op.op} {args}"
        except Misuse as error:
            raise Misuse(f"core {self.index}, {op.op} {args}: {error}") from None
        yield "worked"

    # Circular buffers -------------------------------------------------------------------------

    def _cb_reserve_back(self, cb: str, pages: int) -> bool:
        return self.queues[cb].reserve(pages)

    def _cb_push_back(self, cb: str, pages: int) -> None:
        self.queues[cb].push(pages)

    def _cb_wait_front(self, cb: str, pages: int) -> bool:
        return self.queues[cb].wait(pages)

    def _cb_pop_front(self, cb: str, pages: int) -> None:
        self.queues[cb].pop(pages)

    # The NoC: a transfer happens at its barrier, as late as it may ----------------------------

    def _read_page(self, tensor: str, page: int, cb: str, slot: int) -> None:
        pages, source = self.queues[cb].pages, self._page(tensor, page)
        self._later("read", pages, self.queues[cb].written(slot), self.memory[tensor], source)

    def _write_page(self, tensor: str, page: int, cb: str, slot: int) -> None:
        pages, target = self.queues[cb].pages, self._page(tensor, page)
        self._later("write", self.memory[tensor], target, pages, self.queues[cb].read(slot))

    def _page(self, tensor: str, page: int) -> int:
        _check(page < len(self.memory[tensor]), f"{tensor} has {len(self.memory[tensor])} pages")
        return page

    def _fill_page(self, cb: str, word: int) -> None:
        """A page of one number: ``word`` is two bf16 numbers, which must be the same."""
        _check(word >> 16 == word & 0xFFFF, f"{word:#x} is not one number twice")
        (value,) = struct.unpack("<f", struct.pack("<I", word & 0xFFFF0000))
        self.queues[cb].pages[self.queues[cb].written(0)] = value

    def _fill_edge_page(self, cb: str, rows: int, columns: int, word: int, beyond: int) -> None:
        self._fill_page(cb, beyond)
        page = self.queues[cb].pages[self.queues[cb].written(0)]
        outside = page.copy()
        self._fill_page(cb, word)
        page[rows:], page[:, columns:] = outside[rows:], outside[:, columns:]

    def _later(self, kind: str, target: Array, to: int, source: Array, at: int) -> None:
        def transfer() -> None:
            target[to] = source[at]

        self.pending[kind].append(transfer)

    def _read_barrier(self) -> None:
        self._complete("read")

    def _write_barrier(self) -> None:
        self._complete("write")

    def _complete(self, kind: str) -> None:
        for transfer in self.pending[kind]:
            transfer()
        self.pending[kind].clear()

    # DST --------------------------------------------------------------------------------------

    def _dst_step(self, before: str, after: str) -> None:
        _check(self.dst_state == before, f"DST is {self.dst_state}, not {before}")
        self.dst_state = after

    def _tile_regs_acquire(self) -> None:
        self._dst_step("released", "acquired")
        self.dst[...] = 0
        self.fresh = set(range(len(self.dst)))

    def _tile_regs_commit(self) -> None:
        self._dst_step("acquired", "committed")

    def _tile_regs_wait(self) -> None:
        self._dst_step("committed", "waited for")

    def _tile_regs_release(self) -> None:
        self._dst_step("waited for", "released")

    def _pack_tile(self, dst: int, out: str, slot: int) -> None:
        _check(self.dst_state == "waited for", f"DST is {self.dst_state}")
        queue = self.queues[out]
        page = self.dst[dst].copy()
        if self.mask is not None:
            page[...] = np.nan
            part = _REDUCED[self.mask]
            page[part] = self.dst[dst][part]
        queue.pages[queue.written(slot)] = page

    # Mathematics ------------------------------------------------------------------------------

    def _matmul_startup(self, in0: str, in1: str, out: str) -> None:
        self._start()

    def _compute_startup(self, in0: str, in1: str, out: str) -> None:
        self._start()

    def _start(self) -> None:
        _check(not self.has_started, "started twice")
        self.has_started = True

    def _set_up(self, *what: Any) -> None:
        _check(self.has_started, "set up before the start")
        self.ready_for = what

    def _matmul_init(self, in0: str, in1: str, transpose: int) -> None:
        _check(transpose in (0, 1), f"transpose is {transpose}")
        self._set_up("matmul", in0, in1, transpose)

    def _copy_init(self, in0: str) -> None:
        self._set_up("copy", in0)

    def _transpose_init(self, in0: str) -> None:
        self._set_up("transpose", in0)

    def _reduce_init(self, in0: str, in1: str, out: str, pool: str, dim: str) -> None:
        _check(self.mask is None, "a reduction begins before the last one has ended")
        self._set_up("reduce", in0, in1, pool, dim)
        self.mask = dim

    def _reduce_uninit(self, in0: str) -> None:
        _check(self.mask is not None, "no reduction to end")
        self.mask, self.ready_for = None, ()

    def _operand(self, buffer: str, tile: int) -> Array:
        return self.queues[buffer].pages[self.queues[buffer].read(tile)]

    def _math(self, name: str, *operands: tuple[str, int], words: tuple[Any, ...] = ()) -> Any:
        _check(self.dst_state == "acquired", f"DST is {self.dst_state}")
        wanted = (name, *(buffer for buffer, _ in operands), *words)
        _check(self.ready_for == wanted, f"set up for {self.ready_for}, not for {wanted}")
        return [self._operand(*operand) for operand in operands]

    def _matmul_tiles(self, in0: str, in1: str, tile0: int, tile1: int, dst: int) -> None:
        """Adds to DST; whether the second factor is transposed is a matter of the set-up."""
        transpose = self.ready_for[-1]
        a, b = self._math("matmul", (in0, tile0), (in1, tile1), words=(transpose,))
        self._accumulate(dst, a @ (b.T if transpose else b))

    def _accumulate(self, dst: int, value: Array) -> None:
        self.dst[dst] += value
        self.fresh.discard(dst)

    def _set(self, dst: int, value: Array) -> None:
        self.dst[dst] = value
        self.fresh.discard(dst)

    def _copy_tile(self, in0: str, tile0: int, dst: int) -> None:
        (a,) = self._math("copy", (in0, tile0))
        self._set(dst, a)

    def _transpose_tile(self, in0: str, tile0: int, dst: int) -> None:
        (a,) = self._math("transpose", (in0, tile0))
        self._set(dst, a.T)

    def _reduce_tile(
        self, in0: str, in1: str, tile0: int, tile1: int, dst: int, pool: str, dim: str
    ) -> None:
        """Reduces into what is in DST; a register that nothing has written yields to any value."""
        a, scale = self._math("reduce", (in0, tile0), (in1, tile1), words=(pool, dim))
        _check(bool((scale[0] == scale[0, 0]).all()), "the scaling tile is no constant")
        part, axes = _REDUCED[dim], _REDUCED_AXES[dim]
        along = {"SUM": np.sum, "MAX": np.max}[pool]
        value = along(a, axis=axes, keepdims=True) * scale[0, 0]
        if dst not in self.fresh:
            before = self.dst[dst][part]
            value = before + value if pool == "SUM" else np.maximum(before, value)
        result = np.full((TILE, TILE), np.nan, np.float32)
        result[part] = value
        self._set(dst, result)


def _add_arithmetic(name: str) -> None:
    """The operations of two tiles, of a tile and a part of another, and of DST and a tile."""
    compute = _ARITHMETIC[name]

    def of_tiles(core: _Core, in0: str, in1: str, tile0: int, tile1: int, dst: int) -> None:
        a, b = core._math(name, (in0, tile0), (in1, tile1))
        core._set(dst, compute(a, b))

    def broadcast(
        core: _Core, in0: str, in1: str, tile0: int, tile1: int, dst: int, dim: str
    ) -> None:
        a, b = core._math(f"{name}_bcast", (in0, tile0), (in1, tile1), words=(dim,))
        core._set(dst, compute(a, b[_BROADCAST[dim]]))

    def of_dst(core: _Core, in0: str, tile0: int, dst: int) -> None:
        (b,) = core._math(f"{name}_dst", (in0, tile0))
        _check(dst not in core.fresh, f"nothing has been written to DST tile {dst}")
        core._set(dst, compute(core.dst[dst], b))

    def init(core: _Core, in0: str, in1: str) -> None:
        core._set_up(name, in0, in1)

    def broadcast_init(core: _Core, in0: str, in1: str, dim: str) -> None:
        core._set_up(f"{name}_bcast", in0, in1, dim)

    def dst_init(core: _Core, in0: str) -> None:
        core._set_up(f"{name}_dst", in0)

    setattr(_Core, f"_{name}_dst_init", dst_init)
    setattr(_Core, f"_{name}_dst_tiles", of_dst)
    if name != "rsub":
        setattr(_Core, f"_{name}_init", init)
        setattr(_Core, f"_{name}_tiles", of_tiles)
        setattr(_Core, f"_{name}_bcast_init", broadcast_init)
        setattr(_Core, f"_{name}_bcast_tiles", broadcast)


for _name in _ARITHMETIC:
    _add_arithmetic(_name)


def _unsigned(value: int) -> int:
    _check(0 <= value < 2**32, f"{value} is no uint32_t")
    return value


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise Misuse(message)
