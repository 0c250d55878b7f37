"""From a kernel's source file to a specialised PrimFunc."""

from ttgen.frontend.kernel import Kernel, find_kernel
from ttgen.frontend.source import SourceModule, load_source

__all__ = ["Kernel", "SourceModule", "find_kernel", "load_source"]
