"""Which line of a template, and of the kernel, each line of a rendered program comes from.

Nothing of it is kept beside the programs: it follows from the plan and the templates, and is worked
out when a compiler has something to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttgen.errors import TTError
from ttgen.outputs import KERNEL_SOURCES
from ttgen.plan.model import Plan
from ttgen.render.errors import shown
from ttgen.render.markers import Origin, without_marks
from ttgen.render.rendering import Rendering
from ttgen.render.search import TemplateSet

_PLACE = re.compile(r"(?P<path>.+?):(?P<line>\d+)(?::\d+)?")
_DIRECTIVE = re.compile(r'#line (?P<line>\d+) "(?P<path>.*)"')
# "<path>:<line>:<column>: error: …" of clang and GCC.
_MESSAGE = re.compile(
    r"(?P<path>[^\s:][^:]*):(?P<line>\d+)(?::\d+)?: (?:fatal error|error|warning|note): "
)
# A line that the compiler shows of the program: "   12 |     call();".
_QUOTED = re.compile(r"\s*\d+ \|(?P<text>.*)")


@dataclass(frozen=True)
class _Line:
    """A line of a program: its file and number, what a compiler calls it, where it comes from."""

    file: Path
    number: int
    text: str
    presumed: tuple[str, int]
    origin: Origin


def with_directives(marked: str, name: str) -> str:
    """A program with marks of its operations, as one with ``#line`` directives.

    Every line from the first operation to the last belongs to the kernel's source: to the line of
    its operation, or of the next one. Lines before and after are those of ``name`` itself.
    """
    text, origins = without_marks(marked)
    places = _filled([_PLACE.fullmatch(origin.kernel) for origin in origins])
    written: list[str] = []
    presumed = (name, 1)
    for line, place in zip(text.split("\n"), places, strict=True):
        wanted = (place["path"], int(place["line"])) if place else (name, len(written) + 1)
        goes_on = bool(written) and written[-1].endswith("\\")
        if wanted != presumed and not goes_on:
            presumed = wanted if place else (name, len(written) + 2)
            written.append(f"#line {presumed[1]} {json.dumps(presumed[0], ensure_ascii=False)}")
        written.append(line)
        presumed = (presumed[0], presumed[1] + 1)
    return "\n".join(written)


def _filled(places: Sequence[re.Match[str] | None]) -> list[re.Match[str] | None]:
    """Between the first place and the last, each line that has none gets that of the next one."""
    known = [number for number, place in enumerate(places) if place]
    filled = list(places)
    following = None
    for number in reversed(range(known[0], known[-1] + 1) if known else ()):
        following = places[number] or following
        filled[number] = following
    return filled


def explain(message: str, plan: Plan, templates: TemplateSet, folder: Path) -> str:
    """A compiler's message, with the lines of template and kernel below each line of a program.

    ``folder`` holds the programs. Where they are not what plan and templates give (any more),
    nothing is added.
    """
    lines = message.splitlines()
    if not any(_MESSAGE.match(line) for line in lines):
        return message
    known = [line for name in KERNEL_SOURCES for line in _lines(plan, templates, folder / name)]
    written: list[str] = []
    notes: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith(" "):
            written += notes
            notes = []
        if found := _MESSAGE.match(line):
            quoted = _QUOTED.fullmatch(following)
            origin = _find(known, found, quoted["text"].strip() if quoted else None)
            notes = _notes(origin, found, templates) if origin else []
        written.append(line)
    return "\n".join([*written, *notes])


def _find(known: Sequence[_Line], message: re.Match[str], quoted: str | None) -> _Line | None:
    """The line that a message is about; of several, the one with the text that is shown."""
    path, number = message["path"], int(message["line"])
    names = {path, Path(path).name if Path(path).name in KERNEL_SOURCES else path}
    found = [line for line in known if line.presumed[0] in names and line.presumed[1] == number]
    exact = [line for line in found if line.text.strip() == quoted]
    return next(iter(exact or found), None)


def _notes(line: _Line, message: re.Match[str], templates: TemplateSet) -> list[str]:
    """Notes in the compiler's own form, so that editors know what to do with them."""
    project, origin = templates.project, line.origin
    notes = []
    if line.presumed[0] != line.file.name:
        notes.append(f"{shown(line.file, project)}:{line.number}: note: in the generated program")
    if origin.template:
        template = shown(origin.template, project)
        notes.append(f"{template}:{origin.line}: note: rendered from this line of a template")
    if origin.kernel and line.presumed[0] == line.file.name:
        notes.append(f"{origin.kernel}: note: for this statement of the kernel")
    return notes


def _lines(plan: Plan, templates: TemplateSet, file: Path) -> list[_Line]:
    """The lines of a program with their origins; none where it is not what is rendered now."""
    try:
        marked = Rendering(plan, templates, file.name, mark_templates=True).text()
        written = file.read_text(encoding="utf-8")
    except (TTError, OSError, UnicodeDecodeError):
        return []
    text, origins = without_marks(marked)
    presumed = (file.name, 0)
    lines: list[_Line] = []
    for number, line in enumerate(written.split("\n"), 1):
        if directive := _DIRECTIVE.fullmatch(line):
            presumed = (directive["path"], int(directive["line"]) - 1)
            continue
        presumed = (presumed[0], presumed[1] + 1)
        origin = origins[len(lines)] if len(lines) < len(origins) else Origin()
        lines.append(_Line(file, number, line, presumed, origin))
    return lines if [line.text for line in lines] == text.split("\n") else []
