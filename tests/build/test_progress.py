"""What a terminal shows while a build runs, and what a log does not."""

from __future__ import annotations

import os
import pty
import re
import sys
from pathlib import Path

from .project import TOOL, Project, make
from .test_bad_input import KERNEL, SUM


def in_a_terminal(project: Project, *arguments: str) -> str:
    """What SCons writes to a terminal."""
    argv = [sys.executable, "-m", "SCons", "-Q", *arguments]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(project.root)
        os.execve(sys.executable, argv, project.environment(COLUMNS="90", LINES="30"))
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    assert os.waitpid(child, 0)[1] == 0, shown.decode()
    return shown.decode()


def test_a_counter_and_the_time_in_a_terminal_and_plain_lines_elsewhere(tmp_path: Path) -> None:
    project = make(tmp_path / "project", TOOL, Path(__file__).parents[2])
    project.write("kernels/plus.py", KERNEL.format(name="plus", value=SUM))
    project.write("SConstruct", 'env = Environment(tools=["ttgen"])\nenv.TTKernels("kernels")\n')
    shown = in_a_terminal(project, "sources")
    assert re.search(r"\r0 of 4 steps, 00:0\d", shown)
    assert re.search(r"\r[1-3] of 4 steps, 00:\d\d \| (PLAN|RENDER) \w+/plus 00:\d\d", shown)
    # Every step has a line of its own above it, and nothing of the counter is left at the end.
    lines = [line.rpartition("\r")[2] for line in shown.replace("\r\n", "\n").splitlines()]
    assert [line for line in lines if line.startswith("PLAN")] == [
        "PLAN    wormhole_b0/plus",
        "PLAN    blackhole/plus",
    ]
    assert lines[-1] == "ttgen: 2 kernels: 2 planned, 2 rendered; in build/"

    project.write("kernels/plus.py", KERNEL.format(name="plus", value="A[i, j] - B[i, j]"))
    run = project.scons("-s", "sources")
    assert run.text.strip() == ""
    project.write("kernels/plus.py", KERNEL.format(name="plus", value=SUM))
    assert " steps" not in project.scons("sources").out
