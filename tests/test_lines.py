"""Lines of a program, of its templates and of the kernel: in messages, in ``#line``, in ELFs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sources import elementwise, gemm, plan_of

from ttgen.outputs import KERNEL_SOURCES
from ttgen.plan.model import Plan
from ttgen.render import TemplateSet, explain, render, write_sources
from ttgen.render.lines import with_directives
from ttgen.render.markers import Origin, of_operation, without_marks
from ttgen.render.rendering import Rendering

PLANS = {
    "gemm": plan_of(gemm(64, 96, 352), grid=(2, 2), partition="column_major"),
    "rows": plan_of(
        elementwise("add", (40, 70)), layouts={"A": {"page": "row"}, "C": {"page": "row"}}
    ),
}
GEMM = PLANS["gemm"]
SDK = '{% set sdk = "0.81.1" %}\n'


@pytest.fixture(params=PLANS.values(), ids=PLANS.keys())
def plan(request: pytest.FixtureRequest) -> Plan:
    found: Plan = request.param
    return found


def without_directives(text: str) -> str:
    return re.sub(r'^#line \d+ ".*"\n', "", text, flags=re.MULTILINE)


def presumed_places(text: str, name: str) -> list[tuple[str, str, int]]:
    """Each line, with the file and number that the C++ standard gives it."""
    path, number = name, 0
    found = []
    for line in text.split("\n"):
        number += 1
        if match := re.fullmatch(r'#line (\d+) "(.*)"', line):
            path, number = match[2], int(match[1]) - 1
        else:
            found.append((line, path, number))
    return found


# #line --------------------------------------------------------------------------------------------


def test_directives_change_no_line(plan: Plan) -> None:
    plain, found = render(plan, TemplateSet()), render(plan, TemplateSet(), "source")
    assert {name for name in plain if plain[name] != found[name]} == set(KERNEL_SOURCES)
    assert {name: without_directives(text) for name, text in found.items()} == plain


def test_every_statement_is_at_its_place_in_the_kernel(plan: Plan) -> None:
    """The lines of an operation are its line of the kernel, however many they are."""
    found = render(plan, TemplateSet(), "source")
    for name in KERNEL_SOURCES:
        marked = Rendering(plan, TemplateSet(), name, mark_kernel=True).text()
        text, origins = without_marks(marked)
        places = presumed_places(found[name], name)
        assert [line for line, _, _ in places] == text.split("\n")
        wanted = [origin.kernel.rpartition(":")[0] for origin in origins]
        assert sum(bool(place) for place in wanted) >= 4
        known = [i for i, place in enumerate(wanted) if place]
        for i, (line, path, number) in enumerate(places):
            if wanted[i]:
                assert f"{path}:{number}" == wanted[i], line
            elif known[0] < i < known[-1]:
                assert f"{path}:{number}" == next(place for place in wanted[i:] if place), line
            else:
                assert path == name
                assert found[name].split("\n")[number - 1] == line


def test_paths_are_relative_to_the_project() -> None:
    for name in KERNEL_SOURCES:
        text = render(GEMM, TemplateSet(), "source")[name]
        paths = set(re.findall(r'^#line \d+ "(.*)"$', text, re.MULTILINE))
        assert paths == {"kernels/k.py", name}


def test_a_line_that_goes_on_is_not_cut() -> None:
    text = f"a\n{of_operation('b', 'k.py:3:1')}\nc"
    assert with_directives(text, "x.cpp") == 'a\n#line 3 "k.py"\nb\n#line 5 "x.cpp"\nc'
    macro = of_operation("MACRO(\\\n  1)", 'odd "name".py:3:1')
    assert with_directives(f"{macro}\nc", "x.cpp") == (
        '#line 3 "odd \\"name\\".py"\nMACRO(\\\n  1)\n#line 5 "x.cpp"\nc'
    )


def test_the_mark_of_an_operation_that_says_nothing_leaves_an_empty_line(tmp_path: Path) -> None:
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "pack_tile.j2").write_text(
        SDK + "{% macro pack_tile(dst, out, slot) %}{% endmacro %}"
    )
    templates = TemplateSet((tmp_path,))
    plain, found = render(GEMM, templates), render(GEMM, templates, "source")
    assert without_directives(found["compute.cpp"]) == plain["compute.cpp"]
    assert without_marks(of_operation("", "k.py:1:1")) == ("", [Origin()])


# Messages of the compiler -------------------------------------------------------------------------

PACK = """\
{% set sdk = "0.81.1" %}
{% set reads = ["circular_buffers.name"] %}
{% macro pack_tile(dst, out, slot) %}
if (true) {
    my_pack({{ dst }}, {{ out.name }}_cb, {{ slot }});
}
{% endmacro %}
"""


@pytest.fixture
def templates(tmp_path: Path) -> TemplateSet:
    path = tmp_path / "mine" / "ops" / "pack_tile.j2"
    path.parent.mkdir(parents=True)
    path.write_text(PACK)
    return TemplateSet((tmp_path / "mine",), tmp_path)


def number_of(path: Path, text: str) -> int:
    return next(i for i, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_a_message_about_a_program_names_template_and_kernel(
    tmp_path: Path, templates: TemplateSet
) -> None:
    write_sources(GEMM, templates, tmp_path / "out")
    line = number_of(tmp_path / "out" / "compute.cpp", "my_pack(")
    place = GEMM.programs.compute.body
    at = "kernels/k.py:10:13"
    assert at in str(place)
    message = (
        "the kernels do not compile:\n"
        f"/cache/compute.cpp:{line}:9: error: use of undeclared identifier 'my_pack'\n"
        f"   {line} |         my_pack(0, C_cb, slot);\n"
        "      |         ^~~~~~~\n"
        "/sdk/pack.h:3:4: note: declared here\n"
        "    3 | void pack();\n"
    )
    notes = (
        "mine/ops/pack_tile.j2:5: note: rendered from this line of a template\n"
        f"{at}: note: for this statement of the kernel\n"
    )
    head, here, tail = message.partition("/sdk")
    found = explain(message, GEMM, templates, tmp_path / "out")
    assert found == f"{head}{notes}{here}{tail}".rstrip("\n")


def test_a_message_about_the_kernel_names_the_program(
    tmp_path: Path, templates: TemplateSet
) -> None:
    """With ``lines=source`` many lines of the programs are one line of the kernel."""
    write_sources(GEMM, templates, tmp_path / "out", "source")
    line = number_of(tmp_path / "out" / "compute.cpp", "my_pack(")
    message = (
        "kernels/k.py:10:9: error: use of undeclared identifier 'my_pack'\n"
        "   10 |         my_pack(0, C_cb, slot);"
    )
    assert explain(message, GEMM, templates, tmp_path / "out") == (
        f"{message}\n"
        f"out/compute.cpp:{line}: note: in the generated program\n"
        "mine/ops/pack_tile.j2:5: note: rendered from this line of a template"
    )


def test_what_is_not_of_a_kernel_names_the_template_alone(
    tmp_path: Path, templates: TemplateSet
) -> None:
    for lines in ("generated", "source"):
        write_sources(GEMM, templates, tmp_path / "out", lines)  # type: ignore[arg-type]
        line = number_of(tmp_path / "out" / "compute.cpp", '#include "api/compute/matmul.h"')
        message = f"compute.cpp:{line}:1: fatal error: 'api/compute/matmul.h' file not found"
        notes = explain(message, GEMM, templates, tmp_path / "out").splitlines()[1:]
        assert len(notes) == 1
        assert re.fullmatch(r".*/program\.j2:\d+: note: rendered from this line of .*", notes[0])


def test_nothing_is_said_that_is_not_known(tmp_path: Path, templates: TemplateSet) -> None:
    """Of other files, of lines that there are not, of programs that were rendered from others."""
    write_sources(GEMM, templates, tmp_path / "out")
    line = number_of(tmp_path / "out" / "compute.cpp", "my_pack(")
    known = f"compute.cpp:{line}:9: error: no"
    for message in ("other.cpp:3:1: error: no", "compute.cpp:999:1: error: no", "killed"):
        assert explain(message, GEMM, templates, tmp_path / "out") == message
    assert explain(known, GEMM, templates, tmp_path / "out") != known
    assert explain(known, GEMM, TemplateSet(), tmp_path / "out") == known
    (tmp_path / "mine" / "ops" / "pack_tile.j2").write_text("{% broken")
    assert explain(known, GEMM, templates, tmp_path / "out") == known
    assert explain(known, GEMM, templates, tmp_path / "nowhere") == known
