"""DST: the registers between math and packer, which hand one side of it to each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from ttgen.plan.model import Compute
from ttgen_runtime.interp.errors import Misuse, check
from ttgen_runtime.interp.formats import STORAGE, Array
from ttgen_runtime.interp.fpu import Numerics

#: The order in which a side of DST changes hands, and what each step is called.
RELEASED, ACQUIRED, COMMITTED, AWAITED = "released", "acquired", "committed", "waited for"


@dataclass
class Dst:
    """One side of DST; a register is None until something is written into it.

    An acquired side is zero, which is what products are added to.
    """

    compute: Compute
    numerics: Numerics
    state: str = RELEASED
    at: str = ""
    registers: list[Array | None] = field(default_factory=list)

    def step(self, before: str, after: str, at: str) -> None:
        """From one state to the next, by the operation at ``at``."""
        check(self.state == before, f"DST is {self.state}, and must be {before}")
        self.state, self.at = after, at
        if after == ACQUIRED:
            self.registers = [None] * self.compute.dst_tiles

    def written(self, index: int) -> Array:
        """What a register holds; Misuse where nothing has written to it."""
        values = self.register(index)
        if values is None:
            raise Misuse(f"nothing has been written to DST tile {index}")
        return values

    def register(self, index: int) -> Array | None:
        """What a register holds; None: zero, as it was acquired."""
        check(
            0 <= index < self.compute.dst_tiles,
            f"DST tile {index} is used, there are {self.compute.dst_tiles}",
        )
        check(self.state in (ACQUIRED, AWAITED), f"DST is {self.state}")
        return self.registers[index]

    def set(self, index: int, values: Array) -> None:
        """Write a register, rounded to what it holds."""
        check(self.state == ACQUIRED, f"DST is {self.state}, and must be {ACQUIRED}")
        self.register(index)
        fits = values.dtype.kind == "f" or values.dtype.itemsize < 4 or self.compute.fp32_dest_acc
        check(fits, f"{values.dtype} does not fit DST without fp32_dest_acc")
        self.registers[index] = self.numerics.to_dst(values)

    def packed(self, index: int, dtype: str) -> Array:
        """A register as the packer stores it in a page of the format ``dtype``."""
        check(self.state == AWAITED, f"DST is {self.state}, and must be {AWAITED}")
        values = self.written(index)
        held = values.dtype
        check(held == STORAGE[dtype].dtype, f"DST tile {index} holds {held}, which is not {dtype}")
        return self.numerics.pack(values, dtype)
