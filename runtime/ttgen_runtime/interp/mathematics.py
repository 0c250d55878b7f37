"""Operations of the compute program: DST, set-up of unpacker, math and packer, mathematics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ttgen.vector import FORMS
from ttgen_runtime.interp import dst as sides
from ttgen_runtime.interp.errors import check
from ttgen_runtime.interp.formats import STORAGE, Array
from ttgen_runtime.interp.vector import MEANING

if TYPE_CHECKING:
    from ttgen_runtime.interp.core import Core


@dataclass
class SetUp:
    """What unpacker, math and packer are set to.

    ``ready_for`` is the operation and what it was set up with; ``mask`` the part of a tile that
    the packer leaves over, during a reduction. ``formats`` are those that the FPU's sources ``a``
    and ``b`` and the packer (``out``) are set to.
    """

    has_started: bool = False
    formats: dict[str, str] = field(default_factory=dict)
    ready_for: tuple[Any, ...] = ()
    mask: str | None = None
    masked_at: str = ""

    def start(self, **formats: str) -> None:
        """The one start of a program."""
        check(not self.has_started, "the program is started twice")
        self.has_started = True
        self.formats = formats

    def reconfigure(self, **formats: str) -> None:
        """Other formats for some of what the start has set up."""
        check(self.has_started, "set up before the program's start")
        self.formats |= formats

    def require_format(self, unit: str, dtype: str) -> None:
        """Misuse unless a source or the packer is set to ``dtype``."""
        found = self.formats.get(unit)
        what = "the packer" if unit == "out" else f"source {unit.upper()}"
        check(found == dtype, f"{what} is set to {found}, not to {dtype}")

    def prepare(self, *what: Any) -> None:
        """Set up for an operation."""
        check(self.has_started, "set up before the program's start")
        self.ready_for = what

    def require(self, *what: Any) -> None:
        """Misuse unless it is set up for just this."""
        check(self.ready_for == what, f"set up for {_said(self.ready_for)}, not for {_said(what)}")


def _said(what: tuple[Any, ...]) -> str:
    name, *arguments = what or ("nothing",)
    return f"{name}({', '.join(map(str, arguments))})" if arguments else str(name)


# DST ------------------------------------------------------------------------------------------


def tile_regs_acquire(core: Core) -> None:
    core.dst.step(sides.RELEASED, sides.ACQUIRED, core.at)


def tile_regs_commit(core: Core) -> None:
    core.dst.step(sides.ACQUIRED, sides.COMMITTED, core.at)


def tile_regs_wait(core: Core) -> None:
    core.dst.step(sides.COMMITTED, sides.AWAITED, core.at)


def tile_regs_release(core: Core) -> None:
    core.dst.step(sides.AWAITED, sides.RELEASED, core.at)


def pack_tile(core: Core, dst: int, out: str, slot: int) -> None:
    """During a reduction the packer writes zeros beside the result."""
    buffer = core.buffers[out]
    core.setup.require_format("out", buffer.plan.dtype)
    values = core.dst.packed(dst, buffer.plan.dtype)
    if core.setup.mask is not None:
        part = _REDUCED[core.setup.mask]
        masked = np.zeros_like(values)
        masked[part] = values[part]
        values = masked
    buffer.write(slot, values)


# Set-up ---------------------------------------------------------------------------------------


def _dtype(core: Core, buffer: str) -> str:
    return core.buffers[buffer].plan.dtype


def matmul_startup(core: Core, in0: str, in1: str, out: str) -> None:
    """The second factor of a product is in source A."""
    compute_startup(core, in1, in0, out)


def compute_startup(core: Core, in0: str, in1: str, out: str) -> None:
    core.setup.start(a=_dtype(core, in0), b=_dtype(core, in1), out=_dtype(core, out))


def reconfig_sources(core: Core, a: str, b: str) -> None:
    core.setup.reconfigure(a=_dtype(core, a), b=_dtype(core, b))


def reconfig_source_a(core: Core, a: str) -> None:
    core.setup.reconfigure(a=_dtype(core, a))


def reconfig_pack(core: Core, out: str) -> None:
    core.setup.reconfigure(out=_dtype(core, out))


def matmul_init(core: Core, in0: str, in1: str, transpose: int) -> None:
    check(transpose in (0, 1), f"transpose is {transpose}")
    core.setup.prepare("matmul", in0, in1, transpose)


def copy_init(core: Core, in0: str) -> None:
    core.setup.prepare("copy", in0)


def transpose_init(core: Core, in0: str) -> None:
    core.setup.prepare("transpose", in0)


def reduce_init(core: Core, in0: str, in1: str, out: str, pool: str, dim: str) -> None:
    check(core.setup.mask is None, "a reduction begins before the last one has ended")
    core.setup.prepare("reduce", in0, in1, pool, dim)
    core.setup.mask, core.setup.masked_at = dim, core.at


def reduce_uninit(core: Core, in0: str) -> None:
    check(core.setup.mask is not None, "there is no reduction to end")
    core.setup.mask, core.setup.ready_for = None, ()


# Mathematics ----------------------------------------------------------------------------------

#: The part of a tile that a broadcast reads, and the part that a reduction fills.
_BROADCAST: dict[str, Any] = {"ROW": np.s_[:1, :], "COL": np.s_[:, :1], "SCALAR": np.s_[:1, :1]}
_REDUCED: dict[str, Any] = {
    "REDUCE_COL": np.s_[:1, :],
    "REDUCE_ROW": np.s_[:, :1],
    "REDUCE_SCALAR": np.s_[:1, :1],
}
_REDUCED_AXES: dict[str, Any] = {"REDUCE_COL": 0, "REDUCE_ROW": 1, "REDUCE_SCALAR": None}


def _operand(core: Core, source: str, buffer: str, tile: int) -> Array:
    """What source ``a`` or ``b`` gets of a page; Misuse where the FPU cannot compute with it.

    The FPU reads both sources in the shape of A's format (tt-isa-documentation, SrcA's style): TF32
    in B beside bf16 in A counts as bf16.
    """
    dtype = _dtype(core, buffer)
    core.setup.require_format(source, dtype)
    check(STORAGE[dtype].is_float, f"the FPU does not compute with {dtype}")
    values = core.numerics.source(core.buffers[buffer].read(tile), dtype)
    return _in_style(core, source, values)


def _in_style(core: Core, source: str, values: Array) -> Array:
    """``values`` of a source as the FPU reads them: it takes B for what A's format is."""
    style = core.setup.formats["a"]
    return core.numerics.in_style(values, style) if source == "b" else values


def _moved(core: Core, buffer: str, tile: int) -> Array:
    """A page on its way through to DST."""
    plan = core.buffers[buffer].plan
    core.setup.require_format("a", plan.dtype)
    values = core.buffers[buffer].read(tile)
    return values if plan.unpack_to_dst else core.numerics.source(values, plan.dtype)


def _set(core: Core, dst: int, values: Array) -> None:
    core.dst.set(dst, np.broadcast_to(values, (32, 32)))


def matmul_tiles(core: Core, in0: str, in1: str, tile0: int, tile1: int, dst: int) -> None:
    """Adds to DST; whether the second factor is transposed is a matter of the set-up."""
    transpose = core.setup.ready_for[-1] if core.setup.ready_for else 0
    core.setup.require("matmul", in0, in1, transpose)
    left, right = _operand(core, "b", in0, tile0), _operand(core, "a", in1, tile1)
    total = core.dst.register(dst)
    start = np.zeros((32, 32), np.float32) if total is None else total
    product = core.numerics.matmul(start, left, right.T if transpose else right)
    _set(core, dst, product)


def accumulate_init(core: Core, in0: str, in1: str) -> None:
    core.setup.prepare("accumulate", in0, in1)


def accumulate_tiles(core: Core, in0: str, in1: str, tile0: int, tile1: int, dst: int) -> None:
    """Adds the sum of two tiles to DST."""
    core.setup.require("accumulate", in0, in1)
    a, b = _operand(core, "a", in0, tile0), _operand(core, "b", in1, tile1)
    held = core.dst.register(dst)
    total = core.numerics.add(a, b)
    _set(core, dst, total if held is None else core.numerics.accumulate(held, total))


def copy_tile(core: Core, in0: str, tile0: int, dst: int) -> None:
    core.setup.require("copy", in0)
    _set(core, dst, _moved(core, in0, tile0))


def transpose_tile(core: Core, in0: str, tile0: int, dst: int) -> None:
    core.setup.require("transpose", in0)
    _set(core, dst, _moved(core, in0, tile0).T)


def reduce_tile(
    core: Core, in0: str, in1: str, tile0: int, tile1: int, dst: int, pool: str, dim: str
) -> None:
    """Reduces into what is in DST; a register that nothing has written yields to any value."""
    core.setup.require("reduce", in0, in1, pool, dim)
    # A sum along rows is a product with a column: its tile is in source B.
    ours, its = ("b", "a") if (pool, dim) == ("SUM", "REDUCE_ROW") else ("a", "b")
    tile, scales = _operand(core, ours, in0, tile0), _operand(core, its, in1, tile1)
    scale = float(scales[0, 0])
    check(bool((scales[0] == scales[0, 0]).all()), "the scaling tile is no constant")
    held = core.dst.register(dst)
    before = None if held is None else held[_REDUCED[dim]]
    result = np.full((32, 32), np.nan, np.float32)
    reduced = {"SUM": _sum, "MAX": _maximum}[pool]
    result[_REDUCED[dim]] = reduced(core, in0, tile, scale, before, dim)
    _set(core, dst, result)


def _sum(core: Core, in0: str, tile: Array, scale: float, before: Array | None, dim: str) -> Array:
    total = np.zeros((), np.float32) if before is None else before
    if dim == "REDUCE_ROW":
        return core.numerics.sum_rows(total, tile, scale)
    if dim == "REDUCE_COL":
        return core.numerics.sum_columns(total, tile, scale)
    return core.numerics.sum_tile(total, tile, scale, core.buffers[in0].plan.dtype)


def _maximum(
    core: Core, in0: str, tile: Array, scale: float, before: Array | None, dim: str
) -> Array:
    """The pool unit compares what fits bfloat16 (beside fp32: TF32); it only scales by powers."""
    check(scale == 1, f"a maximum is scaled by {scale}, not by 1")
    largest = np.max(tile, axis=_REDUCED_AXES[dim], keepdims=True)
    return np.asarray(largest if before is None else np.maximum(before, largest))


def _from_dst(core: Core, source: str, values: Array) -> Array:
    """What source ``a`` or ``b`` takes from DST: no more than the format that it is set to has."""
    return _in_style(core, source, core.numerics.in_style(values, core.setup.formats[source]))


# The vector unit --------------------------------------------------------------------------------


def _vector_init(form: str) -> Callable[..., None]:
    return lambda core, function: core.setup.prepare(form, function)


def _vector_tile(form: str) -> Callable[..., None]:
    """Reads and writes DST alone: of one operand, the register that it works on."""

    def operation(core: Core, function: str, dst: int, **registers: int) -> None:
        core.setup.require(form, function)
        numbers = [registers[name] for name in sorted(registers)] or [dst]
        _set(core, dst, MEANING[function](*map(core.dst.written, numbers)))

    return operation


# Arithmetic of two operands: the first is in source register A, the second in B ----------------

_Binary = Callable[["Core", Array, Array], Array]
_BINARY: dict[str, _Binary] = {
    "add": lambda core, a, b: core.numerics.add(a, b),
    "sub": lambda core, a, b: core.numerics.add(a, -b),
    "mul": lambda core, a, b: core.numerics.multiply(a, b),
}
#: Operations with DST: which arithmetic, and whether DST is its first operand.
_WITH_DST = {
    "add": ("add", True),
    "sub": ("sub", True),
    "rsub": ("sub", False),
    "mul": ("mul", True),
}


def _of_tiles(name: str) -> Callable[..., None]:
    def operation(core: Core, in0: str, in1: str, tile0: int, tile1: int, dst: int) -> None:
        core.setup.require(name, in0, in1)
        _into_fresh(core, name, dst)
        a, b = _operand(core, "a", in0, tile0), _operand(core, "b", in1, tile1)
        _set(core, dst, _BINARY[name](core, a, b))

    return operation


def _of_part(name: str) -> Callable[..., None]:
    def operation(
        core: Core, in0: str, in1: str, tile0: int, tile1: int, dst: int, dim: str
    ) -> None:
        core.setup.require(f"{name}_bcast", in0, in1, dim)
        _into_fresh(core, name, dst)
        a, b = _operand(core, "a", in0, tile0), _operand(core, "b", in1, tile1)
        part = np.broadcast_to(b[_BROADCAST[dim]], a.shape)
        _set(core, dst, _BINARY[name](core, a, part))

    return operation


def _of_dst(name: str) -> Callable[..., None]:
    arithmetic, dst_first = _WITH_DST[name]

    def operation(core: Core, in0: str, tile0: int, dst: int) -> None:
        core.setup.require(f"{name}_dst", in0)
        ours, its = ("a", "b") if dst_first else ("b", "a")
        held = _from_dst(core, ours, core.dst.written(dst))
        tile = _operand(core, its, in0, tile0)
        a, b = (held, tile) if dst_first else (tile, held)
        _set(core, dst, _BINARY[arithmetic](core, a, b))

    return operation


def _into_fresh(core: Core, name: str, dst: int) -> None:
    """The multiplier adds to what a register holds, however it is set up."""
    fresh = name != "mul" or core.dst.register(dst) is None
    check(fresh, f"a product would be added to what DST tile {dst} holds")


def _inits(name: str) -> dict[str, Callable[..., None]]:
    return {
        f"{name}_init": lambda core, in0, in1: core.setup.prepare(name, in0, in1),
        f"{name}_bcast_init": lambda core, in0, in1, dim: core.setup.prepare(
            f"{name}_bcast", in0, in1, dim
        ),
    }


def _dst_init(name: str) -> Callable[..., None]:
    return lambda core, in0: core.setup.prepare(f"{name}_dst", in0)


OPERATIONS: dict[str, Callable[..., None]] = {
    operation.__name__: operation
    for operation in (
        tile_regs_acquire,
        tile_regs_commit,
        tile_regs_wait,
        tile_regs_release,
        pack_tile,
        matmul_startup,
        compute_startup,
        reconfig_sources,
        reconfig_source_a,
        reconfig_pack,
        matmul_init,
        matmul_tiles,
        accumulate_init,
        accumulate_tiles,
        copy_init,
        copy_tile,
        transpose_init,
        transpose_tile,
        reduce_init,
        reduce_tile,
        reduce_uninit,
    )
}
for _name in FORMS.values():
    OPERATIONS |= {f"{_name}_init": _vector_init(_name), f"{_name}_tile": _vector_tile(_name)}
for _name in _BINARY:
    OPERATIONS |= _inits(_name)
    OPERATIONS |= {f"{_name}_tiles": _of_tiles(_name), f"{_name}_bcast_tiles": _of_part(_name)}
for _name in _WITH_DST:
    OPERATIONS |= {f"{_name}_dst_init": _dst_init(_name), f"{_name}_dst_tiles": _of_dst(_name)}
