"""What a template says of itself: the release of tt-metal, and the fields of the plan it reads.

```jinja
{% set sdk = "0.81.1" %}
{% set reads = ["circular_buffers.name", "circular_buffers.page_bytes"] %}
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from ttgen.errors import TemplateError
from ttgen.plan.model import PLAN_VERSION
from ttgen.render.environment import Reads
from ttgen.render.errors import at_line, source_line
from ttgen.render.fields import Field, fields_of, path_of, read_by
from ttgen.render.search import Declared, Found, TemplateSet


@dataclass(frozen=True)
class Facts:
    """What is known of the templates that a file is rendered from, before it is rendered.

    ``fields`` are those that each template, by its file, says it reads; ``words`` all identifiers
    of their C++.
    """

    files: Mapping[str, Found]
    fields: Mapping[str, frozenset[Field]]
    words: frozenset[str]


@lru_cache(maxsize=4096)
def facts(templates: TemplateSet, files: tuple[Found, ...], sdk: str) -> Facts:
    """The facts of ``files``; TemplateError at one that is not for this release or these plans."""
    for found in files:
        _check_release(templates, found, sdk)
    return Facts(
        files={str(found.path): found for found in files},
        fields={str(found.path): _declared_fields(templates, found) for found in files},
        words=frozenset().union(*(templates.contents(found).words for found in files)),
    )


def check_reads(templates: TemplateSet, known: Facts, reads: Reads) -> None:
    """Every field that was read is declared; TemplateError with the whole line to be written."""
    missing: dict[str, dict[Field, tuple[int, int]]] = {}
    for order, ((file, *name), (template, line)) in enumerate(reads.items()):
        for field in read_by((name[0], name[1])):
            if field not in known.fields[file]:
                place = (template.get_corresponding_lineno(line), order)
                missing.setdefault(file, {}).setdefault(field, place)
    for file in sorted(missing):
        _refuse(templates, known.files[file], missing[file])


def _refuse(templates: TemplateSet, found: Found, missing: Mapping[Field, tuple[int, int]]) -> None:
    wanted = _leaves(path_of(field) for field in missing)
    line, first = min((missing[f][0], path) for f in missing if (path := path_of(f)) in wanted)
    before = templates.contents(found).declared.get("reads")
    every = sorted({*_names(templates, found, before), *wanted})
    text = ", ".join(f'"{name}"' for name in every)
    where = f"in place of line {before.line}" if before else "at its top"
    raise TemplateError(
        f"the template reads '{first}' of the plan and does not declare it"
        f"{source_line(found.path, line)}",
        at=at_line(found.path, line, templates.project),
        hint=f"write {where}: {{% set reads = [{text}] %}}",
    )


def _check_release(templates: TemplateSet, found: Found, sdk: str) -> None:
    declared = templates.contents(found).declared.get("sdk")
    line = declared.line if declared else 1
    at = at_line(found.path, line, templates.project)
    if declared is None:
        raise TemplateError(
            "the template does not say which tt-metal release it is written for",
            at=at,
            hint=f'write at its top: {{% set sdk = "{sdk}" %}}, once it is right for that release',
        )
    if declared.value != sdk:
        raise TemplateError(
            f"the template is written for tt-metal {declared.value}, the plan for {sdk}"
            f"{source_line(found.path, line)}",
            at=at,
        )


def _declared_fields(templates: TemplateSet, found: Found) -> frozenset[Field]:
    declared = templates.contents(found).declared.get("reads")
    fields: set[Field] = set()
    for name in _names(templates, found, declared):
        reached = fields_of(name)
        if isinstance(reached, str):
            assert declared is not None
            raise TemplateError(
                f"there is no field '{name}' in plans of version {PLAN_VERSION}: {reached}"
                f"{source_line(found.path, declared.line)}",
                at=at_line(found.path, declared.line, templates.project),
                hint="the template is written for plans of another version, or the name is wrong",
            )
        fields |= reached
    return frozenset(fields)


def _names(templates: TemplateSet, found: Found, declared: Declared | None) -> list[str]:
    value = declared.value if declared else []
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        assert declared is not None
        raise TemplateError(
            f"reads must be a list of names of fields{source_line(found.path, declared.line)}",
            at=at_line(found.path, declared.line, templates.project),
            hint='as in {% set reads = ["circular_buffers.name", "programs.*.body"] %}',
        )
    return list(value)


def _leaves(paths: Iterable[str]) -> list[str]:
    """``paths`` without those that are on the way to another one; sorted."""
    every = sorted(set(paths))
    return [path for path in every if not any(p.startswith(f"{path}.") for p in every)]
