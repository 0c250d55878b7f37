"""The tile operations: what plans, intrinsics, templates and checks know about each of them.

An operation is added here (one row), as a macro in ``templates/ops/<name>.j2``, and in the pass
that emits it. Everything else is driven by this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

from ttgen.vector import FORMS, VECTOR

ProgramName: TypeAlias = Literal["reader", "compute", "writer"]
#: A core's programs, in the order in which data passes through them.
PROGRAM_NAMES: tuple[ProgramName, ...] = ("reader", "compute", "writer")


class Kind(Enum):
    """What an argument of an operation is."""

    CB = "circular buffer"
    TENSOR = "tensor"
    EXPR = "expression"
    BROADCAST = "broadcast"
    POOL = "pool"
    REDUCE_DIM = "reduce dimension"
    UNARY = "operation of the vector unit"
    BINARY = "operation of the vector unit on two tiles"
    TERNARY = "operation of the vector unit on three tiles"


#: What an operation of the vector unit is, by its number of operands.
VECTOR_KINDS = {1: Kind.UNARY, 2: Kind.BINARY, 3: Kind.TERNARY}

#: The words that an argument may be, in the SDK's spelling, and the rows of :data:`VECTOR`.
WORDS: dict[Kind, tuple[str, ...]] = {
    Kind.BROADCAST: ("ROW", "COL", "SCALAR"),
    Kind.POOL: ("SUM", "MAX"),
    Kind.REDUCE_DIM: ("REDUCE_ROW", "REDUCE_COL", "REDUCE_SCALAR"),
    **{
        kind: tuple(row.name for row in VECTOR.values() if row.operands == count)
        for count, kind in VECTOR_KINDS.items()
    },
}


DATA_MOVEMENT: tuple[ProgramName, ...] = ("reader", "writer")
COMPUTE: tuple[ProgramName, ...] = ("compute",)
ANYWHERE: tuple[ProgramName, ...] = ("reader", "compute", "writer")


@dataclass(frozen=True)
class TileOp:
    """One operation: its parameters in order, and the programs that may use it.

    ``dst`` names the parameters that index DST registers (tiles); what it reads of several is
    ``dst_a``, ``dst_b``, …, what it writes ``dst``. ``transfer`` says that it brings
    a page of a tensor into a circular buffer or takes one away, and is done at the next barrier.
    """

    name: str
    programs: tuple[ProgramName, ...]
    params: tuple[tuple[str, Kind], ...]
    dst: tuple[str, ...] = ()
    transfer: Literal["read", "write"] | None = None


def _op(name: str, programs: tuple[ProgramName, ...], **params: Kind) -> TileOp:
    dst = tuple(p for p in params if p == "dst" or p.startswith("dst_"))
    return TileOp(name, programs, tuple(params.items()), dst)


_CB, _TENSOR, _EXPR = Kind.CB, Kind.TENSOR, Kind.EXPR
_BCAST, _POOL, _DIM = Kind.BROADCAST, Kind.POOL, Kind.REDUCE_DIM


def _transfer(name: str, kind: Literal["read", "write"], **more: Kind) -> TileOp:
    program: ProgramName = "reader" if kind == "read" else "writer"
    params = {"tensor": _TENSOR, "page": _EXPR, "cb": _CB, "slot": _EXPR, **more}
    return TileOp(name, (program,), tuple(params.items()), transfer=kind)


def _vector(count: int) -> tuple[TileOp, TileOp]:
    """Set-up and work of an operation of the vector unit on ``count`` DST registers."""
    registers = [f"dst_{letter}" for letter in "abc"[:count]] if count > 1 else []
    params = {"function": VECTOR_KINDS[count], **dict.fromkeys([*registers, "dst"], _EXPR)}
    return (
        _op(f"{FORMS[count]}_init", COMPUTE, function=VECTOR_KINDS[count]),
        _op(f"{FORMS[count]}_tile", COMPUTE, **params),
    )


_TABLE = (
    # Circular buffers: a producer reserves, fills and pushes pages; a consumer waits and pops.
    _op("cb_reserve_back", ANYWHERE, cb=_CB, pages=_EXPR),
    _op("cb_push_back", ANYWHERE, cb=_CB, pages=_EXPR),
    _op("cb_wait_front", ANYWHERE, cb=_CB, pages=_EXPR),
    _op("cb_pop_front", ANYWHERE, cb=_CB, pages=_EXPR),
    # The NoC: `slot` counts pages from the buffer's write (read) pointer. `*_rows` are for tensors
    # whose pages are rows: `page` is the tile that they make; rows pass through the page `scratch`.
    _transfer("read_page", "read"),
    _transfer("read_rows", "read", scratch=_CB),
    _op("read_barrier", ("reader",)),
    _transfer("write_page", "write"),
    _transfer("write_rows", "write"),
    _op("write_barrier", ("writer",)),
    # A page of one number, made in L1; `word` is the number in the format of the buffer, as often
    # as it fits into 32 bits.
    _op("fill_page", ("reader",), cb=_CB, word=_EXPR),
    # Then another number in its first rows and columns, or in the first columns of each row:
    # `columns` of its last row, one less in each row above.
    _op("fill_corner", ("reader",), cb=_CB, rows=_EXPR, columns=_EXPR, word=_EXPR),
    _op("fill_triangle", ("reader",), cb=_CB, columns=_EXPR, word=_EXPR),
    # DST: math acquires and commits a side, the packer waits for it and releases it.
    _op("tile_regs_acquire", COMPUTE),
    _op("tile_regs_commit", COMPUTE),
    _op("tile_regs_wait", COMPUTE),
    _op("tile_regs_release", COMPUTE),
    # Set-up of unpacker, math and packer; one *_startup per program, before its first operation.
    _op("matmul_startup", COMPUTE, in0=_CB, in1=_CB, out=_CB),
    _op("compute_startup", COMPUTE, in0=_CB, in1=_CB, out=_CB),
    # Other formats than those that the units were last set up for: of what the unpackers and DST
    # bring into the FPU's two sources, and of what the packer writes.
    _op("reconfig_sources", COMPUTE, a=_CB, b=_CB),
    _op("reconfig_source_a", COMPUTE, a=_CB),
    _op("reconfig_pack", COMPUTE, out=_CB),
    _op("matmul_init", COMPUTE, in0=_CB, in1=_CB, transpose=_EXPR),
    *(
        _op(f"{name}_init", COMPUTE, in0=_CB, in1=_CB)
        for name in ("add", "sub", "mul", "accumulate")
    ),
    *(
        _op(f"{name}_bcast_init", COMPUTE, in0=_CB, in1=_CB, dim=_BCAST)
        for name in ("add", "sub", "mul")
    ),
    *(_op(f"{name}_dst_init", COMPUTE, in0=_CB) for name in ("add", "sub", "rsub", "mul")),
    _op("copy_init", COMPUTE, in0=_CB),
    _op("transpose_init", COMPUTE, in0=_CB),
    _op("reduce_init", COMPUTE, in0=_CB, in1=_CB, out=_CB, pool=_POOL, dim=_DIM),
    _op("reduce_uninit", COMPUTE, in0=_CB),
    # Math: `tile*` counts pages from the buffer's read pointer. `*_dst` takes one operand from the
    # DST register that it writes; `rsub_dst` subtracts that register from the other operand.
    # `accumulate` adds both operands to it.
    *(
        _op(f"{name}_tiles", COMPUTE, in0=_CB, in1=_CB, tile0=_EXPR, tile1=_EXPR, dst=_EXPR)
        for name in ("matmul", "add", "sub", "mul", "accumulate")
    ),
    *(
        _op(
            f"{name}_bcast_tiles",
            COMPUTE,
            in0=_CB,
            in1=_CB,
            tile0=_EXPR,
            tile1=_EXPR,
            dst=_EXPR,
            dim=_BCAST,
        )
        for name in ("add", "sub", "mul")
    ),
    *(
        _op(f"{name}_dst_tiles", COMPUTE, in0=_CB, tile0=_EXPR, dst=_EXPR)
        for name in ("add", "sub", "rsub", "mul")
    ),
    _op("copy_tile", COMPUTE, in0=_CB, tile0=_EXPR, dst=_EXPR),
    _op("transpose_tile", COMPUTE, in0=_CB, tile0=_EXPR, dst=_EXPR),
    _op(
        "reduce_tile",
        COMPUTE,
        in0=_CB,
        in1=_CB,
        tile0=_EXPR,
        tile1=_EXPR,
        dst=_EXPR,
        pool=_POOL,
        dim=_DIM,
    ),
    # The vector unit works on DST registers alone; of one operand, on the one that it writes.
    *(op for count in FORMS for op in _vector(count)),
    _op("pack_tile", COMPUTE, dst=_EXPR, out=_CB, slot=_EXPR),
)

TILE_OPS: dict[str, TileOp] = {op.name: op for op in _TABLE}
