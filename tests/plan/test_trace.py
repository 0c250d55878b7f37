"""Walking a body without running it, and finding places in files (D5, P10)."""

from __future__ import annotations

import pytest
from sources import gemm, plan_of

from ttgen.errors import Location
from ttgen.plan.model import BinaryOp, For, Let, Op, Program, RuntimeArgs
from ttgen.plan.trace import UnknownVariable, evaluate, trace, variables
from ttgen.textpos import locate, parse_msgspec_path


def push(pages: object) -> Op:
    return Op(op="cb_push_back", args={"cb": "A", "pages": pages}, at="k.py:1")  # type: ignore[dict-item]


def program(*body: object) -> Program:
    args = RuntimeArgs(names=("count",), values=((3,), (0,)))
    return Program(tensors=(), constants=(), runtime_args=args, body=body)  # type: ignore[arg-type]


def loop(var: str, stop: object, *body: object, step: int = 1) -> For:
    return For(var=var, start=0, stop=stop, step=step, body=body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operator", "value"),
    [("+", 9), ("-", 5), ("*", 14), ("//", 3), ("%", 1), ("min", 2), ("max", 7)],
)
def test_expressions(operator: str, value: int) -> None:
    expr = BinaryOp(operator, "a", 2)  # type: ignore[arg-type]
    assert evaluate(expr, {"a": 7}) == value
    assert variables(expr) == {"a"}
    with pytest.raises(UnknownVariable, match="a"):
        evaluate(expr, {})


def test_loops_that_do_the_same_every_time_are_walked_once() -> None:
    events = list(trace(program(loop("i", 1000, loop("j", "count", push(2)))), 0))
    assert [(event.values, event.times) for event in events] == [({"pages": 2}, 3000)]
    assert not list(trace(program(loop("i", "count", push(2))), 1))


def test_loops_whose_variable_matters_are_walked_through() -> None:
    tiles = Let(var="tiles", value=BinaryOp("min", BinaryOp("-", "count", "i"), 2))
    events = list(trace(program(loop("i", "count", tiles, loop("j", "tiles", push(1)), step=2)), 0))
    assert [event.times for event in events] == [2, 1]


def test_iterations_that_do_the_same_are_walked_together() -> None:
    """All but the last block are full, and a loop in them is walked once for each kind."""
    tiles = Let(var="tiles", value=BinaryOp("min", BinaryOp("-", 1003, "i"), 8))
    events = list(trace(program(loop("i", 1003, tiles, push("tiles"), step=8)), 0))
    assert [(event.values["pages"], event.times) for event in events] == [(8, 125), (3, 1)]


def test_bindings_that_nothing_depends_on_do_not_keep_iterations_apart() -> None:
    row = Let(var="row", value=BinaryOp("//", "i", 7))
    events = list(trace(program(loop("i", 21, row, push(1))), 0))
    assert [event.times for event in events] == [21]


@pytest.mark.parametrize(("limit", "walks"), [(1, 2), (3, 4), (100, 10)])
def test_what_is_repeated_is_walked_until_the_consumer_has_settled(limit: int, walks: int) -> None:
    """Here it has after ``limit`` events, or the loop ends before; each is counted once."""
    times: list[int] = []
    for event in trace(program(loop("i", 10, push(1))), 0, settled=lambda: min(limit, len(times))):
        times.append(event.times)
    assert times == [10] + [0] * (walks - 1)


def test_a_trace_counts_what_an_execution_does() -> None:
    """Against the sum over all cores: as many writes as there are output pages."""
    plan = plan_of(gemm(96, 160, 64), grid=(2, 2), block_tiles=4)
    for name, op, count in (("writer", "write_page", 15), ("reader", "read_page", 60)):
        body = getattr(plan.programs, name)
        cores = range(len(plan.partition.cores))
        events = [event for core in cores for event in trace(body, core) if event.op.op == op]
        assert sum(event.times for event in events) == count


TEXT = """\
{
  "list": [1, {"key": 2}],
\t"tabbed": {"deep": 3},
  "last": "é\\ud83d\\ude00"
}
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ([], (1, 1)),
        (["list"], (2, 3)),
        (["list", 1], (2, 15)),
        (["list", 1, "key"], (2, 16)),
        (["list", 7], (2, 3)),
        (["tabbed", "deep"], (3, 13)),
        (["tabbed", "other"], (3, 2)),
    ],
)
def test_places_in_json(path: list[str | int], place: tuple[int, int]) -> None:
    text = TEXT.replace("\\ud83d\\ude00", "")
    assert locate(text, "p.json", path) == Location("p.json", *place)


def test_json_that_is_no_yaml_has_a_place_too() -> None:
    assert locate(TEXT, "p.json", ["list"]) == Location("p.json", 1, 1)


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("Expected `int` - at `$.a[0].b`", ["a", 0, "b"]),
        ("Expected `int` - at `$[3]`", [3]),
        ("Expected `int` - at `$.a[...]`", ["a"]),
        ("Expected `int` - at `key` in `$.a`", ["a"]),
        ("Expected `int`", []),
    ],
)
def test_paths_of_msgspec(message: str, path: list[str | int]) -> None:
    assert parse_msgspec_path(message) == ("Expected `int`", path)
