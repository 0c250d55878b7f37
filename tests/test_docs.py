"""What docs/passes.md shows and says is so: its commands run, its tables are the passes' own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from ttgen.passes import attrs
from ttgen.passes.pipeline import PASSES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "passes.md").read_text()


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table with this heading, by their first cell."""
    table = TEXT[TEXT.index(heading) :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {row[0].strip("`"): row[1:] for row in cells}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}"}


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    """In order, in a project with the kernel library."""
    (tmp_path / "kernels").symlink_to(ROOT / "kernels")
    (command,) = blocks("sh")
    words = command.split()
    assert words[0] == "ttgen"
    shown = subprocess.run(
        [sys.executable, "-m", "ttgen.cli", *words[1:]],
        cwd=tmp_path,
        env={**environment(), "TTGEN_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (example,) = re.findall(r"^```\n(load.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    steps = [re.split(r" +\d+\.\d\d", line) for line in example.splitlines()]
    assert [re.split(r" +\d+\.\d\d", line) for line in shown.splitlines()[1:]] == steps
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks("python"))],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "T.tt.matmul_tiles" in done.stdout
    assert "gemm 3" in done.stdout
    assert (tmp_path / "ir" / "mine" / "04_Count.py").is_file()


def test_the_passes_and_their_options_are_those_of_the_pipeline() -> None:
    names = [cls.__name__ for cls in PASSES]
    assert list(rows("| pass | input")) == names
    options = {
        name: re.findall(r"`(\w+)`", cells[0]) for name, cells in rows("| pass | op").items()
    }
    assert options == {cls.__name__: [f.name for f in fields(cls)] for cls in PASSES}  # type: ignore[arg-type]


@pytest.mark.parametrize("cls", PASSES)
def test_the_attributes_of_a_pass_exist(cls: type) -> None:
    found = re.findall(r"`(tt\.\w+)`", " ".join(rows("| pass | input")[cls.__name__]))
    operations = {"tt.matmul", "tt.add", "tt.pack"}
    assert set(found) - operations <= set(attrs.REGISTRY)


def test_every_attribute_is_set_by_a_pass_of_the_table() -> None:
    cells = [row[3] for row in rows("| pass | input").values()]
    documented = set(re.findall(r"`(tt\.\w+)`", " ".join(cells)))
    assert set(attrs.REGISTRY) == documented | {attrs.SOURCE, attrs.AUTHOR_GRID, attrs.USER_LAYOUT}
