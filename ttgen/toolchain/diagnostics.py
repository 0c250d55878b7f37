"""The compiler's messages out of what ttnn raises when a kernel does not build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

ANSI = re.compile(r"\x1b\[[0-9;]*m")
# "<path>:<line>:<column>: error: …" of clang and GCC, "ld.lld: error: …", "<path>: error: …".
MESSAGE = re.compile(
    r"^(?P<at>(?P<path>[^\s:][^:]*)(?::\d+){0,2}): (?P<kind>fatal error|error|note|warning): "
)
BARE_ERROR = re.compile(r"^(?P<kind>error|fatal error): ")
INCLUDED = re.compile(r"^(In file included from| +from) ")
# What follows a message and belongs to it: source lines, carets, lld's references, continuation.
CONTINUED = re.compile(r"^( *\d+ \||\s+\||>>> |  \S|\s+\^)")
NOISE = re.compile(
    r"^(backtrace:| --- |info:$|TT_(THROW|FATAL|ASSERT) @ |\d+ (error|warning)s? )|generated\.$"
)
WRAPPER = re.compile(r"^.*?(?:TT_(?:THROW|FATAL) @ \S+: tt::exception)$")
# "trisc0 build failed. Log: <first line of the log>": the log's first line is on the same line.
LOG = re.compile(r"^.*?\bLog: ")


@dataclass
class Message:
    """A compiler message with the lines that belong to it, and the includes that led to it."""

    kind: str
    path: str
    lines: list[str]
    includes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """As the compiler wrote it. The chain of includes is left out when the message is in a
        file of the user's: then it only says how the SDK came to include that file."""
        return "\n".join([*self.includes, *self.lines] if in_sdk(self.path) else self.lines)


def summarize(exception_text: str) -> str:
    """The compiler's own messages in the text of a RuntimeError of ttnn's.

    Errors come before warnings, each once (a compute kernel is compiled three times, with the same
    mistake in each), each with its notes and source lines. Colour codes, backtraces and ttnn's own
    frame are gone; paths are kept. A text that holds no compiler message comes back without
    backtrace.
    """
    lines = [LOG.sub("", line) for line in ANSI.sub("", exception_text).splitlines()]
    texts: dict[str, str] = {}
    for message in messages(lines):
        texts.setdefault(message.text(), message.kind)
    errors = [text for text, kind in texts.items() if kind.endswith("error")]
    rest = [text for text, kind in texts.items() if not kind.endswith("error")]
    if errors or rest:
        return "\n".join(errors + rest)
    return "\n".join(plain(ANSI.sub("", exception_text).splitlines()))


def messages(lines: list[str]) -> Iterator[Message]:
    """Groups ``lines`` into messages; a note belongs to the message before it."""
    current: Message | None = None
    includes: list[str] = []
    for line in lines:
        start = MESSAGE.match(line) or BARE_ERROR.match(line)
        if INCLUDED.match(line):
            includes.append(line)
        elif start and start["kind"] == "note" and current is not None:
            current.lines += [*(includes if in_sdk(start[0]) else []), line]
            includes = []
        elif start:
            if current is not None:
                yield current
            current = Message(start["kind"], start.groupdict().get("path") or "", [line], includes)
            includes = []
        elif current is not None and CONTINUED.match(line) and not NOISE.match(line):
            current.lines.append(line)
        elif current is not None:
            yield current
            current, includes = None, []
    if current is not None:
        yield current


def in_sdk(path: str) -> bool:
    """Whether a path is the SDK's or the compiler's rather than a kernel's."""
    return any(part in path for part in ("/tt_metal/", "/runtime/sfpi/", "/ziglang/"))


def plain(lines: list[str]) -> Iterator[str]:
    """``lines`` without ttnn's frame and backtraces, each once."""
    seen: set[str] = set()
    for line in lines:
        line = WRAPPER.sub("", line).rstrip()
        if line and not NOISE.match(line) and line not in seen:
            seen.add(line)
            yield line
