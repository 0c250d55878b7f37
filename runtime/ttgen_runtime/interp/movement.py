"""Operations that move data: circular buffers, transfers over the NoC and their barriers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttgen_runtime.interp.errors import Misuse, Wait, check
from ttgen_runtime.interp.formats import Array, fill

if TYPE_CHECKING:
    from ttgen_runtime.interp.core import Core


def cb_reserve_back(core: Core, cb: str, pages: int) -> Wait | None:
    return core.buffers[cb].reserve(pages, core.at)


def cb_push_back(core: Core, cb: str, pages: int) -> None:
    core.buffers[cb].push(pages, core.at)


def cb_wait_front(core: Core, cb: str, pages: int) -> Wait | None:
    return core.buffers[cb].wait(pages)


def cb_pop_front(core: Core, cb: str, pages: int) -> None:
    core.buffers[cb].pop(pages)


def read_page(core: Core, tensor: str, page: int, cb: str, slot: int) -> None:
    """The data arrives at the barrier, as late as it may."""
    memory, buffer = core.memory[tensor], core.buffers[cb]
    _same_format(memory.tensor.layout.dtype, buffer.plan.dtype, tensor, cb)
    target, values, at = buffer.target(slot), memory.read(page), core.at
    target.loading = at

    def arrive() -> None:
        target.values, target.loading = values, None

    core.transfers["read"].append((at, arrive))


def read_rows(core: Core, tensor: str, page: int, cb: str, slot: int, scratch: str) -> None:
    """Rows arrive as a tile; the scratch page is the reader's own."""
    _same_format(core.buffers[cb].plan.dtype, core.buffers[scratch].plan.dtype, cb, scratch)
    read_page(core, tensor, page, cb, slot)


def read_barrier(core: Core) -> None:
    core.complete("read")


def write_page(core: Core, tensor: str, page: int, cb: str, slot: int) -> None:
    """The page in L1 may be read until the barrier."""
    memory, buffer = core.memory[tensor], core.buffers[cb]
    _same_format(memory.tensor.layout.dtype, buffer.plan.dtype, tensor, cb)
    origin, target, at = buffer.front_page(slot), memory.claim(page, core.at), core.at
    origin.sending = at

    def arrive() -> None:
        memory.pages[target] = origin.values
        origin.sending = None

    core.transfers["write"].append((at, arrive))


def write_rows(core: Core, tensor: str, page: int, cb: str, slot: int) -> None:
    write_page(core, tensor, page, cb, slot)


def write_barrier(core: Core) -> None:
    core.complete("write")


def fill_page(core: Core, cb: str, word: int) -> None:
    core.buffers[cb].write(0, _full(core, cb, word))


def fill_corner(core: Core, cb: str, rows: int, columns: int, word: int) -> None:
    check(rows <= 32 and columns <= 32, f"{rows} rows and {columns} columns of a tile")
    is_inside = np.zeros((32, 32), bool)
    is_inside[:rows, :columns] = True
    _fill_part(core, cb, is_inside, word)


def fill_triangle(core: Core, cb: str, columns: int, word: int) -> None:
    check(0 < columns < 63, f"a triangle with {columns} columns in its last row")
    _fill_part(core, cb, np.tri(32, 32, columns - 32, bool), word)


def _fill_part(core: Core, cb: str, is_inside: Array, word: int) -> None:
    """One number in a part of a page that has been filled."""
    page = core.buffers[cb].target(0)
    if page.values is None:
        raise Misuse(f"a part of a page of '{cb}' is filled before all of it is")
    page.values = np.where(is_inside, _full(core, cb, word), page.values)


def _full(core: Core, cb: str, word: int) -> Array:
    """A page that is full of one number; ``word`` is that number as often as it fits."""
    dtype = core.buffers[cb].plan.dtype
    values = fill(word, dtype)
    if values is None:
        raise Misuse(f"a page of {dtype} is not made of equal words")
    uniform = bool((values == values[0, 0]).all())
    check(uniform, f"{word:#x} is not one {dtype} number, as often as it fits")
    return values


def _same_format(tensor_format: str, buffer_format: str, tensor: str, cb: str) -> None:
    check(
        tensor_format == buffer_format,
        f"'{tensor}' is {tensor_format}, '{cb}' {buffer_format}: pages are copied as they are",
    )


OPERATIONS = {
    operation.__name__: operation
    for operation in (
        cb_reserve_back,
        cb_push_back,
        cb_wait_front,
        cb_pop_front,
        read_page,
        read_barrier,
        write_page,
        read_rows,
        write_rows,
        write_barrier,
        fill_page,
        fill_corner,
        fill_triangle,
    )
}
