"""Loops taken apart: what an analysis asks for when it meets a choice or a quotient of indices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ttgen.analysis.index import Affine, Axis, Restart
from ttgen.analysis.statements import Statement
from ttgen.errors import LoweringError

#: A kernel whose choices cut it into more pieces is no program of whole tiles.
_MOST_STATEMENTS = 128


class Loops:
    """Statements, some of whose loops have been taken apart."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self.statements = list(statements)
        axes = [axis.serial for statement in self.statements for axis in statement.axes]
        self._serial = max(axes, default=0)

    def apply(self, request: Restart) -> None:
        """Take the loop that ``request`` names apart, wherever it runs."""
        axis = request.axis
        if request.inner:
            pieces = [self._nested(axis, request.inner)]
        else:
            cut = request.at
            pieces = [self._range(axis, 0, cut), self._range(axis, cut, axis.extent - cut)]
        self.statements = [made for s in self.statements for made in _each(s, axis, pieces)]
        if len(self.statements) > _MOST_STATEMENTS:
            raise LoweringError(
                f"conditions cut the loops into more than {_MOST_STATEMENTS} pieces",
                at=self.statements[0].at,
                hint="conditions that hold for whole tiles lower",
            )

    def _nested(self, axis: Axis, inner: int) -> tuple[Affine, tuple[Axis, ...]]:
        outside, outer = self._range(axis, 0, axis.extent // inner)
        inside, own = self._range(axis, 0, inner)
        return outside.scaled(inner) + inside, (*outer, *own)

    def _range(self, axis: Axis, start: int, extent: int) -> tuple[Affine, tuple[Axis, ...]]:
        """The values from ``start`` on; a loop of one iteration is no axis."""
        if extent == 1:
            return Affine({}, start), ()
        self._serial += 1
        new = Axis(axis.name, extent, self._serial)
        return Affine({new: 1}, start), (new,)


def _each(
    statement: Statement, axis: Axis, pieces: list[tuple[Affine, tuple[Axis, ...]]]
) -> Iterator[Statement]:
    """A statement for each piece of its loop ``axis``; the start of the loop where it is none.

    A block's ``T.init()`` stands at the start of the loops that it does not run over.
    """
    if axis not in statement.axes:
        pieces = pieces[:1]
    for value, parts in pieces:
        yield statement.with_axis(axis, value, parts)
