"""``scons compiledb``: clang understands every generated file by its entry, without a build."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ttgen import plan as plans
from ttgen.arch import ARCHITECTURES
from ttgen.plan.model import Plan
from ttgen.toolchain.commands import accessor_args, on_noc

from .project import ARCHS, REPOSITORY, TOOL, Project, make
from .test_bad_input import KERNEL, SUM

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ttnn") is None, reason="ttnn is not installed (extra: sim)"
)

DATABASE = "build/compile_commands.json"
#: Kernels of every kind, for both architectures in turns: products, constants, 32-bit data,
#: integers, rows, shards, masks.
SAMPLE = {
    ("wormhole_b0", "gemm-sharded"),
    ("blackhole", "formats-residual"),
    ("wormhole_b0", "formats-int32"),
    ("blackhole", "reduce-ragged_max"),
    ("wormhole_b0", "mul"),
    ("blackhole", "mul"),
}


def entries(project: Project, path: str = DATABASE) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = project.json(path)
    return loaded


def diagnose(entry: dict[str, Any], *more: str) -> str:
    """What clang says of the file, with the arguments of its entry."""
    _, *arguments = (word for word in entry["arguments"] if word != "-c")
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", "clang", *arguments, "-fsyntax-only", *more],
        cwd=entry["directory"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode or done.stderr else ""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The tool, and a kernel ``plus`` for Wormhole."""
    project = make(tmp_path / "project", TOOL, REPOSITORY)
    project.write("kernels/plus.py", KERNEL.format(name="plus", value=SUM))
    project.write(
        "SConstruct",
        'env = Environment(tools=["ttgen"], TT_ARCH="wormhole_b0")\n'
        'env.TTKernels("kernels")\nDefault("kernels")\n',
    )
    return project


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The kernel library after ``scons compiledb``."""
    root = tmp_path_factory.mktemp("library") / "project"
    project = make(root, (*TOOL, "kernels"), REPOSITORY)
    project.write("SConstruct", 'Environment(tools=["ttgen"]).TTKernels("kernels")\n')
    project.scons("-j2", "compiledb")
    return project


def test_clang_understands_every_kind_of_kernel(library: Project) -> None:
    found = entries(library)
    files = {str(Path(entry["file"]).relative_to(library.root / "build")) for entry in found}
    programs = ("reader", "compute", "writer")
    built = {f"{arch}/{name}" for arch in ARCHS for name in library.kernels(arch)}
    assert files == {f"{label}/{program}.cpp" for label in built for program in programs}
    sample = [entry for entry in found if Path(entry["directory"]).parts[-2:] in SAMPLE]
    assert len(sample) == len(SAMPLE) * len(programs)
    for entry in sample:
        assert diagnose(entry, "-Werror") == ""


def test_entries_have_the_arguments_that_the_kernel_gets(project: Project) -> None:
    """A program that does not agree with them is told so where it is wrong."""
    project.scons("compiledb")
    (compute,) = (e for e in entries(project) if e["file"].endswith("compute.cpp"))
    assert diagnose(compute) == ""
    file = Path(compute["file"])
    file.write_text(
        file.read_text()
        + "static_assert(unpack_src_format[0] == static_cast<uint8_t>(DataFormat::Float16_b));\n"
        "static_assert(!DST_ACCUM_MODE && MATH_FIDELITY == ckernel::MathFidelity::HiFi4);\n"
        'constexpr uint32_t no_such_value = get_named_compile_time_arg_val("nothing");\n'
    )
    message = diagnose(compute)
    assert message.count("error:") == 1, message
    assert "no_such_value" in message


def test_nothing_is_compiled_and_the_file_is_remade_when_it_must(project: Project) -> None:
    run = project.scons("compiledb")
    assert run.steps == {"PLAN": ["wormhole_b0/plus"], "RENDER": ["wormhole_b0/plus"]}
    assert "COMMANDS build/compile_commands.json" in run.out
    first = project.read(DATABASE)
    assert project.scons("compiledb").out == "scons: `compiledb' is up to date.\n"
    project.write("kernels/more.py", KERNEL.format(name="more", value=SUM))
    assert "COMMANDS" in project.scons("compiledb").out
    assert len(entries(project)) == 6
    (project.root / "kernels/more.py").unlink()
    assert "COMMANDS" in project.scons("compiledb").out
    assert project.read(DATABASE) == first
    project.edit("kernels/plus.py", "M: int = 64", "M: int = 96")
    assert project.scons("compiledb").steps.keys() == {"PLAN", "RENDER"}
    project.scons("-c")
    assert not (project.root / "build").exists()


def test_two_environments_may_share_a_file(project: Project) -> None:
    """Where the user wants it: clangd looks in the folders above a file."""
    project.write(
        "SConstruct",
        'env = Environment(tools=["ttgen"], TT_COMPILEDB="compile_commands.json")\n'
        'for arch in ("wormhole_b0", "blackhole"):\n'
        '    env.Clone(TT_ARCH=arch, TT_BUILD="build-" + arch).TTKernels("kernels")\n',
    )
    project.scons("compiledb")
    folders = {entry["directory"] for entry in entries(project, "compile_commands.json")}
    labels = ("build-wormhole_b0/wormhole_b0/plus", "build-blackhole/blackhole/plus")
    assert folders == {str(project.root / label) for label in labels}
    project.scons("-c", "compiledb")
    assert not (project.root / "compile_commands.json").exists()


#: Run by a session of the SDK: what ttnn says of tensors, and where cores are.
ASK = """
import json, os, sys
from pathlib import Path
from ttgen import plan as plans
from ttgen_runtime import program
from ttgen_runtime.devices import DEVICES
from ttgen_runtime.session import Session

session = Session(DEVICES["mock"], sys.argv[1])
session.open()
ttnn, device = session._open.ttnn, session._open.handle
found = {}
for path in sys.argv[2:]:
    for t in plans.load(Path(path)).tensors:
        dtype, page = program.data_type(ttnn, t.layout.dtype), program.page_layout(ttnn, t)
        memory = program.memory_config(ttnn, t)
        made = ttnn.empty(
            list(t.device_shape), dtype=dtype, layout=page, device=device, memory_config=memory
        )
        arguments = ttnn.TensorAccessorArgs(made).get_compile_time_args()
        found[f"{path} {t.name}"] = list(arguments)
        made.deallocate()
width, height = session.open()["grid"]
for x in range(width):
    for y in range(height):
        core = device.worker_core_from_logical_core(ttnn.CoreCoord(x, y))
        found[f"{x} {y}"] = [core.x, core.y]
print("FOUND " + json.dumps(found), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("arch", ARCHS)
def test_arguments_of_tensors_are_those_of_ttnn(
    library: Project, cache: Path, arch: str, tmp_path: Path
) -> None:
    from ttgen.sdk import prepare_root
    from ttgen_runtime.devices import environment, select

    paths = sorted(map(str, (library.root / "build" / arch).glob("*/tt.plan.json")))
    loaded: dict[str, Plan] = {path: plans.load(Path(path)) for path in paths}
    environ = environment(select("mock", arch), arch, prepare_root(cache), cache)
    done = subprocess.run(
        [sys.executable, "-c", ASK, arch, *paths],
        env={**environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'runtime'}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, done.stderr
    found = json.loads(lines[0].removeprefix("FOUND "))
    tensors = [(path, tensor) for path, plan in loaded.items() for tensor in plan.tensors]
    assert any(tensor.layout.nd_shard for _, tensor in tensors)
    assert any(tensor.layout.page == "row" for _, tensor in tensors)
    for path, tensor in tensors:
        assert accessor_args(tensor, arch) == found[f"{path} {tensor.name}"], path
    columns, rows = ARCHITECTURES[arch].grid
    for x in range(columns):
        for y in range(rows):
            assert list(on_noc(arch, (x, y))) == found[f"{x} {y}"]
