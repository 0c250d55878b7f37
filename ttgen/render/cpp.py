"""Expressions of a plan as C++ text."""

from __future__ import annotations

import re

from ttgen.plan.model import BinaryOp, Expr

#: C++ operators with their precedence; ``min`` and ``max`` are calls.
_CPP_OPERATORS = {"+": ("+", 1), "-": ("-", 1), "*": ("*", 2), "//": ("/", 2), "%": ("%", 2)}


def cpp_expression(expr: Expr) -> str:
    """A plan's expression as C++; all values are uint32_t."""
    return _cpp(expr)[0]


def cpp_factor(text: str) -> str:
    """C++ text as an operand of any operator: in parentheses unless it is a name or a number."""
    return text if re.fullmatch(r"\w+", text) else f"({text})"


def comment_text(text: str) -> str:
    """``text`` for a comment or a docstring: one line, that ends neither of them."""
    return re.sub(r'[\x00-\x1f\x7f-\x9f\u2028\u2029"\\]', "_", text)


def _cpp(expr: Expr) -> tuple[str, int]:
    """The text, and how tightly its outermost operator binds."""
    if not isinstance(expr, BinaryOp):
        return str(expr), 3
    (left, left_binds), (right, right_binds) = _cpp(expr.left), _cpp(expr.right)
    if expr.operator not in _CPP_OPERATORS:
        return f"std::{expr.operator}<uint32_t>({left}, {right})", 3
    symbol, binds = _CPP_OPERATORS[expr.operator]
    left = f"({left})" if left_binds < binds else left
    right = f"({right})" if right_binds <= binds else right
    return f"{left} {symbol} {right}", binds
