"""Random programs: refused with a place, or lowered to what they mean (P13).

Programs are trees of operations on tensors with random dimensions, products with random factors,
reductions, and what may follow them. Each is written as TE source, lowered with random options,
interpreted without rounding and compared with NumPy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import plan_of, run

from ttgen.errors import LoweringError

OPTIONS = st.fixed_dictionaries(
    {
        "partition": st.sampled_from(["row_major", "column_major"]),
        "block_tiles": st.integers(1, 10),
        "buffering": st.integers(1, 3),
        "dst_full_sync": st.booleans(),
    },
    optional={
        "grid": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "fp32_dest_acc": st.booleans(),
    },
)
TILE_EXTENTS = st.sampled_from([1, 3, 32, 33, 64, 70, 96, 100])
BATCH_EXTENTS = st.integers(1, 3)
SYMBOLS = ("+", "-", "*")


@dataclass(frozen=True)
class Load:
    """A tensor at these loops; "0" where its extent is 1."""

    name: str
    index: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(self.index)}]"


@dataclass(frozen=True)
class Const:
    """A number that bf16 holds exactly."""

    value: float

    def __str__(self) -> str:
        return f'te.const({self.value}, "bfloat16")'


@dataclass(frozen=True)
class Binary:
    symbol: str
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"({self.a} {self.symbol} {self.b})"


@dataclass
class Program:
    """``loops`` and their extents; ``stages``: name, dimensions, reduction, reduced, value."""

    loops: dict[str, int]
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    stages: list[tuple[str, tuple[str, ...], str, tuple[str, ...], Any]] = field(
        default_factory=list
    )

    def extents(self, index: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(1 if loop == "0" else self.loops[loop] for loop in index)

    def load(self, index: tuple[str, ...]) -> Load:
        """A new input that is read at ``index``."""
        name = f"T{len(self.shapes)}"
        self.shapes[name] = self.extents(index)
        return Load(name, index)

    def source(self) -> str:
        lines = [
            f'    {name} = te.placeholder({shape}, dtype="bfloat16", name="{name}")'
            for name, shape in self.shapes.items()
        ]
        for name, index, reduction, reduced, value in self.stages:
            parameters = ", ".join(f"z{n}" if loop == "0" else loop for n, loop in enumerate(index))
            text = str(value)
            if reduced:
                lines += [
                    f'    {r} = te.reduce_axis((0, {self.loops[r]}), name="{r}")' for r in reduced
                ]
                text = f"te.{reduction}({text}, axis=[{', '.join(reduced)}])"
            lines.append(
                f"    {name} = te.compute({self.extents(index)}, lambda {parameters}: {text}, "
                f'name="{name}")'
            )
        names = [*self.shapes, self.stages[-1][0]]
        return "def k():\n" + "\n".join(lines) + f"\n    return [{', '.join(names)}]\n"

    def evaluate(self, inputs: dict[str, Any]) -> Any:
        """What the program means, by NumPy."""
        known = dict(inputs)
        for name, index, reduction, reduced, value in self.stages:
            axes = (*(loop for loop in index if loop != "0"), *reduced)
            whole = np.broadcast_to(_value(value, known, axes), self.extents(axes))
            over = tuple(axes.index(loop) for loop in reduced)
            if over:
                whole = (np.max if reduction == "max" else np.sum)(whole, axis=over)
            known[name] = whole.reshape(self.extents(index))
        return known[self.stages[-1][0]]


def _value(expr: Any, known: dict[str, Any], axes: tuple[str, ...]) -> Any:
    """``expr`` over ``axes``, with extent 1 where it does not move."""
    match expr:
        case Const(value=value):
            return np.float64(value)
        case Load(name=name, index=index):
            moving = [loop for loop in index if loop != "0"]
            shape = [known[name].shape[n] for n, loop in enumerate(index) if loop != "0"]
            order = sorted(range(len(moving)), key=lambda n: axes.index(moving[n]))
            value = known[name].reshape(shape).transpose(order)
            extents = dict(zip(moving, shape, strict=True))
            return value.reshape([extents.get(axis, 1) for axis in axes])
        case Binary(symbol=symbol, a=a, b=b):
            left, right = _value(a, known, axes), _value(b, known, axes)
            return {"+": np.add, "-": np.subtract, "*": np.multiply}[symbol](left, right)


@st.composite
def _index(draw: Any, batch: tuple[str, ...], tile: tuple[str, ...]) -> tuple[str, ...]:
    """Indices of a tensor: mostly such as lower, sometimes in any order."""
    kind = draw(st.sampled_from(["full", "full", "turned", "vector", "row", "any", "lead"]))
    rows, columns = tile
    if kind == "lead":
        others = draw(st.permutations([*batch, rows, columns, "0", "0"]))
        return tuple(others)[: draw(st.integers(2, 4))]
    if kind == "vector":
        return (draw(st.sampled_from([rows, columns, "0"])),)
    lead = [loop for loop in batch if draw(st.integers(0, 3))]
    lead = draw(st.permutations(lead)) if draw(st.booleans()) else lead
    lead = ["0" if draw(st.integers(0, 5)) == 0 else loop for loop in lead]
    last = {
        "full": (rows, columns),
        "turned": (columns, rows),
        "row": draw(st.sampled_from([("0", columns), (rows, "0"), ("0", "0"), (columns, "0")])),
        "any": tuple(draw(st.permutations([*batch, rows, columns])))[:2],
    }[kind]
    index = (*lead, *last)
    seen: set[str] = set()
    for loop in index:  # no diagonals: those have a test of their own
        if loop != "0" and loop in seen:
            return (rows, columns)
        seen.add(loop)
    return index


@st.composite
def _tree(draw: Any, leaves: list[Any]) -> Any:
    """A tree with all of ``leaves``, and perhaps a number or a leaf again."""
    nodes = list(leaves)
    for _ in range(draw(st.integers(0, 2))):
        again = draw(st.booleans())
        number = Const(draw(st.sampled_from([0.5, -2.0, 1.0, 3.0])))
        nodes.append(draw(st.sampled_from(leaves)) if again else number)
    nodes = draw(st.permutations(nodes))
    while len(nodes) > 1:
        at = draw(st.integers(0, len(nodes) - 2))
        symbol = draw(st.sampled_from(SYMBOLS))
        nodes[at : at + 2] = [Binary(symbol, nodes[at], nodes[at + 1])]
    return nodes[0]


def _loops(draw: Any) -> tuple[Program, tuple[str, ...]]:
    batch = ("b", "c")[: draw(st.sampled_from([0, 0, 1, 1, 2]))]
    program = Program({loop: draw(BATCH_EXTENTS) for loop in batch})
    program.loops |= {loop: draw(TILE_EXTENTS) for loop in ("i", "j", "k")}
    return program, batch


@st.composite
def elementwise(draw: Any) -> Program:
    """A tree over the output's dimensions, perhaps in two stages."""
    program, batch = _loops(draw)
    index = (*batch, "i", "j")
    if not batch and draw(st.integers(0, 5)) == 0:
        index = ("j",)
    loads = [
        program.load(draw(_index(batch, ("i", "j")) if len(index) > 1 else st.just(("j",))))
        for _ in range(draw(st.integers(1, 4)))
    ]
    value = draw(_tree(loads))
    if draw(st.integers(0, 3)) == 0:
        program.stages.append(("M", index, "", (), value))
        value = draw(_tree([Load("M", index), *loads[:1]]))
    program.stages.append(("R", index, "", (), value))
    return program


@st.composite
def products(draw: Any) -> Program:
    """A product of two tensors, perhaps summed over a batch dimension, and an epilogue."""
    program, batch = _loops(draw)
    reduced: tuple[str, ...] = ("k",)
    kept = batch
    if batch and draw(st.integers(0, 4)) == 0:
        reduced, kept = (*batch[:1], "k"), batch[1:]
    form = draw(st.sampled_from(["matrix", "matrix", "matrix", "matrix", "vector", "dot"]))
    a_batch = tuple(loop for loop in batch if draw(st.integers(0, 2)) or loop in reduced)
    b_batch = tuple(loop for loop in batch if draw(st.integers(0, 2)))
    a: tuple[str, ...] = (*a_batch, *draw(st.permutations(["i", "k"])))
    b: tuple[str, ...] = (*b_batch, *draw(st.permutations(["k", "j"])))
    output: tuple[str, ...] = (*kept, "i", "j")
    if form == "vector":
        b, output = ("k",), (*kept, "i")
    if form == "dot":
        a, b, kept, output, reduced = ("k",), ("k",), (), ("0",), ("k",)
    left, right = program.load(a), program.load(b)
    if draw(st.booleans()):
        left, right = right, left
    program.stages.append(("P", output, "sum", reduced, Binary("*", left, right)))
    if draw(st.booleans()):
        return program
    extra = []
    for _ in range(draw(st.integers(0, 2))):
        index = draw(_index(kept, ("i", "j"))) if form == "matrix" else output
        extra.append(program.load(index))
    value = draw(_tree([Load("P", output), *extra]))
    program.stages.append(("R", output, "", (), value))
    return program


@st.composite
def reductions(draw: Any) -> Program:
    """A sum or maximum of a tree over some dimensions, kept or dropped, and an epilogue."""
    program, batch = _loops(draw)
    reduced = draw(
        st.sampled_from([("j",), ("j",), ("i",), ("i",), ("i", "j"), (*batch[:1], "j"), batch[:1]])
    )
    reduced = reduced or ("j",)
    reduction = draw(st.sampled_from(["sum", "sum", "max"]))
    full = (*batch, "i", "j")
    if draw(st.integers(0, 3)) == 0:  # whole tiles, that nothing needs to be zero in
        for loop in "ij":
            program.loops[loop] = draw(st.sampled_from([32, 64, 96]))
    loads = [program.load(full)]
    loads += [program.load(draw(_index(batch, ("i", "j")))) for _ in range(draw(st.integers(0, 2)))]
    value = draw(_tree(loads)) if draw(st.booleans()) else loads[0]
    if draw(st.booleans()):
        output = tuple("0" if loop in reduced else loop for loop in full)
    else:
        output = tuple(loop for loop in full if loop not in reduced) or ("0",)
    program.stages.append(("S", output, reduction, reduced, value))
    epilogue = draw(st.integers(0, 3))
    if epilogue == 1:
        program.stages.append(("R", output, "", (), draw(_tree([Load("S", output)]))))
    if epilogue == 2:
        program.stages.append(("R", full, "", (), draw(_tree([Load("S", output), loads[0]]))))
    used = "".join(str(stage[-1]) for stage in program.stages)
    program.shapes = {name: s for name, s in program.shapes.items() if f"{name}[" in used}
    return program


def _check(program: Program, options: dict[str, Any]) -> None:
    plan = plan_of(program.source(), **options)
    random = np.random.default_rng(7)
    inputs = {
        name: random.integers(-3, 4, shape).astype(np.float32)
        for name, shape in program.shapes.items()
    }
    (result,) = run(plan, inputs).values()
    expected = program.evaluate({name: a.astype(np.float64) for name, a in inputs.items()})
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-3)


#: Kind of program, how many are tried, and how many of them must lower at least.
KINDS: list[Any] = [
    pytest.param(elementwise, 80, 40, id="elementwise"),
    pytest.param(products, 60, 30, id="products"),
    pytest.param(reductions, 70, 25, id="reductions"),
]


@pytest.mark.parametrize(("programs", "examples", "at_least"), KINDS)
def test_random_programs_are_refused_or_give_what_they_mean(
    programs: Callable[[], Any], examples: int, at_least: int
) -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(programs(), OPTIONS)
    def check(program: Program, options: dict[str, Any]) -> None:
        try:
            _check(program, options)
        except LoweringError as error:
            has_place = str(error).startswith("kernels/k.py:3:")  # where TE's function stands
            outcomes["refused" if has_place else "refused without a place"] += 1
            return
        outcomes["accepted"] += 1

    check()
    assert outcomes["accepted"] >= at_least, outcomes
    assert outcomes["refused"] >= 1, outcomes
    assert not outcomes["refused without a place"], outcomes
