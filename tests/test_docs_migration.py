"""What docs/LEGACY_MIGRATION.md says is so: its tables are the code's, its examples run."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import tvm_ffi
from test_docs_pages import BLOCK, commands, run
from tvm.ir import IRModule

from ttgen import compat
from ttgen.compat import to_new
from ttgen.frontend.kernel import Kernel, find_kernel
from ttgen.frontend.source import load_source
from ttgen.frontend.spelling import LEGACY, VARIABLE
from ttgen.passes.pipeline import run_pipeline
from ttgen.plan import encode

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "LEGACY_MIGRATION.md").read_text()
CODE = r"\n\n```python\n(.*?)```\n"
PAIRS = re.findall(f"^Before:{CODE}\nAfter:{CODE}", TEXT, re.DOTALL | re.MULTILINE)
ATTRIBUTES = [pair for pair in PAIRS if pair[0].startswith("T.func_attr(")]
PASSES = [pair for pair in PAIRS if pair not in ATTRIBUTES]


def rows(heading: str) -> dict[str, str]:
    """First and second cells of the table with this heading."""
    table = TEXT[TEXT.index(heading) :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table]
    return {row[0]: row[1] for row in cells}


def page_kernel(folder: Path, attributes: str) -> Kernel:
    """The page's kernel with other attributes, which take one line."""
    ((_, _, source),) = [block for block in BLOCK.findall(TEXT) if block[0] == "kernels/old.py"]
    given: list[dict[str, Any]] = []
    exec(attributes.replace("T.func_attr", "given.append"), {"given": given})
    text = re.sub(r"T\.func_attr\(.*\)", f"T.func_attr({given[0]!r})", source)
    (folder / "kernels").mkdir(exist_ok=True)
    (folder / "kernels" / "old.py").write_text(text)
    return find_kernel(load_source(folder / "kernels" / "old.py", folder))


@pytest.mark.parametrize(("before", "after"), ATTRIBUTES)
def test_attributes_before_and_after_make_one_plan(
    before: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = []
    for switch, attributes in (("true", after), ("false", before)):
        monkeypatch.setenv(VARIABLE, switch)
        kernel = page_kernel(tmp_path, attributes)
        plans.append(encode(run_pipeline(kernel, arch="wormhole_b0").plan))
    assert plans[0] == plans[1]


@pytest.mark.parametrize(("before", "after"), PASSES)
def test_passes_before_and_after_make_one_module(before: str, after: str, tmp_path: Path) -> None:
    kernel = page_kernel(tmp_path, "T.func_attr({})")
    legacy = kernel.func.with_attr("tt_tiles_per_core", [[0, 4], [4, 2]])
    results = []
    for text, func in ((before, legacy), (after, to_new(legacy))):
        scope: dict[str, Any] = {"module": IRModule({"old": func})}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            exec(text, scope)
        results.append(scope["module"])
    assert tvm_ffi.structural_equal(*results)


def test_the_tables_are_complete() -> None:
    assert rows("| legacy | today") == {key: today for key, today in LEGACY.items() if today}
    left = re.findall(
        r"`(tt_\w+)`", TEXT[TEXT.index("Left behind") : TEXT.index("Give the kernel")]
    )
    assert set(left) == {key for key, today in LEGACY.items() if today is None}
    assert {*rows("| legacy function"), "to_new", "to_legacy"} == set(compat.__all__)


def test_everything_in_the_tables_has_an_example() -> None:
    attributes = "".join(before for before, _ in ATTRIBUTES)
    for key in rows("| legacy | today"):
        assert f'"{key.replace("<b>", "A")}"' in attributes, key
    passes = "".join(before for before, _ in PASSES)
    for name in rows("| legacy function"):
        assert f"{name}(" in passes, name


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    environment = {
        **{key: value for key, value in os.environ.items() if key != VARIABLE},
        "PATH": f"{commands(tmp_path / 'bin')}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    shown, seen = "", 0
    for file, language, text in BLOCK.findall(TEXT):
        if file:
            (tmp_path / file).parent.mkdir(parents=True)
            (tmp_path / file).write_text(text)
        elif language == "sh":
            shown = run(text, tmp_path, environment)
        elif language == "":
            assert shown == text
            seen += 1
    assert seen == 2
