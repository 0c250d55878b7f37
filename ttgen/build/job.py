"""One kernel variant for one architecture: where its files lie, and what they are made from."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from ttgen.planner import Request
from ttgen.render import OUTPUTS, Lines, TemplateSet
from ttgen.spec import Variant

#: The cores' programs as the SDK links them: one ELF per RISC-V.
ELFS = ("brisc.elf", "ncrisc.elf", "trisc0.elf", "trisc1.elf", "trisc2.elf")


@dataclass(frozen=True)
class Job:
    """A variant built for ``arch`` into ``folder``. All paths are absolute.

    ``templates`` are folders that come after those of the variant's spec. ``lines`` says which
    files compilers and debuggers are pointed to.
    """

    project: Path
    build: Path
    variant: Variant
    arch: str
    templates: tuple[Path, ...] = ()
    path: Path | None = None
    lines: Lines = "generated"

    @property
    def label(self) -> str:
        """How the job is called in messages: architecture/kernel."""
        return f"{self.arch}/{self.variant.name}"

    @property
    def folder(self) -> Path:
        """The kernel's folder."""
        return self.build / self.arch / self.variant.name

    @property
    def plan(self) -> Path:
        """``tt.plan.json``."""
        return self.folder / "tt.plan.json"

    @property
    def sources(self) -> list[Path]:
        """The rendered files."""
        return [self.folder / name for name in OUTPUTS]

    @property
    def kernel_sources(self) -> list[Path]:
        """The rendered files that are compiled for the chip."""
        return [self.folder / f"{name}.cpp" for name in ("reader", "compute", "writer")]

    @property
    def elf_folder(self) -> Path:
        """Where the compiled programs lie."""
        return self.folder / "elf"

    @property
    def elfs(self) -> list[Path]:
        """The compiled programs."""
        return [self.elf_folder / name for name in ELFS]

    @property
    def golden(self) -> Path:
        """Inputs and expected outputs."""
        return self.folder / "golden.npz"

    @property
    def result(self) -> Path:
        """What a run on a device gave."""
        return self.folder / "result.json"

    def template_set(self) -> TemplateSet:
        """Where this kernel's templates are looked for."""
        own = tuple(self.project / folder for folder in self.variant.templates)
        return TemplateSet((*own, *self.templates), self.project)

    def request(self) -> dict[str, Any]:
        """This job as the planner takes it."""
        path = str(self.path) if self.path else None
        request = Request(str(self.project), self.variant, self.arch, path)
        return dict(msgspec.to_builtins(request))

    def identity(self) -> str:
        """Everything but files that decides the plan, as text."""
        return msgspec.json.encode([self.arch, self.variant], order="sorted").decode()

    def matches(self, pattern: str) -> bool:
        """Whether ``pattern`` (a glob, or several with commas) means this kernel.

        ``gemm`` means every variant of ``gemm``; ``gemm-64*`` some of them.
        """
        stem = Path(self.variant.source).stem
        names = (self.variant.name, stem)
        return any(fnmatchcase(n, p.strip()) for p in pattern.split(",") for n in names)
