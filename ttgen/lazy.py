"""Packages that are loaded when somebody uses them, though others import them at once."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _Lazily(MetaPathFinder):
    """Finds some packages as the interpreter does, and leaves their code for later."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a module is; None for all that others are to find."""
        if fullname not in self._names:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


def load_when_used(*names: str) -> None:
    """Have each of these packages loaded when one of its attributes or submodules is asked for.

    For a process of our own: it changes what every import in it does.
    """
    sys.meta_path.insert(0, _Lazily(frozenset(names)))
