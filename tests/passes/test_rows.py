"""Row-major tensors: rows become tiles on the device, and tiles rows (P6, P8)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sources import elementwise, gemm, kernel

from ttgen.errors import LoweringError, PlanError
from ttgen.passes.pipeline import run_pipeline
from ttgen.plan import decode, encode
from ttgen.plan.model import Plan
from ttgen.render import operations
from ttgen_runtime.interp.run import run

ROW = {"page": "row"}


def plan_of(source: str, **layouts: Any) -> Plan:
    return run_pipeline(kernel(source), arch="blackhole", layouts=layouts).plan


def test_pages_are_rows_of_the_last_dimension() -> None:
    plan = plan_of(elementwise("add", (2, 40, 70)), A=ROW, C=ROW)
    pages = {t.name: (t.pages, t.page_bytes, t.tiles) for t in plan.tensors}
    assert pages == {"A": (80, 140, 12), "B": (12, 2048, 12), "C": (80, 140, 12)}
    assert decode(encode(plan), "tt.plan.json") == plan


def test_only_tensors_in_rows_pass_a_scratch_page() -> None:
    plan = plan_of(elementwise("add", (64, 64)), A=ROW)
    used = operations(plan)
    assert {"read_rows", "read_page"} <= used["reader"]
    assert "write_page" in used["writer"]
    (scratch,) = [cb for cb in plan.circular_buffers if cb.name == "bf16_rows"]
    assert (scratch.pages, scratch.page_bytes, scratch.role) == (1, 2048, "intermediate")
    plan = plan_of(elementwise("add", (64, 64)), C=ROW)
    assert operations(plan)["reader"].isdisjoint({"read_rows"})
    assert "write_rows" in operations(plan)["writer"]
    assert {cb.name for cb in plan.circular_buffers} == {"A", "B", "C"}


def test_a_scratch_page_takes_no_name_of_a_tensor() -> None:
    source = elementwise("copy", (64, 64), names=("bf16_rows", "C"))
    plan = plan_of(source, bf16_rows=ROW)
    assert {cb.name for cb in plan.circular_buffers} == {"bf16_rows", "bf16_rows_", "C"}


def test_the_same_values_in_rows_and_in_tiles() -> None:
    source = gemm(50, 70, 90)
    random = np.random.default_rng(1)
    inputs = {"A": random.standard_normal((50, 90)), "B": random.standard_normal((90, 70))}
    inputs = {name: values.astype(np.float32) for name, values in inputs.items()}
    _, tiles = run(plan_of(source), inputs)
    _, rows = run(plan_of(source, A=ROW, B=ROW, C=ROW), inputs)
    np.testing.assert_array_equal(tiles["C"], rows["C"])


@pytest.mark.parametrize(
    ("layout", "wanted"),
    [
        ({"page": "row", "dtype": "bfp8_b"}, "bfp8_b is made of tiles, not rows"),
        ({"page": "row", "nd_shard": {"grid": [2, 1]}}, "a sharded tensor is made of tiles"),
        ({"page": "column"}, "page is column; supported: tile, row"),
    ],
)
def test_what_cannot_lie_in_rows_is_refused(layout: dict[str, Any], wanted: str) -> None:
    with pytest.raises(LoweringError, match=f"layout of A: {wanted}") as raised:
        plan_of(elementwise("copy", (64, 64)), A=layout)
    assert raised.value.at is not None
    assert raised.value.at.line > 0


def test_a_plan_with_other_pages_than_its_rows_is_refused() -> None:
    text = encode(plan_of(elementwise("copy", (64, 96)), A=ROW))
    assert text.count('"page_bytes": 192') == 1
    with pytest.raises(PlanError, match="a bf16 row is 192 bytes"):
        decode(text.replace('"page_bytes": 192', '"page_bytes": 2048'), "tt.plan.json")
