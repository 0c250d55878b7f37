"""The installed stand-in: version line, objects under parallel use, messages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from ttgen import toolchain
from ttgen.toolchain import install
from ttgen.toolchain.driver.config import Config
from ttgen.toolchain.driver.depfile import parse_depfile
from ttgen.toolchain.driver.objects import sdk_object
from ttgen.toolchain.driver.precompiled import HEADS
from ttgen.toolchain.driver.rules import Arch

from .conftest import launch

stand_in = install.find_stand_in()
pytestmark = pytest.mark.skipif(stand_in is None, reason="ziglang is not installed (extra: sim)")

WORMHOLE = Arch("wormhole", "__riscv_xtttensixwh")
PROCESSES = 6


@pytest.fixture
def sfpi(root: Path) -> Path:
    """The stand-in, installed in an SDK root that holds two small sources."""
    source = root / "tt_metal" / "hw" / "toolchain" / "substitutes.cpp"
    source.parent.mkdir(parents=True)
    source.write_text('#include "answer.h"\nint answer() { return ANSWER; }\n')
    (source.parent / "answer.h").write_text("#define ANSWER 42\n")
    return root / "runtime" / "sfpi"


def test_the_version_line_has_sfpis_form_and_the_fingerprint(sfpi: Path, tmp_path: Path) -> None:
    assert stand_in is not None
    done = launch(sfpi, "--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout == stand_in.version_line + "\n"
    assert done.stdout.startswith("riscv-tt-elf-g++ (tenstorrent/sfpi:7.89.0[")
    assert stand_in.fingerprint in done.stdout
    assert stand_in.fingerprint in toolchain.describe()
    assert "\n" not in toolchain.describe()


@pytest.mark.parametrize(
    "changed", ["driver/rules.py", "support/mem.c", "support/include/sfpi.h", "support/new.S"]
)
def test_the_fingerprint_follows_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    before = install.fingerprint("1", "record")
    copy = tmp_path / "toolchain"
    shutil.copytree(install.HERE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, path in (("HERE", copy), ("DRIVER", copy / "driver"), ("SUPPORT", copy / "support")):
        monkeypatch.setattr(install, name, path)
    assert install.fingerprint("1", "record") == before, "the place does not matter"
    with (copy / changed).open("a") as file:
        file.write("\n")
    assert install.fingerprint("1", "record") != before


def test_the_fingerprint_follows_the_compiler() -> None:
    assert install.fingerprint("0.17.0", "a") != install.fingerprint("0.17.1", "a")
    assert install.fingerprint("0.17.0", "a") != install.fingerprint("0.17.0", "b")


def test_several_processes_make_one_object(sfpi: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from driver.config import Config; from driver.objects import sdk_object;"
        "from driver.rules import Arch;"
        "config = Config(sfpi=sys.argv[1], zig=sys.argv[2], zig_lib=sys.argv[3], fingerprint='f',"
        " version_line='', cache=sys.argv[4]);"
        "print(sdk_object(config, Arch('wormhole', '__riscv_xtttensixwh'), 'substitutes'))"
    )
    assert stand_in is not None
    cache = tmp_path / "cache"
    command = [sys.executable, "-I", "-S", "-c", code, str(sfpi), str(stand_in.zig)]
    command += [str(stand_in.zig.parent / "lib"), str(cache)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    answers = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0] * PROCESSES
    assert len(answers) == 1
    path = Path(answers.pop())
    assert path.read_bytes()[:4] == b"\x7fELF"
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".deps", ".o"]
    assert sorted(p.name for p in (tmp_path / "root/tt_metal/hw/toolchain").iterdir()) == [
        "answer.h",
        "substitutes.cpp",
    ]


def test_an_object_follows_the_headers_that_it_was_made_from(sfpi: Path, tmp_path: Path) -> None:
    assert stand_in is not None
    config = Config(
        sfpi=str(sfpi),
        zig=str(stand_in.zig),
        zig_lib=str(stand_in.zig.parent / "lib"),
        fingerprint="f",
        version_line="",
        cache=str(tmp_path / "cache"),
    )
    header = tmp_path / "root" / "tt_metal" / "hw" / "toolchain" / "answer.h"
    first = sdk_object(config, WORMHOLE, "substitutes")
    made = Path(first).stat().st_mtime_ns
    header.write_text("#define ANSWER 43\n")
    second = sdk_object(config, WORMHOLE, "substitutes")
    assert second != first
    assert Path(second).read_bytes() != Path(first).read_bytes()
    header.write_text("#define ANSWER 42\n")
    assert sdk_object(config, WORMHOLE, "substitutes") == first
    assert Path(first).stat().st_mtime_ns == made, "content came back, so did the object"


def test_parallel_compilations_share_a_precompiled_header(sfpi: Path, tmp_path: Path) -> None:
    (tmp_path / "pch.h").write_text("#pragma once\n#include <array>\n#include <cstdint>\n")
    (tmp_path / "k.cc").write_text("std::array<std::uint32_t, 2> values{1, 2};\n")

    def compile_one(name: str) -> subprocess.CompletedProcess[str]:
        flags = ["-O3", "-std=c++17", "-mcpu=tt-wh", "-g", "-MMD", "-include", "pch.h", "-c"]
        return launch(sfpi, *flags, "k.cc", "-o", f"{name}.o", "-MF", f"{name}.d", cwd=tmp_path)

    with ThreadPoolExecutor(PROCESSES) as pool:
        done = list(pool.map(compile_one, (str(n) for n in range(PROCESSES))))
    assert [(d.returncode, d.stderr) for d in done] == [(0, "")] * PROCESSES
    assert len({(tmp_path / f"{n}.o").read_bytes() for n in range(PROCESSES)}) == 1
    made = sorted(p.suffix for p in (tmp_path / "cache").rglob("pch/*"))
    assert made == [".deps", ".h", ".lock", ".pch"]
    depends = parse_depfile((tmp_path / "0.d").read_text())
    assert "k.cc" in depends
    assert any(path.endswith(".h") and "/pch/" in path for path in depends)

    # A store that was copied: same content, other times.
    for path in (tmp_path / "cache").rglob("pch/*"):
        os.utime(path, (0, 0))
    done = [compile_one("0")]
    assert (done[0].returncode, done[0].stderr) == (0, "")


#: Headers like the SDK's: they use arguments and tables that a kernel brings with it.
_API = """\
#pragma once
#include "api/compile_time_args.h"
#include "chlkc_descriptors.h"
template <int N> constexpr int argument() { return get_compile_time_arg_val(N); }
inline int format_of(int buffer) { return unpack_src_format[buffer]; }
"""
#: A kernel that compiles only if its argument is the first number and its formats are the second.
_STATED = """\
#include "api/dataflow/dataflow_api.h"
static_assert(argument<0>() == {0});
static_assert(get_named_compile_time_arg_val("Nt") == {0});
static_assert(unpack_src_format[1] == {1});
inline int number() {{ return format_of(0) - {1}; }}
"""


@dataclass(frozen=True)
class Sdk:
    """A folder of headers like the SDK's, and a source that includes them before a kernel's."""

    sfpi: Path
    folder: Path

    def write(self, **headers: str) -> None:
        for name in HEADS["brisck.cc"]:
            text = headers.get(name.removesuffix(".h"), "")
            (self.folder / name).write_text(f"#pragma once\n{text}")
        includes = "".join(f'#include "{name}"\n' for name in HEADS["brisck.cc"])
        kernel = '#include "kernel_includes.hpp"\n'
        (self.folder / "brisck.cc").write_text(f"{includes}{kernel}int made = number();\n")

    def write_api(self) -> None:
        """Headers that read what is a kernel's own."""
        api = self.folder / "api"
        (api / "dataflow").mkdir(parents=True)
        (api / "dataflow" / "dataflow_api.h").write_text(_API)
        arguments = "#ifndef TT_METAL_COMPILE_TIME_ARGS_H\n#error this one is pre-empted\n#endif\n"
        (api / "compile_time_args.h").write_text(arguments)

    def compile(
        self, name: str, *, argument: int = 0, format_: int | None = None, kernel: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Compile the kernel ``name``, which the JIT does in a folder of its own.

        With a ``format_`` the JIT says one of all circular buffers.
        """
        folder = self.folder / name
        (folder / "brisc").mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.cpp").write_text(kernel or f"int {name}();\n")
        if format_ is not None:
            table = f"constexpr uint8_t unpack_src_format[2] = {{\n    {format_},{format_}\n}};\n"
            (folder / "chlkc_descriptors.h").write_text(f"#pragma once\n{table}")
        named = f'#define KERNEL_COMPILE_TIME_ARG_MAP {{"Nt",{argument}}}\n'
        (folder / "named_ct_arg_map_generated.h").write_text(f"#pragma once\n{named}")
        (folder / "kernel_includes.hpp").write_text(f'#include "{folder}/{name}.cpp"\n')
        (folder / "pch.h").write_text("#include <cstdint>\n")
        flags = ["-O2", "-std=c++17", "-mcpu=tt-wh", "-MMD", "-include", "../pch.h", "-c"]
        flags += [f"-I{self.folder}", "-I..", f"-I{folder}", f"-DFULL_KERNEL_NAME={name}"]
        flags += ["-DKERNEL_BUILD", "-DCOMPILE_FOR_BRISC"]
        flags += [f"-DKERNEL_COMPILE_TIME_ARGS={argument}"]
        flags += ["-include", "named_ct_arg_map_generated.h"]
        files = [f"{self.folder}/brisck.cc", "-o", "k.o", "-MF", "k.d"]
        cache = self.folder / "cache"
        return launch(self.sfpi, *flags, *files, cwd=folder / "brisc", cache=cache)

    def made(self) -> list[Path]:
        """The precompiled headers."""
        return sorted((self.folder / "cache").rglob("*.pch"))


def test_kernels_share_what_the_sdk_includes_before_them(sfpi: Path, tmp_path: Path) -> None:
    sdk = Sdk(sfpi, tmp_path)
    sdk.write(noc="inline int number() { return 1; }\n")
    for name in ("one", "two"):
        done = sdk.compile(name)
        assert (done.returncode, done.stderr) == (0, "")
    first = (tmp_path / "one" / "brisc" / "k.o").read_bytes()
    assert (tmp_path / "two" / "brisc" / "k.o").read_bytes() == first
    assert len(sdk.made()) == 1
    depends = parse_depfile((tmp_path / "two" / "brisc" / "k.d").read_text())
    assert {f"{tmp_path}/{name}" for name in HEADS["brisck.cc"]} <= set(depends)

    sdk.write(noc="inline int number() { return 2; }\n")
    done = sdk.compile("one")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "one" / "brisc" / "k.o").read_bytes() != first
    assert len(sdk.made()) == 2


def test_no_kernels_own_macro_gets_into_what_they_share(sfpi: Path, tmp_path: Path) -> None:
    sdk = Sdk(sfpi, tmp_path)
    sdk.write(noc="inline int number() { return sizeof(FULL_KERNEL_NAME); }\n")
    done = sdk.compile("one")
    assert done.returncode == 1
    sdk.write(noc="#ifdef FULL_KERNEL_NAME\n#endif\ninline int number() { return 1; }\n")
    done = sdk.compile("one")
    assert done.returncode == 1
    assert f"{tmp_path}/noc.h depends on FULL_KERNEL_NAME" in done.stderr


def test_kernels_of_other_arguments_and_tables_share_what_reads_them(
    sfpi: Path, tmp_path: Path
) -> None:
    sdk = Sdk(sfpi, tmp_path)
    sdk.write()
    sdk.write_api()
    assert sdk.compile("one", argument=7, format_=5, kernel=_STATED.format(7, 5)).stderr == ""
    assert sdk.compile("two", argument=8, format_=6, kernel=_STATED.format(8, 6)).stderr == ""
    assert len(sdk.made()) == 1
    wrong = sdk.compile("three", argument=8, format_=6, kernel=_STATED.format(8, 5))
    assert wrong.returncode == 1
    assert "static assertion failed" in wrong.stderr


@dataclass(frozen=True)
class Kernel:
    """A kernel in a folder of its own, as the JIT compiles it for a device."""

    sfpi: Path
    root: Path
    number: int

    def write(self, source: str, header: str = "int helper() { return 1; }\n") -> None:
        for path, text in {
            "mine/writer.cpp": source,
            "mine/helper.h": header,
            f"jit/{self.number}/kernel_includes.hpp": f'#include "{self.root}/mine/writer.cpp"\n',
            f"jit/{self.number}/brisc/k.d": "",
        }.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        (self.sfpi / "k.cc").write_text('#include "kernel_includes.hpp"\n')

    def compile(self) -> bytes:
        """The object; its depfile must name what it was made from, here."""
        folder = self.root / "jit" / str(self.number) / "brisc"
        command = [
            *["-O2", "-std=c++17", "-mcpu=tt-wh", "-MMD", "-I.", "-I..", "-c"],
            f"-I{self.root}/mine",
        ]
        command += [f'-DFULL_KERNEL_NAME="writer/{self.number}/"', str(self.sfpi / "k.cc")]
        command += ["-o", str(folder / "k.o"), "-MF", str(folder / "k.d")]
        done = launch(self.sfpi, *command, cwd=folder, cache=self.store)
        assert (done.returncode, done.stderr) == (0, "")
        depends = {
            (folder / path).resolve() for path in parse_depfile((folder / "k.d").read_text())
        }
        assert {self.root / "mine" / name for name in ("writer.cpp", "helper.h")} <= depends
        assert folder.parent / "kernel_includes.hpp" in depends
        return (folder / "k.o").read_bytes()

    @property
    def store(self) -> Path:
        return self.sfpi.parent / "cache"

    def spoil(self) -> None:
        """Make it known of every kept object that it was kept."""
        kept = list(self.store.rglob("kernels/*.o"))
        assert kept
        for path in kept:
            path.write_bytes(b"kept")


PLAIN = '#include "helper.h"\nint kernel_main() { return helper(); }\n'


def test_a_kernel_is_compiled_once_wherever_it_lies(sfpi: Path, tmp_path: Path) -> None:
    here, there = Kernel(sfpi, tmp_path / "here", 12), Kernel(sfpi, tmp_path / "there", 345)
    for kernel in (here, there):
        kernel.write(PLAIN)
    first = here.compile()
    assert first[:4] == b"\x7fELF"
    assert there.compile() == first
    here.spoil()
    assert there.compile() == here.compile() == b"kept"
    there.write(PLAIN.replace("helper()", "helper() + 1"))
    assert there.compile()[:4] == b"\x7fELF", "another kernel"
    there.write(PLAIN, header="int helper() { return 2; }\n")
    assert there.compile()[:4] == b"\x7fELF", "another header"
    there.write(PLAIN)
    here.compile()
    assert there.compile() == b"kept", "content came back, so did the object"


@pytest.mark.parametrize("name", ["FULL_KERNEL_NAME", "__FILE__"])
def test_an_object_that_names_its_place_is_not_kept(sfpi: Path, tmp_path: Path, name: str) -> None:
    here, there = Kernel(sfpi, tmp_path / "here", 12), Kernel(sfpi, tmp_path / "there", 345)
    objects = []
    for kernel in (here, there):
        kernel.write(PLAIN + f"const char* place() {{ return {name}; }}\n")
        objects.append(kernel.compile())
        assert not list(kernel.store.rglob("kernels/*.o"))
    assert objects[0] != objects[1]


def test_a_wrong_source_gives_the_compilers_message_and_no_traceback(
    sfpi: Path, tmp_path: Path
) -> None:
    (tmp_path / "k.cc").write_text("int f() {\n    return nothing;\n}\n")
    done = launch(sfpi, "-O2", "-mcpu=tt-bh", "-c", "k.cc", "-o", "k.o", cwd=tmp_path)
    assert done.returncode != 0
    lines = done.stderr.splitlines()
    assert lines[0] == "k.cc:2:12: error: use of undeclared identifier 'nothing'"
    assert lines[1] == "    2 |     return nothing;"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "k.o").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-mcpu=tt-qsr32", "-c", "k.cc", "-o", "k.o"], "error: the clang stand-in knows Wormhole"),
        (["-mcpu=tt-wh", "k.o"], "error: a link without -o"),
        (["-mcpu=tt-wh", "-DUCK_CHLKC_MATH", "-c", "k.cc"], "error: -c without -o"),
        (
            ["-mcpu=tt-wh", "runtime/hw/lib/wormhole/odd.o", "-o", "k.elf"],
            "no source for wormhole/odd.o",
        ),
        (["-mcpu=tt-wh", "missing.o", "-o", "k.elf"], "ld.lld: error: cannot open missing.o"),
    ],
)
def test_what_cannot_be_done_is_said(
    sfpi: Path, tmp_path: Path, args: list[str], message: str
) -> None:
    (tmp_path / "k.cc").write_text("int x;\n")
    done = launch(sfpi, *args, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
