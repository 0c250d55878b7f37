"""Loading a kernel source: a Python file, run with spans that name it relative to the project."""

from __future__ import annotations

import importlib.util
import inspect
import linecache
import re
import sys
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

from ttgen.errors import Location, SourceError, TTError


@dataclass(frozen=True)
class SourceModule:
    """A kernel source that has been run. ``name`` is its path relative to the project."""

    name: str
    namespace: types.ModuleType


def load_source(path: Path, project: Path) -> SourceModule:
    """Run the kernel source at ``path``; SourceError with its place where that fails.

    Spans of what it defines carry the path relative to ``project`` (or, for a file elsewhere, its
    file name), so that nothing made from it depends on where the project lies. Modules that it
    imports from its own folder or the project are loaded afresh, in the same way, and not left in
    ``sys.modules``: two sources may have helpers of the same name.
    """
    name = relative_name(path, project)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read the source: {error.strerror}", at=Location(name)) from None
    module = types.ModuleType(f"ttgen_kernel_{path.stem}")
    module.__file__ = name
    with _importing_from(path.parent, project), registered(module):
        try:
            exec(_compiled(data, name), module.__dict__)
        except TTError:
            raise
        except SyntaxError as error:
            where = Location(error.filename or name, error.lineno or 0, error.offset or 0)
            raise SourceError(f"not valid Python: {error.msg}", at=where) from error
        # An exit() in a source must not end the build, and with success at that.
        except (Exception, SystemExit) as error:
            raise failure_in(name, error, "the source cannot be loaded") from error
    return SourceModule(name, module)


def relative_name(path: Path, project: Path) -> str:
    """``path`` as spans and plans show it: relative to ``project``, else the bare file name."""
    path, project = path.resolve(), project.resolve()
    if path.is_relative_to(project):
        return path.relative_to(project).as_posix()
    return path.name


def _compiled(data: bytes, name: str) -> types.CodeType:
    """Python source as code that calls its file ``name``."""
    # Annotations stay text, as in this module: TVM then says where each parameter stands.
    code = compile(data, name, "exec")
    # TVMScript asks inspect for the source of a function, and inspect asks this cache.
    text = importlib.util.decode_source(data)
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    # TVMScript's parser looks at the whole stack for each function, and inspect goes through all
    # modules for each frame whose file it does not know, for half a millisecond each.
    for file in (name, *_OF_NO_MODULE):
        inspect.modulesbyfile.setdefault(file, "")
    return code


#: What frames below and in TVMScript's parser are called that belong to no module: ``python -m``,
#: and the expressions that it evaluates.
_OF_NO_MODULE = ("<frozen runpy>", "<ast>")


@dataclass(frozen=True)
class _Finder:
    """Finds what Python's own finder does, and loads the project's files like kernel sources."""

    roots: list[Path]
    project: Path

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The protocol of ``sys.meta_path``."""
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
            return None
        if not _belongs_to_project(Path(spec.origin), self.roots):
            return None
        spec.loader = _Loader(name, spec.origin, relative_name(Path(spec.origin), self.project))
        return spec


class _Loader(SourceFileLoader):
    """Loads a helper of a kernel source: its spans are relative too, and no bytecode is kept."""

    def __init__(self, fullname: str, path: str, shown: str) -> None:
        super().__init__(fullname, path)
        self._shown = shown

    def get_code(self, fullname: str) -> types.CodeType:
        """The module's code, compiled afresh."""
        return _compiled(self.get_data(self.path), self._shown)


def failure_in(name: str, error: BaseException, what: str) -> SourceError:
    """``error`` as a SourceError at the innermost line of ``name`` that it passed through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == name]
    at = Location(name, frames[-1].lineno or 0) if frames else Location(name)
    text = str(error).strip() or type(error).__name__
    if type(error).__name__ == "DiagnosticError":  # TVMScript's parser: place and underline inside
        if place := re.search(r"^ *--> (.*):(\d+):(\d+)$", text, re.MULTILINE):
            at = Location(place[1], int(place[2]), int(place[3]))
        return SourceError(f"{what}: TVMScript does not accept it\n{text}", at=at)
    return SourceError(f"{what}: {type(error).__name__}: {text}", at=at)


@contextmanager
def registered(module: types.ModuleType) -> Iterator[None]:
    """Have Python know a source's module meanwhile: TVM quotes lines of those it knows."""
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        del sys.modules[module.__name__]


@contextmanager
def _importing_from(folder: Path, project: Path) -> Iterator[None]:
    """Let imports find modules beside the source and at the project's top, for this block only.

    They come last: a kernel called ``copy.py`` must not take the place of Python's own module.
    """
    before, path = set(sys.modules), list(sys.path)
    roots = [folder.resolve(), project.resolve()]
    finder: Any = _Finder(roots, project)
    sys.path += [str(root) for root in roots]
    sys.meta_path.insert(sys.meta_path.index(PathFinder), finder)
    try:
        yield
    finally:
        sys.path[:] = path
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and _belongs_to_project(Path(file), roots):
                del sys.modules[name]


def _belongs_to_project(file: Path, roots: list[Path]) -> bool:
    if "site-packages" in file.parts:
        return False
    return any(file.is_relative_to(root) for root in roots)
