"""Errors of rendering: where in a template, its line, and who was using it."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Sequence
from pathlib import Path

import jinja2
from jinja2.debug import rewrite_traceback_stack

from ttgen.errors import Location, TemplateError, TTError

#: Ends the names of templates, and of nothing else that runs while a template is rendered.
SUFFIX = ".j2"


def shown(path: Path | str, project: Path | None) -> str:
    """``path`` as messages show it: relative to the project where it lies in it."""
    path = Path(path)
    if project is not None and path.is_relative_to(project):
        return path.relative_to(project).as_posix()
    return str(path)


def at_line(path: Path | str, line: int, project: Path | None) -> Location:
    """A line of a template as a place."""
    return Location(shown(path, project), line)


def source_line(path: Path | str, line: int) -> str:
    """A template's line, to be put below a message; empty where there is none."""
    linecache.checkcache(str(path))
    text = linecache.getline(str(path), line).strip()
    return f"\n    {text}" if text else ""


def syntax_error(
    error: jinja2.TemplateSyntaxError, path: Path, project: Path | None
) -> TemplateError:
    """What Jinja says of a template that it cannot read."""
    file = error.filename or path
    message = f"{error.message}{source_line(file, error.lineno)}"
    return TemplateError(message, at=at_line(file, error.lineno, project))


def failure(error: BaseException, name: str, project: Path | None) -> TemplateError:
    """``error``, raised while ``name`` was rendered, at the innermost line of a template.

    A filter of the user's that fails is named first, then the line of the template that uses it.
    """
    rewritten = rewrite_traceback_stack()
    frames = traceback.extract_tb(rewritten.__traceback__)
    places = [(f.filename, f.lineno or 0) for f in frames if f.filename.endswith(SUFFIX)]
    if isinstance(error, TTError):
        text, at, hint = error.message, error.at, error.hint
    else:
        text, at, hint = _message(error), None, None
        after = _after_templates(frames)
        if after is not None:
            text, at = f"{type(error).__name__}: {text}", after
    if at is None and places:
        file, line = places.pop()
        at, text = at_line(file, line, project), f"{text}{source_line(file, line)}"
    chain = [str(at_line(*place, project)) for place in reversed(places)]
    users = [place for place in dict.fromkeys(chain) if place != str(at)]
    if users:
        text = f"{text}\n  used by {', '.join(users)}"
    return TemplateError(text, at=at or Location(name), hint=hint)


def _message(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__


def _after_templates(frames: Sequence[traceback.FrameSummary]) -> Location | None:
    """The last line below the innermost template that is in a file of the user's, if any is.

    Such files have names relative to the project: nothing else has.
    """
    last = max((i for i, f in enumerate(frames) if f.filename.endswith(SUFFIX)), default=-1)
    own = [f for f in frames[last + 1 :] if f.filename.endswith(".py")]
    own = [f for f in own if not Path(f.filename).is_absolute()]
    return Location(own[-1].filename, own[-1].lineno or 0) if own else None
