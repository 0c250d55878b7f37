"""A call of one of ttnn's own operations that means the same as a kernel."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

#: A text is the name of one of the kernel's tensors. (A union of names, not a string: see
#: :mod:`ttgen.plan.model`.)
Argument: TypeAlias = str | bool | int | float | tuple[str | int, ...]


class Counterpart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``ttnn.<operation>(*arguments, **keywords)``."""

    operation: str
    arguments: tuple[Argument, ...]
    keywords: dict[str, Argument] = {}

    def __str__(self) -> str:
        given = [_text(argument) for argument in self.arguments]
        given += [f"{name}={_text(value)}" for name, value in self.keywords.items()]
        return f"{self.operation}({', '.join(given)})"


def _text(argument: Argument) -> str:
    if isinstance(argument, tuple):
        return f"[{', '.join(map(str, argument))}]"
    return str(argument)
