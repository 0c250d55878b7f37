"""Where in a YAML or JSON file a value stands, for error messages (JSON is a subset of YAML)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from ttgen.errors import Location

PathItem = str | int


def locate(text: str, file: str, path: Sequence[PathItem]) -> Location:
    """The place of the value at ``path``, or of the nearest enclosing value that exists.

    A mapping's key marks its value, since that is where a reader looks.
    """
    try:
        node = _composed(text)
    except yaml.YAMLError:
        return Location(file, 1, 1)
    mark = node.start_mark if node is not None else None
    for item in path:
        node, mark = _child(node, item, mark)
        if node is None:
            break
    return Location(file, mark.line + 1, mark.column + 1) if mark else Location(file, 1, 1)


def repeated_key(text: str, file: str) -> tuple[str, Location] | None:
    """A key that an object in the JSON ``text`` has twice, and where it stands again, if any has.

    JSON leaves open which of the values counts, and most readers take the last without a word.
    """
    repeated = False

    def note(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = repeated or len({key for key, _ in pairs}) != len(pairs)

    json.loads(text, object_pairs_hook=note)
    if not repeated:
        return None
    key = next(_repeated_keys(_composed(text)))
    return str(key.value), Location(file, key.start_mark.line + 1, key.start_mark.column + 1)


def _repeated_keys(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key
            seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


def _composed(text: str) -> yaml.Node | None:
    # JSON may be indented with tabs, YAML may not; columns stay the same.
    return yaml.compose(text.replace("\t", " "), Loader=yaml.CSafeLoader)


def _child(
    node: yaml.Node | None, item: PathItem, mark: yaml.Mark | None
) -> tuple[yaml.Node | None, yaml.Mark | None]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(item):
                return value, key.start_mark
    if isinstance(node, yaml.SequenceNode) and isinstance(item, int) and item < len(node.value):
        return node.value[item], node.value[item].start_mark
    return None, mark


def parse_msgspec_path(message: str) -> tuple[str, list[PathItem]]:
    """Split msgspec's ``problem - at `$.a[0].b` `` into the problem and the path."""
    found = re.fullmatch(r"(.*) - at (?:`key` in )?`\$(.*)`", message, re.DOTALL)
    if found is None:
        return message, []
    problem, where = found.groups()
    path: list[PathItem] = []
    for piece in where.replace("[...]", "").replace("[", ".[").split("."):
        if piece.startswith("[") and piece[1:-1].isdigit():
            path.append(int(piece[1:-1]))
        elif piece and not piece.startswith("["):
            path.append(piece)
    return problem, path
