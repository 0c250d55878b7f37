"""Whether what a kernel visits of its tensors is whole tiles."""

from __future__ import annotations

from collections.abc import Iterator

from ttgen.analysis import Access, Binary, Expr, Index, Load, Part, Reduce, Vector, operands
from ttgen.errors import Location, LoweringError
from ttgen.passes.device_shape import TILE, Form, device_view


def check_aligned(part: Part, form: Form) -> None:
    """LoweringError at a tensor that is entered or left in the middle of a tile.

    ``form`` is the output's. The end of a tensor is the end of its last tile; what is read of an
    input may end anywhere, since what lies behind it in the tile only reaches padding.
    """
    if part.output.beside and form is not Form.TILES:
        raise LoweringError(
            f"the last index of {part.output} runs over several dimensions of others",
            at=part.at,
            hint="where a reduction drops rows or columns of its tiles, give the result a "
            "dimension for each",
        )
    view = device_view(part.output, form)
    for index in view[-2:]:
        _check_start(part.output, index, part.at)
        if not index.reaches_end and (index.start + index.dim.extent) % TILE:
            raise LoweringError(
                f"{part.output} ends at element {index.start + index.dim.extent} of "
                f"{index.extent}, inside of a tile",
                at=part.at,
                hint=f"parts of an output end at multiples of {TILE}, or where it ends",
            )
    for access, at in _reads(part.value, part.at):
        for index in device_view(access)[-2:]:
            _check_start(access, index, at)
        _check_rows(access, at)
        _check_columns(access, at)
    if form not in (Form.ROW, Form.POINT):  # of a tile they have one row, whatever is before it
        _check_rows(part.output, part.at)
    _check_columns(part.output, part.at)


def _check_start(access: Access, index: Index, at: Location) -> None:
    if index.step != 1:
        raise LoweringError(
            f"{access} takes steps of {index.step} along dimension {index.dim.name}, inside of "
            "tiles",
            at=at,
            hint="steps are possible in all but the last two dimensions",
        )
    if index.start % TILE:
        raise LoweringError(
            f"{access} starts at element {index.start}, inside of a tile",
            at=at,
            hint=f"in the last two dimensions, parts of tensors start at multiples of {TILE}",
        )


def _check_rows(access: Access, at: Location) -> None:
    """Where rows are several dimensions, the inner one is whole tiles."""
    if len(access.order) < 2:
        return
    rows, extent = access.view[-2].extent, access.shape[-2]
    if rows != extent and rows % TILE:
        raise LoweringError(
            f"{access} runs over rows in groups of {rows}",
            at=at,
            hint=f"rows can be split and joined in multiples of {TILE}",
        )


def _check_columns(access: Access, at: Location) -> None:
    """Where columns are several dimensions, the inner one is whole tiles."""
    if access.beside and access.view[-1].extent % TILE:
        raise LoweringError(
            f"{access} runs over columns in groups of {access.view[-1].extent}",
            at=at,
            hint=f"columns can be split and joined in multiples of {TILE}",
        )


def _reads(expr: Expr, at: Location) -> Iterator[tuple[Access, Location]]:
    """Every load, with the place nearest to it."""
    match expr:
        case Load(access=access):
            yield access, at
        case Binary() | Vector() | Reduce():
            here = expr.at if expr.at.path else at
            for operand in operands(expr):
                yield from _reads(operand, here)
