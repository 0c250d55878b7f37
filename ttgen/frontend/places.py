"""Places in a source, from TVM's spans."""

from __future__ import annotations

from typing import Any

from ttgen.errors import Location


def location(span: Any, fallback: Location) -> Location:
    """A TVM span as a location; ``fallback`` where there is none (TE has no spans)."""
    if span is None:
        return fallback
    return Location(file_of(span), span.line, span.column)


def file_of(span: Any) -> str:
    """The file of a TVM span, below its project; what no project holds is named without folders."""
    name = str(span.source_name.name)
    return name.rpartition("/")[2] if name.startswith("/") else name
