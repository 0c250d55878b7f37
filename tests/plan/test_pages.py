"""The pages that programs touch, found all at once: those that walking through all loops finds."""

from __future__ import annotations

from collections import Counter

import pytest
from sources import elementwise, gemm, plan_of

from ttgen.plan import Plan
from ttgen.plan.pages import accesses
from ttgen.plan.trace import trace

PLANS = {
    "gemm": lambda: plan_of(gemm(96, 160, 352), grid=(2, 2)),
    "columns first": lambda: plan_of(gemm(96, 160, 64), grid=(3, 1), partition="column_major"),
    "idle cores": lambda: plan_of(gemm(32, 64, 96), grid=(3, 3)),
    "add": lambda: plan_of(elementwise("add", (96, 320)), grid=(4, 1), block_tiles=4),
    "batch": lambda: plan_of(elementwise("copy", (3, 40, 70)), grid=(2, 1)),
}


def walked(plan: Plan, name: str) -> dict[tuple[str, str], Counter[int]]:
    """How often each page of each tensor is touched, by walking through all loops."""
    program = getattr(plan.programs, name)
    found: dict[tuple[str, str], Counter[int]] = {}
    for core in range(len(plan.partition.cores)):
        for event in trace(program, core):
            if "page" in event.values:
                key = event.op.op, str(event.op.args["tensor"])
                pages = found.setdefault(key, Counter())
                pages[event.values["page"]] += event.times
    return found


@pytest.mark.parametrize("make", PLANS.values(), ids=PLANS.keys())
@pytest.mark.parametrize("name", ["reader", "writer"])
def test_the_same_pages_as_by_walking(make: object, name: str) -> None:
    plan: Plan = make()  # type: ignore[operator]
    program = getattr(plan.programs, name)
    expected = walked(plan, name)
    assert expected
    for distinct in (False, True):
        found: dict[tuple[str, str], Counter[int]] = {}
        for access in accesses(program.body):
            key = access.op.op, str(access.op.args["tensor"])
            pages = access.pages(program, distinct=distinct).tolist()
            found.setdefault(key, Counter()).update(pages)
        if distinct:
            assert {key: set(pages) for key, pages in found.items()} == {
                key: set(pages) for key, pages in expected.items()
            }
        else:
            assert found == expected


def test_pages_of_a_large_kernel_are_few_rows() -> None:
    """A tile of A is read for every column of output tiles, and is one row all the same."""
    plan = plan_of(gemm(1024, 2048, 1024), grid=(8, 8))
    reader = plan.programs.reader
    a, b = (access.pages(reader, distinct=True) for access in accesses(reader.body))
    assert (len(a), len(b)) == (32 * 32, 64 * 32)
