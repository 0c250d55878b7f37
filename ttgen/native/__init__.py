"""The passes in C++: what they are built from, what of that is generated, and how they are loaded.

:mod:`ttgen.build.passes` builds them, :mod:`ttgen.passes.twins` chooses between them and Python's.
"""

import hashlib
import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
#: The folder of the C++ sources.
SOURCES = _PACKAGE / "native" / "src"
#: What a part of the C++ sources is generated from, besides TVM.
GENERATED_FROM = tuple(
    _PACKAGE / name
    for name in (
        *("arch.py", "formats.py", "ops.py", "vector.py", "passes/attrs.py", "passes/intrin.py"),
        *("native/abi.py", "native/generate.py", "native/tables.py"),
    )
)
#: What they become.
LIBRARY = "libttgen_passes.so"
#: What is said of a library beside it: see :func:`built_from`.
ABOUT = ".from"
#: Says where the library is, if it is not where ``./scons passes`` builds it.
VARIABLE = "TTGEN_PASSES_LIBRARY"
_BUILT = _PACKAGE.parent / "build" / "passes" / LIBRARY


def library_path() -> Path:
    """The library's file, which may not be there: as :data:`VARIABLE` says, or in this clone."""
    return Path(os.environ.get(VARIABLE, _BUILT))


def built_from(tvm: str, ffi: str) -> str:
    """What a library is good for: these releases of TVM and its FFI, and a hash of its sources."""
    digest = hashlib.sha256()
    for path in (*sorted(SOURCES.rglob("*.*")), *GENERATED_FROM):
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return f"TVM {tvm}, FFI {ffi}, sources {digest.hexdigest()[:16]}\n"


def is_current(tvm: str, ffi: str) -> bool:
    """Whether there is a library, built from the sources that there are, for these releases."""
    path = library_path()
    about = path.with_suffix(ABOUT)
    return path.is_file() and about.is_file() and about.read_text() == built_from(tvm, ffi)
