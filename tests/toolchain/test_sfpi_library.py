"""sfpi.h of the stand-in: each operation on the simulator, against what it means in NumPy.

One kernel for each chip has all of them; docs/sfpu.md says which instructions they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ttgen.arch import ARCHITECTURES

from . import schedule, vectors
from .conftest import needs_sdk
from .vector_operations import BLACKHOLE, OPERATIONS, Operation
from .vectors import Bits, Operands, Outcome

pytestmark = [needs_sdk, pytest.mark.sim]

SIMULATOR_IS_WRONG = pytest.mark.xfail(strict=True, reason="docs/simulator-notes.md")


def operations_of(arch: str) -> list[Operation]:
    return [operation for operation in OPERATIONS if arch in operation.arches]


@pytest.fixture(scope="module")
def outcomes(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What the simulator gives, by architecture; each chip is asked once."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTGEN_TOOLCHAIN", "clang")
        for arch in ARCHITECTURES:
            bodies = [operation.body for operation in operations_of(arch)]
            folder = tmp_path_factory.mktemp(f"vectors-{arch}")
            found[arch] = vectors.run(folder, cache, arch, bodies)
    return found


CASES = [
    pytest.param(
        arch,
        operation,
        id=f"{arch}-{operation.name}",
        marks=[SIMULATOR_IS_WRONG] if arch in operation.faulty_on else [],
    )
    for arch in ARCHITECTURES
    for operation in operations_of(arch)
]


@pytest.mark.parametrize(("arch", "operation"), CASES)
def test_an_operation_means_what_it_says(
    arch: str, operation: Operation, outcomes: dict[str, Outcome]
) -> None:
    operands = Operands(arch, vectors.operands())
    found = outcomes[arch].results[operations_of(arch).index(operation)]
    meant = operation.meaning(operands)
    wrong = vectors.wrong(found, meant)
    assert not wrong.any(), report(operands, found, meant, wrong)


def report(operands: Operands, found: Bits, meant: vectors.Meaning, wrong: np.ndarray) -> str:
    """The first lanes that are wrong, as bits."""
    expected = meant.value if isinstance(meant, vectors.Near) else meant
    lines = [f"{wrong.sum()} lanes are wrong:"]
    for place in np.argwhere(wrong)[:8]:
        at = tuple(place)
        of = ", ".join(f"{bits[at]:#010x} ({bits.view(np.float32)[at]})" for bits in operands.bits)
        got = f"{found[at]:#010x} ({found.view(np.float32)[at]})"
        lines.append(f"of {of}: {got}, expected {np.ma.getdata(expected)[at]}")
    return "\n".join(lines)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_no_instruction_reads_what_is_not_written_yet(
    arch: str, outcomes: dict[str, Outcome]
) -> None:
    elf = outcomes[arch].elf
    slow = sum(word >> 24 in schedule.SLOW for word in schedule.tensix(elf))
    assert slow > 30
    assert schedule.too_early(elf, arch == BLACKHOLE) == []


def test_names_are_unique() -> None:
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)
