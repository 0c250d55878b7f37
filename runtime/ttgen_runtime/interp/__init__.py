"""Runs a plan without SDK, compiler and simulator: NumPy in the place of the chip.

Each core's three programs are coroutines over circular buffers of their true capacity, DST and
pages of 32x32 values, with the roundings of the hardware's formats. Where the chip would hang or
give garbage the interpreter raises an error that says which operation of which core it was, and
which line of the kernel it was made from.

One concern a module: :mod:`formats` (conversions), :mod:`fpu` (arithmetic), :mod:`memory`
(tensors), :mod:`buffers` (circular buffers), :mod:`dst`, :mod:`movement` and :mod:`mathematics`
(the operations), :mod:`operations` (their table), :mod:`core` (programs and their turns).
"""

from ttgen_runtime.interp.errors import Deadlock, ProgramError
from ttgen_runtime.interp.run import run

__all__ = ["Deadlock", "ProgramError", "run"]
