"""Tensors in the device's memory, page by page."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ttgen.errors import DeviceError
from ttgen.formats import TILE_COLUMNS, TILE_ROWS
from ttgen.plan.model import Tensor
from ttgen_runtime.interp.errors import Misuse, ProgramError, check, location
from ttgen_runtime.interp.formats import STORAGE, Array
from ttgen_runtime.interp.fpu import Numerics
from ttgen_runtime.ordering import in_source, on_device

#: What a page of an output is filled with that nothing has written: NaN, or a number that no
#: kernel gives by chance.
_POISON = 0xA5A5A5A5


@dataclass
class Memory:
    """One tensor: its pages (n, 32, 32) in their order, and where each was written from."""

    tensor: Tensor
    pages: Array
    written: dict[int, str] = field(default_factory=dict)

    def read(self, page: int) -> Array:
        """The values of a page."""
        return np.array(self.pages[self._checked(page)])

    def claim(self, page: int, at: str) -> int:
        """Say that the operation at ``at`` writes a page, which no other may."""
        self._checked(page)
        name = self.tensor.name
        check(self.tensor.role == "output", f"'{name}' is written, and is an input")
        if page in self.written:
            raise Misuse(f"page {page} of '{name}' is written twice, first at {self.written[page]}")
        self.written[page] = at
        return page

    def finish(self) -> None:
        """ProgramError where an output has a page that nothing has written."""
        if self.tensor.role != "output" or len(self.written) == len(self.pages):
            return
        missing = [page for page in range(len(self.pages)) if page not in self.written]
        message = (
            f"{len(missing)} of the {len(self.pages)} pages of '{self.tensor.name}' are never "
            f"written, the first is page {missing[0]}"
        )
        raise ProgramError(message, at=location(self.tensor.at))

    def _checked(self, page: int) -> int:
        pages = len(self.pages)
        check(0 <= page < pages, f"page {page} of '{self.tensor.name}', which has {pages}")
        return page


def stored(tensor: Tensor, values: Array | None, numerics: Numerics) -> Memory:
    """``values`` in the source's shape, as the host writes them; poison for an output.

    Padding is zero, as ttnn pads. DeviceError: a layout that is not in tiles of 32x32.
    """
    if tuple(tensor.layout.tile_shape) != (TILE_ROWS, TILE_COLUMNS):
        shape = tensor.layout.tile_shape
        raise DeviceError(f"tensor '{tensor.name}': tiles of {shape} cannot be interpreted")
    storage = STORAGE[tensor.layout.dtype]
    whole = np.zeros(tensor.padded_shape, storage.dtype)
    if values is not None:
        whole[_logical(tensor)] = on_device(tensor, values)
    else:
        poison = np.nan if storage.is_float else np.uint32(_POISON).astype(storage.dtype)
        whole[...] = poison
    columns = tensor.padded_shape[-1] // TILE_COLUMNS
    whole = numerics.host(whole, tensor.layout.dtype)
    tiles = whole.reshape(-1, TILE_ROWS, columns, TILE_COLUMNS).swapaxes(1, 2)
    return Memory(tensor, np.ascontiguousarray(tiles).reshape(-1, TILE_ROWS, TILE_COLUMNS))


def loaded(memory: Memory) -> Array:
    """The values in the source's shape, without padding."""
    tensor = memory.tensor
    columns = tensor.padded_shape[-1] // TILE_COLUMNS
    rows = memory.pages.reshape(-1, columns, TILE_ROWS, TILE_COLUMNS).swapaxes(1, 2)
    whole = rows.reshape(tensor.padded_shape)
    return in_source(tensor, whole[_logical(tensor)])


def _logical(tensor: Tensor) -> tuple[slice, ...]:
    """The part of the padded tensor that is no padding."""
    return tuple(slice(extent) for extent in tensor.device_shape)
