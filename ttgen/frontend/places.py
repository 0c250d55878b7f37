"""Places in a source, from TVM's spans."""

from __future__ import annotations

from typing import Any

from ttgen.errors import Location


def location(span: Any, fallback: Location) -> Location:
    """A TVM span as a location; ``fallback`` where there is none (TE has no spans)."""
    if span is None:
        return fallback
    return Location(span.source_name.name, span.line, span.column)
