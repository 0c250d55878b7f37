"""Random programs: refused with a place, or lowered to what they mean (P8, P13)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttgen.arch import ARCHITECTURES
from ttgen.errors import LoweringError

from .checks import check_values, lowered, output, planned, renamed
from .drawn import KINDS, OPTIONS
from .programs import Program

#: How many programs of each kind are tried, and how many of them must lower at least.
EXAMPLES = {
    "elementwise": (150, 80),
    "choices": (50, 30),
    "products": (110, 70),
    "reductions": (110, 75),
    "chains": (80, 45),
    "moves": (80, 40),
    "beside": (80, 40),
    "tiled": (60, 40),
}
OTHER_ORDER = {
    "row_major": "column_major",
    "column_major": "z_order",
    "z_order": "block",
    "block": "row_major",
}


def _one_core(program: Program, options: dict[str, Any]) -> tuple[Program, dict[str, Any]]:
    return program, {**options, "grid": (1, 1)}


def _other_order(program: Program, options: dict[str, Any]) -> tuple[Program, dict[str, Any]]:
    return program, {**options, "partition": OTHER_ORDER[options["partition"]]}


def _other_names(program: Program, options: dict[str, Any]) -> tuple[Program, dict[str, Any]]:
    return renamed(program), options


def _interleaved(program: Program, options: dict[str, Any]) -> tuple[Program, dict[str, Any]]:
    formats = {
        name: {key: value for key, value in desc.items() if key == "dtype"}
        for name, desc in program.layouts.items()
    }
    return replace(program, layouts=formats), options


#: Changes that leave every bit of a result as it is.
CHANGES = {
    "one core": _one_core,
    "other order": _other_order,
    "other names": _other_names,
    "interleaved in DRAM": _interleaved,
}


@pytest.mark.parametrize("kind", KINDS)
def test_random_programs_are_refused_or_give_what_they_mean(
    kind: str, report: Callable[[str, Counter[str]], None]
) -> None:
    examples, at_least = EXAMPLES[kind]
    outcomes: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(KINDS[kind](), OPTIONS, st.sampled_from(sorted(ARCHITECTURES)), st.data())
    def check(program: Program, options: dict[str, Any], arch: str, data: Any) -> None:
        try:
            plan, values = planned(program, arch, **options)
        except LoweringError as error:
            has_place = re.match(program.place, str(error))
            outcomes["refused" if has_place else "refused without a place"] += 1
            return
        outcomes["accepted"] += 1
        result = check_values(program, plan, values)
        change = data.draw(st.sampled_from([None, *CHANGES]))
        if change is not None:
            _check_change(change, program, options, arch, values.inputs, result)
            outcomes[f"equal with {change}"] += 1

    check()
    report(kind, outcomes)
    assert outcomes["accepted"] >= at_least, outcomes
    assert outcomes["refused"] >= 1, outcomes
    assert not outcomes["refused without a place"], outcomes


def _check_change(
    name: str, program: Program, options: dict[str, Any], arch: str, inputs: Any, result: Any
) -> None:
    other, changed = CHANGES[name](program, options)
    plan = lowered(other, arch, **changed)
    arrays = [inputs[t] for t in program.shapes]
    names = [tensor.name for tensor in plan.tensors if tensor.role == "input"]
    again = output(plan, dict(zip(names, arrays, strict=True)))
    np.testing.assert_array_equal(again, result, err_msg=name)
