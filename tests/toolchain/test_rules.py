"""The tables that turn SFPI's command lines into clang's and lld's."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ttgen.toolchain.driver import rules
from ttgen.toolchain.driver.compile import debug_flags
from ttgen.toolchain.driver.config import Config

# Taken from what tt-metal 0.81.1 writes for a compute kernel; paths shortened.
COMPILE = shlex.split(
    "-O3 -std=c++17 -ftt-nttp -ftt-constinit -flto=1 -flto-partition=one -ffast-math "
    "-fno-exceptions -g -MMD -Wall -Werror -Wno-error=parentheses --param=min-pagesize=0 "
    "-mcpu=tt-wh-tensix -fno-tree-loop-distribute-patterns -I. -include /c/pch.h "
    "-DCOMPILE_FOR_TRISC=0 -c -o k.o trisck.cc -MF k.d"
)
LINK = shlex.split(
    "-O3 -Wl,--just-symbols=/c/fw.elf -std=c++17 -flto=1 -g -Wl,-z,max-page-size=16 -nostartfiles "
    "-mcpu=tt-bh -T/r/kernel.ld -Wl,--emit-relocs -L/r/lib /r/runtime/hw/lib/blackhole/noc.o "
    "k.o -o k.elf"
)


def test_a_compile_command() -> None:
    assert " ".join(rules.translate(COMPILE)) == (
        "-O2 -std=c++20 -DDISABLE_SFPLOADMACRO -ffast-math -fno-exceptions -MMD -w -I. "
        "-include /c/pch.h -DCOMPILE_FOR_TRISC=0 -c -o k.o trisck.cc -MF k.d"
    )


def test_devices_that_lack_sfploadmacro_get_the_same_objects_as_others() -> None:
    assert rules.translate(["-DDISABLE_SFPLOADMACRO", *COMPILE]) == rules.translate(COMPILE)


def test_a_link_command() -> None:
    assert " ".join(rules.translate_link(LINK)) == (
        "--just-symbols=/c/fw.elf -z max-page-size=16 -T /r/kernel.ld --emit-relocs -L/r/lib "
        "/r/runtime/hw/lib/blackhole/noc.o k.o -o k.elf"
    )


def test_every_rule_says_why_and_none_hides_another() -> None:
    seen: list[str] = []
    for rule in rules.COMPILE_RULES:
        assert rule.why
        assert not any(rule.prefix.startswith(earlier) for earlier in seen), rule.prefix
        seen.append(rule.prefix)


@pytest.mark.parametrize("flag", ["-DWAYPOINT=1", "-I/a b/c", "-fno-rtti", "-Os", "-std=c++20"])
def test_what_no_rule_knows_is_kept(flag: str) -> None:
    assert rules.translate([flag]) == [flag]


@pytest.mark.parametrize(
    ("cpu", "name", "macro"),
    [
        ("tt-wh", "wormhole", "__riscv_xtttensixwh"),
        ("tt-wh-tensix", "wormhole", "__riscv_xtttensixwh"),
        ("tt-bh", "blackhole", "__riscv_xtttensixbh"),
        ("tt-bh-tensix", "blackhole", "__riscv_xtttensixbh"),
    ],
)
def test_architectures(cpu: str, name: str, macro: str) -> None:
    arch = rules.architecture(["-Os", f"-mcpu={cpu}", "x.cc"])
    assert (arch.name, arch.macro) == (name, macro)


@pytest.mark.parametrize("args", [["-mcpu=tt-qsr32"], ["-mcpu=tt-bhx"], ["-c", "x.cc"]])
def test_another_architecture_is_refused(args: list[str]) -> None:
    with pytest.raises(rules.DriverError, match="Wormhole and Blackhole"):
        rules.architecture(args)


def test_only_kernels_that_name_lines_have_line_tables(tmp_path: Path) -> None:
    """And none of this machine's folders is in them."""
    config = Config(
        sfpi="/r/runtime/sfpi",
        zig="/z/zig",
        zig_lib="/z/lib",
        fingerprint="f",
        version_line="v",
        cache="/c",
    )
    kernel = tmp_path / "reader.cpp"
    kernel.write_text('void f() {\n#line 3 "k.py"\n}\n')
    assert debug_flags(config, str(kernel)) == [
        "-gline-tables-only",
        "-fdebug-compilation-dir=.",
        *(f"-fdebug-prefix-map={folder}/=" for folder in ("/r", "/z/lib", tmp_path)),
    ]
    kernel.write_text("void f() {}\n// #line 3\n")
    assert debug_flags(config, str(kernel)) == []
    assert debug_flags(config, None) == []
    assert debug_flags(config, "api/dataflow/dataflow_api.h") == []
