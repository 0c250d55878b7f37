"""Templates of one's own, compiled and run; what compilers and debuggers say of kernels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("ttnn", reason="ttnn is not installed (extra: sim)")

from ttgen.build.job import Job, declared
from ttgen.build.steps import Steps
from ttgen.build.workers import Workers
from ttgen.errors import SdkError
from ttgen.outputs import KERNEL_SOURCES
from ttgen.spec import load_base

from .conftest import Bench

pytestmark = pytest.mark.sim

#: The loop over batches is called like what C++, the SDK, a buffer or a template means otherwise.
KERNEL = """\
from tvm.script import tirx as T


@T.prim_func
def k(
    A: T.Buffer((3, 40, 70), "bfloat16"),
    B: T.Buffer((40, 70), "bfloat16"),
    C: T.Buffer((3, 40, 70), "bfloat16"),
):
    for {name}, i, j in T.grid(3, 40, 70):
        C[{name}, i, j] = A[{name}, i, j] * B[i, j]
"""
SDK = '{% set sdk = "0.81.1" %}\n'
PACK = """\
{% set sdk = "0.81.1" %}
{% set reads = ["circular_buffers.name"] %}
{% set headers = ["api/compute/pack.h"] %}
{% macro pack_tile(dst, out, slot) %}
<CALL>({{ dst }}, {{ out.name }}_cb, {{ slot }});
{% endmacro %}
"""


class Project:
    """A kernel in a folder of its own, with templates, and the steps of a build."""

    def __init__(self, root: Path, steps: Steps) -> None:
        self.root, self.steps = root, steps
        (root / "k.py").write_text(KERNEL.format(name="b"))

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def job(self, arch: str = "wormhole_b0", **options: object) -> Job:
        given = {key: options.pop(key) for key in list(options) if key != "lines"}
        variant = load_base(self.root / "k.py", self.root, parameters={}, options=given)
        return Job(
            project=self.root,
            build=self.root / "build",
            declared=declared(variant),
            arch=arch,
            templates=(self.root / "mine",),
            path=self.root / "k.py",
            **options,  # type: ignore[arg-type]
        )

    def rendered(self, job: Job) -> dict[str, str]:
        self.steps.plan(job)
        self.steps.render(job)
        return {name: (job.folder / name).read_text() for name in KERNEL_SOURCES}


@pytest.fixture
def project(bench: Bench, tmp_path: Path) -> Iterator[Project]:
    workers = Workers(bench.cache)
    yield Project(tmp_path, Steps(workers))
    workers.close()


def test_a_block_and_a_filter_of_ones_own_run(project: Project) -> None:
    """A product that is negated by a filter of the project's: its values say that it was run."""
    project.write(
        "mine/compute.cpp.j2",
        SDK + '{% extends "below/compute.cpp.j2" %}\n'
        "{% block body %}\n    constexpr uint32_t shares = {{ 5 | doubled }};\n"
        "    static_assert(shares == 10);\n{{ super() }}{% endblock %}\n",
    )
    project.write(
        "mine/filters.py", 'from numbers_of_ours import twice\nFILTERS = {"doubled": twice}\n'
    )
    project.write("numbers_of_ours.py", "def twice(n):\n    return 2 * n\n")
    job = project.job()
    texts = project.rendered(job)
    assert "constexpr uint32_t shares = 10;" in texts["compute.cpp"]
    project.steps.golden(job)
    assert project.steps.run(job, "wolfpine").passed
    project.write(
        "mine/ops/mul_tiles.j2",
        '{% set sdk = "0.81.1" %}\n{% import "below/ops/mul_tiles.j2" as below %}\n'
        "{% set headers = below.headers %}\n"
        "{% macro mul_tiles(in0, in1, tile0, tile1, dst) %}\n"
        "{{ below.mul_tiles(in0, in0, tile0, tile0, dst) }}{% endmacro %}\n",
    )
    if "mul_tiles(A_cb, A_cb" in project.rendered(job)["compute.cpp"]:
        assert project.steps.run(job, "wolfpine").status == "failed"
    else:
        pytest.fail("the operation's macro was not replaced")


#: Names of loops, and what they are in the reader: cb_wait_front is nothing that a reader calls.
NAMES = (
    {"int": "int_2", "cb_wait_front": "cb_wait_front"},
    {"row": "row_2", "A_cb": "a_cb_2", "__b": "b_2"},
)


@pytest.mark.parametrize("names", NAMES)
def test_loops_may_be_called_anything(project: Project, names: dict[str, str]) -> None:
    """Compiled and run, with row-major tensors: their templates have variables of their own."""
    layouts = {"A": {"page": "row"}, "C": {"page": "row"}}
    shape = (2,) * len(names)
    extents = ", ".join(map(str, shape))
    kernel = KERNEL.replace("(3, 40, 70)", f"({extents}, 40, 70)").replace("40, 70", "20, 40")
    project.write("k.py", kernel.format(name=", ".join(names)))
    job = project.job(layouts=layouts, grid=[2, 1], partition="column_major")
    reader = project.rendered(job)["reader.cpp"]
    for name, safe in names.items():
        assert re.search(rf" uint32_t {safe} = tile_2 % \(.*{name}_extent \* .*;\n", reader), name
    project.steps.golden(job)
    result = project.steps.run(job, "wolfpine")
    assert result.passed, result.message


@pytest.mark.parametrize("lines", ["generated", "source"])
def test_what_does_not_compile_names_program_template_and_kernel(
    project: Project, lines: str
) -> None:
    project.write("mine/ops/pack_tile.j2", PACK.replace("<CALL>", "my_pack"))
    job = project.job(lines=lines)
    text = project.rendered(job)["compute.cpp"]
    number = next(i for i, line in enumerate(text.splitlines(), 1) if "my_pack(" in line)
    with pytest.raises(SdkError) as caught:
        project.steps.compile(job)
    place = "build/wormhole_b0/k/compute.cpp"
    said = str(caught.value)
    assert "mine/ops/pack_tile.j2:5: note: rendered from this line of a template\n" in f"{said}\n"
    if lines == "generated":
        assert f"{place}:{number}:" in said
        assert "\nk.py:11:9: note: for this statement of the kernel" in said
    else:
        assert "\nk.py:11:" in said
        assert f"\n{place}:{number}: note: in the generated program\n" in said
    project.steps.golden(job)
    result = project.steps.run(job, "wolfpine")
    assert result.status == "error"
    assert "mine/ops/pack_tile.j2:5: note: rendered from this line" in result.message
    written = msgspec.json.decode(job.result.read_bytes())
    assert written["message"] == result.message


def lines_of(elf: Path) -> dict[str, set[int]]:
    """The lines of code and of calls in it that an ELF's debug information names, by file.

    What a program calls is inlined, so its own lines may be places of calls alone. No folder is
    this machine's.
    """
    from elftools.elf.elffile import ELFFile

    found: dict[str, set[int]] = {}
    with elf.open("rb") as file:
        info = ELFFile(file).get_dwarf_info()
        for unit in info.iter_CUs():
            program = info.line_program_for_CU(unit)
            if program is None:
                continue
            files = program.header.file_entry
            folders = [folder.decode() for folder in program.header.include_directory]
            assert not any(folder.startswith("/") for folder in folders)
            states = [entry.state for entry in program.get_entries() if entry.state]
            lines = [(state.file, state.line) for state in states if not state.end_sequence]
            calls = [
                die.attributes for die in unit.iter_DIEs() if "DW_AT_call_line" in die.attributes
            ]
            lines += [(a["DW_AT_call_file"].value, a["DW_AT_call_line"].value) for a in calls]
            for number, line in lines:
                found.setdefault(files[number].name.decode(), set()).add(line)
    return found


def test_a_debugger_finds_the_lines_of_the_kernel(project: Project) -> None:
    """In what the stand-in compiler makes; each program's statements are at the kernel's line."""
    job = project.job(lines="source")
    project.rendered(job)
    project.steps.compile(job)
    programs = {"brisc": "writer.cpp", "ncrisc": "reader.cpp"}
    for elf in job.elfs:
        found = lines_of(elf)
        assert 11 in found["k.py"]
        assert found["k.py"] <= {0, 11}
        assert programs.get(elf.stem, "compute.cpp") in found
    project.steps.golden(job)
    assert project.steps.run(job, "wolfpine").passed
    plain = project.job()
    project.rendered(plain)
    project.steps.compile(plain)
    assert all(lines_of(elf) == {} for elf in plain.elfs)
