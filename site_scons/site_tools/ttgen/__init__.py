"""The SCons tool ``ttgen``: kernels as targets. All of it is in :mod:`ttgen.build.tool`."""

import importlib
import sys
from pathlib import Path


def _give_the_package_its_name_back():
    """Make ``ttgen`` mean the package again.

    While SCons loads a tool, it enters it into ``sys.modules`` under the tool's name, and puts
    the tool's folder at the head of ``sys.path``: both hide the package of the same name.
    """
    tools = Path(__file__).resolve().parents[1]
    sys.path = [entry for entry in sys.path if Path(entry).resolve() != tools]
    sys.modules.pop("ttgen", None)
    package = importlib.import_module("ttgen")
    for name, module in list(sys.modules.items()):
        parent, _, child = name.rpartition(".")
        if parent == "ttgen":
            setattr(package, child, module)


_give_the_package_its_name_back()

from ttgen.build.tool import exists, generate  # noqa: E402 (it is the package only now)

__all__ = ["exists", "generate"]
