"""docs/templates.md, followed to the letter: its files are written, its commands run in order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "templates.md"
#: A block of code, with the file that the sentence before it says it is.
BLOCK = re.compile(r"(?:`([\w./]+)`:\n\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_a_newcomer_can_follow_the_page(tmp_path: Path) -> None:
    (tmp_path / "kernels").mkdir()
    shutil.copy(ROOT / "kernels" / "mul.py", tmp_path / "kernels")
    tool = tmp_path / "bin" / "ttgen"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ttgen.cli "$@"\n')
    tool.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tool.parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}",
        "TTGEN_CACHE": str(tmp_path / "cache"),
    }
    shown, counts = "", dict.fromkeys(("sh", "", "jinja", "python"), 0)
    for file, language, text in BLOCK.findall(PAGE.read_text()):
        if language == "sh":
            done = subprocess.run(
                ["sh", "-ec", text],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            shown = done.stdout
            assert done.returncode == 0, f"{text}\n{shown}"
        elif language == "":
            assert shown == text
        elif file:
            (tmp_path / file).write_text(text)
        else:
            assert language == "text", f"what is this for?\n{text}"
            continue
        counts[language] += 1
    assert counts["sh"] >= 8
    assert counts[""] >= 8
    assert counts["jinja"] == 3
    assert counts["python"] == 1
