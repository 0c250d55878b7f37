"""The passes in C++ as SCons builds them: ``env.TTPasses()``, with whatever compiler there is.

One library of everything below ``ttgen/native/src``, against the headers of TVM's FFI and views of
TVM's nodes that are generated from the TVM installed. The library is made beside its objects and
put in its place whole: a planner that starts meanwhile finds the old one, or none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from SCons.Action import Action
from SCons.Errors import BuildError
from SCons.Scanner.C import CScanner

from ttgen.files import write_atomically
from ttgen.native import ABOUT, GENERATED_FROM, LIBRARY, SOURCES, built_from

#: What is looked for, in this order, if $CXX does not say which compiler.
COMPILERS = ("g++", "clang++", "c++")
_WARNINGS = ("-Wall", "-Wextra", "-Wno-invalid-offsetof")


@dataclass(frozen=True)
class Toolchain:
    """A C++ compiler, and how everything is compiled and linked with it."""

    compiler: str
    flags: tuple[str, ...] = ("-O1", "-fvisibility=hidden")

    @staticmethod
    def found(flags: Sequence[str] | None = None) -> Toolchain | None:
        """With the compiler of this machine; None where there is none."""
        asked = os.environ.get("CXX")
        for name in (asked,) if asked else COMPILERS:
            path = shutil.which(name)
            if path is not None:
                return Toolchain(path) if flags is None else Toolchain(path, tuple(flags))
        return None


def ffi_folder() -> Path:
    """The installed package of TVM's FFI, which is not imported for that."""
    spec = find_spec("tvm_ffi")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def library(env: Any, folder: Any, toolchain: Toolchain) -> list[Any]:
    """The nodes of the library, which is built in ``folder``, and of what it has been built from.

    That is written last: a library beside which something else stands is not loaded.
    """
    build = Build(env, folder, toolchain)
    made = build.linked(LIBRARY, build.objects(), ["-shared", "-Wl,--no-undefined"])
    about = env.Dir(folder).File(Path(LIBRARY).with_suffix(ABOUT).name)
    text = built_from(*_releases())
    write = Action(lambda target, source, env: _write(about, text), strfunction=None)
    env.Command(about, [made, env.Value(text)], write)
    return [made, about]


def inputs() -> list[str]:
    """The files and folders that the library is made from."""
    own = [SOURCES, *SOURCES.rglob("*"), *GENERATED_FROM]
    return [*map(str, own), *(entry for entry in sys.path if entry.endswith("-packages"))]


class Build:
    """C++ files of the passes compiled in one folder, in one way."""

    def __init__(self, env: Any, folder: Any, toolchain: Toolchain) -> None:
        self._env, self._folder, self._toolchain = env, env.Dir(folder), toolchain
        ffi = ffi_folder()
        self._include = [f"-I{ffi / 'include'}", f"-I{SOURCES}", f"-I{self._folder.abspath}"]
        self._libraries = [f"-L{ffi / 'lib'}", "-ltvm_ffi"]
        self._scanner = CScanner()
        self._generated = self._generate()
        self._header, self._precompiled = self._precompile()

    def objects(self) -> list[Any]:
        """An object for each folder of the sources.

        Compiled together, a folder's files take half the time that they take one by one: most of
        it goes into what they all include.
        """
        return [self.object(folder) for folder in sorted(SOURCES.iterdir()) if folder.is_dir()]

    def object(self, folder: Path) -> Any:
        """The object of all C++ files in a folder."""
        files = sorted(folder.glob("*.cc"))
        text = "".join(f'#include "{file}"\n' for file in files)
        name = folder.name
        whole = self._folder.File(f"objects/{name}.cc")
        write = Action(lambda target, source, env: _write(whole, text), strfunction=None)
        together = self._env.Command(whole, self._env.Value(text), write)
        target = self._folder.File(f"objects/{name}.o")
        command = [*self._compile(), "-include", self._header.abspath, "-c", whole.abspath]
        made = self._command(target, together, [*command, "-o", target.abspath], f"C++     {name}")
        self._env.Depends(made, [self._precompiled, *self._generated])
        return made

    def linked(
        self, name: str, objects: Sequence[Any], flags: Sequence[str], libraries: Sequence[str] = ()
    ) -> Any:
        """A library or a program of ``objects``, and of ``libraries`` besides TVM's FFI."""
        target = self._folder.File(name)
        part = f"{target.abspath}.part"
        command = [self._toolchain.compiler, *self._toolchain.flags, *flags, "-o", part]
        command += [*(node.abspath for node in objects), *libraries, *self._libraries]

        def put_in_place(target: Any, source: Any, env: Any) -> None:
            Path(part).replace(target[0].abspath)

        place = Action(put_in_place, strfunction=None)
        return self._command(target, objects, command, f"LINK    {name}", place)

    def _generate(self) -> list[Any]:
        """The files that are made from the TVM that is installed, and from Python's tables."""
        files = [self._folder.File(f"gen/{name}") for name in ("tvm_abi.h", "tables.inc")]
        command = [sys.executable, "-m", "ttgen.native.generate", files[0].dir.abspath]
        inputs = [self._env.File(str(path)) for path in GENERATED_FROM]
        inputs.append(self._env.Value(" ".join(_releases())))
        return list(self._command(files, inputs, command, "VIEWS   of TVM's nodes"))

    def _precompile(self) -> tuple[Any, Any]:
        """The headers that every file begins with, which take most of the time, compiled once."""
        header = self._env.File(str(SOURCES / "base" / "precompiled.h"))
        copy = self._folder.File("precompiled.h")
        copied = self._env.Command(copy, header, Action(_copy, strfunction=None))
        target = self._folder.File("precompiled.h.gch")
        command = [*self._compile(), "-x", "c++-header", copy.abspath, "-o", target.abspath]
        made = self._command(target, copied, command, "C++     headers")
        self._env.Depends(made, self._generated)
        return copy, made

    def _compile(self) -> list[str]:
        toolchain = self._toolchain
        return [
            # No file is named in what is built with the folder that it was built from.
            *(toolchain.compiler, "-std=c++17", "-fPIC", f"-ffile-prefix-map={SOURCES}/="),
            *(*toolchain.flags, *_WARNINGS, *self._include),
        ]

    def _command(self, target: Any, source: Any, command: list[str], line: str, *more: Any) -> Any:
        """What ``command`` makes; ``line`` is what is said of it."""

        def run(target: Any, source: Any, env: Any) -> None:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            sys.stderr.write(done.stderr)
            if done.returncode:
                shown = f"{Path(command[0]).name} ended with {done.returncode}; "
                shown += "with CXX=no, kernels are planned by the passes in Python"
                raise BuildError(target[0], errstr=shown)

        action = Action(run, strfunction=lambda target, source, env: line, varlist=())
        found = self._env.Command(
            target,
            source,
            [action, *more],
            source_scanner=self._scanner,
            CPPPATH=[str(SOURCES), self._folder],
        )
        self._env.Depends(found, self._env.Value(" ".join(command)))
        return found[0] if len(found) == 1 else found


def _releases() -> list[str]:
    from importlib.metadata import version

    from ttgen.native.generate import DISTRIBUTIONS

    return [version(name) for name in DISTRIBUTIONS]


def _write(file: Any, text: str) -> None:
    write_atomically(Path(file.abspath), text)


def _copy(target: Any, source: Any, env: Any) -> None:
    shutil.copyfile(source[0].abspath, target[0].abspath)
