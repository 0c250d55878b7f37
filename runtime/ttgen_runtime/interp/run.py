"""A plan from inputs to outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ttgen.plan.model import Plan
from ttgen_runtime.interp.core import Core
from ttgen_runtime.interp.formats import Array
from ttgen_runtime.interp.fpu import Exact, Fpu, Numerics
from ttgen_runtime.interp.memory import loaded, stored

Tensors = dict[str, Array]


def run(plan: Plan, inputs: Mapping[str, Array], *, exact: bool = False) -> tuple[Tensors, Tensors]:
    """Every tensor of ``plan`` before and after the run, by name, in its source's shape.

    ``inputs`` are in the source's shapes, and are rounded to their tensors' formats. With
    ``exact``, nothing is rounded: everything is computed in float32. ProgramError (with the place
    in the kernel's source): a program does what a core would not survive.
    """
    numerics: Numerics = Exact() if exact else Fpu.of(plan)
    memory = {t.name: stored(t, inputs.get(t.name), numerics) for t in plan.tensors}
    before = {name: loaded(tensor) for name, tensor in memory.items()}
    with np.errstate(all="ignore"):  # what is undefined is NaN, and may be computed with
        for index in range(len(plan.partition.cores)):
            Core(plan, index, memory, numerics).run()
    for tensor in memory.values():
        tensor.finish()
    return before, {name: loaded(tensor) for name, tensor in memory.items()}
