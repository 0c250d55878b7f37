"""The fields of a plan by their paths, as templates declare them: ``circular_buffers.page_bytes``.

A path is that of the value in ``tt.plan.json`` without the indices of lists; ``programs.*.body``
is the body of any of the three programs.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from ttgen.ops import PROGRAM_NAMES
from ttgen.plan.model import Plan, Programs

#: A field: the name of the class that has it, and its own.
Field = tuple[str, str]

#: Properties and methods of the model, and the fields that they read.
DERIVED: dict[Field, tuple[Field, ...]] = {
    ("Plan", "tensor"): (("Plan", "tensors"),),
    ("Plan", "circular_buffer"): (("Plan", "circular_buffers"),),
    ("Plan", "buffers_of"): (("Plan", "circular_buffers"),),
    ("Programs", "items"): (),
    ("Tensor", "order"): (("Tensor", "shape"), ("Layout", "order")),
    ("Tensor", "tiles"): (("Tensor", "padded_shape"), ("Layout", "tile_shape")),
    ("CoreRange", "cores"): (("CoreRange", "start"), ("CoreRange", "extent")),
}


def fields_of(path: str) -> frozenset[Field] | str:
    """The fields that whoever reads ``path`` may read: all on the way to it, and all below it.

    Where there is no such field, what there is in its place: text.
    """
    found: set[Field] = set()
    classes: set[type[Struct]] = {Plan}
    walked = ""
    for name in path.split("."):
        names = PROGRAM_NAMES if name == "*" and Programs in classes else (name,)
        steps = {(cls, n) for cls in classes for n in names if n in cls.__struct_fields__}
        if not steps:
            return _choices(walked, classes)
        found.update((cls.__name__, n) for cls, n in steps)
        classes = {inner for cls, n in steps for inner in _inside(cls)[n]}
        walked = f"{walked}.{name}" if walked else name
    below = list(classes)
    while below:
        cls = below.pop()
        for name, inner in _inside(cls).items():
            if (cls.__name__, name) not in found:
                found.add((cls.__name__, name))
                below += inner
    return frozenset(found)


def path_of(field: Field) -> str:
    """The shortest path to a field: what a template that reads it would declare."""
    return _paths()[field]


def read_by(field: Field) -> tuple[Field, ...]:
    """The fields of the document that reading this attribute reads; none for what is no field."""
    if field in DERIVED:
        return DERIVED[field]
    return (field,) if field[1] in _fields().get(field[0], ()) else ()


def _choices(walked: str, classes: set[type[Struct]]) -> str:
    names = sorted({name for cls in classes for name in cls.__struct_fields__})
    if Programs in classes:
        names.append("*")
    inside = f"'{walked}' has" if walked else "a plan has"
    return f"{inside} {', '.join(names) or 'no fields'}"


@cache
def _fields() -> dict[str, tuple[str, ...]]:
    """The names of every class's fields."""
    found: dict[str, tuple[str, ...]] = {}
    pending: list[type[Struct]] = [Plan]
    while pending:
        cls = pending.pop()
        if cls.__name__ not in found:
            found[cls.__name__] = cls.__struct_fields__
            pending += [inner for classes in _inside(cls).values() for inner in classes]
    return found


@cache
def _paths() -> dict[Field, str]:
    """The shortest path of every field."""
    found: dict[Field, str] = {}
    pending: deque[tuple[type[Struct], str]] = deque([(Plan, "")])
    while pending:
        cls, prefix = pending.popleft()
        for name, inner in _inside(cls).items():
            if (cls.__name__, name) not in found:
                shown = "*" if cls is Programs else name
                found[cls.__name__, name] = path = prefix + shown
                pending.extend((below, f"{path}.") for below in inner)
    return found


@cache
def _inside(cls: type[Struct]) -> dict[str, list[type[Struct]]]:
    """The classes of the objects that each field of ``cls`` holds."""
    hints = get_type_hints(cls, include_extras=True)
    return {name: list(dict.fromkeys(_structs(hints[name]))) for name in cls.__struct_fields__}


def _structs(hint: Any) -> Iterator[type[Struct]]:
    if isinstance(hint, type) and issubclass(hint, Struct) and get_origin(hint) is None:
        yield hint
    elif get_origin(hint) in (Annotated, Union, types.UnionType, tuple, dict):
        for inner in get_args(hint):
            yield from _structs(inner)
