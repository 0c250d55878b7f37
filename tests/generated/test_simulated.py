"""Random programs on the simulator: bit by bit what the interpreter gives (P13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from sources import kernel

from ttgen.arch import ARCHITECTURES
from ttgen.errors import LoweringError
from ttgen.golden import Golden, golden
from ttgen.plan import Plan, save
from ttgen.render import TemplateSet, write_sources
from ttgen_runtime.devices import DEVICES
from ttgen_runtime.launch import device_service, run_kernel

from .checks import check_values, lowered
from .drawn import KINDS, OPTIONS
from .programs import Program

#: Which programs, how many of each kind, how many tile operations and cores one may take.
SEED, OF_EACH_KIND, TILES, CORES = 20260101, 8, 8, 12


@dataclass(frozen=True)
class Case:
    """A program, its plan for each architecture, and what it means, which is the same on all."""

    program: Program
    plans: dict[str, Plan]
    values: Golden


def chosen(kind: str) -> list[Case]:
    """Programs that every architecture accepts, small, and of formats that the simulator has."""
    found: list[tuple[Program, dict[str, Plan]]] = []

    @seed(SEED)
    @settings(
        max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(KINDS[kind](), OPTIONS)
    def collect(program: Program, options: dict[str, Any]) -> None:
        tiles = prod(-(-extent // 32) for extent in program.loops.values())
        if len(found) == OF_EACH_KIND or tiles > TILES:
            return
        try:
            plans = {arch: lowered(program, arch, **options) for arch in sorted(ARCHITECTURES)}
        except LoweringError:
            return
        if all(map(is_small, plans.values())):
            found.append((program, plans))

    collect()
    return [
        Case(program, plans, golden(kernel(program.source()), next(iter(plans.values()))))
        for program, plans in found
    ]


def is_small(plan: Plan) -> bool:
    formats = {buffer.dtype for buffer in plan.circular_buffers}
    return len(plan.partition.cores) <= CORES and not formats & DEVICES["wolfpine"].lacks_formats


@pytest.mark.sim
def test_random_programs_give_the_same_bits_on_the_simulator(
    tmp_path: Path,
    cache: Path,
    report: Callable[[str, Counter[str]], None],
) -> None:
    """One simulator for each architecture, side by side."""
    cases = {kind: chosen(kind) for kind in KINDS}

    def run_all(arch: str) -> Counter[str]:
        with device_service("wolfpine", arch, cache, log=tmp_path / f"{arch}.log") as service:
            return Counter(
                kind
                for kind, found in cases.items()
                for number, case in enumerate(found)
                if is_equal(service, tmp_path / f"{arch}-{kind}-{number}", case, arch)
            )

    with ThreadPoolExecutor(len(ARCHITECTURES)) as pool:
        outcomes = dict(zip(ARCHITECTURES, pool.map(run_all, ARCHITECTURES), strict=True))
    for arch, counts in outcomes.items():
        report(f"wolfpine {arch}, equal", counts)
        assert counts == Counter(dict.fromkeys(KINDS, OF_EACH_KIND))


def is_equal(service: Any, folder: Path, case: Case, arch: str) -> bool:
    """Whether simulator and interpreter give the same bits; AssertionError shows the program."""
    expected = check_values(case.program, case.plans[arch], case.values)
    found = simulated(service, folder, case.plans[arch], case.values)
    np.testing.assert_array_equal(found, expected, err_msg=case.program.source())
    return True


def simulated(service: Any, folder: Path, plan: Plan, values: Golden) -> Any:
    """What the one output holds after a run on the simulator."""
    folder.mkdir()
    save(plan, folder / "tt.plan.json")
    values.save(folder / "golden.npz")
    write_sources(plan, TemplateSet(()), folder)
    result = run_kernel(
        service,
        folder / "tt.plan.json",
        folder,
        folder / "golden.npz",
        device="wolfpine",
        values=folder / "values.npz",
    )
    assert result.status != "error", result.message
    with np.load(folder / "values.npz") as file:
        (name,) = file.files
        return file[name]
