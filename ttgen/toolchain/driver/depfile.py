"""Make rules as compilers write them to say what a compilation has read."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_depfile(text: str) -> list[str]:
    """Prerequisites of a make rule as clang writes it: escaped spaces, continued lines."""
    words = text.replace("\\\n", " ").replace("\\ ", "\0").split()
    return [word.replace("\0", " ") for word in words[1:]]


def depfile_text(target: str, paths: Iterable[str]) -> str:
    """The rule that :func:`parse_depfile` reads."""
    words = (word.replace(" ", "\\ ") for word in (f"{target}:", *paths))
    return " \\\n  ".join(words) + "\n"
