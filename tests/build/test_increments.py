"""What a change rebuilds, and what it does not: by content, for every kernel of the library."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from .project import Project, jobs

pytestmark = pytest.mark.sim

UP_TO_DATE = "scons: `kernels' is up to date.\n"
SUB = jobs(["sub"])
#: An operation of few kernels: each of them takes seconds to compile.
TEMPLATE = "templates/ops/transpose_tile.j2"


def everything(project: Project) -> list[str]:
    return jobs(project.kernels())


def those_that_transpose(project: Project) -> list[str]:
    """The kernels whose compute program transposes tiles, by their plans."""
    plans = (project.root / "build").glob("*/*/tt.plan.json")
    found = sorted(str(p.parent.relative_to(project.root / "build")) for p in plans if _uses(p))
    assert {job.partition("/")[2] for job in found} >= {"transpose", "fused"}
    assert set(found) < set(everything(project))
    return found


def _uses(plan: Path) -> bool:
    return '"op": "transpose_tile"' in plan.read_text()


def test_a_copy_of_the_tree_and_new_times_of_files_rebuild_nothing(copy: Project) -> None:
    assert copy.scons("-j2", "kernels").out == UP_TO_DATE
    for folder in ("kernels", "templates", "ttgen", "build/wormhole_b0", "site_scons"):
        for path in (copy.root / folder).rglob("*"):
            os.utime(path)
    assert copy.scons("-j2", "kernels").out == UP_TO_DATE


def test_another_kernel_source_rebuilds_that_kernel(copy: Project) -> None:
    copy.edit("kernels/sub.py", "A[i, j] - B[i, j]", "B[i, j] - A[i, j]")
    before = copy.contents("build")
    run = copy.scons("-j2", "kernels")
    assert run.steps == {"PLAN": SUB, "RENDER": SUB, "COMPILE": SUB}
    after = copy.contents("build")
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed
    assert {path.split("/")[2] for path in changed} == {"sub"}
    assert copy.scons("-j2", "kernels").out == UP_TO_DATE
    # The values are another matter: golden and result follow.
    run = copy.scons("-j2", "test", "kernel=sub,mul", "arch=wormhole_b0", "device=wolfpine")
    assert run.steps == {"GOLDEN": ["wormhole_b0/sub"], "RUN": ["wormhole_b0/sub"]}
    assert "ttgen: 2 passed, 0 failed" in run.out


def test_what_changes_no_plan_goes_no_further(copy: Project) -> None:
    with (copy.root / "kernels" / "sub.py").open("a") as file:
        file.write("\n# A remark.\n")
    assert copy.scons("-j2", "kernels").steps == {"PLAN": SUB}


def test_a_spec_rebuilds_the_variants_that_it_changes(copy: Project) -> None:
    copy.edit("kernels/gemm.yaml", "# Variants are", "# The variants are")
    assert copy.scons("-j2", "kernels").out == UP_TO_DATE
    copy.edit("kernels/gemm.yaml", "K: 96}\n    grid: [3, 2]", "K: 96}\n    grid: [2, 2]")
    changed = jobs(["gemm-32x64x96"])
    steps = copy.scons("-j2", "kernels").steps
    assert steps == {"PLAN": changed, "RENDER": changed, "COMPILE": changed}


def test_an_imported_module_rebuilds_those_that_import_it(copy: Project) -> None:
    copy.write("kernels/_sizes.py", "from _deeper import ROWS\n")
    copy.write("kernels/_deeper.py", "ROWS = 64\n")
    copy.edit("kernels/sub.py", "from tvm.script", "from _sizes import ROWS\nfrom tvm.script")
    copy.edit("kernels/sub.py", "M: int = 64", "M: int = ROWS")
    assert copy.scons("-j2", "plans").steps == {"PLAN": SUB}
    copy.write("kernels/_deeper.py", "ROWS = 32\n")
    assert copy.scons("-j2", "plans").steps == {"PLAN": SUB}
    plan = copy.json("build/blackhole/sub/tt.plan.json")
    assert {tuple(tensor["shape"]) for tensor in plan["tensors"]} == {(32, 128)}


def test_a_template_of_one_operation_rebuilds_those_that_use_it(copy: Project) -> None:
    users = those_that_transpose(copy)
    copy.edit(TEMPLATE, "{% macro", "{# The same text comes of it. #}\n{% macro")
    assert copy.scons("-j2", "kernels").steps == {"RENDER": users}
    copy.edit(TEMPLATE, "transpose_tile({{ in0", "/* a tile */ transpose_tile({{ in0")
    assert copy.scons("-j2", "kernels").steps == {"RENDER": users, "COMPILE": users}
    assert "/* a tile */" in copy.read("build/blackhole/transpose/compute.cpp")


def test_a_template_of_all_programs_is_rendered_for_all(copy: Project) -> None:
    copy.edit("templates/program.j2", "{# What", "{# Again: what")
    assert copy.scons("-j2", "kernels").steps == {"RENDER": everything(copy)}
    copy.edit("templates/host.py.j2", "Needs ttnn", "It needs ttnn")
    assert copy.scons("-j2", "kernels").steps == {"RENDER": everything(copy)}


def test_a_template_of_the_users_takes_the_place_of_a_built_in_one(copy: Project) -> None:
    users = those_that_transpose(copy)
    copy.edit("SConstruct", 'tools=["ttgen"]', 'tools=["ttgen"], TT_TEMPLATES=["mine"]')
    assert copy.scons("-j2", "kernels").out == UP_TO_DATE
    text = copy.read(TEMPLATE).replace("transpose_tile({{ in0", "/* mine */ transpose_tile({{ in0")
    mine = copy.write("mine/ops/transpose_tile.j2", text)
    run = copy.scons("-j2", "kernels")
    assert set(users) <= set(run.steps["RENDER"])
    assert run.steps["COMPILE"] == users
    assert "/* mine */" in copy.read("build/wormhole_b0/transpose/compute.cpp")
    assert copy.scons("-j2", "kernels").out == UP_TO_DATE
    copy.edit(TEMPLATE, "{% macro", "{# Hidden behind the user's. #}\n{% macro")
    assert copy.scons("-j2", "kernels").out == UP_TO_DATE
    mine.write_text(text.replace("mine", "mine, too"))
    assert copy.scons("-j2", "kernels").steps == {"RENDER": users, "COMPILE": users}
    mine.unlink()
    assert copy.scons("-j2", "kernels").steps["COMPILE"] == users
    assert "mine" not in copy.read("build/wormhole_b0/transpose/compute.cpp")


def test_the_code_of_a_step_is_among_what_it_depends_on(copy: Project) -> None:
    with (copy.root / "ttgen" / "render" / "cpp.py").open("a") as file:
        file.write("\n# A remark.\n")
    assert copy.scons("-j2", "kernels").steps == {"RENDER": everything(copy)}
    with (copy.root / "ttgen" / "passes" / "pipeline.py").open("a") as file:
        file.write("\n# A remark.\n")
    assert copy.scons("-j2", "kernels", "kernel=sub").steps == {"PLAN": SUB}


def test_another_release_of_the_sdk_compiles_everything_again(copy: Project) -> None:
    metadata = "Metadata-Version: 2.1\nName: ttnn\nVersion: 9.9\n"
    copy.write("other-packages/ttnn-9.9.dist-info/METADATA", metadata)
    run = copy.scons("-n", "kernels", PYTHONPATH=str(copy.root / "other-packages"))
    assert run.steps == {"COMPILE": everything(copy)}
    assert copy.scons("-n", "kernels").steps == {}


def test_an_edited_header_of_the_sdk_compiles_those_that_have_read_it(copy: Project) -> None:
    """In a copy of the SDK's headers that stands in the SDK's place."""
    read = {
        str(path.relative_to(copy.root / "build").parent.parent): set(json.loads(path.read_bytes()))
        for path in (copy.root / "build").glob("*/*/elf/headers.json")
    }
    assert sorted(read) == everything(copy)
    package = find_spec("ttnn")
    assert package is not None
    assert package.origin is not None
    for name in set().union(*read.values()):
        copy.write(f"sdk/ttnn/{name}", (Path(package.origin).parent / name).read_text())
    copy.write("sdk/ttnn/__init__.py", "")
    path = str(copy.root / "sdk")
    assert copy.scons("-n", "kernels", PYTHONPATH=path).steps == {}
    product = read["blackhole/gemm-64x96x160"]
    (header,) = (name for name in product if name.endswith("llk_lib/llk_math_matmul.h"))
    users = sorted(job for job, headers in read.items() if header in headers)
    assert 0 < len(users) < len(read)
    with (copy.root / "sdk" / "ttnn" / header).open("a") as file:
        file.write("// Edited.\n")
    run = copy.scons("-n", "kernels", "--debug=explain", PYTHONPATH=path)
    assert run.steps == {"COMPILE": users}
    assert f"because `SDK headers for build/{users[0]}' changed" in run.out
    assert copy.scons("-n", "kernels", PYTHONPATH=path).steps == {"COMPILE": users}


@pytest.mark.parametrize("name", ["tt.plan.json", "compute.cpp", "elf/trisc1.elf"])
def test_what_was_removed_is_made_again(copy: Project, name: str) -> None:
    path = Path("build/wormhole_b0/mul") / name
    before = (copy.root / path).read_bytes()
    (copy.root / path).unlink()
    run = copy.scons("-j2", "kernels")
    verb = {"tt.plan.json": "PLAN", "compute.cpp": "RENDER", "elf/trisc1.elf": "COMPILE"}[name]
    assert run.steps == {verb: ["wormhole_b0/mul"]}
    assert (copy.root / path).read_bytes() == before


def test_selecting_kernels_and_architectures(copy: Project) -> None:
    def planned(*options: str) -> list[str]:
        return copy.scons("-n", "plans", *options).steps["PLAN"]

    (copy.root / ".sconsign.dblite").unlink()
    kernels = copy.kernels()
    gemms = [kernel for kernel in kernels if kernel.startswith("gemm-")]
    assert planned() == jobs(kernels)
    assert planned("arch=blackhole") == jobs(kernels, ("blackhole",))
    assert planned("kernel=gemm") == jobs(gemms)
    assert planned("kernel=*-64x*,sub", "arch=wormhole_b0,blackhole") == jobs(
        [kernel for kernel in kernels if "-64x" in kernel or kernel == "sub"]
    )


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["kernel=nosuch"], "no kernel matches 'nosuch'; there is activations-softmax,"),
        (["-n", "kernel=nosuch"], "no kernel matches 'nosuch'; there is activations-softmax,"),
        (["test", "kernel=sub,nosuch"], "no kernel matches 'nosuch'; there is"),
        (["arch=gpu"], "unknown architecture 'gpu'; known: blackhole, wormhole_b0"),
        (["arch=grayskull"], "tt-metal dropped Grayskull"),
        (["kernels=sub"], "unknown option kernels; known: arch, kernel,"),
        (["test", "kernel=sub", "device=gpu"], "unknown device 'gpu'; known: auto, hw,"),
        (["timeout=soon"], "TT_TIMEOUT is 'soon', and must be a number of seconds"),
        (["timeout=0"], "TT_TIMEOUT is '0', and must be a number of seconds"),
    ],
)
def test_asking_for_what_is_not_there(copy: Project, options: list[str], wanted: str) -> None:
    run = copy.scons(*options, ok=False)
    assert wanted in run.text
    assert not set(run.steps) & {"PLAN", "RENDER", "COMPILE"}
