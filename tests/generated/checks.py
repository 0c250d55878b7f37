"""What holds of every program that is accepted."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from sources import kernel

from ttgen.golden import Golden, golden
from ttgen.passes.pipeline import run_pipeline
from ttgen.plan import Plan
from ttgen.plan.io import decode, encode
from ttgen_runtime import interp

from .programs import Program

#: Half a unit in the last place of bfloat16, which the narrowest format rounds to.
_EPSILON = 2.0**-8
#: What float32 loses of a sum of some hundred terms.
_EXACT = 2.0**-16
#: Every multiplier phase that a fidelity leaves out costs that much of a product.
_FIDELITY = {"HiFi4": 0.0, "HiFi3": 2.0**-9, "HiFi2": 2.0**-5, "LoFi": 2.0**-3}


def planned(program: Program, arch: str, **options: Any) -> tuple[Plan, Golden]:
    """The plan of ``program`` and its golden values; LoweringError where it is refused."""
    plan = lowered(program, arch, **options)
    return plan, golden(kernel(program.source()), plan)


def lowered(program: Program, arch: str, **options: Any) -> Plan:
    """The plan alone, read from the document that it is; LoweringError where it is refused."""
    loaded = kernel(program.source())
    plan = run_pipeline(loaded, arch=arch, layouts=program.layouts, **options).plan
    return decode(encode(plan), "tt.plan.json")


def output(plan: Plan, inputs: dict[str, Any], *, exact: bool = False) -> Any:
    """The one output of a plan, interpreted."""
    _, after = interp.run(plan, inputs, exact=exact)
    (name,) = (tensor.name for tensor in plan.tensors if tensor.role == "output")
    return after[name]


def check_values(program: Program, plan: Plan, values: Golden) -> Any:
    """It means what the source means, and rounding explains the rest; what it gives."""
    (expected,) = values.outputs.values()
    if expected.dtype == np.int32:  # only moved
        result = output(plan, values.inputs)
        np.testing.assert_array_equal(program.evaluate(values.inputs), expected)
        np.testing.assert_array_equal(result, expected)
        return result
    magnitude = program.evaluate(values.inputs, magnitude=True)
    np.testing.assert_allclose(
        program.evaluate({n: a.astype(np.float64) for n, a in values.inputs.items()}),
        expected,
        rtol=0,
        atol=_EXACT * float(magnitude.max()),
    )
    exact = np.abs(output(plan, values.inputs, exact=True) - expected)
    assert (exact <= _EXACT * magnitude + 1e-30).all(), "the plan means something else"
    result = output(plan, values.inputs)
    allowed = _EPSILON * program.roundings() + 8 * _FIDELITY[plan.compute.fidelity]
    assert (np.abs(result - expected) <= allowed * magnitude + 1e-30).all(), "not only rounded"
    return result


def renamed(program: Program) -> Program:
    """The same with other names of tensors."""
    text = program.source()

    class Renamed(Program):
        def source(self) -> str:
            return re.sub(r"\b([TMPSR])(\d*)\b(?!\.)", r"x_\1\2_", text)

    layouts = {f"x_{name}_": desc for name, desc in program.layouts.items()}
    return Renamed({}, layouts=layouts)
