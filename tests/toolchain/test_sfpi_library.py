"""sfpi.h of the stand-in: each operation on the simulator, against what it means in NumPy.

One kernel for each chip has all of them; docs/sfpu.md says which instructions they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ttgen.arch import ARCHITECTURES

from . import vectors
from .conftest import needs_sdk
from .vector_operations import OPERATIONS, Operation
from .vectors import Bits, Operands

pytestmark = [needs_sdk, pytest.mark.sim]

SIMULATOR_IS_WRONG = pytest.mark.xfail(strict=True, reason="docs/simulator-notes.md")


def operations_of(arch: str) -> list[Operation]:
    return [operation for operation in OPERATIONS if arch in operation.arches]


@pytest.fixture(scope="module")
def results(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Bits]]:
    """What the simulator gives, by architecture and operation; each chip is asked once."""
    found: dict[str, dict[str, Bits]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTGEN_TOOLCHAIN", "clang")
        for arch in ARCHITECTURES:
            operations = operations_of(arch)
            folder = tmp_path_factory.mktemp(f"vectors-{arch}")
            values = vectors.run(folder, cache, arch, [o.body for o in operations])
            found[arch] = {o.name: v for o, v in zip(operations, values, strict=True)}
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
    arch: str, operation: Operation, results: dict[str, dict[str, Bits]]
) -> None:
    operands = Operands(arch, vectors.operands())
    found = results[arch][operation.name]
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


def test_names_are_unique() -> None:
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)
