"""What a core would not survive is an error that names operation, core and line of the source."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest
from sources import elementwise, gemm, plan_of

from interp.plans import (
    Change,
    after,
    before,
    dropped,
    edited,
    given,
    inputs,
    product,
    replaced,
    total,
    twice,
    with_pages,
)
from ttgen.errors import TTError
from ttgen.ops import TILE_OPS
from ttgen.plan import Plan
from ttgen_runtime.interp import Deadlock, ProgramError, run
from ttgen_runtime.interp.errors import Wait, location
from ttgen_runtime.interp.operations import OPERATIONS

PLACE = re.compile(r"kernels/k\.py:\d+:\d+")


def fail(plan: Plan) -> ProgramError:
    """The error that ``plan`` ends with; it names a line of the kernel."""
    with pytest.raises(ProgramError) as caught:
        run(plan, inputs(plan))
    error = caught.value
    assert isinstance(error, TTError)
    assert error.at is not None
    assert error.at.path == "kernels/k.py"
    assert error.at.line > 0
    return error


def test_every_operation_is_implemented_and_no_other() -> None:
    assert sorted(OPERATIONS) == sorted(TILE_OPS)


@pytest.mark.parametrize("plan", [product(), total(), product(grid=(2, 2), buffering=1)])
def test_plans_as_they_are_run_to_their_end(plan: Plan) -> None:
    before_run, after_run = run(plan, inputs(plan))
    for tensor in plan.tensors:
        written = tensor.role == "output"
        assert np.isfinite(after_run[tensor.name]).all()
        assert np.isnan(before_run[tensor.name]).all() == written


#: Program, operation, what is done to it, which one, and what the error says.
MISUSES: list[tuple[str, str, Change, int | None, str]] = [
    ("reader", "cb_reserve_back", dropped, 0, r"slot 0 of 'A' is written, 0 pages are reserved"),
    ("reader", "cb_push_back", twice, 0, r"1 pages of 'A' are pushed, 0 are reserved"),
    ("reader", "read_barrier", dropped, None, r"read before a barrier has waited .* at kernels/k"),
    ("reader", "read_page", dropped, 0, r"page of 'A' is read that nothing has written"),
    ("reader", "read_page", twice, 0, r"written while the transfer at kernels/k.*fills it"),
    ("reader", "read_page", given(page=6), 0, r"page 6 of 'A', which has 6"),
    ("reader", "read_page", given(page=["-", 0, 1]), 0, r"-1 is no uint32_t"),
    ("reader", "cb_reserve_back", given(pages=3), 0, r"3 pages of 'A' are wanted, it has 2"),
    ("compute", "cb_wait_front", dropped, 0, r"slot 0 of 'A' is read, 0 pages were waited for"),
    ("compute", "cb_pop_front", twice, 0, r"1 pages of 'A' are popped, 0 were waited for"),
    ("compute", "matmul_tiles", given(tile1=1), 0, r"slot 1 of 'B' is read, 1 pages"),
    ("compute", "matmul_tiles", given(in1="A"), 0, r"set up for matmul\(A, B, 0\), not for"),
    ("compute", "matmul_tiles", given(dst=8), 0, r"DST tile 8 is used, there are 8"),
    ("compute", "matmul_init", dropped, None, r"set up for nothing, not for matmul"),
    ("compute", "matmul_startup", dropped, None, r"set up before the program's start"),
    ("compute", "matmul_startup", twice, None, r"started twice"),
    ("compute", "tile_regs_acquire", dropped, None, r"DST is released"),
    ("compute", "tile_regs_acquire", twice, None, r"DST is acquired, and must be released"),
    ("compute", "tile_regs_commit", dropped, None, r"DST is acquired, and must be committed"),
    ("compute", "tile_regs_wait", dropped, None, r"DST is committed, and must be waited for"),
    ("compute", "tile_regs_release", dropped, None, r"DST is waited for, and must be released"),
    ("compute", "matmul_tiles", dropped, None, r"nothing has been written to DST tile 0"),
    ("compute", "pack_tile", dropped, None, r"page of 'C' is read that nothing has written"),
    ("compute", "pack_tile", given(slot=1), None, r"slot 1 of 'C' is written, 1 pages"),
    ("writer", "write_barrier", dropped, None, r"popped before a barrier .* transfer at kernels/k"),
    ("writer", "write_page", given(tensor="A"), None, r"'A' is written, and is an input"),
    ("writer", "write_page", given(page=0), None, r"page 0 of 'C' is written twice, first at k"),
    ("writer", "write_page", dropped, None, r"4 of the 4 pages of 'C' are never written"),
]


@pytest.mark.parametrize(
    ("program", "name", "change", "only", "message"),
    MISUSES,
    ids=[f"{m[0]}-{m[1]}-{n}" for n, m in enumerate(MISUSES)],
)
def test_misuse_is_an_error_at_its_place(
    program: str, name: str, change: Change, only: int | None, message: str
) -> None:
    error = fail(edited(product(), program, name, change, only=only))
    assert not isinstance(error, Deadlock)
    assert re.search(message, error.message), error.message
    assert "core (0, 0)" in error.message or "never written" in error.message


def test_a_page_that_is_not_pushed_blocks_all_programs() -> None:
    error = fail(edited(product(), "reader", "cb_push_back", dropped, only=1))
    assert isinstance(error, Deadlock)
    waits = {b.program: (b.op, b.wait) for b in error.blocked}
    assert waits == {
        "reader": ("cb_reserve_back", Wait("A", 1, 0, "free")),
        "compute": ("cb_wait_front", Wait("B", 1, 0, "filled")),
        "writer": ("cb_wait_front", Wait("C", 1, 0, "filled")),
    }
    first, *programs = error.message.splitlines()
    assert first == "core (0, 0): its programs wait for each other"
    line = r"  compute: cb_wait_front at kernels/k.py:\d+:\d+ wants 1 filled pages of 'B', 0 are"
    assert re.fullmatch(line, programs[1])
    assert error.at == error.blocked[0].at


def test_a_program_that_waits_for_programs_that_have_ended() -> None:
    more = after("cb_wait_front", cb="C", pages=2)
    error = fail(edited(product(), "writer", "cb_pop_front", more))
    assert isinstance(error, Deadlock)
    assert [b.program for b in error.blocked] == ["writer"]
    assert error.message.splitlines()[2:] == ["  reader: has ended", "  compute: has ended"]


def test_a_buffer_that_is_too_small_for_the_order_of_its_users() -> None:
    """Compute wants two pages of B before it frees any of A, which holds only one."""
    plan = with_pages(product(), A=1, B=2)
    plan = edited(plan, "compute", "cb_wait_front", given(pages=2), only=1)
    error = fail(plan)
    assert isinstance(error, Deadlock)
    waits = {b.program: b.wait for b in error.blocked}
    assert waits["reader"] == Wait("A", 1, 0, "free")
    assert waits["compute"] == Wait("B", 2, 1, "filled")


def test_pages_that_are_left_over_are_named_with_their_last_push() -> None:
    plan = edited(with_pages(total(), A=4), "compute", "cb_pop_front", dropped, only=0)
    error = fail(plan)
    assert "at the end of the programs 4 pages of 'A' are left over" in error.message


def test_a_reservation_that_is_left_over_is_named() -> None:
    plan = edited(total(), "writer", "write_barrier", after("cb_reserve_back", cb="A", pages=1))
    error = fail(plan)
    assert re.search(r"end of the programs 1 pages of 'A' are reserved", error.message)


def test_a_transfer_that_no_barrier_waits_for_is_named() -> None:
    plan = plan_of(gemm(32, 32, 32))
    for name in ("write_barrier", "cb_pop_front"):
        plan = edited(plan, "writer", name, dropped)
    assert "no barrier waits for this write" in fail(plan).message


def test_the_core_that_fails_is_named() -> None:
    plan = product(grid=(2, 2))
    wrong = given(page=["//", 99, ["-", 4, "start"]])
    error = fail(edited(plan, "reader", "read_page", wrong, only=0))
    assert re.search(r"core \(\d, \d\)", error.message)


def test_a_product_is_not_added_to_what_a_register_holds() -> None:
    plan = plan_of(elementwise("mul", (64, 64)))
    error = fail(edited(plan, "compute", "mul_tiles", twice))
    assert "a product would be added to what DST tile" in error.message


def test_formats_of_a_tensor_and_its_buffer_agree() -> None:
    plan = total()
    buffers = [{**msgspec.to_builtins(cb), "dtype": "fp32"} for cb in plan.circular_buffers]
    error = fail(replaced(plan, circular_buffers=buffers))
    assert "'A' is bf16, 'A' fp32" in error.message


def test_places() -> None:
    assert str(location("kernels/a.py:3:7")) == "kernels/a.py:3:7"
    assert (location("a.py:3:7").line, location("a.py:3:7").column) == (3, 7)
    assert str(location("a.py")) == "a.py"


def test_before_inserts() -> None:
    plan = edited(product(), "compute", "matmul_tiles", before("copy_init", in0="A"))
    assert "set up for copy(A), not for matmul" in fail(plan).message
