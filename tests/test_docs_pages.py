"""Pages of docs/ that a newcomer can follow to the letter.

Files are written, commands are run in order in a fresh folder, and what a page shows must come out.
A block of code is a file's where the paragraph before it ends in the file's name and a colon. A
block with no language is what the commands before it have printed. ``text`` is only to be read.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"(?:`([\w./]+)`(?: again)?:\n\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
#: What differs from one run to the next.
SECONDS = re.compile(r"\b\d+\.\d\ds$", re.MULTILINE)
COMMANDS = {"ttgen": "-m ttgen.cli", "scons": "-m SCons", "python": ""}


@dataclass(frozen=True)
class Page:
    """A page, the files of this repository that it begins with, and at least so many of its blocks.

    ``compiles``: whether its commands need the SDK.
    """

    name: str
    begins_with: tuple[str, ...]
    commands: int
    outputs: int
    files: int
    compiles: bool = False


PAGES = (
    Page(
        "fused",
        ("kernels/attention.py", "kernels/activations.py"),
        commands=6,
        outputs=6,
        files=0,
    ),
    Page("kernels", (), commands=7, outputs=7, files=4, compiles=True),
    Page("plugin", (), commands=7, outputs=7, files=4, compiles=True),
    Page("templates", ("kernels/mul.py",), commands=8, outputs=8, files=4),
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_newcomer_can_follow_the_page(page: Page, cache: Path, tmp_path: Path) -> None:
    if page.compiles and importlib.util.find_spec("ttnn") is None:
        pytest.skip("ttnn is not installed (extra: sim)")
    project = tmp_path / "project"
    project.mkdir()
    for name in page.begins_with:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    environment = {
        **os.environ,
        "PATH": f"{commands(tmp_path / 'bin')}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TTGEN_CACHE": str(cache),
    }
    shown, counts = "", Counter[str]()
    for file, language, text in BLOCK.findall((ROOT / "docs" / f"{page.name}.md").read_text()):
        if language == "sh":
            shown = run(text, project, environment)
            counts["commands"] += 1
        elif language == "":
            assert SECONDS.sub("…s", shown) == SECONDS.sub("…s", text)
            counts["outputs"] += 1
        elif file:
            (project / file).parent.mkdir(parents=True, exist_ok=True)
            (project / file).write_text(text)
            counts["files"] += 1
        else:
            assert language == "text", f"what is this for?\n{text}"
    for kind in ("commands", "outputs", "files"):
        assert counts[kind] >= getattr(page, kind), kind


def commands(folder: Path) -> Path:
    """A folder for PATH: the commands of an environment that ttgen is installed in."""
    folder.mkdir()
    for name, arguments in COMMANDS.items():
        tool = folder / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        tool.chmod(0o755)
    return folder


def run(text: str, folder: Path, environment: dict[str, str]) -> str:
    """What commands print; they must succeed."""
    done = subprocess.run(
        ["sh", "-ec", text],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}"
    return done.stdout
