"""GridToPersistentTT: from loops over all output tiles to the three programs of each core.

The reader brings tiles from DRAM into circular buffers, the compute program works on them in DST,
and the writer takes the results back. Each loops over its core's share of the output tiles and
moves tiles in *blocks*: one barrier, one push and one pop for several tiles. A block is always
pushed whole, even where its last tiles are not filled, so that blocks never straddle the end of a
circular buffer.

The parts are in :mod:`ttgen.passes.persistent`: ``stages`` takes the lowered function apart,
``blocks`` and ``buffers`` decide how many tiles move at a time and what holds them, ``reader``,
``compute`` and ``writer`` make a program each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import IRModule
from tvm.tirx import PrimFunc

from ttgen.arch import architecture
from ttgen.errors import LoweringError
from ttgen.ops import PROGRAM_NAMES, ProgramName
from ttgen.passes import attrs
from ttgen.passes.base import TTPass
from ttgen.passes.persistent.blocks import Blocks, choose_blocks
from ttgen.passes.persistent.buffers import circular_buffers, scratch_buffers
from ttgen.passes.persistent.compute import ComputeEmitter
from ttgen.passes.persistent.coordinates import Coordinates, partition_constants
from ttgen.passes.persistent.ir import Body, sequence, variables
from ttgen.passes.persistent.reader import ReaderEmitter
from ttgen.passes.persistent.runs import with_runs
from ttgen.passes.persistent.shares import Share, shares_of
from ttgen.passes.persistent.stages import Nest, parse
from ttgen.passes.persistent.writer import WriterEmitter


@dataclass(frozen=True)
class GridToPersistentTT(TTPass):
    """Replaces each function by ``<name>_reader``, ``<name>_compute`` and ``<name>_writer``.

    ``block_tiles`` is how many tiles share a barrier at most; ``buffering`` how many blocks a
    circular buffer holds (2: one is filled while the other is used). Sets ``tt.cb_desc`` and
    ``tt.program``, and narrows ``tt.constants`` to what each program uses.
    """

    name: ClassVar[str] = "tir.tenstorrent.GridToPersistentTT"
    block_tiles: int = 8
    buffering: int = 2

    def transform(self, module: IRModule) -> IRModule:
        """Split every PrimFunc; LoweringError at a body that is not tile loops."""
        if self.block_tiles < 1 or self.buffering < 1:
            raise LoweringError("block_tiles and buffering are at least 1")
        result: dict[str, PrimFunc] = {}
        for var, func in module.functions.items():
            if not isinstance(func, PrimFunc):
                raise LoweringError(
                    f"'{var.name_hint}' is no PrimFunc, but of type {type(func).__name__}",
                    hint="take it out of the module, or lower it to a PrimFunc first",
                )
            for program, split in self._split(func).items():
                name = f"{var.name_hint}_{program}"
                result[name] = split.with_attr("global_symbol", name)
        return IRModule(result)

    def _split(self, func: PrimFunc) -> dict[ProgramName, PrimFunc]:
        partition = attrs.require(func, attrs.PARTITION, self.name)
        parts = parse(func)
        extents = attrs.require(func, attrs.CONSTANTS, self.name)
        nests = [with_runs(nest, partition, extents) for nest in parts]
        shares = shares_of(nests, extents)
        blocks = self._blocks(func, nests, shares)
        scratch = scratch_buffers(attrs.require(func, attrs.LAYOUT_DESC, self.name))
        buffers = circular_buffers(func, list(zip(nests, blocks, strict=True)), scratch)
        described = tvm_ffi.convert(buffers)  # once: what programs share is compared by identity
        own = partition_constants(partition)
        shard = tirx.Var("sy", "int32"), tirx.Var("sx", "int32")
        formats = {str(buffer["name"]): str(buffer["dtype"]) for buffer in buffers}
        start, count = tirx.Var("start", "int32"), tirx.Var("count", "int32")
        constants = list({c.buffer: c for nest in nests for c in nest.constants}.values())
        stages = [stage for nest in nests for stage in nest.stages]
        bodies: dict[ProgramName, Body] = {name: [] for name in PROGRAM_NAMES}
        for nest, size, share in zip(nests, blocks, shares, strict=True):
            mine = share.of(start, count)
            grid = {**partition, "tiles": share.grid}
            order = Coordinates(nest, grid, mine.start, own, shard)
            shared = (nest, size, order, mine.start, mine.count, formats, scratch)
            reader, writer = ReaderEmitter(*shared), WriterEmitter(*shared)
            compute = ComputeEmitter(*shared, stages)
            if nest is nests[0]:
                bodies["reader"] += reader.opening(constants)
                bodies["compute"] += compute.opening(constants)
            bodies["reader"] += mine.bound(reader.body())
            bodies["compute"] += mine.bound(compute.body())
            bodies["writer"] += mine.bound(writer.body())
            if nest is nests[-1]:
                bodies["compute"] += compute.closing(constants)
        return {
            program: _program(
                func, program, bodies[program], [start, count, *shard], described, own
            )
            for program in PROGRAM_NAMES
        }

    def _blocks(self, func: PrimFunc, nests: list[Nest], shares: list[Share]) -> list[Blocks]:
        """The blocks of each part, of which those of the output are equal: they share a buffer."""
        config = attrs.require(func, attrs.COMPUTE_CONFIG, self.name)
        work = attrs.require(func, attrs.WORK_PARTITION, self.name)
        constants = attrs.require(func, attrs.CONSTANTS, self.name)
        arch = architecture(attrs.require(func, attrs.ARCH, self.name))
        dst_tiles = arch.dst_tiles(
            fp32_dest_acc=config["fp32_dest_acc"], dst_full_sync=config["dst_full_sync"]
        )

        def choose(most_output: int) -> list[Blocks]:
            return [
                choose_blocks(
                    nest,
                    constants,
                    [
                        tiles
                        for *_, start, count in work
                        for tiles in share.tiles_together(start, count, in_runs=nest.has_runs)
                    ],
                    dst_tiles=dst_tiles,
                    block_tiles=self.block_tiles,
                    buffering=self.buffering,
                    most_output=most_output,
                )
                for nest, share in zip(nests, shares, strict=True)
            ]

        return choose(min(blocks.output for blocks in choose(self.block_tiles)))


def _program(
    func: PrimFunc,
    program: ProgramName,
    body: Body,
    arguments: list[tvm.ir.Var],
    buffers: tvm.ir.Array,
    own: Mapping[tvm.ir.Var, int],
) -> PrimFunc:
    """A program as a function of the tensors, runtime arguments and constants that it uses.

    ``own`` are constants that the lowered function does not have.
    """
    stmt = sequence(body)
    used = set(variables(stmt))
    constants = attrs.require(func, attrs.CONSTANTS, GridToPersistentTT.name)
    constants = constants | {var.name: value for var, value in own.items()}
    params = [param for param in func.params if param in used]
    tensors = [param for param in params if isinstance(param.ty, tirx.BufferType)]
    runtime = [var for var in arguments if var in used]
    symbols = [param for param in params if not isinstance(param.ty, tirx.BufferType)]
    symbols += list(own) if any(var in used for var in own) else []
    # Functions of one module share no variables, or the printed module does not parse to itself.
    result = s_tir.renew_defs(PrimFunc([*tensors, *runtime, *symbols], stmt, attrs=func.attrs))
    return result.with_attrs(
        {
            attrs.CB_DESC: buffers,
            attrs.CONSTANTS: {var.name: constants[var.name] for var in symbols},
            attrs.PROGRAM: program,
        }
    )
