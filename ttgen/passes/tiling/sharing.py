"""Values that an expression uses more than once."""

from __future__ import annotations

from ttgen.analysis import Binary, Expr, Reduce, Vector, operands


def used_again(expr: Expr) -> frozenset[Expr]:
    """The operations and reductions that ``expr`` uses at several places.

    What only such a value uses is not among them: it is worked out when the value is, once.
    """
    once: set[Expr] = set()
    again: set[Expr] = set()

    def visit(part: Expr) -> None:
        if not isinstance(part, Binary | Vector | Reduce):
            return
        if part in once:
            again.add(part)
            return
        once.add(part)
        for operand in operands(part):
            visit(operand)

    visit(expr)
    return frozenset(again)
