"""What a step's result depends on: a change of any of it makes the step run again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ttgen import fingerprint
from ttgen.fingerprint import STEPS, tree_fingerprint

ROOT = Path(__file__).parents[1]
#: Imported by the steps, without a say in what they write.
NEUTRAL = {
    "ttgen/__init__.py",
    "ttgen/errors.py",
    "ttgen/files.py",
    "ttgen/frontend/__init__.py",
    "ttgen/lazy.py",
    "ttgen/service/__init__.py",
    "ttgen/service/child.py",
    "ttgen/service/deadline.py",
    "ttgen/service/parent.py",
    "ttgen/textpos.py",
}
#: The toolchain comes with :mod:`ttgen.sdk`, which plans take the release from.
TOOLCHAIN = "ttgen/toolchain/"
IMPORTS = {
    "plan": "ttgen.planner, ttgen.passes.pipeline, ttgen.frontend.kernel, ttgen.frontend.source",
    "render": "ttgen.render",
}


@pytest.mark.parametrize("step", sorted(IMPORTS))
def test_every_module_that_a_step_imports_is_part_of_it(step: str) -> None:
    script = (
        f"import sys, {IMPORTS[step]}\n"
        "print(*[m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] == 'ttgen'])"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = {Path(file).relative_to(ROOT).as_posix() for file in done.stdout.split()}
    parts = tuple(f"ttgen/{part}" for part in STEPS[step])
    missing = {file for file in files - NEUTRAL if not file.startswith((*parts, TOOLCHAIN))}
    if step == "render":  # it reads a plan, and shares nothing with what made it but the types
        missing = {
            file for file in missing if not file.startswith(("ttgen/plan/", "ttgen/arch.py"))
        }
    assert not missing


def test_parts_exist() -> None:
    assert all((ROOT / "ttgen" / part).exists() for parts in STEPS.values() for part in parts)


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_fingerprint_is_of_content(step: str) -> None:
    fingerprint.fingerprint.cache_clear()
    first = fingerprint.fingerprint(step)
    fingerprint.fingerprint.cache_clear()
    assert fingerprint.fingerprint(step) == first
    assert len(first) == 16


def test_trees(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    first = tree_fingerprint(tmp_path)
    (tmp_path / "a.txt").write_text("ignored")
    assert tree_fingerprint(tmp_path) == first
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    moved = tree_fingerprint(tmp_path)
    (tmp_path / "b.py").write_text("2")
    assert len({first, moved, tree_fingerprint(tmp_path)}) == 3
