"""Marks in a text that say where each piece of it comes from, and taking them out again.

A mark is a few characters of Unicode's private use area, which no C++ program has: it is carried
along through macros, blocks and filters as part of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

_TEMPLATE, _BEGIN, _END, _STOP = "\ue000", "\ue001", "\ue002", "\ue003"
_MARK = re.compile(f"{_TEMPLATE}(\\d+):(.*?){_STOP}|{_BEGIN}(.*?){_STOP}|{_END}")


@dataclass(frozen=True)
class Origin:
    """Where a line of a text comes from: a template's file and line, a place in the kernel."""

    template: str = ""
    line: int = 0
    kernel: str = ""


class TemplateMarkers(Extension):
    """Marks every line of every template's text, and every expression that is printed."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        """Jinja's hook: the tokens of a template, with marks between them."""
        file = stream.filename or ""
        for token in stream:
            if token.type == "data":
                yield Token(token.lineno, "data", _marked(token.value, file, token.lineno))
                continue
            if token.type == "variable_begin":
                yield Token(token.lineno, "data", _mark(file, token.lineno))
            yield token


def _marked(text: str, file: str, line: int) -> str:
    """``text`` with a mark before each line that has something in it."""
    lines = text.split("\n")
    return "\n".join(
        _mark(file, line + i) + piece if piece.strip() else piece for i, piece in enumerate(lines)
    )


def _mark(file: str, line: int) -> str:
    return f"{_TEMPLATE}{line}:{file}{_STOP}"


def of_operation(text: str, place: str) -> str:
    """``text``, made for the operation at ``place`` in the kernel, as such."""
    return f"{_BEGIN}{place}{_STOP}{text}{_END}"


def without_marks(text: str) -> tuple[str, list[Origin]]:
    """``text`` without its marks, and the origin of each line: of what is first visible in it."""
    lines: list[str] = []
    origins: list[Origin] = []
    current = Origin()
    for marked in text.split("\n"):
        pieces = list(_pieces(marked, current))
        visible = [origin for piece, origin in pieces if piece.strip()]
        current = pieces[-1][1]
        plain = "".join(piece for piece, _ in pieces)
        lines.append(plain if plain == marked or plain.strip() else "")
        origins.append(visible[0] if visible else Origin())
    return "\n".join(lines), origins


def _pieces(text: str, origin: Origin) -> Iterator[tuple[str, Origin]]:
    """The text between marks, each with the origin that holds for it."""
    position = 0
    for mark in _MARK.finditer(text):
        yield text[position : mark.start()], origin
        position = mark.end()
        if mark[1]:
            origin = Origin(mark[2], int(mark[1]), origin.kernel)
        else:
            origin = Origin(origin.template, origin.line, mark[3] or "")
    yield text[position:], origin
