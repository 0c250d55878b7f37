"""The architecture table against what the SDK says of its devices (P12, P14)."""

from __future__ import annotations

import pytest

from tests.runtime.conftest import Bench
from ttgen.arch import ARCHITECTURES


@pytest.mark.sim
@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_the_table_says_what_the_sdk_says(bench: Bench, arch: str) -> None:
    facts = bench.service("wolfpine", arch).call("info", timeout=120)
    assert facts["l1_bytes"] == ARCHITECTURES[arch].l1_bytes
    assert tuple(facts["grid"]) == ARCHITECTURES[arch].grid
