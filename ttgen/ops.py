"""The tile operations: what plans, intrinsics, templates and checks know about each of them.

An operation is added here (one row), as a macro in ``templates/ops/<name>.j2``, and in the pass
that emits it. Everything else is driven by this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

ProgramName: TypeAlias = Literal["reader", "compute", "writer"]
#: A core's programs, in the order in which data passes through them.
PROGRAM_NAMES: tuple[ProgramName, ...] = ("reader", "compute", "writer")


class Kind(Enum):
    """What an argument of an operation is."""

    CB = "circular buffer"
    TENSOR = "tensor"
    EXPR = "expression"


DATA_MOVEMENT: tuple[ProgramName, ...] = ("reader", "writer")
COMPUTE: tuple[ProgramName, ...] = ("compute",)
ANYWHERE: tuple[ProgramName, ...] = ("reader", "compute", "writer")


@dataclass(frozen=True)
class TileOp:
    """One operation: its parameters in order, and the programs that may use it.

    ``dst`` names the parameters that index DST registers (tiles).
    """

    name: str
    programs: tuple[ProgramName, ...]
    params: tuple[tuple[str, Kind], ...]
    dst: tuple[str, ...] = ()


def _op(name: str, programs: tuple[ProgramName, ...], **params: Kind) -> TileOp:
    dst = tuple(p for p in params if p == "dst" or p.startswith("dst_"))
    return TileOp(name, programs, tuple(params.items()), dst)


_CB, _TENSOR, _EXPR = Kind.CB, Kind.TENSOR, Kind.EXPR

_TABLE = (
    # Circular buffers: a producer reserves, fills and pushes pages; a consumer waits and pops.
    _op("cb_reserve_back", ANYWHERE, cb=_CB, pages=_EXPR),
    _op("cb_push_back", ANYWHERE, cb=_CB, pages=_EXPR),
    _op("cb_wait_front", ANYWHERE, cb=_CB, pages=_EXPR),
    _op("cb_pop_front", ANYWHERE, cb=_CB, pages=_EXPR),
    # The NoC: `slot` counts pages from the buffer's write (read) pointer.
    _op("read_page", ("reader",), tensor=_TENSOR, page=_EXPR, cb=_CB, slot=_EXPR),
    _op("read_barrier", ("reader",)),
    _op("write_page", ("writer",), tensor=_TENSOR, page=_EXPR, cb=_CB, slot=_EXPR),
    _op("write_barrier", ("writer",)),
    # DST: math acquires and commits a side, the packer waits for it and releases it.
    _op("tile_regs_acquire", COMPUTE),
    _op("tile_regs_commit", COMPUTE),
    _op("tile_regs_wait", COMPUTE),
    _op("tile_regs_release", COMPUTE),
    # Set-up of unpacker, math and packer; one *_startup per program, before its first operation.
    _op("matmul_startup", COMPUTE, in0=_CB, in1=_CB, out=_CB),
    _op("compute_startup", COMPUTE, in0=_CB, in1=_CB, out=_CB),
    _op("matmul_init", COMPUTE, in0=_CB, in1=_CB),
    _op("add_init", COMPUTE, in0=_CB, in1=_CB),
    _op("sub_init", COMPUTE, in0=_CB, in1=_CB),
    _op("mul_init", COMPUTE, in0=_CB, in1=_CB),
    _op("copy_init", COMPUTE, in0=_CB),
    # Math: `tile*` counts pages from the buffer's read pointer.
    _op("matmul_tiles", COMPUTE, in0=_CB, in1=_CB, tile0=_EXPR, tile1=_EXPR, dst=_EXPR),
    _op("add_tiles", COMPUTE, in0=_CB, in1=_CB, tile0=_EXPR, tile1=_EXPR, dst=_EXPR),
    _op("sub_tiles", COMPUTE, in0=_CB, in1=_CB, tile0=_EXPR, tile1=_EXPR, dst=_EXPR),
    _op("mul_tiles", COMPUTE, in0=_CB, in1=_CB, tile0=_EXPR, tile1=_EXPR, dst=_EXPR),
    _op("copy_tile", COMPUTE, in0=_CB, tile0=_EXPR, dst=_EXPR),
    _op("pack_tile", COMPUTE, dst=_EXPR, out=_CB, slot=_EXPR),
)

TILE_OPS: dict[str, TileOp] = {op.name: op for op in _TABLE}
