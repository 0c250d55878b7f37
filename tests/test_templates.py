"""Templates of one's own: layers, filters, what a template declares, what it must not reach."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from sources import gemm, plan_of

from ttgen.errors import TemplateError
from ttgen.plan.model import Plan
from ttgen.render import TemplateSet, builtin_folder, operations, render, search, template_files
from ttgen.render.names import KEYWORDS, may_be_macro
from ttgen.sdk import find_sdk
from ttgen.template_tools import Layer, Tools

GEMM = plan_of(gemm(64, 96, 352), grid=(2, 2), partition="column_major")
BUILTIN = render(GEMM, TemplateSet())
SDK = '{% set sdk = "0.81.1" %}\n'
PACK = "{% macro pack_tile(dst, out, slot) %}"


def folder(path: Path, **templates: str) -> Path:
    """A folder of templates, by name with ``__`` for ``/``, ``_cpp`` for ``.cpp``, without .j2."""
    for name, text in templates.items():
        file = path / f"{name.replace('__', '/').replace('_cpp', '.cpp')}.j2"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def refused(tmp_path: Path, *folders: Path) -> str:
    """The whole message of the error that rendering gives, with paths relative to ``tmp_path``."""
    with pytest.raises(TemplateError) as caught:
        render(GEMM, TemplateSet(folders, tmp_path))
    return str(caught.value)


# Layers -------------------------------------------------------------------------------------------


def test_each_layer_extends_the_one_below_it(tmp_path: Path) -> None:
    """User over project over built in, each adding to what the next one says."""
    block = '{% extends "below/writer.cpp.j2" %}{% block preamble %}'
    user = folder(
        tmp_path / "user", writer_cpp=SDK + block + "// user\n{{ super() }}{% endblock %}"
    )
    project = folder(
        tmp_path / "project", writer_cpp=SDK + block + "// project\n{{ super() }}{% endblock %}"
    )
    assert render(GEMM, TemplateSet((user, project)))["writer.cpp"] == (
        f"// user\n// project\n{BUILTIN['writer.cpp']}"
    )
    assert render(GEMM, TemplateSet((user,)))["writer.cpp"] == f"// user\n{BUILTIN['writer.cpp']}"


def test_an_operation_is_wrapped_around_the_one_below(tmp_path: Path) -> None:
    """By a macro that calls the macro that it takes the place of, through two layers."""
    text = (
        SDK + '{% import "below/ops/pack_tile.j2" as below %}{% set headers = below.headers %}\n'
        f"{PACK}\n// <NAME>\n{{{{ below.pack_tile(dst, out, slot) }}}}\n{{% endmacro %}}\n"
    )
    layers = [folder(tmp_path / name, ops__pack_tile=text.replace("<NAME>", name)) for name in "ab"]
    found = render(GEMM, TemplateSet(tuple(layers)))["compute.cpp"]
    assert re.search(r" // a\n +// b\n+ +pack_tile<true>\(0, C_cb, slot\);", found)
    assert '#include "api/compute/pack.h"' in found


def test_the_prefix_of_the_built_in_ones_goes_past_other_layers(tmp_path: Path) -> None:
    user = folder(tmp_path / "user", host_cpp=SDK + '{% extends "ttgen/host.cpp.j2" %}')
    project = folder(tmp_path / "project", host_cpp=SDK + "project")
    assert render(GEMM, TemplateSet((user, project)))["host.cpp"] == BUILTIN["host.cpp"]
    folder(project, ttgen__host_cpp="a folder cannot put itself in the built-in ones' place")
    assert render(GEMM, TemplateSet((user, project)))["host.cpp"] == BUILTIN["host.cpp"]


def test_nothing_is_below_the_last_layer(tmp_path: Path) -> None:
    user = folder(tmp_path / "user", writer_cpp=SDK + '{% include "below/mine.j2" %}')
    assert refused(tmp_path, user) == (
        "user/writer.cpp.j2:2: there is no template 'below/1/mine.j2'\n"
        '    {% include "below/mine.j2" %}\n'
        "  rendering writer.cpp of kernel 'k'\n"
        f"  looked in {builtin_folder()}"
    )


def test_a_layer_that_comes_later_is_seen(tmp_path: Path) -> None:
    """In the same process: a file takes a template's place as soon as it is there."""
    templates = TemplateSet((tmp_path / "user",), tmp_path)
    assert render(GEMM, templates) == BUILTIN
    file = folder(tmp_path / "user", host_cpp=SDK + "mine") / "host.cpp.j2"
    assert render(GEMM, templates)["host.cpp"] == "mine"
    file.unlink()
    assert render(GEMM, templates) == BUILTIN


# Confinement --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../secret.j2", "/etc/hostname", "ttgen/../secret.j2", "a//b", ""]
)
def test_names_do_not_lead_out_of_the_folders(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.j2").write_text("secret")
    text = f'{{% include "{name}" %}}'
    user = folder(tmp_path / "user", host_cpp=SDK + text)
    assert refused(tmp_path, user) == (
        f"user/host.cpp.j2:2: '{name}' is no name of a template\n    {text}\n"
        "  rendering host.cpp of kernel 'k'\n"
        "  name it by its path in a folder of templates, with '/', as in 'ops/mine.j2'"
    )


def test_links_do_not_lead_out_of_the_folders(tmp_path: Path) -> None:
    (tmp_path / "secret.j2").write_text(SDK + "secret")
    user = folder(tmp_path / "user", host_cpp=SDK + '{% include "in.j2" %}')
    (user / "in.j2").symlink_to(tmp_path / "secret.j2")
    assert refused(tmp_path, user) == (
        f"user/in.j2: the template is a link to {tmp_path}/secret.j2, outside of the folders of "
        "templates\n  rendering host.cpp of kernel 'k'\n"
        "  copy the file, or add its folder to the templates"
    )
    other = folder(tmp_path / "other", shared=SDK + "shared")
    (user / "in.j2").unlink()
    (user / "in.j2").symlink_to(other / "shared.j2")
    assert render(GEMM, TemplateSet((user, other)))["host.cpp"] == "shared"


# What templates declare ---------------------------------------------------------------------------


def test_a_field_that_is_not_declared_is_refused_with_the_line_to_write(tmp_path: Path) -> None:
    text = SDK + PACK + "\nmine({{ out.index }}, {{ out.name }});\n{% endmacro %}\n"
    user = folder(tmp_path / "user", ops__pack_tile=text)
    message = refused(tmp_path, user)
    assert message == (
        "user/ops/pack_tile.j2:3: the template reads 'circular_buffers.index' of the plan and does "
        "not declare it\n    mine({{ out.index }}, {{ out.name }});\n"
        "  rendering compute.cpp of kernel 'k'\n"
        "  write at its top: "
        '{% set reads = ["circular_buffers.index", "circular_buffers.name"] %}'
    )
    line = message.rpartition("top: ")[2]
    folder(user, ops__pack_tile=f"{line}\n{text}")
    assert "mine(2, C);" in render(GEMM, TemplateSet((user,)))["compute.cpp"]
    folder(
        user,
        ops__pack_tile=text.replace("\n", '\n{% set reads = ["circular_buffers.name"] %}\n', 1),
    )
    assert refused(tmp_path, user).endswith("write in place of line 2: " + line)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{% for t in plan.tensors %}{{ t.layout.dtype }}{% endfor %}", "tensors.layout.dtype"),
        ('{{ plan.tensors | map(attribute="page_bytes") | list }}', "tensors.page_bytes"),
        ('{{ plan["kernel"] }}', "kernel"),
        ("{{ plan.partition.cores[0].core }}", "partition.cores.core"),
        ("{{ plan.programs.reader.tensors }}", "programs.*.tensors"),
        (
            "{% for _, p in plan.programs.items() %}{{ p.runtime_args.names }}{% endfor %}",
            "programs.*.runtime_args.names",
        ),
        ('{{ plan.tensor("A").tiles }}', "tensors.layout.tile_shape"),
        ("{{ program.body }}", "programs.*.body"),
    ],
)
def test_reading_is_noticed_in_every_form(tmp_path: Path, text: str, field: str) -> None:
    name = "writer_cpp"
    user = folder(tmp_path / "user", **{name: SDK + text})
    assert f"'{field}'" in refused(tmp_path, user) or f'"{field}"' in refused(tmp_path, user)
    folder(user, **{name: f'{SDK}{{% set reads = ["{field.partition(".")[0]}"] %}}{text}'})
    assert render(GEMM, TemplateSet((user,)))["writer.cpp"]


@pytest.mark.parametrize(
    ("reads", "says"),
    [
        (
            '["circular_buffers.bytes"]',
            (
                "there is no field 'circular_buffers.bytes' in plans of version 1: "
                "'circular_buffers' has dtype, index, name, page_bytes, pages, role, tensor, "
                "unpack_to_dst"
            ),
        ),
        (
            '["programs.*.loops"]',
            (
                "there is no field 'programs.*.loops' in plans of version 1: 'programs.*' has "
                "body, constants, runtime_args, tensors"
            ),
        ),
        (
            '["arch.name"]',
            "there is no field 'arch.name' in plans of version 1: 'arch' has no fields",
        ),
        ('"kernel"', "reads must be a list of names of fields"),
        ("plan.kernel", "reads must be a list of names of fields"),
    ],
)
def test_a_declared_field_must_exist(tmp_path: Path, reads: str, says: str) -> None:
    """Whether it is read or not: the template is for plans of another version."""
    line = f"{{% set reads = {reads} %}}"
    user = folder(tmp_path / "user", host_cpp=f"{SDK}{line}\nx")
    assert refused(tmp_path, user).startswith(f"user/host.cpp.j2:2: {says}\n    {line}\n")


@pytest.mark.parametrize("name", ["ops__pack_tile", "writer_cpp", "program"])
def test_every_template_is_for_one_release(tmp_path: Path, name: str) -> None:
    found = builtin_folder() / (name.replace("__", "/").replace("_cpp", ".cpp") + ".j2")
    text = found.read_text()
    user = folder(tmp_path / "user", **{name: text.replace('"0.81.1"', '"0.80.0"')})
    shown = found.relative_to(builtin_folder()).as_posix()
    assert refused(tmp_path, user).startswith(
        f"user/{shown}:1: the template is written for tt-metal 0.80.0, the plan for 0.81.1\n"
        '    {% set sdk = "0.80.0" %}\n  rendering '
    )
    folder(user, **{name: text.replace(SDK, "")})
    assert refused(tmp_path, user).startswith(
        f"user/{shown}:1: the template does not say which tt-metal release it is written for\n"
    )
    assert refused(tmp_path, user).endswith(
        '  write at its top: {% set sdk = "0.81.1" %}, once it is right for that release'
    )


# Filters ------------------------------------------------------------------------------------------

FILTERS = """\
from helper import banner


def as_hex(number):
    return f"0x{number:04x}"


FILTERS = {"hex": as_hex}
TESTS = {"aligned": lambda number: number % 32 == 0}
GLOBALS = {"banner": banner}
"""
USES = SDK + '{{ banner("ours") }}{{ 255 | hex }}{{ 64 is aligned }}'


def with_filters(
    tmp_path: Path, text: str = FILTERS, helper: str = "return f'== {name} =='"
) -> Path:
    user = folder(tmp_path / "user", host_cpp=USES)
    (user / "filters.py").write_text(text)
    (user / "helper.py").write_text(f"def banner(name):\n    {helper}\n")
    return user


def test_filters_tests_and_globals_of_ones_own(tmp_path: Path) -> None:
    user = with_filters(tmp_path)
    templates = TemplateSet((user,), tmp_path)
    assert render(GEMM, templates)["host.cpp"] == "== ours ==0x00ffTrue"
    files = template_files(templates, operations(GEMM))
    assert {user / "filters.py", user / "helper.py"} <= set(files)
    (user / "helper.py").write_text("def banner(name):\n    return 'changed '\n")
    assert render(GEMM, templates)["host.cpp"] == "changed 0x00ffTrue"


def test_filters_of_an_upper_layer_win(tmp_path: Path) -> None:
    user, project = with_filters(tmp_path), tmp_path / "project"
    project.mkdir()
    (project / "filters.py").write_text(
        'FILTERS = {"hex": lambda n: "never", "other": lambda n: "other"}\n'
    )
    folder(user, host_cpp=SDK + "{{ 1 | hex }} {{ 1 | other }}")
    assert render(GEMM, TemplateSet((user, project)))["host.cpp"] == "0x0001 other"
    places = template_files(TemplateSet((user, tmp_path / "none")), operations(GEMM))
    assert tmp_path / "none" / "filters.py" in places


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            '"hex"',
            '"upper"',
            "user/filters.py:8: there is a filter 'upper' already, of ttgen's or Jinja's\n",
        ),
        ('"hex"', '"cpp"', "user/filters.py:8: there is a filter 'cpp' already, of ttgen's"),
        ('"banner"', '"plan"', "user/filters.py:10: there is a global 'plan' already"),
        ('"aligned"', '"odd"', "user/filters.py:9: there is a test 'odd' already"),
        ("as_hex}", "3}", "user/filters.py:8: the filter 'hex' is no function, but 3\n"),
        ('"hex"', '"as hex"', "user/filters.py:8: 'as hex' cannot be the name of a filter\n"),
        ('{"hex": as_hex}', "[as_hex]", "user/filters.py:8: FILTERS must map names to what they"),
        (
            "def as_hex",
            "1 / 0\ndef as_hex",
            "user/filters.py:4: ZeroDivisionError: division by zero",
        ),
        ("def as_hex(", "def as_hex(:", "user/filters.py:4:12: not valid Python: "),
        (
            "from helper",
            "from helped",
            "user/filters.py:1: ModuleNotFoundError: No module named 'helped'",
        ),
        ('return f"0x', 'return 1 / 0\n    x = f"0x', "user/filters.py:5: ZeroDivisionError: "),
    ],
)
def test_wrong_filters_say_file_and_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in FILTERS
    message = refused(tmp_path, with_filters(tmp_path, FILTERS.replace(old, new)))
    assert message.startswith(says)
    assert "rendering " in message


def test_a_filter_that_fails_names_the_template_that_used_it(tmp_path: Path) -> None:
    """And a helper of the filter's is where the error is."""
    message = refused(tmp_path, with_filters(tmp_path, helper="return name.nope"))
    assert message == (
        "user/helper.py:2: AttributeError: 'str' object has no attribute 'nope'\n"
        "  used by user/host.cpp.j2:2\n"
        "  rendering host.cpp of kernel 'k'"
    )


def test_a_file_without_filters_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, with_filters(tmp_path, "def hex(number):\n    return number\n"))
    assert message == (
        "user/filters.py: it defines no filters\n  rendering reader.cpp of kernel 'k'\n"
        "  define FILTERS, TESTS, GLOBALS, or one of them: names and what they mean"
    )


# Errors -------------------------------------------------------------------------------------------


def test_an_error_in_a_macro_names_who_calls_it_and_the_statement(tmp_path: Path) -> None:
    user = folder(
        tmp_path / "user",
        ops__pack_tile=SDK + f'{{% import "mine.j2" as mine %}}\n{PACK}\n'
        "{{ mine.name(out) }}\n{% endmacro %}",
        mine=SDK + "{% macro name(buffer) %}\n{{ buffer.nme }}\n{% endmacro %}",
    )
    program = builtin_folder() / "program.j2"
    call = program.read_text().splitlines().index("{{ operation(statement) }}") + 1
    message = refused(tmp_path, user)
    first, line, used, rendering = message.splitlines()
    assert first == (
        "user/mine.j2:3: 'ttgen.plan.model.CircularBuffer object' has no attribute 'nme'"
    )
    assert line == "    {{ buffer.nme }}"
    assert used.startswith(f"  used by user/ops/pack_tile.j2:4, {program}:{call}, ")
    assert re.fullmatch(
        r"  rendering compute\.cpp of kernel 'k', the operation at kernels/k\.py:\d+:\d+", rendering
    )


# Names --------------------------------------------------------------------------------------------


def with_variable(name: str) -> Plan:
    """The plan with a variable of its reader called otherwise."""
    text = msgspec.json.encode(GEMM).decode()
    assert '"k_block"' in text
    return msgspec.json.decode(text.replace('"k_block"', f'"{name}"'), type=Plan)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("int", "int_2"),
        ("register", "register_2"),
        ("cb_wait_front", "cb_wait_front_2"),
        ("matmul_tiles", "matmul_tiles_2"),
        ("A_cb", "a_cb_2"),
        ("NOC_INDEX", "noc_index_2"),
        ("tt_l1_ptr", "tt_l1_ptr_2"),
        ("relu_tile", "relu_tile_2"),
        ("__b", "b_2"),
        ("_", "_"),
        ("kernel_main", "kernel_main_2"),
        ("k_block", "k_block"),
        ("column", "column"),
    ],
)
def test_a_variable_never_means_something_else_in_cpp(name: str, wanted: str) -> None:
    """It gets a number where C++, the SDK, a buffer or a template has a meaning for it."""
    found = render(with_variable(name), TemplateSet())["compute.cpp"]
    assert found == BUILTIN["compute.cpp"].replace("k_block", wanted)


def test_a_variable_steps_aside_for_a_template_of_the_users(tmp_path: Path) -> None:
    """Whose own variable would hide it; comments name nothing."""
    reads = '{% set reads = ["circular_buffers.name"] %}'
    body = "{ const uint32_t k_block = 1; pack_tile(k_block, {{ out.name }}_cb, {{ slot }}); }"
    user = folder(tmp_path / "u", ops__pack_tile=f"{SDK}{reads}{PACK}{body}{{% endmacro %}}")
    assert "uint32_t k_block_2 = 0;" in render(GEMM, TemplateSet((user,)))["compute.cpp"]
    comment = "// k_block\n"
    folder(user, ops__pack_tile=f"{SDK}{reads}{PACK}{comment}{{% endmacro %}}")
    assert "uint32_t k_block = 0;" in render(GEMM, TemplateSet((user,)))["compute.cpp"]


def test_renamed_variables_keep_apart() -> None:
    """``b`` and what ``__b`` becomes; the names of both in every expression."""
    text = msgspec.json.encode(GEMM).decode()
    text = text.replace('"k_block"', '"__b"').replace('"inner"', '"b_2"')
    found = render(msgspec.json.decode(text, type=Plan), TemplateSet())["compute.cpp"]
    expected = BUILTIN["compute.cpp"].replace("k_block", "b_3")
    assert found == re.sub(r"\binner\b", "b_2", expected)


def test_the_path_of_a_kernel_ends_no_comment() -> None:
    """It is in comments of C++, and in a docstring of Python."""
    odd = 'k\n#error\\/"""/k.py'
    source = msgspec.structs.replace(GEMM.source, path=odd)
    found = render(msgspec.structs.replace(GEMM, source=source), TemplateSet())
    clean = "k_#error_/___/k.py"
    for name, text in found.items():
        assert text == BUILTIN[name].replace(GEMM.source.path, clean), name


def test_every_macro_of_the_sdk_is_one_that_names_avoid() -> None:
    sdk = find_sdk()
    if sdk is None:
        pytest.skip("ttnn is not installed (extra: sim)")
    metal = sdk.package / "tt_metal"
    headers = [p for part in ("hw", "tt-llk", "hostdevcommon") for p in (metal / part).rglob("*.h")]
    assert len(headers) > 500
    define = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
    names = {name for file in headers for name in define.findall(file.read_text(errors="replace"))}
    assert len(names) > 10000
    reserved = {name for name in names if "__" in name or re.match("_[A-Z]", name)}
    assert {name for name in names - reserved if not may_be_macro(name)} == set()
    assert {"int", "co_await", "xor"} <= KEYWORDS


# ttgen templates ----------------------------------------------------------------------------------


def tools(tmp_path: Path, *names: str) -> Tools:
    return Tools(tuple(Layer(tmp_path / name, "--templates") for name in names), tmp_path)


def test_the_list_says_which_file_wins_and_why(tmp_path: Path) -> None:
    pack = (builtin_folder() / "ops" / "pack_tile.j2").read_text()
    folder(tmp_path / "user", ops__pack_tile=pack, mine=SDK)
    folder(tmp_path / "project", ops__pack_tile=pack, ops__pack_tiles=SDK)
    (tmp_path / "user" / "filters.py").write_text('FILTERS = {"hex": hex}\nGLOBALS = {"n": 1}\n')
    assert "\n  2  none  (--templates; not there)\n" in tools(tmp_path, "user", "none").listing()
    lines = tools(tmp_path, "user", "project").listing().splitlines()
    assert lines[:5] == [
        "looked for in this order:",
        "  1  user  (--templates)",
        "  2  project  (--templates)",
        "  3  built in",
        "",
    ]
    rows = {line.split()[0]: re.split(r"  +", line)[1:] for line in lines[5:-4]}
    assert rows["ops/pack_tile.j2"] == [
        "user/ops/pack_tile.j2",
        "over project/ops/pack_tile.j2, ttgen/ops/pack_tile.j2",
    ]
    assert rows["mine.j2"] == [
        "user/mine.j2",
        "for other templates to use: there is no built-in one",
    ]
    assert rows["ops/pack_tiles.j2"] == [
        "project/ops/pack_tiles.j2",
        "there is no operation pack_tiles; did you mean pack_tile?",
    ]
    builtin = {p.relative_to(builtin_folder()).as_posix() for p in builtin_folder().rglob("*.j2")}
    others = builtin - {"ops/pack_tile.j2"}
    assert all(rows[name] == ["built in"] for name in others)
    assert set(rows) == builtin | {"mine.j2", "ops/pack_tiles.j2"}
    assert lines[-4:] == ["", "from user/filters.py:", "  filters: hex", "  globals: n"]


def test_a_copy_renders_as_the_built_in_one_and_replaces_nothing(tmp_path: Path) -> None:
    for name in ("ops/pack_tile.j2", "writer.cpp.j2", "program.j2", "host.py.j2"):
        path = tools(tmp_path).eject(name, tmp_path / "mine")
        assert path == tmp_path / "mine" / name
    assert render(GEMM, TemplateSet((tmp_path / "mine",))) == BUILTIN
    path.write_text("mine")
    with pytest.raises(TemplateError) as caught:
        tools(tmp_path).eject("host.py.j2", tmp_path / "mine")
    assert str(caught.value) == (
        "mine/host.py.j2 is there already\n  --force puts the copy in its place"
    )
    assert path.read_text() == "mine"
    tools(tmp_path).eject("host.py.j2", tmp_path / "mine", force=True)
    assert render(GEMM, TemplateSet((tmp_path / "mine",))) == BUILTIN
    with pytest.raises(TemplateError, match="holds the built-in templates\n  name a folder: --to"):
        tools(tmp_path).eject("host.py.j2", builtin_folder(), force=True)
    with pytest.raises(TemplateError) as caught:
        tools(tmp_path).eject("ops/pack_tiles.j2", tmp_path / "mine")
    assert str(caught.value) == (
        "there is no built-in template 'ops/pack_tiles.j2'\n  did you mean ops/pack_tile.j2?"
    )


def test_changes_here_and_in_the_built_in_one_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another ttgen: its template has another call, the copy another name."""
    path = tools(tmp_path).eject("ops/pack_tile.j2", tmp_path / "mine")
    mine = tools(tmp_path, "mine")
    title = "mine/ops/pack_tile.j2: the built-in one "
    same = f"{title}is as it was when it was copied\n  and so is the copy"
    assert mine.changes() == (same, False)
    assert tools(tmp_path).changes() == ("nothing is in the place of a built-in template", False)
    text = path.read_text()
    path.write_text(text.replace("{{ slot }});", "{{ slot }});  // mine"))
    call = "pack_tile<true>({{ dst }}, {{ out.name }}_cb, {{ slot }});"
    ours = f"-{call}\n+{call}  // mine\n {{% endmacro %}}"
    found, stale = mine.changes("ops/pack_tile.j2")
    assert (found.splitlines()[0], stale) == (same.splitlines()[0], False)
    assert found.endswith(ours)
    assert "--- ttgen/ops/pack_tile.j2\n+++ mine/ops/pack_tile.j2\n" in found

    newer = tmp_path / "newer"
    folder(newer, ops__pack_tile=text.partition("\n")[2].replace("<true>", "<false>"))
    monkeypatch.setattr("ttgen.render.search.builtin_folder", lambda: newer)
    monkeypatch.setattr("ttgen.template_tools.builtin_folder", lambda: newer)
    search._candidates.cache_clear()
    found, stale = mine.changes()
    since, here = found.split("\n  and changed here:\n")
    assert stale
    assert since.splitlines()[0] == f"{title}has changed since it was copied"
    assert f"-{call}\n+{call.replace('true', 'false')}\n" in since
    assert "mine" not in since.partition("\n")[2]
    assert here.endswith(ours)
    (tmp_path / "mine" / ".ejected" / "ops" / "pack_tile.j2").unlink()
    found, stale = mine.changes()
    assert stale
    assert "  mine/.ejected/ops/pack_tile.j2 is gone; all differences:\n" in found
    assert f"-{call.replace('true', 'false')}\n+{call}  // mine\n" in found
    path.write_text("own\n")
    found, stale = mine.changes()
    assert not stale
    assert found.startswith("mine/ops/pack_tile.j2: not a copy that ttgen made; against the built")
