"""Operations of sfpi.h on the simulator: operands, the kernel that has them all, what it gives."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ttgen import sdk
from ttgen.toolchain import summarize
from ttgen_runtime.devices import environment, select

HERE = Path(__file__).parent
DATA = HERE / "data" / "vectors"
SECONDS = 300

Array: TypeAlias = npt.NDArray[np.generic]
Bits: TypeAlias = npt.NDArray[np.uint32]
Numbers: TypeAlias = npt.NDArray[np.float32]

#: Numbers of every class, and integers among them that are small: as floats, denormals.
SPECIAL = np.array(
    [
        *np.float32(
            [0.0, 1.0, -1.0, 0.5, 1.5, -2.25, 3.0, -7.75, 100.0, 254.5, -1e5, np.inf, -np.inf]
        ).view(np.uint32),
        *np.float32([1e-30, -1e30, np.finfo(np.float32).max, np.finfo(np.float32).tiny]).view(
            np.uint32
        ),
        0x80000000,  # -0, or the least integer
        0x7FC00000,  # NaN
        0xFFC00001,  # -NaN
        0x807FFFFF,  # a denormal
        0x7FFFFFFF,
        0xFFFFFFFF,  # -1
        0xFFFFFFF9,  # -7
        7,
        31,
    ],
    np.uint32,
)


def operands() -> Bits:
    """Bits of three operands in 32 vectors of 32 lanes: every pair of SPECIAL, and random ones."""
    random = np.random.default_rng(5)
    pairs = np.stack([a.ravel() for a in np.meshgrid(SPECIAL, SPECIAL)])
    left = 1024 - pairs.shape[1]
    some = np.concatenate(
        [
            random.standard_normal((2, left // 2), np.float32).view(np.uint32),
            random.integers(-300, 300, (2, left // 4), np.int32).view(np.uint32),
            random.integers(0, 2**32, (2, left - left // 2 - left // 4), np.uint32),
        ],
        axis=1,
    )
    two = random.permutation(np.concatenate([pairs, some], axis=1), axis=1)
    three = np.concatenate([two, random.permutation(two[:1], axis=1)])
    return np.ascontiguousarray(three.reshape(3, 32, 32), np.uint32)


def _places() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of a tile by vector and lane.

    A vector is four rows of 16 in DST, their even columns or their odd ones; DST has a tile's four
    faces one after the other. (tt-isa-documentation, SFPLOAD)
    """
    vector, lane = np.mgrid[:32, :32]
    row, column = vector // 2 * 4 + lane // 8, lane % 8 * 2 + vector % 2
    face = row // 16
    return face // 2 * 16 + row % 16, face % 2 * 16 + column


ROWS, COLUMNS = _places()


class Operands:
    """The same bits as floats, integers, unsigned ones, in sign and magnitude, and magnitudes."""

    def __init__(self, arch: str, bits: Bits) -> None:
        self.arch = arch
        self.bits = bits
        self.u, self.v, self.w = bits
        self.a, self.b, self.c = bits.view(np.float32)
        self.i, self.j, self.k = bits.view(np.int32)
        self.m, self.n = bits[:2] & np.uint32(0x7FFFFFFF)
        self.s, self.t = np.where(self.bits[:2] >> 31, -1, 1) * np.stack([self.m, self.n]).astype(
            np.int64
        )


#: The same names in C++: type, and where the operand comes from.
DECLARED = {
    **{name: f"vFloat {name} = number_of({n})" for n, name in enumerate("abc")},
    **{name: f"vInt {name} = integer_of({n})" for n, name in enumerate("ijk")},
    **{name: f"vUInt {name} = bits_of({n})" for n, name in enumerate("uvw")},
    **{name: f"vSMag {name} = signed_of({n})" for n, name in enumerate("st")},
    **{name: f"vMag {name} = magnitude_of({n})" for n, name in enumerate("mn")},
}


class Near(NamedTuple):
    """A number that is not exact, and how far off it may be."""

    value: npt.NDArray[np.float64]
    slack: npt.NDArray[np.float64]


#: What an operation means. Bits where it is of integers; numbers where it is of floats, which may
#: be any zero and any NaN; masked lanes may be anything.
Meaning: TypeAlias = "Array | Near"


def wrong(found: Bits, meaning: Meaning) -> npt.NDArray[np.bool_]:
    """The lanes in which ``found`` is not what is meant."""
    if isinstance(meaning, Near):
        value, slack = meaning
        with np.errstate(invalid="ignore"):
            number = found.view(np.float32).astype(np.float64)
            right = (number == value) | (np.isnan(number) & np.isnan(value))
            overflow = np.isinf(number) & (np.abs(value) >= 2.0**128 * (1 - 2.0**-25))
            right |= overflow & (np.sign(number) == np.sign(value))
            right |= np.abs(number - value) <= slack
        return ~right & ~np.ma.getmaskarray(value)
    data = np.ma.getdata(meaning)
    if data.dtype.kind == "f":
        assert data.dtype == np.float32
        number = found.view(np.float32)
        right = (number == data) | (np.isnan(number) & np.isnan(data))
    else:
        right = found == data.astype(np.int64).astype(np.uint32)
    return ~right & ~np.ma.getmaskarray(meaning)


@dataclass(frozen=True)
class Body:
    """An operation: statements in C++, and the expression that is its result."""

    before: str
    result: str

    def __str__(self) -> str:
        said = f"{self.before} result({self.result});"
        used = set(re.findall(r"(?<![\w.:])([a-z])\b(?!\()", said)) & DECLARED.keys()
        text = " ".join([*(f"const {DECLARED[name]};" for name in sorted(used)), said])
        reads = [int(number) for number in re.findall(r"_of\((\d)\)", text)]
        return f"OPERATION({3 if 'VECTORS' in text else max(reads, default=0) + 1}, {text})"


def kernel(bodies: Sequence[Body]) -> str:
    """The compute kernel that has an OPERATION for each of ``bodies``."""
    calls = "\n".join(f"    {body}" for body in bodies)
    return f'#include "{DATA / "vectors.h"}"\n\nvoid kernel_main() {{\n    start();\n{calls}\n}}\n'


class Outcome(NamedTuple):
    """``results``: bits by operation, vector and lane. ``elf``: the program that has made them."""

    results: Bits
    elf: bytes


def run(folder: Path, cache: Path, arch: str, bodies: Sequence[Body]) -> Outcome:
    """The operations on the simulator, as one program."""
    tile = np.zeros((3, 32, 32), np.uint32)
    tile[:, ROWS, COLUMNS] = operands()
    np.save(folder / "operands.npy", tile.reshape(-1, 32).view(np.int32))
    (folder / "compute.cpp").write_text(kernel(bodies))
    for name in ("reader.cpp", "writer.cpp"):
        (folder / name).write_text((DATA / name).read_text())
    selection = select("wolfpine", arch)
    env = environment(selection, arch, sdk.prepare_root(cache), cache)
    env["TT_METAL_LOGS_PATH"] = str(folder)
    done = subprocess.run(
        [sys.executable, str(HERE / "run_vectors.py"), str(folder), str(len(bodies))],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, summarize(done.stdout + done.stderr)
    tiles = np.load(folder / "results.npy").view(np.uint32).reshape(-1, 32, 32)
    listed = (folder / "generated" / "watcher" / "kernel_elf_paths.txt").read_text()
    (elf,) = re.findall(r"/[^:\s]*/trisc1\.elf", listed)
    return Outcome(np.ascontiguousarray(tiles[:, ROWS, COLUMNS]), Path(elf).read_bytes())
