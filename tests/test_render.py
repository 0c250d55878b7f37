"""Rendering: plans to C++ and Python; templates of users, broken ones, and what they depend on."""

from __future__ import annotations

import ast
import importlib.util
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import elementwise, gemm, plan_of

from ttgen.errors import TemplateError
from ttgen.ops import TILE_OPS, WORDS, Kind
from ttgen.outputs import SOURCES
from ttgen.plan import Plan
from ttgen.plan.model import BinaryOp, Expr, Op
from ttgen.plan.trace import evaluate
from ttgen.render import (
    TemplateSet,
    builtin_folder,
    cpp_expression,
    cpp_factor,
    operations,
    render,
    template_names,
    write_sources,
)
from ttgen.render.environment import _Loader, environment

STUB = Path(__file__).parent / "host_api_stub"
GEMM = plan_of(gemm(64, 96, 352), grid=(2, 2), partition="column_major")

#: Every operation that the forms below do not use: trees, broadcasts, transposes, reductions.
EVERYTHING_ELSE = """
from tvm import te


def k():
    tensor = lambda name, *shape: te.placeholder(shape, "bfloat16", name=name)
    A, B, D = tensor("A", 40, 70), tensor("B", 70, 40), tensor("D", 3, 40, 70)
    b = te.reduce_axis((0, 3), "b")
    layers = te.compute((40, 70), lambda i, j: te.sum(D[b, i, j], axis=b), name="layers")
    row, column = tensor("row", 70), tensor("column", 40, 1)
    n = te.reduce_axis((0, 70), "n")
    value = lambda i: A[i, n] - te.const(1.0, "bfloat16")
    total = te.compute((40, 1), lambda i, _: te.sum(value(i), axis=n), name="total")
    tree = lambda i, j: (
        (A[i, j] * row[j] + A[i, j]) * A[i, j] - A[i, j]
        - (A[i, j] - column[i, 0]) * (B[j, i] + row[j])
        - (te.const(2.0, "bfloat16") - (A[i, j] - total[i, 0])) - layers[i, j]
        - te.max(A[i, j], te.const(0.0, "bfloat16"))
        - te.if_then_else(A[i, j] < row[j], A[i, j], row[j])
    )
    return [A, B, D, row, column, te.compute((40, 70), tree, name="C")]
"""

FORMATS_MIXED = """
from tvm import te


def k():
    A = te.placeholder((64, 96), "float32", name="A")
    B = te.placeholder((96, 64), "bfloat16", name="B")
    S = te.placeholder((64, 64), "bfloat16", name="S")
    R = te.placeholder((64, 64), "float32", name="R")
    n = te.reduce_axis((0, 96), "n")
    P = te.compute((64, 64), lambda i, j: te.sum(A[i, n] * B[n, j].astype("float32"), axis=n))
    tree = lambda i, j: ((P[i, j] + R[j, i]) * (R[i, j] + S[i, j].astype("float32")))
    return [A, B, R, S, te.compute((64, 64), lambda i, j: tree(i, j).astype("bfloat16"), name="C")]
"""

TRIANGLE = """\
def k():
    A = te.placeholder((64, 96), dtype="bfloat16", name="A")
    zero = te.const(0, "bfloat16")
    return [A, te.compute((64, 96), lambda i, j: te.if_then_else(j <= i, A[i, j], zero), name="C")]
"""

PLANS = {
    "everything else": plan_of(EVERYTHING_ELSE),
    "gemm": GEMM,
    "gemm row by row": plan_of(gemm(64, 64, 64)),
    **{
        op: plan_of(elementwise(op, (2, 64, 96)), grid=(3, 1), partition="column_major")
        for op in ("add", "sub", "mul", "copy")
    },
    "formats": plan_of(FORMATS_MIXED),
    "triangle": plan_of(TRIANGLE),
    "bfp8": plan_of(elementwise("add", (64, 64)), layouts={"A": {"dtype": "bfp8_b"}}),
    "rows": plan_of(
        elementwise("add", (40, 70)), layouts={"A": {"page": "row"}, "C": {"page": "row"}}
    ),
    "int32": plan_of(elementwise("copy", (64, 64)).replace("bfloat16", "int32")),
    "in order": plan_of(
        elementwise("copy", (40, 3, 64)), layouts={n: {"order": [1, 0, 2]} for n in "AB"}
    ),
    "in order, bfp8": plan_of(
        elementwise("copy", (40, 3, 64)),
        layouts={n: {"order": [1, 0, 2], "dtype": "bfp8_b"} for n in "AB"},
    ),
    "sharded": plan_of(
        gemm(64, 96, 64),
        partition_mode="local_shard",
        layouts={
            "A": {"nd_shard": {"grid": [2, 1], "order": "column_major"}},
            "B": {"memory": "L1"},
            "C": {"nd_shard": {"grid": [2, 3], "cores": [[1, 2, 3, 2]]}},
        },
    ),
    # Names that a host program or a kernel might use itself.
    "unlucky names": plan_of(gemm(64, 64, 96, names=("make", "create", "int"))),
    "more unlucky names": plan_of(gemm(64, 64, 96, names=("program", "register", "cores"))),
}


@pytest.fixture(params=PLANS.values(), ids=PLANS.keys())
def plan(request: pytest.FixtureRequest) -> Plan:
    found: Plan = request.param
    return found


def own(tmp_path: Path, **templates: str) -> TemplateSet:
    """A user's folder of templates, by path with ``__`` for ``/`` and without ``.j2``."""
    for name, text in templates.items():
        path = tmp_path / "own" / f"{name.replace('__', '/').replace('_cpp', '.cpp')}.j2"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return TemplateSet((tmp_path / "own",))


# What is rendered ---------------------------------------------------------------------------------


def test_every_operation_has_a_macro_with_its_parameters() -> None:
    jinja = environment(TemplateSet())
    for op in TILE_OPS.values():
        macro = getattr(jinja.get_template(f"ops/{op.name}.j2").module, op.name)
        assert list(macro.arguments) == [name for name, _ in op.params]
    assert {path.stem for path in (builtin_folder() / "ops").iterdir()} == set(TILE_OPS)


def test_every_operation_is_rendered_somewhere() -> None:
    used = {op for plan in PLANS.values() for ops in operations(plan).values() for op in ops}
    assert used == set(TILE_OPS)


def arguments(op: str) -> dict[str, Expr]:
    """Something for each parameter; expressions are sums, to see what binds tighter."""
    kinds: dict[Kind, Expr] = {
        Kind.CB: "A",
        Kind.TENSOR: "A",
        Kind.EXPR: BinaryOp("+", "count", 1),
        **{kind: words[0] for kind, words in WORDS.items()},
    }
    return {name: kinds[kind] for name, kind in TILE_OPS[op].params}


#: Operations that are more than one call.
LOOPS = {"fill_page", "fill_corner", "fill_triangle", "read_rows", "write_rows"}


@pytest.mark.parametrize("op", sorted(set(TILE_OPS) - LOOPS))
def test_every_operation_becomes_one_call(op: str) -> None:
    call = Op(op=op, args=arguments(op), at="k.py:1")
    program = TILE_OPS[op].programs[0]
    changed = msgspec.structs.replace(
        GEMM,
        programs=msgspec.structs.replace(
            GEMM.programs,
            **{program: msgspec.structs.replace(getattr(GEMM.programs, program), body=(call,))},
        ),
    )
    text = render(changed, TemplateSet())[f"{program}.cpp"]
    line = text.rpartition("}")[0].strip().splitlines()[-1].strip()
    assert re.fullmatch(r"\w+(<[\w:,? ]+>)?\(.*\);", line)
    assert line.count("(") == line.count(")")
    for name, kind in TILE_OPS[op].params:
        names = {Kind.CB: "A_cb", Kind.TENSOR: "A_tensor", Kind.EXPR: "count + 1"}
        wanted = names.get(kind) or WORDS[kind][0]
        if name == "slot" and "page" in op:
            wanted = "(count + 1) * 2048"  # an address: pages to bytes
        assert wanted in line


def test_files_say_what_they_are(plan: Plan) -> None:
    texts = render(plan, TemplateSet())
    assert tuple(texts) == SOURCES
    for name, text in texts.items():
        assert f"Made by ttgen from {plan.source.path} ({plan.source.function})" in text
        assert text.endswith("}\n" if name.endswith(".cpp") else ")\n")
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), name
        assert "\n\n\n\n" not in text


def test_rendering_is_deterministic(plan: Plan) -> None:
    assert render(plan, TemplateSet()) == render(plan, TemplateSet())


def test_kernels_take_what_the_plan_says() -> None:
    texts = render(GEMM, TemplateSet())
    assert "constexpr uint32_t B_cb = 1;" in texts["reader.cpp"]
    assert 'constexpr uint32_t Kt = get_named_compile_time_arg_val("Kt");' in texts["reader.cpp"]
    assert "const uint32_t count = get_arg_val<uint32_t>(1);" in texts["reader.cpp"]
    assert "B_cb" not in texts["writer.cpp"]
    assert "constexpr auto B_args = TensorAccessorArgs<A_args." in texts["reader.cpp"]
    assert texts["compute.cpp"].count("pack_tile<true>(") == 1


def test_no_name_is_defined_twice_in_a_program(plan: Plan) -> None:
    """Shadowing or a second definition would be an error of the compiler, or worse none."""
    for name in ("reader.cpp", "compute.cpp", "writer.cpp"):
        text = render(plan, TemplateSet())[name]
        scopes: list[set[str]] = [set()]
        for line in text.splitlines():
            defined = re.search(r"(?:uint32_t|auto) (\w+) =", line)
            if line.endswith("{"):
                scopes.append(set())
            if defined:
                assert all(defined[1] not in scope for scope in scopes), line
                scopes[-1].add(defined[1])
            if line.strip() == "}" and len(scopes) > 1:
                scopes.pop()


def test_host_programs_in_python_compile(plan: Plan) -> None:
    text = render(plan, TemplateSet())["host.py"]
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    namespace: dict[str, Any] = {}
    cores = [node for node in tree.body if isinstance(node, ast.Assign)]
    exec(compile(ast.Module(cores[1:], []), "host.py", "exec"), namespace)
    assert namespace["CORES"] == [work.core for work in plan.partition.cores]
    args = plan.programs.reader.runtime_args.values
    assert namespace["READER_ARGS"] == [list(row) for row in args]


@pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed (extra: sim)"
)
def test_host_programs_in_cpp_compile_against_the_stand_in(tmp_path: Path) -> None:
    """Against ``host_api_stub``: a stand-in made for this test: the wheel has no host headers.

    It shows that the text is C++ and calls what the stand-in declares, not that tt-metal agrees.
    """
    files = []
    for name in (
        "add",
        "formats",
        "bfp8",
        "rows",
        "int32",
        "in order",
        "in order, bfp8",
        "sharded",
        "unlucky names",
        "more unlucky names",
    ):
        files.append(tmp_path / f"{name}.cpp")
        files[-1].write_text(render(PLANS[name], TemplateSet())["host.cpp"])
    command = [*clang(), "-Wall", "-Werror", f"-I{STUB}", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def clang() -> list[str]:
    """ziglang's clang for this machine, with libc++'s headers; ``zig c++`` would build libc++."""
    spec = importlib.util.find_spec("ziglang")
    assert spec is not None
    assert spec.origin is not None
    library = Path(spec.origin).parent / "lib"
    machine = platform.machine()
    features = "THREADS THREAD_API_PTHREAD MONOTONIC_CLOCK FILESYSTEM LOCALIZATION UNICODE"
    options = {f"HAS_{name}": "1" for name in (*features.split(), "WIDE_CHARACTERS", "MUSL_LIBC")}
    absent = ("TERMINAL", "RANDOM_DEVICE", "TIME_ZONE_DATABASE", "VENDOR_AVAILABILITY_ANNOTATIONS")
    options |= {f"HAS_{name}": "0" for name in absent}
    options |= {"ABI_VERSION": "1", "ABI_NAMESPACE": "__1", "PSTL_BACKEND_SERIAL": "1"}
    options |= {"HARDENING_MODE_DEFAULT": "2", "ASSERTION_SEMANTIC_DEFAULT": "2"}
    folders = ("libcxx/include", "libcxxabi/include", "include")
    folders += (f"libc/include/{machine}-linux-musl", "libc/include/generic-musl")
    return [
        *(sys.executable, "-m", "ziglang", "clang", "-x", "c++", "-std=c++20", "-fsyntax-only"),
        *("--no-default-config", f"--target={machine}-linux-musl", "-nostdinc"),
        *(f"-D_LIBCPP_{name}={value}" for name, value in options.items()),
        *(f"-isystem{library / folder}" for folder in folders),
    ]


# Expressions --------------------------------------------------------------------------------------

EXPRESSIONS = st.recursive(
    st.integers(0, 9) | st.sampled_from(["a", "b"]),
    lambda inner: st.builds(
        BinaryOp, st.sampled_from(["+", "-", "*", "//", "%", "min", "max"]), inner, inner
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(EXPRESSIONS, st.integers(0, 20), st.integers(1, 20))
def test_cpp_means_what_the_expression_means(expr: Expr, a: int, b: int) -> None:
    scope = {"a": a, "b": b}
    text = cpp_expression(expr)
    python = text.replace("/", "//").replace("std::", "").replace("<uint32_t>", "")
    try:
        expected = evaluate(expr, scope)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            eval(python, {"min": min, "max": max}, scope)
    else:
        assert eval(python, {"min": min, "max": max}, scope) == expected


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (BinaryOp("-", "a", BinaryOp("-", "b", 1)), "a - (b - 1)"),
        (BinaryOp("-", BinaryOp("-", "a", "b"), 1), "a - b - 1"),
        (BinaryOp("*", BinaryOp("+", "a", 1), "b"), "(a + 1) * b"),
        (BinaryOp("+", BinaryOp("*", "a", 2), "b"), "a * 2 + b"),
        (BinaryOp("//", "a", BinaryOp("*", "b", 2)), "a / (b * 2)"),
        (BinaryOp("min", BinaryOp("-", "a", "b"), 8), "std::min<uint32_t>(a - b, 8)"),
    ],
)
def test_expressions_have_the_parentheses_that_they_need(expr: Expr, text: str) -> None:
    assert cpp_expression(expr) == text


def test_factors() -> None:
    assert [cpp_factor(text) for text in ("a", "12", "a + b", "f(a)")] == [
        "a",
        "12",
        "(a + b)",
        "(f(a))",
    ]


# Templates of users -------------------------------------------------------------------------------

SDK = '{% set sdk = "0.81.1" %}\n'


def test_one_operation_replaced(tmp_path: Path) -> None:
    templates = own(
        tmp_path,
        ops__pack_tile=SDK + '{% set reads = ["circular_buffers.index"] %}'
        '{% set headers = ["mine.h"] %}{% macro pack_tile(dst, out, slot) %}'
        "my_pack({{ out.index }}, {{ dst }});{% endmacro %}",
    )
    mine, theirs = render(GEMM, templates), render(GEMM, TemplateSet())
    assert "my_pack(2, 0);" in mine["compute.cpp"]
    assert '#include "mine.h"' in mine["compute.cpp"]
    assert "api/compute/pack.h" not in mine["compute.cpp"]
    assert {name for name in SOURCES if mine[name] != theirs[name]} == {"compute.cpp"}


def test_one_block_replaced(tmp_path: Path) -> None:
    """The built-in template stays reachable under its prefix, and so does its block."""
    templates = own(
        tmp_path,
        writer_cpp=SDK + '{% extends "ttgen/writer.cpp.j2" %}\n'
        "{% block preamble %}\n// first\n{{ super() }}{% endblock %}\n",
    )
    mine, theirs = render(GEMM, templates), render(GEMM, TemplateSet())
    assert mine["writer.cpp"] == f"// first\n{theirs['writer.cpp']}"


def test_a_whole_file_replaced(tmp_path: Path) -> None:
    templates = own(
        tmp_path, host_cpp=f'{SDK}{{% set reads = ["kernel"] %}}\n// {{{{ plan.kernel }}}}\n'
    )
    assert render(GEMM, templates)["host.cpp"] == "// k\n"


def test_the_first_folder_wins(tmp_path: Path) -> None:
    first = own(tmp_path / "1", host_cpp=SDK + "1").folders
    second = own(tmp_path / "2", host_cpp=SDK + "2").folders
    assert render(GEMM, TemplateSet((*first, *second)))["host.cpp"] == "1"


def test_an_edit_is_seen(tmp_path: Path) -> None:
    templates = own(tmp_path, host_cpp=SDK + "1")
    assert render(GEMM, templates)["host.cpp"] == "1"
    own(tmp_path, host_cpp=SDK + "longer")
    assert render(GEMM, templates)["host.cpp"] == "longer"


def test_templates_see_the_plan_and_nothing_else(tmp_path: Path) -> None:
    """Sandboxed: no attributes of Python's own."""
    for inside in ("plan.__class__.__mro__", "cycler.__init__.__globals__", "request"):
        with pytest.raises(TemplateError, match=r"host.cpp.j2:2: .*(unsafe|undefined)"):
            render(GEMM, own(tmp_path, host_cpp=SDK + f"{{{{ {inside} }}}}"))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "host_cpp",
            SDK + "\n{{ plan.nope }}\n",
            r"host.cpp.j2:3: .*no attribute 'nope'\n    {{ plan.nope }}",
        ),
        ("host_cpp", SDK + "{{ undefined_name }}", r"host.cpp.j2:2: 'undefined_name' is undefined"),
        ("host_cpp", SDK + "{% if %}", r"host.cpp.j2:2: Expected an expression.*\n    {% if %}"),
        ("host_cpp", SDK + "{{ plan | nothing }}", r"host.cpp.j2:2: No filter named 'nothing'"),
        (
            "host_cpp",
            SDK + '{% include "gone.j2" %}',
            r"host.cpp.j2:2: there is no template 'gone.j2'\n    {% inc(.|\n)*looked in .*own, ",
        ),
        ("host_cpp", SDK + "{{ 1 // 0 }}", r"host.cpp.j2:2: .*division or modulo by zero"),
        (
            "ops__pack_tile",
            SDK + "{% macro pack_tile(dst) %}{% endmacro %}",
            r"takes no keyword argument",
        ),
        (
            "ops__pack_tile",
            SDK + "{% macro other() %}{% endmacro %}",
            r"pack_tile.j2: it defines no macro 'pack_tile'",
        ),
        (
            "ops__pack_tile",
            SDK + "{% macro pack_tile(dst, out, slot) %}\n{{ oops }}{% endmacro %}",
            r"pack_tile.j2:3: 'oops'",
        ),
        ("ops__pack_tile", "{% macro", r"pack_tile.j2:1: .*\n    {% macro"),
    ],
)
def test_broken_templates_say_file_and_line(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    """With the source line, and which file of which kernel was being made; nothing is written."""
    out = tmp_path / "out"
    with pytest.raises(TemplateError, match=says) as caught:
        write_sources(GEMM, own(tmp_path, **{name: text}), out)
    if "{%" not in str(caught.value) and "defines no macro" not in str(caught.value):
        assert re.search(r"rendering \w+.cpp of kernel 'k'", str(caught.value))
    assert not out.exists()


def test_a_missing_template_says_where_it_was_looked_for(tmp_path: Path) -> None:
    broken = own(tmp_path, writer_cpp='{% extends "ttgen/writter.cpp.j2" %}')
    with pytest.raises(TemplateError):
        render(GEMM, broken)


def test_templates_are_for_one_release(tmp_path: Path) -> None:
    """A different release of the SDK is an error that says so, in extended templates too."""
    with pytest.raises(
        TemplateError, match=r"host.cpp.j2:1: .*written for tt-metal 0.80.0, the plan for 0.81.1"
    ):
        render(GEMM, own(tmp_path, host_cpp='{% set sdk = "0.80.0" %}'))
    with pytest.raises(
        TemplateError, match=r'does not say which tt-metal release(.|\n)*set sdk = "0.81.1"'
    ):
        render(GEMM, own(tmp_path, host_cpp="no release\n"))
    extended = own(tmp_path, host_cpp=SDK + '{% extends "ttgen/host.cpp.j2" %}')
    newer = msgspec.structs.replace(GEMM, sdk="0.82.0")
    with pytest.raises(TemplateError, match=r"written for tt-metal 0.81.1, the plan for 0.82.0"):
        render(newer, extended)
    assert render(GEMM, extended)["host.cpp"] == render(GEMM, TemplateSet())["host.cpp"]


def test_sources_are_written_below_the_folder(tmp_path: Path) -> None:
    paths = write_sources(GEMM, TemplateSet(), tmp_path / "new")
    assert [path.name for path in paths] == list(SOURCES)
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(SOURCES)


# Dependencies -------------------------------------------------------------------------------------


def test_files_are_those_that_rendering_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever decides a text is a dependency: every template that was loaded is in the list."""
    loaded: set[Path] = set()
    load = _Loader.get_source

    def recording(self: Any, environment: Any, template: str) -> Any:
        found = load(self, environment, template)
        loaded.add(Path(found[1]))
        return found

    monkeypatch.setattr(_Loader, "get_source", recording)
    templates = own(
        tmp_path,
        writer_cpp=SDK + '{% extends "ttgen/writer.cpp.j2" %}{% block body %}'
        '{% include "mine.j2" %}{% endblock %}',
        mine=SDK + "// mine",
    )
    render(GEMM, templates)
    listed = {
        file
        for output in SOURCES
        for file in templates.files(template_names(operations(GEMM), output))
    }
    assert loaded
    assert loaded <= listed


def test_a_file_that_would_take_a_templates_place_is_a_dependency(tmp_path: Path) -> None:
    templates = TemplateSet((tmp_path / "a", tmp_path / "b"))
    files = templates.files(template_names(operations(GEMM), "writer.cpp"))
    for name in ("writer.cpp.j2", "program.j2", "ops/write_page.j2"):
        assert {tmp_path / "a" / name, tmp_path / "b" / name, builtin_folder() / name} <= set(files)
    assert not any("read_page" in path.name for path in files)
    assert files == sorted(files)


def test_the_prefix_reaches_the_built_in_templates_only(tmp_path: Path) -> None:
    templates = TemplateSet((tmp_path,))
    assert templates.candidates("ttgen/program.j2") == [builtin_folder() / "program.j2"]


def test_a_computed_name_is_refused(tmp_path: Path) -> None:
    templates = own(tmp_path, writer_cpp=SDK + "{% include plan.kernel %}")
    with pytest.raises(
        TemplateError, match=r"writer.cpp.j2:2: .*by an expression.*\n.*\n.*as a string"
    ):
        templates.files(["writer.cpp.j2"])
