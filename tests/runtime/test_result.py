"""Results as files that people and machines read."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from ttgen.errors import DeviceError
from ttgen_runtime.result import OutputFigures, Result, encode, load, save, summary, write_junit

FIGURES = OutputFigures(
    name="c",
    passed=True,
    pcc=0.99998,
    relative_error=0.0051,
    max_abs_error=0.3,
    not_finite=0,
    problem=None,
)
PASSED = Result(
    kernel="gemm",
    arch="blackhole",
    device="wolfpine",
    status="passed",
    message="",
    cores=3,
    seconds=1.25,
    cycles=6900,
    outputs=(FIGURES,),
)
FAILED = msgspec.structs.replace(PASSED, kernel="add", status="failed", message="c: PCC 0.1 <\x00>")
ERROR = msgspec.structs.replace(
    PASSED, kernel="mul", status="error", message="died\n  'log' & \"tail\"", outputs=()
)


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    for result in (PASSED, FAILED, ERROR):
        save(result, tmp_path / "result.json")
        assert load(tmp_path / "result.json") == result
    assert [r.passed for r in (PASSED, FAILED, ERROR)] == [True, False, False]


def test_keys_stand_in_a_fixed_order() -> None:
    text = encode(PASSED)
    fields = [name for name in Result.__struct_fields__ if name != "outputs"]
    places = [text.index(f'"{name}"') for name in fields]
    assert places == sorted(places)
    assert text == encode(msgspec.json.decode(text, type=Result))


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"kernel": 1}'])
def test_what_is_not_a_result_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(DeviceError, match="not a result") as caught:
        load(path)
    assert caught.value.at is not None
    assert caught.value.at.path == str(path)


def test_junit_counts_and_escapes(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    write_junit([PASSED, FAILED, ERROR], path, suite="kernels")
    suite = ElementTree.parse(path).getroot().find("testsuite")
    assert suite is not None
    assert suite.attrib == {
        "name": "kernels",
        "tests": "3",
        "failures": "1",
        "errors": "1",
        "time": "3.750",
    }
    passed, failed, error = suite.findall("testcase")
    assert len(passed) == 0
    assert passed.get("classname") == "blackhole.wolfpine"
    failure = failed.find("failure")
    assert failure is not None
    assert failure.text == "c: PCC 0.1 <\ufffd>"
    problem = error.find("error")
    assert problem is not None
    assert problem.get("message") == "died"
    assert problem.text == ERROR.message


def test_one_line_for_people() -> None:
    assert summary(PASSED) == (
        "blackhole gemm: passed c: pcc=0.999980 rel=0.005100 cores=3 1.25s 6900 cycles"
    )
    assert summary(ERROR) == "blackhole mul: error: died"
    constant = msgspec.structs.replace(FIGURES, pcc=None)
    assert "pcc=- " in summary(msgspec.structs.replace(PASSED, outputs=(constant,)))
