"""From a plan to C++ and Python: Jinja2 templates, looked up in the user's folders first.

Only the plan goes in. Each operation of a program is rendered by the macro of the same name in
``ops/<operation>.j2``, so a user can replace one operation, one block of a file, or a whole file.
"""

from __future__ import annotations

from pathlib import Path

from ttgen.files import write_atomically
from ttgen.outputs import KERNEL_SOURCES, SOURCES, Lines
from ttgen.plan.model import Plan
from ttgen.render import kept
from ttgen.render.cpp import cpp_expression, cpp_factor
from ttgen.render.lines import explain, with_directives
from ttgen.render.rendering import Rendering, operations
from ttgen.render.search import (
    BELOW_PREFIX,
    BUILTIN_PREFIX,
    EXTENSIONS,
    TemplateSet,
    builtin_folder,
    template_files,
    template_names,
)

__all__ = [
    "BELOW_PREFIX",
    "BUILTIN_PREFIX",
    "EXTENSIONS",
    "TemplateSet",
    "builtin_folder",
    "cpp_expression",
    "cpp_factor",
    "explain",
    "kept",
    "operations",
    "render",
    "template_files",
    "template_names",
    "write_sources",
]


def render(plan: Plan, templates: TemplateSet, lines: Lines = "generated") -> dict[str, str]:
    """The text of every file in :data:`SOURCES`; TemplateError with the template's place.

    ``lines`` is what the programs say of their lines to compilers and debuggers.
    """
    texts = {}
    for output in SOURCES:
        in_source = lines == "source" and output in KERNEL_SOURCES
        text = Rendering(plan, templates, output, mark_kernel=in_source).text()
        texts[output] = with_directives(text, output) if in_source else text
    return texts


def write_sources(
    plan: Plan, templates: TemplateSet, folder: Path, lines: Lines = "generated"
) -> list[Path]:
    """Render everything, then write it below ``folder``: all files, or none on an error."""
    texts = render(plan, templates, lines)
    paths = [folder / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_atomically(path, text)
    return paths
