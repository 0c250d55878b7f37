"""A wrong kernel is caught: generated code is broken, and ``test`` says so by values.

Each way to break it is a folder of templates that takes the place of a built-in operation; all of
them run in one SCons run, on the same sessions, beside the same kernels unbroken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from .conftest import Built
from .project import TOOL, Project, Run, make, share_cache

pytestmark = pytest.mark.sim

#: Seconds that a run may take in this project, its compilation on a busy machine included.
LIMIT = 60
#: The same for a kernel that never ends: it is given up however busy the machine is.
HANG_LIMIT = 10

ELEMENTWISE = """\
from tvm.script import tirx as T

M, N = 32, {columns}


@T.prim_func
def sub(
    A: T.Buffer((M, N), "bfloat16"),
    B: T.Buffer((M, N), "bfloat16"),
    C: T.Buffer((M, N), "bfloat16"),
):
    for i, j in T.grid(M, N):
        C[i, j] = A[i, j] - B[i, j]
"""
GEMM = """\
from tvm import te

N = 64


def gemm():
    A = te.placeholder((N, N), dtype="bfloat16", name="A")
    B = te.placeholder((N, N), dtype="bfloat16", name="B")
    k = te.reduce_axis((0, N), name="k")
    return [A, B, te.compute((N, N), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), name="C")]
"""
SCONSTRUCT = """\
DefaultEnvironment(tools=[])
env = Environment(tools=["ttgen"], TT_ARCH="wormhole_b0", TT_DEVICE="wolfpine")
for name, source, limit in {kernels}:
    env.Clone(TT_TIMEOUT=limit).TTKernel(name, source, templates=["broken/" + name])
"""


#: What every template says of itself: the release it is for, and what it reads of the plan.
DECLARED = """\
{% set sdk = "0.81.1" %}
{% set reads = ["circular_buffers.name", "circular_buffers.page_bytes", "tensors.name"] %}
"""


def macro(signature: str, body: str, header: str = "") -> str:
    headers = f'{{% set headers = ["{header}"] %}}\n' if header else ""
    return f"{DECLARED}{headers}{{% macro {signature} %}}\n{body}\n{{% endmacro %}}\n"


_PACK, _BINARY, _MATMUL = (f"api/compute/{name}.h" for name in ("pack", "eltwise_binary", "matmul"))


@dataclass(frozen=True)
class Break:
    """A way to break a kernel: the operation that is replaced, and what must come of it."""

    kernel: str
    operation: str = ""
    template: str = ""
    status: str = "failed"
    message: str = ""
    #: Bounds of the figures of C.
    pcc: tuple[float, float] = field(default=(-1.0, 0.9))
    limit: int = LIMIT


BREAKS = {
    "sub-right": Break("sub", status="passed", pcc=(0.999, 1.0)),
    "gemm-right": Break("gemm", status="passed", pcc=(0.999, 1.0)),
    # Of another size than the right one: what that has left in L1 must not look like a result.
    "sub-no-pack": Break(
        "sub_wide",
        "pack_tile",
        macro("pack_tile(dst, out, slot)", "// nothing is packed", _PACK),
        message="C: ",
    ),
    "sub-swapped": Break(
        "sub",
        "sub_tiles",
        macro(
            "sub_tiles(in0, in1, tile0, tile1, dst)",
            "sub_tiles({{ in1.name }}_cb, {{ in0.name }}_cb, {{ tile1 }}, {{ tile0 }}, {{ dst }});",
            _BINARY,
        ),
        message="relative error 2.0",
        pcc=(-1.0, -0.999),
    ),
    "gemm-swapped": Break(
        "gemm",
        "matmul_tiles",
        macro(
            "matmul_tiles(in0, in1, tile0, tile1, dst)",
            "matmul_tiles({{ in1.name }}_cb, {{ in0.name }}_cb, {{ tile1 }}, {{ tile0 }}, "
            "{{ dst }});",
            _MATMUL,
        ),
        message="PCC ",
    ),
    "sub-tile-skipped": Break(
        "sub",
        "write_page",
        macro(
            "write_page(tensor, page, cb, slot)",
            "if (({{ page }}) != 1) noc_async_write_page({{ page }}, {{ tensor.name }}_tensor, "
            "get_read_ptr({{ cb.name }}_cb) + {{ slot }} * {{ cb.page_bytes }});",
        ),
        message="1 of 3 tiles",
    ),
    "gemm-page-read-twice": Break(
        "gemm",
        "read_page",
        macro(
            "read_page(tensor, page, cb, slot)",
            "noc_async_read_page(({{ page }}) / 2 * 2, {{ tensor.name }}_tensor, "
            "get_write_ptr({{ cb.name }}_cb) + {{ slot }} * {{ cb.page_bytes }});",
        ),
        message="PCC ",
    ),
    "sub-input-overwritten": Break(
        "sub",
        "read_page",
        macro(
            "read_page(tensor, page, cb, slot)",
            "noc_async_read_page({{ page }}, {{ tensor.name }}_tensor, "
            "get_write_ptr({{ cb.name }}_cb) + {{ slot }} * {{ cb.page_bytes }});\n"
            "noc_async_read_barrier();\n"
            "noc_async_write_page(0, {{ tensor.name }}_tensor, "
            "get_write_ptr({{ cb.name }}_cb) + {{ slot }} * {{ cb.page_bytes }});\n"
            "noc_async_write_barrier();",
        ),
        message="the program has written to its input",
    ),
    "sub-no-push": Break(
        "sub",
        "cb_push_back",
        macro("cb_push_back(cb, pages)", "// nothing is announced"),
        status="error",
        message=f"no answer to 'run' within {HANG_LIMIT} s",
        limit=HANG_LIMIT,
    ),
    "sub-no-cpp": Break(
        "sub",
        "cb_pop_front",
        macro("cb_pop_front(cb, pages)", "cb_pop_frond({{ cb.name }}_cb, {{ pages }});"),
        status="error",
        message="cb_pop_frond",
    ),
}


@dataclass(frozen=True)
class Broken:
    """The project of broken kernels, and what ``scons test`` said there."""

    project: Project
    run: Run

    def result(self, name: str) -> Any:
        file = "error.json" if BREAKS[name].status == "error" else "result.json"
        return self.project.json(f"build/wormhole_b0/{name}/{file}")


@pytest.fixture(scope="module")
def broken(built: Built, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Broken:
    project = make(tmp_path_factory.mktemp("wrong") / "project", TOOL, built.project.code)
    share_cache(project, cache)
    project.write("sub.py", ELEMENTWISE.format(columns=96))
    project.write("sub_wide.py", ELEMENTWISE.format(columns=160))
    project.write("gemm.py", GEMM)
    for name, how in BREAKS.items():
        if how.template:
            project.write(f"broken/{name}/ops/{how.operation}.j2", how.template)
    kernels = [(name, f"{how.kernel}.py", how.limit) for name, how in BREAKS.items()]
    project.write("SConstruct", SCONSTRUCT.format(kernels=kernels))
    return Broken(project, project.scons("-j2", "test", ok=False))


@pytest.mark.parametrize("name", BREAKS)
def test_the_result_tells_right_from_wrong(broken: Broken, name: str) -> None:
    how, result = BREAKS[name], broken.result(name)
    assert (result["kernel"], result["status"]) == (name, how.status)
    assert how.message in result["message"]
    if how.status == "error":
        assert result["outputs"] == []
        assert not (broken.project.root / f"build/wormhole_b0/{name}/result.json").exists()
        return
    (output,) = result["outputs"]
    assert output["passed"] == (how.status == "passed" or "its input" in how.message)
    if output["pcc"] is not None and not output["passed"]:
        assert how.pcc[0] <= output["pcc"] <= how.pcc[1]
        assert output["relative_error"] > 0.02


def test_the_run_fails_and_names_every_wrong_kernel(broken: Broken) -> None:
    right = [name for name, how in BREAKS.items() if how.status == "passed"]
    wrong = [name for name in BREAKS if name not in right]
    assert broken.run.code != 0
    assert f"ttgen: {len(right)} passed, {len(wrong)} failed" in broken.run.out
    assert broken.run.steps["RUN"] == sorted(f"wormhole_b0/{name}" for name in BREAKS)
    for name in wrong:
        assert re.search(rf"^wormhole_b0/{name} (failed|error): ", broken.run.out, re.MULTILINE)
    suite = ElementTree.parse(broken.project.root / "build" / "results.xml").getroot()[0]
    counts = {status: sum(h.status == status for h in BREAKS.values()) for status in ("failed",)}
    assert suite.get("failures") == str(counts["failed"])
    assert suite.get("errors") == str(len(wrong) - counts["failed"])


def test_a_failed_result_stays_and_an_error_is_tried_again(broken: Broken) -> None:
    run = broken.project.scons("-n", "test")
    errors = sorted(f"wormhole_b0/{n}" for n, how in BREAKS.items() if how.status == "error")
    assert run.steps == {"RUN": errors}


def test_a_kernel_that_was_edited_by_hand_fails(broken: Broken) -> None:
    """SCons does not make a file anew because it was changed: the change is what gets tested."""
    source = "build/wormhole_b0/sub-right/compute.cpp"
    text = broken.project.read(source)
    broken.project.edit(source, "sub_tiles(A_cb, B_cb", "sub_tiles(A_cb, A_cb")
    result = "build/wormhole_b0/sub-right/result.json"
    run = broken.project.scons("build/wormhole_b0/sub-right/elf/trisc1.elf", result)
    assert run.steps == {v: ["wormhole_b0/sub-right"] for v in ("COMPILE", "RUN")}
    assert broken.project.json(result)["status"] == "failed"
    (broken.project.root / source).write_text(text)
    broken.project.scons(result)
    assert broken.project.json(result)["status"] == "passed"
