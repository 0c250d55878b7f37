"""The compiler's messages out of ttnn's exceptions, as tt-metal 0.81.1 writes them."""

from __future__ import annotations

from ttgen.toolchain import summarize

BACKTRACE = """
backtrace:
 --- /v/ttnn/build/lib/libtt_metal.so(+0xd4d820) [0x7fd33b14d820]
 --- tt::tt_metal::JitBuildState::compile_one(std::string const&) const
"""


def thrown(processor: str, log: str) -> str:
    return (
        "TT_THROW @ /project/tt_metal/impl/program/program.cpp:419: tt::exception\ninfo:\n"
        "Failed to generate binaries for compute TT_THROW @ /project/jit_build/build.cpp:149:"
        f" tt::exception\ninfo:\n{processor} build failed. Log: {log}\n{BACKTRACE}"
    )


IN_KERNEL = """\
In file included from /c/sdk/1/tt_metal/hw/firmware/src/tt-1xx/trisck.cc:16:
In file included from ../chlkc_math.cpp:4:
/src/compute.cpp:14:13: \x1b[31merror: \x1b[0muse of undeclared identifier 'matmul_tilez'
   14 |             matmul_tilez(0, 1, 0, 0, 0);
      |             ^~~~~~~~~~~~
1 error generated.
"""

IN_KERNEL_SUMMARY = """\
/src/compute.cpp:14:13: error: use of undeclared identifier 'matmul_tilez'
   14 |             matmul_tilez(0, 1, 0, 0, 0);
      |             ^~~~~~~~~~~~"""


def test_an_error_in_a_kernel() -> None:
    assert summarize(thrown("trisc0", IN_KERNEL)) == IN_KERNEL_SUMMARY


def test_the_same_mistake_on_three_processors_is_one() -> None:
    text = "".join(thrown(f"trisc{n}", IN_KERNEL) for n in range(3))
    assert summarize(text) == IN_KERNEL_SUMMARY


def test_an_error_inside_the_sdk_keeps_the_way_there() -> None:
    log = (
        "In file included from /src/compute.cpp:3:\n"
        "/r/tt_metal/hw/inc/api/x.h:9:1: error: static assertion failed\n"
        "    9 | static_assert(n < 4);\n"
        "/src/compute.cpp:20:5: note: in instantiation of 'f<5>' requested here\n"
        "   20 |     f<5>();\n"
    )
    assert summarize(thrown("trisc1", log)) == log.rstrip("\n")


def test_gcc_and_linker_messages() -> None:
    gcc = (
        "/src/reader.cpp: In function 'void kernel_main()':\n"
        "/src/reader.cpp:5:3: error: 'x' was not declared in this scope\n"
        "    5 |   x = 1;\n"
        "      |   ^\n"
        "cc1plus: all warnings being treated as errors\n"
    )
    assert summarize(thrown("brisc", gcc)).splitlines() == gcc.splitlines()[1:4]
    lld = (
        "ld.lld: error: undefined symbol: f(int)\n"
        ">>> referenced by brisck.cc\n"
        ">>>               /c/brisck.o:(_start)\n"
        "/src/writer.cpp: note: in the program of this kernel\n"
    )
    assert summarize(thrown("brisc", lld)) == lld.rstrip("\n")


def test_errors_come_before_warnings() -> None:
    log = "/src/k.cpp:2:1: warning: unused\n/src/k.cpp:9:1: error: wrong\n"
    assert (
        summarize(thrown("brisc", log))
        == "/src/k.cpp:9:1: error: wrong\n/src/k.cpp:2:1: warning: unused"
    )


def test_a_text_without_compiler_messages_loses_the_backtrace_only() -> None:
    text = (
        "TT_THROW @ /project/tt_metal/llrt/tt_elffile.cpp:405: tt::exception\ninfo:\n"
        "/c/brisc.elf: segment[1] overflows region:1 limit of 0x780 bytes\n" + BACKTRACE
    )
    assert summarize(text) == "/c/brisc.elf: segment[1] overflows region:1 limit of 0x780 bytes"
    assert summarize("no device") == "no device"
