"""Sixty of the random programs on the simulator: bit by bit what the interpreter gives (P13)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings

from ttgen.arch import ARCHITECTURES
from ttgen.errors import LoweringError
from ttgen.golden import Golden
from ttgen.plan import Plan, save
from ttgen.render import TemplateSet, write_sources
from ttgen_runtime.devices import DEVICES
from ttgen_runtime.launch import device_service, run_kernel

from .checks import check_values, planned
from .programs import KINDS, OPTIONS, Program

#: Which programs, how many of each kind, and how many tile operations one may take.
SEED, OF_EACH_KIND, TILES = 20260101, 20, 12


def chosen(kind: str, arch: str) -> list[tuple[Program, Plan, Golden]]:
    """Programs that are accepted, small, and of formats that the simulator has."""
    found: list[tuple[Program, Plan, Golden]] = []

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
            plan, values = planned(program, arch, **options)
        except LoweringError:
            return
        if not {cb.dtype for cb in plan.circular_buffers} & DEVICES["wolfpine"].lacks_formats:
            found.append((program, plan, values))

    collect()
    return found


@pytest.mark.sim
@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_random_programs_give_the_same_bits_on_the_simulator(
    arch: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    report: Callable[[str, Counter[str]], None],
) -> None:
    shared = os.environ.get("TTGEN_TEST_CACHE")
    cache = Path(shared) if shared else tmp_path_factory.mktemp("cache")
    outcomes: Counter[str] = Counter()
    with device_service("wolfpine", arch, cache, log=tmp_path / "log") as service:
        for kind in KINDS:
            for number, (program, plan, values) in enumerate(chosen(kind, arch)):
                expected = check_values(program, plan, values)
                folder = tmp_path / f"{kind}-{number}"
                found = simulated(service, folder, plan, values)
                np.testing.assert_array_equal(found, expected, err_msg=program.source())
                outcomes[kind] += 1
    report(f"wolfpine {arch}, equal", outcomes)
    assert outcomes == Counter(dict.fromkeys(KINDS, OF_EACH_KIND))


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
