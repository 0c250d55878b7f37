"""Kernels as SCons nodes: what each step makes and reads, and whether it is known to be fresh."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import SCons.Node
from SCons.Node.FS import get_default_fs
from SCons.Node.Python import ValueWithMemo
from SCons.Util import NodeList

from ttgen import outputs
from ttgen.build.headers import edited_headers, headers_of, headers_signature
from ttgen.build.job import Job
from ttgen.build.scanners import read_from, template_inputs
from ttgen.build.session import BuildSession
from ttgen.files import Inputs
from ttgen.frontend.imports import find_imports

_ELFS = tuple(f"{outputs.ELF_FOLDER}/{name}" for name in (*outputs.ELFS, outputs.HEADERS))
#: The states of a node that SCons has seen to.
_SEEN_TO = (SCons.Node.executed, SCons.Node.up_to_date)


def late_value(name: str, find: Callable[[], str]) -> Any:
    """A dependency on a text that is found when SCons first needs it: most builds never do.

    ``name`` is what ``--debug=explain`` calls it, and by which SCons knows that of the last build.
    """
    value = ValueWithMemo(name)
    value.get_text_contents = find
    return value


@dataclass(frozen=True)
class Step:
    """What one step makes: ``targets`` in the kernel's folder.

    It reads the kernel source where ``reads_source`` says so, and those targets of earlier steps
    that ``sources`` names. ``version`` is the code and packages that decide it too (see
    :meth:`BuildSession.version`), ``values`` what else does that is no file. ``inputs`` finds what
    other files it reads; ``private``: whether what it makes of them is of no use to others.
    """

    builder: str
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    version: str
    reads_source: bool = False
    values: tuple[Callable[[Kernel], Any], ...] = ()
    inputs: Callable[[Kernel], Inputs] = lambda kernel: Inputs()
    private: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Kernel:
    """A job in SCons. ``source`` is the kernel source's node, ``env`` what it is declared in.

    ``nodes`` are its targets by step: none before :meth:`declare`. ``asked`` are the steps that
    aliases ask for in this build. ``found_out`` are values that a step finds out, and that its
    targets depend on from then on.
    """

    job: Job
    session: BuildSession
    env: Any
    source: Any
    nodes: dict[str, list[Any]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    found_out: dict[str, Any] = field(default_factory=dict)

    def declare(self) -> None:
        """Make the nodes, unless they are there."""
        if not self.nodes:
            self.nodes.update(_make_nodes(self))

    @cached_property
    def folder(self) -> Any:
        """The node of the folder that its targets lie in."""
        return self.env.Dir(str(self.job.folder))

    @property
    def elfs(self) -> list[Any]:
        """The compiled programs, without what is noted beside them."""
        return self.nodes["COMPILE"][: len(outputs.ELFS)]

    @property
    def awaited(self) -> set[str]:
        """The steps that were asked for and that this build has not come to the end of."""
        return {verb for verb in self.asked if self.nodes[verb][0].get_state() not in _SEEN_TO}

    def done(self, verb: str) -> None:
        """A step was done: what it has found out is what its targets were made from."""
        if verb in self.found_out:
            value = self.found_out[verb]
            value.get_ninfo().csig = value.get_text_contents()

    def is_fresh(self, verb: str) -> bool:
        """Whether an earlier build has left the step's targets up to date, and all is as it was."""
        return self._is_plain(verb) and self.session.ledger.recall(
            self._fact(verb)
        ) == self._conditions(verb)

    def keep(self, verb: str) -> bool:
        """Whether this build has seen to the step's targets; if so, note that they are fresh."""
        nodes = self.nodes.get(verb)
        if not nodes or not all(node.get_state() in _SEEN_TO for node in nodes):
            return False
        if self._is_plain(verb):
            self._note_fresh(STEPS[verb], verb)
        return True

    def _note_fresh(self, step: Step, verb: str) -> None:
        read = [*step.sources, *step.targets]
        files = [str(self.job.folder / name) for name in read]
        inputs = step.inputs(self)
        if any(get_default_fs().File(str(file)).is_derived() for file in inputs.files):
            return
        if step.reads_source:
            files.append(str(read_from(self.source)))
        files += map(str, inputs.paths)
        self.session.ledger.note(self._fact(verb), self._conditions(verb), files)

    def _is_plain(self, verb: str) -> bool:
        """Whether the targets depend on what ttgen knows of alone, none of it made by the build."""
        if self.source.is_derived():
            return False
        if not self.nodes:  # has anybody else spoken of a file in the kernel's folder?
            return self.job.name not in self.session.folder(self.job.arch).entries
        return all(
            not node.depends and node.prerequisites is None and not node.always_build
            for node in self.nodes[verb]
        )

    def _fact(self, verb: str) -> str:
        return f"{verb} {self.job.label}"

    def _conditions(self, verb: str) -> str:
        """All that decides the step and is no file."""
        return f"{self._settings} {self.session.version(STEPS[verb].version)}"

    @cached_property
    def _settings(self) -> str:
        job = self.job
        text = "\0".join([job.identity, job.lines, str(job.path), *map(str, job.templates)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _imports(kernel: Kernel) -> Inputs:
    return find_imports(read_from(kernel.source), kernel.job.project)


def _headers(kernel: Kernel) -> Inputs:
    return Inputs(tuple(headers_of(kernel.job)))


def _options(kernel: Kernel) -> Any:
    return late_value(f"options of {kernel.folder}", lambda: kernel.job.identity)


def _lines(kernel: Kernel) -> Any:
    return ValueWithMemo(f"lines={kernel.job.lines}")


def _device(kernel: Kernel) -> Any:
    name, arch = kernel.env["TT_DEVICE"], kernel.job.arch
    find = partial(kernel.session.device, name, arch)
    return late_value(f"the device '{name}' for {arch}", find)


def _header_contents(kernel: Kernel) -> Any:
    name = f"SDK headers for {kernel.folder}"
    value = late_value(name, lambda: headers_signature(kernel.job))
    kernel.found_out["COMPILE"] = value
    return value


def _are_headers_edited() -> bool:
    """Whether a cache must not have what is compiled: the SDK's release does not tell of it."""
    return bool(edited_headers())


STEPS = {
    "PLAN": Step(
        builder="TTPlan",
        targets=(outputs.PLAN,),
        sources=(),
        version="plan",
        reads_source=True,
        values=(_options,),
        inputs=_imports,
    ),
    "RENDER": Step(
        builder="TTSources",
        targets=outputs.SOURCES,
        sources=(outputs.PLAN,),
        version="render",
        values=(_lines,),
        inputs=lambda kernel: template_inputs(kernel.job),
    ),
    "COMPILE": Step(
        builder="TTElfs",
        targets=_ELFS,
        sources=(outputs.PLAN, *outputs.KERNEL_SOURCES),
        version="sdk",
        values=(_header_contents,),
        inputs=_headers,
        private=_are_headers_edited,
    ),
    "GOLDEN": Step(
        builder="TTGolden",
        targets=(outputs.GOLDEN,),
        sources=(outputs.PLAN,),
        version="golden",
        reads_source=True,
        values=(_options,),
        inputs=_imports,
    ),
    "RUN": Step(
        builder="TTResult",
        targets=(outputs.RESULT,),
        sources=(outputs.PLAN, *outputs.KERNEL_SOURCES, outputs.GOLDEN),
        version="sdk",
        values=(_device,),
    ),
}

#: How ``--debug=explain`` calls the versions that steps depend on.
_VERSIONS = {
    "plan": "ttgen's passes, or TVM",
    "golden": "ttgen's golden values, or TVM",
    "render": "ttgen's rendering, or Jinja2",
    "sdk": "the SDK, its compiler, or the run time",
}


def _make_nodes(kernel: Kernel) -> dict[str, list[Any]]:
    env, folder = kernel.env, kernel.folder
    made: dict[str, Any] = {}
    nodes: dict[str, list[Any]] = {}
    for verb, step in STEPS.items():
        sources = [
            *([kernel.source] if step.reads_source else []),
            *(made[name] for name in step.sources),
            _version(kernel.session, step.version),
            *(value(kernel) for value in step.values),
        ]
        targets = [folder.File(name) for name in step.targets]
        nodes[verb] = env["BUILDERS"][step.builder](env, targets, sources)
        private = env.get_CacheDir().is_enabled() and step.private()
        for node in nodes[verb]:
            node.attributes.tt_kernel = kernel
            if private:
                node.set_nocache()
        made.update(zip(step.targets, nodes[verb], strict=True))
    return nodes


class LateNodes(NodeList):  # type: ignore[misc]  # SCons' classes have no types
    """SCons' own list of nodes: the ELFs of kernels, made when somebody looks at them."""

    def __init__(self, nodes: Sequence[Any] = (), kernels: Sequence[Kernel] = ()) -> None:
        self._nodes, self._kernels = nodes, kernels

    @cached_property
    def data(self) -> list[Any]:
        """The nodes, as UserList keeps them."""
        for kernel in self._kernels:
            kernel.declare()
        return [*self._nodes, *(node for kernel in self._kernels for node in kernel.elfs)]


def _version(session: BuildSession, name: str) -> Any:
    return late_value(_VERSIONS[name], lambda: session.version(name))


def files_in(folder: Path) -> list[Path]:
    """Everything that the steps make in a kernel's folder, and what a failed run leaves there."""
    names = [name for step in STEPS.values() for name in step.targets]
    return [folder / name for name in (*names, outputs.ERROR)]
