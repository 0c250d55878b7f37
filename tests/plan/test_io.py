"""Plans as files: schema, strictness, determinism, nothing half written (D3, D4)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import elementwise, gemm, lower, plan_of

from ttgen.errors import PlanError
from ttgen.plan import Plan, decode, encode, load, save, schema
from ttgen.plan.io import SCHEMA_FILE
from ttgen.plan.validate import first_violation

ROOT = Path(__file__).parents[2]
SOURCES = {
    "gemm": gemm(64, 96, 352),
    "add": elementwise("add", (64, 96)),
    "copy": elementwise("copy", (2, 32, 64), "te"),
}


@pytest.fixture(scope="module", params=SOURCES.values(), ids=SOURCES.keys())
def plan(request: pytest.FixtureRequest) -> Plan:
    return plan_of(request.param, grid=(2, 2), partition="column_major")


def validator() -> jsonschema.Draft202012Validator:
    document = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def test_the_schema_file_is_current() -> None:
    assert SCHEMA_FILE.read_text() == schema(), (
        "the plan's types have changed; renew the schema:\n"
        "  python -m ttgen.plan.io > ttgen/plan/tt.plan.schema.json"
    )


def test_the_command_that_renews_the_schema_prints_it() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "ttgen.plan.io"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == schema()


def test_plans_follow_the_schema(plan: Plan) -> None:
    validator().validate(json.loads(encode(plan)))


def test_the_schema_and_the_reader_refuse_the_same_extras() -> None:
    """D4: no object takes a property that it does not know, at any depth."""
    objects = 0
    for path in object_paths(json.loads(encode(PLAN))):
        document = json.loads(encode(PLAN))
        place = document
        for step in path:
            place = place[step]
        if path and path[-1] in ("args", "parameters"):  # open by nature: names are the kernel's
            continue
        place["surprise"] = 1
        objects += 1
        assert not validator().is_valid(document), path
        with pytest.raises(PlanError, match="surprise"):
            decode(json.dumps(document), "p.json")
    assert objects > 20


def object_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the objects of a document are; of alike list items, the first two."""
    if isinstance(value, dict):
        below = [p for key, item in value.items() for p in object_paths(item, (*path, key))]
        return [path, *below]
    if isinstance(value, list):
        return [p for i, item in enumerate(value[:2]) for p in object_paths(item, (*path, i))]
    return []


def test_every_property_is_required_but_nd_shard(plan: Plan) -> None:
    document = json.loads(encode(plan))
    for key in document:
        rest = {name: value for name, value in document.items() if name != key}
        assert not validator().is_valid(rest)
        with pytest.raises(PlanError, match=key):
            decode(json.dumps(rest), "p.json")


def test_encode_and_decode_are_inverse(plan: Plan) -> None:
    text = encode(plan)
    assert encode(decode(text, "p.json")) == text
    assert decode(text, "p.json") == plan


def test_any_layout_of_json_is_the_same_plan(plan: Plan) -> None:
    document = json.loads(encode(plan))
    for text in (json.dumps(document), json.dumps(document, indent="\t")):
        assert decode(text, "p.json") == plan


def test_plans_are_written_to_be_read(plan: Plan) -> None:
    lines = encode(plan).splitlines()
    assert max(map(len, lines)) <= 120
    assert encode(plan).endswith("}\n")
    assert list(json.loads(encode(plan))) == sorted(json.loads(encode(plan)))


SCRIPT = """
import sys
from pathlib import Path
from ttgen.frontend.kernel import find_kernel
from ttgen.frontend.source import load_source
from ttgen.passes.pipeline import run_pipeline
from ttgen.plan import encode
project = Path(sys.argv[1])
kernel = find_kernel(load_source(project / "kernels" / "gemm.py", project), None, {"M": 96})
sys.stdout.write(encode(run_pipeline(kernel, arch="blackhole", grid=(3, 1)).plan))
"""


def test_plans_do_not_depend_on_process_or_folder(tmp_path: Path) -> None:
    """Equal trees in two folders, and another hash seed, give the same bytes."""
    texts = []
    for seed, folder in (("1", "one"), ("2", "another/folder")):
        kernels = tmp_path / folder / "kernels"
        kernels.mkdir(parents=True)
        (kernels / "shapes.py").write_text((ROOT / "kernels" / "gemm.py").read_text())
        (kernels / "gemm.py").write_text(
            "from shapes import gemm as _made\n\n"
            "def gemm(M: int = 64):\n    return _made(M, 96, 160)\n"
        )
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path / folder)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        texts.append(done.stdout)
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0]
    assert "kernels/shapes.py:" in texts[0]


def test_save_writes_what_load_reads(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "new" / "tt.plan.json"
    save(plan, path)
    assert load(path) == plan
    assert path.read_text() == encode(plan)


def test_a_bad_plan_is_not_written(tmp_path: Path) -> None:
    """Nothing half written, and the older file stays."""
    good = plan_of(SOURCES["gemm"])
    path = tmp_path / "tt.plan.json"
    save(good, path)
    before = path.read_bytes()
    bad = msgspec.structs.replace(good, arch="wormhole")
    with pytest.raises(PlanError, match=r"kernels/k.py: plan of kernel 'k'.*arch") as caught:
        save(bad, path)
    assert caught.value.at is not None
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["tt.plan.json"]
    with pytest.raises(PlanError):
        lower(SOURCES["gemm"], name="../escape", plan_path=tmp_path / "other.json")
    assert not (tmp_path / "other.json").exists()


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("", "p.json:1:1", "not JSON"),
        ("{", "p.json:1:2", "not JSON"),
        ('{\n  "version": 1,,\n}', "p.json:2:16", "not JSON"),
        ("[]", "p.json:1:1", "Expected `object`"),
        ('{"version": 2}', "p.json:1:2", "version: Invalid enum value 2"),
        ('{\n\t"kernel": "a/b"\n}', "p.json:2:2", "kernel: Expected `str` matching"),
    ],
)
def test_errors_say_where_in_the_file(text: str, where: str, says: str) -> None:
    with pytest.raises(PlanError, match=says) as caught:
        decode(text, "p.json")
    assert str(caught.value.at) == where


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"none.json: cannot read the plan: No such file"):
        load(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes('{"kernel": "größe"}'.encode("latin-1"))
    with pytest.raises(PlanError, match=r"latin.json: not UTF-8"):
        load(tmp_path / "latin.json")


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_no_edit_crashes_the_reader(data: Any) -> None:
    """A value of a plan replaced by another kind of value: an error with a place, or a plan."""
    document = json.loads(encode(PLAN))
    place: Any = document
    while True:
        key = data.draw(
            st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
        )
        below = place[key]
        if not isinstance(below, dict | list) or not below or data.draw(st.integers(0, 5)) == 0:
            break
        place = below
    place[key] = data.draw(
        st.sampled_from([None, -1, 0, 1, 7, 2**31, 1.5, "", "A", "é", [], {}, ["-", 0, 1], "/etc"])
    )
    try:
        plan = decode(json.dumps(document), "p.json")
    except PlanError as error:
        assert str(error).startswith("p.json:")  # noqa: PT017 (any of many messages)
    else:
        assert first_violation(plan) is None


PLAN = plan_of(gemm(64, 64, 96), grid=(2, 1), partition="column_major")
