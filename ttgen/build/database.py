"""``compile_commands.json``: what editors want to know of generated kernels, as a target.

SCons' own tool of that purpose lists what its compilers are called for. Our kernels are compiled
by the SDK, from files of its own: the entries are made from plans instead.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from SCons.Action import Action
from SCons.Builder import Builder
from SCons.Errors import BuildError

from ttgen.build.kernels import Kernel, late_value
from ttgen.errors import TTError
from ttgen.files import write_atomically

#: What decides the entries beside the plans, as ``--debug=explain`` calls it.
_VERSION = "the SDK, clang's headers, or ttgen's command lines"


class Databases:
    """The compilation databases of one SCons run, and the kernels of each."""

    def __init__(self) -> None:
        self._kernels: dict[str, list[Kernel]] = {}
        self._nodes: list[Any] = []

    def add(self, kernels: list[Kernel]) -> None:
        """Give kernels of one environment their entries in the file that is its $TT_COMPILEDB."""
        if kernels:
            file = kernels[0].env.File("$TT_COMPILEDB").abspath
            self._kernels.setdefault(file, []).extend(kernels)

    def files(self) -> list[str]:
        """Where the databases lie."""
        return sorted(self._kernels)

    def declare(self) -> list[Any]:
        """The nodes of the databases; made at the first call, when all kernels are known."""
        if not self._nodes:
            self._nodes = [_declare(file, kernels) for file, kernels in self._kernels.items()]
        return self._nodes


def _declare(file: str, kernels: list[Kernel]) -> Any:
    env = kernels[0].env
    for kernel in kernels:
        kernel.declare()
    plans = [node for kernel in kernels for node in kernel.nodes["PLAN"]]
    action = Action(_write, strfunction=lambda target, source, env: f"COMMANDS {target[0]}")
    (node,) = Builder(action=action)(env, file, [*plans, late_value(_VERSION, _places)])
    node.attributes.tt_kernels = kernels
    # It names files of this machine, so it is of no use to others.
    env.NoCache(node)
    return node


def _places() -> str:
    """All that the entries have from elsewhere than plans."""
    from ttgen.toolchain import commands

    try:
        return commands.signature()
    except TTError as error:
        return error.message


def _write(target: list[Any], source: list[Any], env: Any) -> None:
    from ttgen import plan as plans
    from ttgen.toolchain.commands import commands

    kernels: list[Kernel] = target[0].attributes.tt_kernels
    try:
        for session in {kernel.session for kernel in kernels}:
            session.lock()
        jobs = sorted((kernel.job for kernel in kernels), key=lambda job: str(job.folder))
        entries = [entry for job in jobs for entry in commands(plans.load(job.plan), job.folder)]
        write_atomically(Path(target[0].abspath), json.dumps(entries, indent=1) + "\n")
    except TTError as error:
        raise BuildError(target[0], errstr=str(error)) from None
