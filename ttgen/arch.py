"""Architectures: what a plan is checked against, one row each.

The worker grid is what tt-metal offers to programs on one unharvested chip. ``l1_bytes`` is what
is left of L1 for circular buffers and tensors beside the kernels themselves, as ``get_memory_view``
of a device answers for release 0.81.1 (a test asks it again). DST and the four fidelities are
described in Tenstorrent's ISA documentation (TensixTile/TensixCoprocessor).
"""

from __future__ import annotations

from dataclasses import dataclass

from ttgen.errors import TTError

#: Circular buffers per core on both architectures.
MAX_CIRCULAR_BUFFERS = 32
#: Tiles in DST: 16 of 16-bit data; 32-bit data takes two registers a value.
_DST_TILES_16 = 16


@dataclass(frozen=True)
class Architecture:
    """One chip family: ``grid`` worker columns and rows, ``l1_bytes`` bytes per core.

    ``dram_alignment`` and ``l1_alignment``: the NoC moves pages that begin and end at multiples of
    so many bytes (``DRAM_ALIGNMENT`` and ``L1_ALIGNMENT`` of the SDK's ``noc_parameters.h``).

    ``fp32_sums``: whether DST adds up float32 without fault. Wormhole's does not: a sum that
    cancels to exactly minus one unit in the last place is renormalised 27 binary places too high,
    a rare outlier of about sixteen times the operands. (Seen on Wolfpine 2.2, whose model of it is
    Wormhole's alone and is tested against a port of Tenstorrent's ttsim.) Sums in bf16 cannot meet
    it: their last place is higher than the adder's.
    """

    name: str
    grid: tuple[int, int]
    l1_bytes: int
    clock_mhz: int
    fp32_sums: bool
    dram_alignment: int
    l1_alignment: int = 16

    def alignment(self, memory: str) -> int:
        """Bytes whose multiples pages in ``memory`` (DRAM or L1) are."""
        return self.dram_alignment if memory == "DRAM" else self.l1_alignment

    def dst_tiles(self, *, fp32_dest_acc: bool, dst_full_sync: bool) -> int:
        """Tiles of DST that a program may hold at once (half of DST when it is double buffered)."""
        tiles = _DST_TILES_16 // (2 if fp32_dest_acc else 1)
        return tiles if dst_full_sync else tiles // 2


_TABLE = (
    Architecture(
        "wormhole_b0",
        grid=(8, 9),
        l1_bytes=1_393_312,
        clock_mhz=1000,
        fp32_sums=False,
        dram_alignment=32,
    ),
    Architecture(
        "blackhole",
        grid=(13, 10),
        l1_bytes=1_461_120,
        clock_mhz=1350,
        fp32_sums=True,
        dram_alignment=64,
    ),
)

ARCHITECTURES: dict[str, Architecture] = {arch.name: arch for arch in _TABLE}

#: Names that users may know from older releases, and why they are refused.
REFUSED = {"grayskull": "tt-metal dropped Grayskull; ttgen targets Wormhole and Blackhole"}


def architecture(name: str) -> Architecture:
    """The architecture called ``name``; TTError naming the known ones where there is none."""
    if name in REFUSED:
        raise TTError(f"architecture '{name}': {REFUSED[name]}")
    if name not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise TTError(f"unknown architecture '{name}'; known: {known}")
    return ARCHITECTURES[name]
