"""Templates that an earlier run has parsed: not parsed again, and never another text's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
from sources import gemm, plan_of

from ttgen.render import TemplateSet, environment, kept, render, search

GEMM = plan_of(gemm(64, 96, 352))
BUILTIN = render(GEMM, TemplateSet())
FILTERS = 'def shout(text):\n    return text.upper() + "{mark}"\n\n\nFILTERS = {{"shout": shout}}\n'


@pytest.fixture
def templates(tmp_path: Path) -> TemplateSet:
    """A project's, with a filter in an expression that Jinja takes for a constant."""
    user = tmp_path / "user"
    user.mkdir()
    (user / "host.cpp.j2").write_text('{% set sdk = "0.81.1" %}{{ "mine" | shout }}')
    (user / "filters.py").write_text(FILTERS.format(mark="!"))
    folder = tmp_path / "kept" / "one"
    kept.make(folder)
    return TemplateSet((user,), tmp_path, folder)


def anew(templates: TemplateSet) -> dict[str, str]:
    """What a new process renders."""
    search._contents.cache_clear()
    environment._environment.cache_clear()
    return render(GEMM, templates)


def test_nothing_is_parsed_again(templates: TemplateSet, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    parse = jinja2.Environment._parse

    def noting(self: Any, source: str, name: str | None, filename: str | None) -> Any:
        parsed.append(str(filename))
        return parse(self, source, name, filename)

    monkeypatch.setattr(jinja2.Environment, "_parse", noting)
    first = anew(templates)
    assert parsed
    assert first == {**BUILTIN, "host.cpp": "MINE!"}
    parsed.clear()
    assert anew(templates) == first
    assert not parsed
    (user,) = templates.folders
    (user / "host.cpp.j2").write_text('{% set sdk = "0.81.1" %}{{ "other" | shout }}')
    assert anew(templates)["host.cpp"] == "OTHER!"
    assert set(parsed) == {str(user / "host.cpp.j2")}


def test_a_filter_that_changes_changes_what_is_constant(templates: TemplateSet) -> None:
    assert anew(templates)["host.cpp"] == "MINE!"
    (user,) = templates.folders
    (user / "filters.py").write_text(FILTERS.format(mark="?"))
    assert anew(templates)["host.cpp"] == "MINE?"


def test_what_is_damaged_or_cannot_be_kept_is_made(templates: TemplateSet) -> None:
    first = anew(templates)
    assert templates.kept is not None
    files = list(templates.kept.iterdir())
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert anew(templates) == first
    for file in files:
        file.write_bytes(b"\0")
    assert anew(templates) == first
    nowhere = TemplateSet(templates.folders, templates.project, templates.kept / "nowhere")
    assert anew(nowhere) == first
    assert not (templates.kept / "nowhere").exists()


def test_other_versions_are_removed(templates: TemplateSet) -> None:
    assert templates.kept is not None
    kept.make(templates.kept)
    other = templates.kept.with_name("two")
    kept.make(other)
    assert list(other.parent.iterdir()) == [other]
