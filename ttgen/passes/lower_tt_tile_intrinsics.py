"""LowerTTTileIntrinsics: from loops over elements to loops over tiles with ``tt.*`` operations.

An output tile is made in *stages*. A stage works in one DST register and ends with a ``tt.pack``:
into the output, or into a temporary tile that a later stage reads. What fits in one stage stays in
one: a sum and what is done with it, a chain of operations whose other operands are tiles in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tvm.tirx import PrimFunc

from ttgen.analysis import Computation, vectors
from ttgen.arch import Architecture, architecture
from ttgen.errors import Location, LoweringError
from ttgen.formats import FORMATS, Format, working_format
from ttgen.passes import attrs
from ttgen.passes.base import FuncPass
from ttgen.passes.meaning import meaning
from ttgen.passes.tiling.emitter import tile_loops
from ttgen.vector import VECTOR


@dataclass(frozen=True)
class LowerTTTileIntrinsics(FuncPass):
    """Rewrites the body, and sets ``tt.constants``, ``tt.const_tiles`` and ``tt.compute_config``.

    The new parameters ``Mt``, ``Nt`` and ``Kt`` are the rows and columns of output tiles and the
    tiles reduced over; extents of batch dimensions are called like their loops. A tile of a tensor
    is the tensor and a page number.

    ``fp32_dest_acc``: DST holds float32. Unless it is said, it does so for tensors of 32 bits, for
    operations of the vector unit that need it (:attr:`ttgen.vector.VectorOp.needs_fp32`), and for
    sums where the chip adds them up without fault
    (:attr:`ttgen.arch.Architecture.fp32_sums`): with bf16 in DST every step of a sum is rounded,
    and the error grows with its length.

    ``stream_tiles``: sums below a maximum over more tiles than these are *streamed* (see
    :mod:`ttgen.passes.tiling.streaming`), so many tiles at a time, at most.
    """

    name: ClassVar[str] = "tir.tenstorrent.LowerTTTileIntrinsics"
    fidelity: Literal["LoFi", "HiFi2", "HiFi3", "HiFi4"] = "HiFi4"
    fp32_dest_acc: bool | None = None
    math_approx: bool = False
    dst_full_sync: bool = False
    stream_tiles: int = 8

    def apply(self, func: PrimFunc) -> PrimFunc:
        """Lower the function; LoweringError at an expression that has no tile operation yet."""
        attrs.require(func, attrs.PARTITION, self.name)
        if self.stream_tiles < 1:
            raise LoweringError("stream_tiles is at least 1")
        computation = meaning(func)
        arch = architecture(attrs.require(func, attrs.ARCH, self.name))
        layouts = attrs.require(func, attrs.LAYOUT_DESC, self.name)
        formats = {name: layout["dtype"] for name, layout in layouts.items()}
        working = working_format(formats.values())
        fp32 = self._holds_fp32(computation, arch, working, attrs.kernel_place(func))
        if not fp32 and any(FORMATS[name].kind == "integer" for name in formats.values()):
            raise LoweringError(
                "int32 needs DST to hold 32 bits",
                at=attrs.kernel_place(func),
                hint="leave fp32_dest_acc: false out",
            )
        dst_tiles = arch.dst_tiles(fp32_dest_acc=fp32, dst_full_sync=self.dst_full_sync)
        loops = tile_loops(
            computation, formats, dst_tiles=dst_tiles, stream_tiles=self.stream_tiles
        )
        lowered = PrimFunc([*func.params, *loops.symbols], loops.body, attrs=func.attrs)
        return lowered.with_attrs(
            {
                attrs.CONSTANTS: loops.constants,
                attrs.CONST_TILES: {
                    name: [page.as_attribute() for page in pages]
                    for name, pages in loops.const_tiles.items()
                },
                attrs.COMPUTE_CONFIG: {
                    "fidelity": self.fidelity,
                    "fp32_dest_acc": fp32,
                    "math_approx": self.math_approx,
                    "dst_full_sync": self.dst_full_sync,
                },
            }
        )

    def _holds_fp32(
        self, computation: Computation, arch: Architecture, working: Format, at: Location
    ) -> bool:
        """Whether DST holds float32; LoweringError where it does not, and an operation needs it."""
        needing = (node for part in computation.parts for node in vectors(part.value))
        wide = next((node for node in needing if VECTOR[node.op].needs_fp32), None)
        fp32, hint = self.fp32_dest_acc, "leave fp32_dest_acc: false out"
        if fp32 is None:
            has_sums = any(reduction.op == "add" for reduction in computation.reductions())
            fp32 = arch.fp32_sums if has_sums else working.is_wide or wide is not None
            hint = f"{arch.name} adds up in bf16: add up in a kernel of its own, or weigh "
            hint += "fp32_dest_acc: true (docs/hardware-notes.md)"
        if wide is not None and not fp32:
            raise LoweringError(
                f"'{wide.op}' needs DST to hold float32",
                at=wide.at if wide.at.path else at,
                hint=hint,
            )
        return fp32
