"""The stand-in under tt-metal's real JIT: kernels and firmware build, and mistakes are reported."""

from __future__ import annotations

import re
import time

import pytest

from ttgen.toolchain import summarize

from .conftest import DATA, Bench, needs_sdk

pytestmark = needs_sdk

ARCHITECTURES = ("wormhole", "blackhole")


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_firmware_and_kernels_build(bench: Bench, arch: str) -> None:
    assert bench.build(arch, {}, {"compute": "sfpu.cpp", "writer": "soft_float_writer.cpp"}) == [
        None,
        None,
    ]
    assert bench.elfs("fpu") == {"trisc0.elf", "trisc1.elf", "trisc2.elf"}
    assert bench.elfs("sfpu") == {"trisc0.elf", "trisc1.elf", "trisc2.elf"}
    assert bench.elfs("reader") == {"ncrisc.elf"}
    assert bench.elfs("writer") == {"brisc.elf"}
    assert bench.elfs("soft_float_writer") == {"brisc.elf"}


def test_nothing_is_written_outside_the_cache(bench: Bench) -> None:
    started = time.time()
    assert bench.build("wormhole", {}, {"compute": "broken.cpp"})[0] is None
    assert list(bench.home.rglob("*")) == []
    written = [p for p in DATA.rglob("*") if p.stat().st_mtime > started]
    assert written == []
    package = bench.root.sdk.package
    parts = [package / "runtime", package / "tt_metal" / "hw", package / "tt_metal" / "tt-llk"]
    touched = [p for part in parts for p in part.rglob("*") if p.stat().st_mtime > started]
    assert touched == []


def test_dependencies_name_our_headers(bench: Bench) -> None:
    """The JIT rebuilds what depends on a changed header: sfpi.h and the compatibility header."""
    assert bench.build("wormhole", {"compute": "sfpu.cpp"}) == [None]
    hashes = list((bench.cache / "jit").glob("*/kernels/sfpu/*/trisc1/trisck.o.dephash"))
    assert hashes
    for path in hashes:
        text = path.read_text()
        assert str(bench.root.path / "runtime/sfpi/include/sfpi.h") in text
        assert str(bench.cache / "toolchain") in text
        assert str(DATA / "sfpu.cpp") in text
        assert str(DATA / "sfpu.h") in text


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_mistakes_are_reported_against_the_source(bench: Bench, arch: str) -> None:
    texts = bench.build(
        arch,
        {"compute": "broken.cpp"},
        {"compute": "scalar_float.cpp"},
        {"writer": "undefined_writer.cpp"},
        {},
    )
    assert texts[3] is None, "a good program builds after failed ones"
    broken, scalar, undefined = (summarize(text) if text else "" for text in texts[:3])

    lines = broken.splitlines()
    assert lines[0].startswith(f"{DATA / 'broken.cpp'}:8:5: error: ")
    assert "multiply_tiles_somehow(0, 1, 0, 0, 0);" in lines[1]
    assert broken.count("error: ") == 1, "three processors, one mistake"

    # The first F instruction is the load of an operand, two lines above the product.
    place = re.escape(str(DATA / "scalar_float.cpp"))
    assert re.match(rf"{place}:1[123]:\d+: error: .* cannot express 'f\w+", scalar)

    assert "undefined symbol: defined_nowhere(unsigned int)" in undefined
    assert str(DATA / "undefined_writer.cpp") in undefined

    for text in (broken, scalar, undefined):
        for noise in ("backtrace", " --- ", "TT_THROW", "\x1b", "Traceback"):
            assert noise not in text
