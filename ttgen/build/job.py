"""One kernel variant for one architecture: where its files lie, and what they are made from."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ttgen import outputs
from ttgen.outputs import Lines

if TYPE_CHECKING:
    from ttgen.render import TemplateSet
    from ttgen.spec import Variant


class Declared(msgspec.Struct, frozen=True):
    """A variant of a kernel as far as declaring it needs; ``text`` is all of it, as JSON.

    A build with nothing to do knows its variants from an earlier one, and does not read specs.
    """

    name: str
    source: str
    arch: tuple[str, ...]
    templates: tuple[str, ...]
    text: str


def declared(variant: Variant) -> Declared:
    """What declaring ``variant`` needs."""
    text = msgspec.json.encode(variant, order="sorted").decode()
    return Declared(variant.name, variant.source, variant.arch, variant.templates, text)


@dataclass(frozen=True)
class Job:
    """A variant built for ``arch`` into ``folder``. All paths are absolute.

    ``templates`` are folders that come after those of the variant's spec. ``path`` is the kernel
    source's file, where it is not the variant's ``source`` in ``project``. ``lines`` says which
    files compilers and debuggers are pointed to. ``kept`` is a folder for what templates are once
    they have been parsed.
    """

    project: Path
    build: Path
    declared: Declared
    arch: str
    templates: tuple[Path, ...] = ()
    path: Path | None = None
    lines: Lines = "generated"
    kept: Path | None = None

    @property
    def name(self) -> str:
        """The kernel's name, which its folder has too."""
        return self.declared.name

    @cached_property
    def label(self) -> str:
        """How the job is called in messages: architecture/kernel."""
        return f"{self.arch}/{self.name}"

    @cached_property
    def folder(self) -> Path:
        """The kernel's folder."""
        return self.build / self.arch / self.name

    @cached_property
    def variant(self) -> Variant:
        """Everything that the spec says of the kernel."""
        from ttgen.spec import VARIANTS

        return VARIANTS.decode(self.declared.text)

    @property
    def plan(self) -> Path:
        """``tt.plan.json``."""
        return self.folder / outputs.PLAN

    @property
    def sources(self) -> list[Path]:
        """The rendered files."""
        return [self.folder / name for name in outputs.SOURCES]

    @property
    def elf_folder(self) -> Path:
        """Where the compiled programs lie."""
        return self.folder / outputs.ELF_FOLDER

    @property
    def elfs(self) -> list[Path]:
        """The compiled programs."""
        return [self.elf_folder / name for name in outputs.ELFS]

    @property
    def golden(self) -> Path:
        """Inputs and expected outputs."""
        return self.folder / outputs.GOLDEN

    @property
    def result(self) -> Path:
        """What a run on a device gave."""
        return self.folder / outputs.RESULT

    def template_set(self) -> TemplateSet:
        """Where this kernel's templates are looked for."""
        from ttgen.render import TemplateSet

        own = tuple(self.project / folder for folder in self.declared.templates)
        return TemplateSet((*own, *self.templates), self.project, self.kept)

    def request(self) -> dict[str, Any]:
        """This job as the planner takes it."""
        from ttgen.planner import Request

        path = str(self.path) if self.path else None
        request = Request(str(self.project), self.variant, self.arch, path)
        return dict(msgspec.to_builtins(request))

    @cached_property
    def identity(self) -> str:
        """Everything but files that decides the plan, as text."""
        return f"{self.arch} {self.declared.text}"

    def matches(self, pattern: str) -> bool:
        """Whether ``pattern`` (a glob, or several with commas) means this kernel.

        ``gemm`` means every variant of ``gemm``; ``gemm-64*`` some of them.
        """
        stem = Path(self.declared.source).stem
        names = (self.name, stem)
        return any(fnmatchcase(n, p.strip()) for p in pattern.split(",") for n in names)
