"""Right increments: after each of 300 random edits, what has to be made is, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from .fuzz import EDITS, run


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_edits(seed: int, tmp_path: Path) -> None:
    counts = run(tmp_path, 100, seed).counts
    assert sum(counts[edit.__name__] for edit in EDITS) == 100
    # Edits that matter are among them, and builds with nothing to do as well.
    assert counts["PLAN"] > 60
    assert counts["RENDER"] > 100
    assert counts["builds with nothing to do"] > 10
