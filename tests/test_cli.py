"""The command line: arguments, errors, planning and rendering; running is tested on simulators."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sources import HEADER, elementwise

from ttgen import __version__
from ttgen.cli import cache_folder, main
from ttgen.outputs import SOURCES
from ttgen.plan import load

FACTORY = f"""{HEADER}
def k(M: int = 64, N: int = 64):
    @T.prim_func
    def k(A: T.Buffer((M, N), "bfloat16"), C: T.Buffer((M, N), "bfloat16")):
        for i, j in T.grid(M, N):
            C[i, j] = A[i, j]
    return k

def other():
    return k(32, 32)
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in an empty project with ``k.py``: status, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TTGEN_CACHE", str(tmp_path.parent / f"{tmp_path.name}-cache"))
    Path("k.py").write_text(FACTORY)

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            status = main(arguments)
        except SystemExit as stop:  # argparse
            status = int(stop.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_plan_writes_the_plan_and_says_so(run: Run) -> None:
    status, out, err = run("plan", "k.py")
    assert (status, out, err) == (0, "planned build/wormhole_b0/k/tt.plan.json\n", "")
    plan = load(Path("build/wormhole_b0/k/tt.plan.json"))
    assert (plan.kernel, plan.source.path, plan.arch) == ("k", "k.py", "wormhole_b0")


def test_parameters_options_and_folders(run: Run) -> None:
    status, out, _ = run(
        *("plan", "k.py", "--arch", "blackhole", "--set", "M=96", "--set", "N=128"),
        *("-O", "grid=[3, 2]", "-O", "partition=column_major", "-O", "fidelity=LoFi"),
        *("-o", "out"),
    )
    assert (status, out) == (0, "planned out/blackhole/k/tt.plan.json\n")
    plan = load(Path("out/blackhole/k/tt.plan.json"))
    assert plan.tensors[0].shape == (96, 128)
    assert plan.source.parameters == {"M": 96, "N": 128}
    assert plan.core_ranges[0].extent == (3, 2)
    assert plan.partition.tile_order == "column_major"
    assert plan.compute.fidelity == "LoFi"


def test_parameters_may_be_given_as_an_option(run: Run) -> None:
    """What is given is not ignored; --set is on top."""
    assert run("plan", "k.py", "-O", "parameters={M: 96, N: 96}", "--set", "N=32")[0] == 0
    plan = load(Path("build/wormhole_b0/k/tt.plan.json"))
    assert plan.tensors[0].shape == (96, 32)


def test_a_function_is_named_after_a_colon(run: Run) -> None:
    assert run("plan", "k.py:other")[0] == 0
    plan = load(Path("build/wormhole_b0/k-other/tt.plan.json"))
    assert (plan.kernel, plan.source.function) == ("k-other", "other")


def test_a_source_anywhere(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy.py"
    elsewhere.write_text(HEADER + elementwise("copy", (32, 32)))
    assert run("plan", f"{elsewhere}:k")[0] == 0
    plan = load(Path("build/wormhole_b0/copy-k/tt.plan.json"))
    assert plan.source.path == "copy.py"


def test_render_writes_every_source(run: Run) -> None:
    status, out, err = run("render", "k.py")
    assert (status, err) == (0, "")
    folder = Path("build/wormhole_b0/k")
    assert {path.name for path in folder.iterdir()} == {"tt.plan.json", *SOURCES}
    assert out.splitlines() == [f"rendered {folder / name}" for name in SOURCES]


def test_templates_of_ones_own(run: Run) -> None:
    Path("mine").mkdir()
    Path("mine/host.cpp.j2").write_text('{% set sdk = "0.81.1" %}\nmine\n')
    assert run("render", "k.py", "--templates", "mine")[0] == 0
    assert Path("build/wormhole_b0/k/host.cpp").read_text() == "mine\n"


SPEC = """\
grid: [1, 1]
variants:
  small: {parameters: {M: 32, N: 32}}
  big: {parameters: {M: 128}, arch: [blackhole]}
"""


def test_without_arguments_the_spec_says_what_to_make(run: Run) -> None:
    """A variant that is for another architecture is left out."""
    Path("k.yaml").write_text(SPEC)
    assert run("plan", "k.py")[1] == "planned build/wormhole_b0/k-small/tt.plan.json\n"
    status, out, _ = run("plan", "k.py", "--arch", "blackhole")
    assert status == 0
    assert [line.split("/")[-2] for line in out.splitlines()] == ["k-small", "k-big"]


def test_one_variant(run: Run) -> None:
    Path("k.yaml").write_text(SPEC)
    status, out, _ = run("plan", "k.py", "--variant", "small")
    assert (status, out) == (0, "planned build/wormhole_b0/k-small/tt.plan.json\n")


def test_values_given_come_on_top_of_the_spec(run: Run) -> None:
    Path("k.yaml").write_text(SPEC)
    assert run("plan", "k.py", "--set", "M=96")[0] == 0
    plan = load(Path("build/wormhole_b0/k/tt.plan.json"))
    assert plan.tensors[0].shape == (96, 64)
    assert len(plan.partition.cores) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("plan",), "the following arguments are required: SRC"),
        (("plann", "k.py"), "invalid choice: 'plann'"),
        (("plan", "k.py", "--arch", "grayskull"), "invalid choice: 'grayskull'"),
        (("plan", "k.py", "--set", "M"), "'M' is not NAME=VALUE"),
        (("plan", "k.py", "--set", "=3"), "'=3' is not NAME=VALUE"),
        (("plan", "k.py", "-O", "grid=[1"), "'[1' is no YAML value"),
        (("plan", "k.py", "--device", "hw"), "unrecognized arguments: --device"),
    ],
)
def test_usage_errors(run: Run, arguments: tuple[str, ...], says: str) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert says in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none.py",), "ttgen: there is no kernel source 'none.py'"),
        (("k.py:nope",), "ttgen: k.py:1: no kernel 'nope' here; there is k, other"),
        (("k.py", "--set", "K=1"), "ttgen: k.py:4: no parameter 'K'; it takes M, N"),
        (("k.py", "--set", "M=x"), "parameters.M: Expected `int`, got `str`"),
        (
            ("k.py", "-O", "layouts={A: {dtype: fp16}}"),
            "ttgen: k.py:6:14: layout of A: dtype is fp16; supported: bf16",
        ),
        (("k.py", "-O", "gird=[1, 1]"), "unknown key 'gird'\n  did you mean 'grid'"),
        (("k.py", "-O", "grid=[9, 1]"), "the core grid is 9x1; wormhole_b0 has 8 columns"),
        (("k.py", "-O", "partition=rows"), "unknown partition 'rows'; known: row_major"),
        (("k.py", "-O", "arch=[blackhole]"), "arch is no --option here; give --arch"),
        (("k.py", "--variant", "big"), "there is no variant 'big'"),
        (("k.py", "--variant", "big", "--set", "M=32"), "--variant takes everything from the spec"),
    ],
)
def test_wrong_requests(run: Run, arguments: tuple[str, ...], says: str) -> None:
    """Status 2, a message, and nothing written."""
    status, out, err = run("plan", *arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert not Path("build").exists()


def test_a_kernel_for_another_architecture(run: Run) -> None:
    Path("k.yaml").write_text("arch: [blackhole]\n")
    status, _, err = run("plan", "k.py")
    assert (status, err) == (2, "ttgen: k.py is for blackhole by its spec, not for wormhole_b0\n")
    assert run("plan", "k.py", "--arch", "blackhole")[0] == 0


def test_a_wrong_spec(run: Run) -> None:
    Path("k.yaml").write_text("\ngird: 1\n")
    for arguments in ((), ("--set", "M=32"), ("--variant", "a")):
        status, _, err = run("plan", "k.py", *arguments)
        assert (status, err) == (
            2,
            "ttgen: k.yaml:2:1: unknown key 'gird'\n  did you mean 'grid'?\n",
        )


def test_a_broken_template_leaves_the_older_sources(run: Run) -> None:
    assert run("render", "k.py")[0] == 0
    before = Path("build/wormhole_b0/k/reader.cpp").read_text()
    Path("mine").mkdir()
    Path("mine/writer.cpp.j2").write_text("{{")
    status, _, err = run("render", "k.py", "--templates", "mine")
    assert status == 2
    assert "mine/writer.cpp.j2:1: " in err
    assert Path("build/wormhole_b0/k/reader.cpp").read_text() == before


def test_the_version(run: Run) -> None:
    assert run("--version") == (0, f"ttgen {__version__}\n", "")


def test_the_module_is_the_command_line() -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "ttgen", "--version"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"ttgen {__version__}\n"


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("TTGEN_CACHE", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "ttgen"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "ttgen"
    monkeypatch.setenv("TTGEN_CACHE", str(tmp_path / "t"))
    assert cache_folder() == tmp_path / "t"


def test_importing_the_command_line_imports_neither_tvm_nor_ttnn() -> None:
    script = "import sys, ttgen.cli; print(sorted({'tvm', 'ttnn'} & set(sys.modules)))"
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'runtime'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_the_timing_of_a_plan(run: Run) -> None:
    status, out, _ = run("plan", "k.py", "--timing")
    lines = out.splitlines()
    assert (status, lines[0]) == (0, "planned build/wormhole_b0/k/tt.plan.json")
    steps = [re.match(r"(\S.*?) +\d+\.\d\d(  .*)?$", line) for line in lines[1:]]
    names = [step[1] for step in steps if step]
    assert len(names) == len(lines) - 1
    assert names[:2] == ["load", "InferTTLayout"]
    assert names[-3:] == ["plan", "check and write", "total"]


@pytest.mark.parametrize("command", ["plan", "render"])
def test_dumps_of_the_ir(run: Run, command: str) -> None:
    assert run(command, "k.py", "--dump-ir", "ir", "--arch", "blackhole")[0] == 0
    names = sorted(path.name for path in Path("ir/blackhole/k").iterdir())
    assert names[:2] == ["00_source.py", "01_InferTTLayout.py"]


def test_dumps_of_a_kernel_that_is_refused(run: Run) -> None:
    power = 'T.pow(T.Cast("float32", A[i, j]), T.float32(2.5))'
    Path("k.py").write_text(FACTORY.replace("A[i, j]\n", f'T.Cast("bfloat16", {power})\n'))
    status, _, err = run("plan", "k.py", "--dump-ir", "ir", "-O", "fp32_dest_acc=false")
    assert (status, err.startswith("ttgen: k.py:")) == (2, True)
    names = sorted(path.name for path in Path("ir/wormhole_b0/k").iterdir())
    passes = ["InferTTLayout", "PropagateTTLayout", "TTTilesToCoreMap"]
    assert names == [f"{i:02}_{name}.py" for i, name in enumerate(["source", *passes])]


# ttgen templates ----------------------------------------------------------------------------------

FIRST_LINES = [
    "looked for in this order:",
    "  1  kern  (spec of k)",
    "  2  mine  (--templates; not there)",
]


def test_the_templates_of_a_kernel(run: Run) -> None:
    """Those that its spec names come before those that are given."""
    Path("k.yaml").write_text("templates: [kern]\n")
    assert run("templates", "eject", "host.cpp.j2", "--to", "kern") == (
        *(0, "copied to kern/host.cpp.j2\n", ""),
    )
    status, out, _ = run("templates", "list", "--kernel", "k.py", "--templates", "mine")
    assert (status, out.splitlines()[:3]) == (0, FIRST_LINES)
    assert re.search(r"^host\.cpp\.j2 +kern/host\.cpp\.j2 +over ttgen/host\.cpp\.j2$", out, re.M)
    status, out, err = run("templates", "show", "host.cpp.j2", "--kernel", "k.py")
    assert (status, out, err) == (0, Path("kern/host.cpp.j2").read_text(), "kern/host.cpp.j2:\n")
    status, out, _ = run("templates", "show", "host.cpp.j2", "--kernel", "k.py", "--builtin")
    assert (status, out) == (0, Path("kern/host.cpp.j2").read_text().partition("\n")[2])
    status, out, _ = run("templates", "diff", "--kernel", "k.py")
    same = "kern/host.cpp.j2: the built-in one is as it was when it was copied\n"
    assert (status, out) == (0, f"{same}  and so is the copy\n")


def test_a_copy_goes_to_the_first_folder_that_is_given(run: Run) -> None:
    given = ("--templates", "mine", "--templates", "more")
    assert run("templates", "eject", "program.j2", *given)[1] == "copied to mine/program.j2\n"
    assert run("templates", "eject", "program.j2")[1] == "copied to templates/program.j2\n"
    status, _, err = run("templates", "eject", "program.j2", *given)
    assert (status, err.splitlines()[0]) == (2, "ttgen: mine/program.j2 is there already")
    assert run("templates", "eject", "program.j2", *given, "--force")[0] == 0


def test_a_built_in_template_that_has_changed_is_an_exit_status(run: Run) -> None:
    assert run("templates", "eject", "program.j2", "--to", "mine")[0] == 0
    path = Path("mine/program.j2")
    path.write_text(re.sub("sha256 .{16}", "sha256 0123456789abcdef", path.read_text()))
    status, out, _ = run("templates", "diff", "program.j2", "--templates", "mine")
    assert (status, out.splitlines()[0]) == (
        1,
        "mine/program.j2: the built-in one has changed since it was copied",
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "progam.j2"), "there is no template 'progam.j2'\n  did you mean program.j2?"),
        (
            ("eject", "x"),
            "there is no built-in template 'x'\n  ttgen templates list shows them all",
        ),
        (("list", "--kernel", "none.py"), "there is no kernel source 'none.py'"),
        (("list", "--variant", "big"), "--variant is one of a kernel's: give --kernel, too"),
        (("list", "--kernel", "k.py", "--variant", "big"), "there is no variant 'big'; there is k"),
    ],
)
def test_wrong_requests_for_templates(run: Run, arguments: tuple[str, ...], says: str) -> None:
    status, out, err = run("templates", *arguments)
    assert (status, out, err) == (2, "", f"ttgen: {says}\n")


def test_lines_of_the_kernel(run: Run) -> None:
    assert run("render", "k.py", "--lines", "source")[0] == 0
    assert '\n#line 8 "k.py"\n' in Path("build/wormhole_b0/k/reader.cpp").read_text()
    assert run("render", "k.py")[0] == 0
    assert "#line" not in Path("build/wormhole_b0/k/reader.cpp").read_text()
