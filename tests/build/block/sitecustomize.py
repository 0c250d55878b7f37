"""A stand-in for an installation without the extra ``sim``: its packages cannot be found."""

from importlib.machinery import PathFinder

_EXTRA = ("ttnn", "ziglang", "framework")
_find = PathFinder.find_spec


def _find_others(name, path=None, target=None):  # type: ignore[no-untyped-def]
    return None if name.partition(".")[0] in _EXTRA else _find(name, path, target)


PathFinder.find_spec = _find_others
