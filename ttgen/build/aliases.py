"""The aliases, such as ``plans``, ``kernels``, ``compiledb``: what they are, what they leave alone.

What an alias depends on is said when SCons comes to it, after all SConscripts have been read. Then
a kernel that an earlier build has left fresh, with every file as it was, is left out: SCons takes
the files as they lie there. All others SCons walks through as ever, and decides by content.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from SCons.Action import Action
from SCons.Errors import UserError
from SCons.Node import SConscriptNodes
from SCons.Script import BUILD_TARGETS, COMMAND_LINE_TARGETS, GetOption

from ttgen import outputs
from ttgen.arch import ARCHITECTURES
from ttgen.build.database import Databases
from ttgen.build.kernels import STEPS, Kernel, files_in
from ttgen.build.selection import Selection
from ttgen.build.session import CACHE, LEDGER, LOCK, REPORTS, BuildSession, all_sessions, progress

#: The steps that each alias stands for.
ALIASES = {
    "plans": ("PLAN",),
    "sources": ("PLAN", "RENDER"),
    "kernels": ("PLAN", "RENDER", "COMPILE"),
    "test": ("RUN",),
    "bench": ("PLAN", "RENDER", "GOLDEN"),
    "compiledb": ("PLAN", "RENDER"),
}
#: Those that always look at all kernels: for the device, and for the file that names every one.
_OF_ALL = ("test", "compiledb")
#: The options with which SCons is to show or to remove what it would not come to otherwise.
_SHOWING = ("clean", "tree_printers", "debug", "taskmastertrace_file", "cache_force", "interactive")
#: What a build folder holds, to be removed by ``-c``; whatever else is in it is the user's.
_OWN = (*ARCHITECTURES, CACHE, *REPORTS, LEDGER, LOCK)
#: The name of the fact that a build has made something of a kernel, before its label.
_BUILT = "built "
#: The name of the fact what a run builds that names no targets.
_DEFAULTS = "default targets"


class Aliases:
    """The aliases of one SCons run, which all environments share."""

    def __init__(self) -> None:
        #: Whether SCons is to walk through everything.
        self.showing = any(GetOption(option) for option in _SHOWING)
        self.selection = Selection()
        self.databases = Databases()
        #: Those that this run is asked for.
        self.kernels: list[Kernel] = []
        self._declared = False
        self._tidied = False
        self._asked_of: dict[Path, set[str] | None] = {}

    def declare(self, env: Any, last: Mapping[str, Callable[..., int]]) -> None:
        """Make the aliases, at the first call; ``last`` is what some do at the end, always."""
        if self._declared:
            return
        self._declared = True
        for name in ALIASES:
            alias = env.Alias(name, [], Action(last.get(name, _nothing), strfunction=None))[0]
            _depend_late(alias, partial(self._needed, env, name, alias))
        env.AlwaysBuild([env.Alias(name) for name in last])
        atexit.register(self._keep)

    def add(self, session: BuildSession, kernels: list[Kernel], archs: set[str] | None) -> None:
        """Have the aliases stand for more kernels.

        ``archs``: those for which the session is told of all kernels; None where the user has
        chosen among them.
        """
        self.kernels += kernels
        self.databases.add(kernels)
        asked = self._asked(session)
        for kernel in kernels:
            if asked is None or not all(map(kernel.is_fresh, asked)):
                kernel.declare()
        if archs is None:
            session.whole_archs = None
        elif session.whole_archs is not None:
            session.whole_archs |= archs

    def _asked(self, session: BuildSession) -> set[str] | None:
        """The steps that this run is for; None where it is for more than aliases can tell."""
        if session.build not in self._asked_of:
            names = COMMAND_LINE_TARGETS or (session.ledger.recall(_DEFAULTS) or ".").split()
            known = set(names) <= {*ALIASES} - {*_OF_ALL} and not self.showing
            verbs = {verb for name in names for verb in ALIASES.get(name, ())}
            self._asked_of[session.build] = verbs if known else None
        return self._asked_of[session.build]

    def _needed(self, env: Any, name: str, alias: Any) -> list[Any]:
        """The nodes that SCons has to look at for an alias; UserError for a vain selection."""
        problem = self.selection.problem()
        if problem is not None:
            raise UserError(problem)
        if GetOption("clean"):
            self._clean(env, name, alias)
        else:
            self._tidy()
        verbs = ALIASES[name]
        everything = self.showing or name in _OF_ALL
        needed = [k for k in self.kernels if everything or not all(map(k.is_fresh, verbs))]
        for kernel in needed:
            kernel.declare()
            kernel.asked.update(verbs)
        progress().expect(len(needed) * len(verbs))
        nodes = [node for kernel in needed for verb in verbs for node in kernel.nodes[verb]]
        return nodes + (self.databases.declare() if name == "compiledb" else [])

    def _clean(self, env: Any, name: str, alias: Any) -> None:
        """Have ``-c`` remove what is no node: folders, reports, and what workers share."""
        env.Clean(alias, [kernel.folder for kernel in self.kernels])
        if name == "kernels":
            whole = [s.build for s in all_sessions() if _is_whole(s)]
            env.Clean(alias, [env.Entry(str(build / own)) for build in whole for own in _OWN])
            env.Clean(alias, [env.File(file) for file in self.databases.files() if whole])

    def _tidy(self) -> None:
        """Remove what was built for kernels that are not declared any more, once."""
        if not self._tidied:
            self._tidied = True
            for session in all_sessions():
                _remove_gone(session)

    def _keep(self) -> None:
        """At the end: have the ledgers know what this build has left fresh."""
        if any(GetOption(option) for option in ("no_exec", "question", "clean", "interactive")):
            return
        for kernel in self.kernels:
            seen_to = [verb for verb in STEPS if kernel.keep(verb)]
            if seen_to:
                kernel.session.ledger.note(_BUILT + kernel.job.label, "", [])
        for session in all_sessions():
            if not COMMAND_LINE_TARGETS:
                names = " ".join(map(str, BUILD_TARGETS))
                session.ledger.note(_DEFAULTS, names, [file.abspath for file in SConscriptNodes])
            session.ledger.save()


def _depend_late(alias: Any, needed: Callable[[], list[Any]]) -> None:
    """Have the dependencies of ``alias`` said when SCons scans it for the first time."""
    scan = alias.scan

    def scan_late() -> None:
        alias.scan = scan
        alias.add_dependency(needed())
        scan()

    alias.scan = scan_late


def _is_whole(session: BuildSession) -> bool:
    """Whether all that there is in the build folder is of kernels that are declared."""
    archs = session.whole_archs
    there = {arch for arch in ARCHITECTURES if (session.build / arch).exists()}
    return archs is not None and there <= archs


def _remove_gone(session: BuildSession) -> None:
    declared = {_BUILT + job.label for job in session.jobs.values()}
    for fact in session.ledger.names(_BUILT):
        label = fact.removeprefix(_BUILT)
        if fact in declared or label.partition("/")[0] not in (session.whole_archs or ()):
            continue
        folder = session.build / label
        there = [path for path in files_in(folder) if path.exists()]
        if not GetOption("no_exec"):
            for path in there:
                path.unlink()
            # Not the architecture's: SCons knows it already, and would not make it again.
            for left in (folder / outputs.ELF_FOLDER, folder):
                with suppress(OSError):  # there may be more in it than is ours
                    left.rmdir()
            for verb in STEPS:
                session.ledger.forget(f"{verb} {label}")
            session.ledger.forget(fact)
        if there and not GetOption("silent"):
            print(f"ttgen: removed {os.path.relpath(folder)}/: there is no such kernel any more")


def _nothing(target: list[Any], source: list[Any], env: Any) -> None:
    """What an alias does: its dependencies have done everything."""
