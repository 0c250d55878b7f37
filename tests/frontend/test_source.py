"""Loading kernel sources: places, helpers, failures (P10)."""

from __future__ import annotations

import sys
import threading
import types
from pathlib import Path

import pytest
from sources import HEADER, elementwise, gemm

from ttgen.errors import SourceError
from ttgen.frontend.imports import find_imports
from ttgen.frontend.kernel import find_kernel
from ttgen.frontend.source import load_source
from ttgen.passes.pipeline import run_pipeline
from ttgen.plan import encode

COPY = elementwise("copy", (64, 64))


def write(project: Path, **files: str) -> Path:
    """Files of ``project/kernels`` by stem; the path of ``k.py``."""
    folder = project / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    for stem, text in files.items():
        (folder / f"{stem}.py").write_text(text)
    return folder / "k.py"


def failure(tmp_path: Path, text: str | bytes) -> str:
    path = write(tmp_path, k="")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SourceError) as caught:
        find_kernel(load_source(path, tmp_path))
    return str(caught.value)


def test_spans_name_the_file_relative_to_the_project(tmp_path: Path) -> None:
    kernel = find_kernel(load_source(write(tmp_path, k=HEADER + COPY), tmp_path))
    assert str(kernel.at) == "kernels/k.py:4:10"
    assert kernel.source == "kernels/k.py"


def test_a_file_outside_of_the_project_is_called_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "elsewhere", k=HEADER + COPY)
    assert load_source(path, tmp_path / "project").name == "k.py"


def test_helpers_have_relative_places_too(tmp_path: Path) -> None:
    """A plan holds no absolute path, whichever file of the project a kernel stands in."""
    helper = HEADER + "def made():\n" + "".join(f"    {line}\n" for line in COPY.splitlines())
    path = write(
        tmp_path, k="import lib\n\ndef k():\n    return lib.made()\n", lib=helper + "    return k\n"
    )
    plan = run_pipeline(find_kernel(load_source(path, tmp_path)), arch="wormhole_b0").plan
    assert plan.tensors[0].at == "kernels/lib.py:5:14"
    assert str(tmp_path) not in encode(plan)
    assert not list(tmp_path.rglob("__pycache__"))


def test_helpers_of_the_same_name_are_different_modules(tmp_path: Path) -> None:
    before = set(sys.modules)
    sizes = []
    for project, size in ((tmp_path / "a", 32), (tmp_path / "b", 64)):
        source = f"{HEADER}from lib import SIZE\n\n" + COPY.replace("64", "SIZE")
        path = write(project, k=source, lib=f"SIZE = {size}\n")
        sizes.append(int(find_kernel(load_source(path, project)).func.params[0].ty.shape[0]))
    assert sizes == [32, 64]
    assert not {
        name for name in set(sys.modules) - before if name.startswith(("lib", "ttgen_kernel"))
    }


def test_packages_of_the_project_are_found(tmp_path: Path) -> None:
    package = tmp_path / "shapes" / "square"
    package.mkdir(parents=True)
    (tmp_path / "shapes" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("from .sizes import SIZE\n")
    (package / "sizes.py").write_text("SIZE = 96\n")
    source = f"{HEADER}from shapes.square import SIZE\n\n" + COPY.replace("64", "SIZE")
    kernel = find_kernel(load_source(write(tmp_path, k=source), tmp_path))
    assert int(kernel.func.params[0].ty.shape[0]) == 96


def test_a_kernel_called_like_a_module_of_python_hides_nothing(tmp_path: Path) -> None:
    write(tmp_path, copy="raise RuntimeError")
    source = "import copy\n" + HEADER + COPY
    assert find_kernel(load_source(write(tmp_path, k=source), tmp_path)).function == "k"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def k(:\n", "kernels/k.py:1:7: not valid Python: invalid syntax"),
        (
            "x = 1\nraise ValueError('no')\n",
            "kernels/k.py:2: the source cannot be loaded: ValueError: no",
        ),
        ("import sys\nsys.exit(0)\n", "kernels/k.py:2: the source cannot be loaded: SystemExit"),
        ("def k():\n    exit()\n", "kernels/k.py:2: k() failed: SystemExit"),
        (
            "import nothing_of_this_name\n",
            "kernels/k.py:1: the source cannot be loaded: ModuleNotFound",
        ),
        ("def k(M=1):\n    return M / 0\n", "kernels/k.py:2: k() failed: ZeroDivisionError"),
        ("def k():\n    return 3\n", "kernels/k.py:1: this function returned int"),
        ("def k():\n    return []\n", "kernels/k.py:1: this function returned list"),
        ("x = 3\n", "kernels/k.py:1: which kernel? None is called 'k'; there is none"),
        (
            "def a(): ...\ndef b(): ...\n",
            "None is called 'k'; there is a, b\n  name it: `function:`",
        ),
        (
            HEADER
            + "@T.prim_func\ndef k(A: T.Buffer((64, 64), 'bfloat16')):\n    A[0, 0] = nope\n",
            "kernels/k.py:5:5: the source cannot be loaded: TVMScript does not accept it",
        ),
        (b"# \xff\n", "kernels/k.py"),
    ],
)
def test_failures_say_where(tmp_path: Path, text: str | bytes, says: str) -> None:
    assert says in failure(tmp_path, text)


def test_the_line_that_tvmscript_does_not_accept_is_shown(tmp_path: Path) -> None:
    text = failure(tmp_path, HEADER + COPY.replace("A[i0, i1]", "Q[i0, i1]"))
    assert "kernels/k.py:6" in text
    assert "Q[i0, i1]" in text


def test_so_is_that_of_a_function_with_parameters(tmp_path: Path) -> None:
    inner = "".join(f"    {line}\n" for line in COPY.splitlines())
    made = HEADER + f"def k(M: int = 64):\n{inner}    return k\n"
    text = failure(tmp_path, made.replace("A[i0, i1]", "Q[i0, i1]"))
    assert "k() failed: TVMScript does not accept it" in text
    assert "Q[i0, i1]" in text


def test_a_missing_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^k.py: cannot read the source: No such file"):
        load_source(tmp_path / "k.py", tmp_path)


def test_imports_are_found_without_running_anything(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        k="import os, lib\nfrom more import a\nraise SystemExit\n",
        lib="from . import deep\n",
        more="import lib\nimport broken\n",
        deep="import k\n",
        broken="def (\n",
    )
    (tmp_path / "os.py").write_text("")
    names = [file.stem for file in find_imports(path, tmp_path).files]
    assert names == ["broken", "deep", "lib", "more"]


def test_what_imports_finds_is_what_a_source_reads(tmp_path: Path) -> None:
    """A helper's edit must rebuild: every file that was run is in the list."""
    package = tmp_path / "shapes"
    package.mkdir()
    (package / "__init__.py").write_text("import inner\nfrom shapes import sizes\n")
    (package / "sizes.py").write_text("SIZE = 64\n")
    path = write(
        tmp_path,
        k=f"{HEADER}from shapes.sizes import SIZE\nimport lib\n" + gemm(64, 64, 64),
        lib="",
        inner="import lib\n",
    )
    load_source(path, tmp_path)
    found = {file.relative_to(tmp_path).as_posix() for file in find_imports(path, tmp_path).files}
    assert found == {"shapes/__init__.py", "shapes/sizes.py", "kernels/lib.py", "kernels/inner.py"}


class Watched(types.ModuleType):
    """A module that counts who asks for its file."""

    asked = 0

    @property
    def __file__(self) -> str:  # type: ignore[override]
        type(self).asked += 1
        return "watched.py"


@pytest.mark.parametrize("decorator", ["@T.prim_func", "@T.prim_func(s_tir=True)"])
def test_parsing_does_not_go_through_all_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decorator: str
) -> None:
    """As inspect does for each frame of TVMScript's parser whose file it does not know."""
    body = "\n".join(f"    {line}" for line in COPY.splitlines())
    text = f"{HEADER}def k(M: int = 64):\n{body}\n    return k\n"
    source = load_source(write(tmp_path, k=text.replace("@T.prim_func", decorator)), tmp_path)
    monkeypatch.setitem(sys.modules, "watched", Watched("watched"))
    asked = []
    for _ in range(2):  # the second time, inspect knows the frames that are not the parser's
        before = Watched.asked
        # In a thread: a worker of pytest-xdist has frames of its own that inspect never knows.
        thread = threading.Thread(target=find_kernel, args=(source,))
        thread.start()
        thread.join()
        asked.append(Watched.asked - before)
    assert asked[1] == 0
