"""Random programs: trees of operations, products and reductions, and what may follow them; moves.

Each is written as TE source, some as tile primitives on a grid of blocks, and says what it means.
``drawn.py`` draws them. What inputs and the vector unit may be is in tables: what the lowering
learns is a line there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

#: Formats of an input: the dtype in the source, and what its layout says of the format.
FORMATS: list[tuple[str, dict[str, Any]]] = [
    ("bfloat16", {}),
    ("bfloat16", {}),
    ("float32", {}),
    ("float32", {"dtype": "bfp8_b"}),
]
#: Where an input lies.
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"memory": "L1"},
    {"nd_shard": {"grid": [2, 1]}},
    {"nd_shard": {"grid": [1, 2], "order": "column_major"}},
    {"nd_shard": {"shard_shape": [32, 64]}},
    {"page": "row"},
    {"page": "row", "memory": "L1"},
]
#: Operations of the vector unit: how TE writes them, what they mean, and how large they can be for
#: operands of these magnitudes.
VECTOR: dict[str, tuple[str, Callable[..., Any], Callable[..., Any]]] = {
    "abs": ("te.abs({0})", np.abs, lambda x: x),
    "relu": ('te.max({0}, te.const(0, "{dtype}"))', lambda x: np.maximum(x, 0), lambda x: x),
    "leaky relu": (
        'te.if_then_else({0} > te.const(0, "{dtype}"), {0}, {0} * te.const(0.25, "{dtype}"))',
        lambda x: np.where(x > 0, x, x / 4),
        lambda x: x,
    ),
    "max": ("te.max({0}, {1})", np.maximum, np.maximum),
    "min": ("te.min({0}, {1})", np.minimum, np.minimum),
}
#: Those whose last two operands are compared: rounding must not decide which is less.
COMPARING: dict[str, tuple[str, Callable[..., Any], Callable[..., Any]]] = {
    "where": (
        "te.if_then_else({1} < {2}, {0}, {1})",
        lambda x, a, b: np.where(a < b, x, a),
        lambda x, a, b: np.maximum(x, a),
    ),
    "unless": (
        'te.if_then_else(te.any({1} == te.const(0.5, "{dtype}"), {1} > {2}), {2}, {0})',
        lambda x, a, b: np.where((a == 0.5) | (a > b), b, x),
        lambda x, a, b: np.maximum(x, b),
    ),
    "condition": (
        '{0} * ({1} >= {2}).astype("{dtype}")',
        lambda x, a, b: x * (a >= b),
        lambda x, a, b: x,
    ),
}


@dataclass(frozen=True)
class Load:
    """A tensor at these loops; "0" where its extent is 1. ``cast`` is what it is computed with.

    ``shift`` is added to each index: where a slice of the tensor begins.
    """

    name: str
    index: tuple[str, ...]
    cast: str = ""
    shift: tuple[int, ...] = ()

    def places(self) -> list[tuple[str, int]]:
        """The loop and the shift of each index."""
        return list(zip(self.index, self.shift or (0,) * len(self.index), strict=True))

    def __str__(self) -> str:
        index = [f"{loop} + {shift}" if shift else loop for loop, shift in self.places()]
        value = f"{self.name}[{', '.join(index)}]"
        return f'{value}.astype("{self.cast}")' if self.cast else value


@dataclass(frozen=True)
class Const:
    """A number that bf16 holds exactly."""

    value: float
    dtype: str = "bfloat16"

    def __str__(self) -> str:
        return f'te.const({self.value}, "{self.dtype}")'


@dataclass(frozen=True)
class Binary:
    symbol: str
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"({self.a} {self.symbol} {self.b})"


@dataclass(frozen=True)
class Vector:
    """A row of :data:`VECTOR` or :data:`COMPARING`."""

    function: str
    operands: tuple[Any, ...]
    dtype: str

    @property
    def row(self) -> tuple[str, Callable[..., Any], Callable[..., Any]]:
        """How it is written, what it means, and how large it can be."""
        return (VECTOR | COMPARING)[self.function]

    def __str__(self) -> str:
        return f"({self.row[0].format(*self.operands, dtype=self.dtype)})"


@dataclass(frozen=True)
class Choice:
    """``a`` where ``loop`` is below ``at``, else ``b``."""

    loop: str
    at: int
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"te.if_then_else({self.loop} < {self.at}, {self.a}, {self.b})"

    def holds(self, counted: Callable[[str], Any]) -> Any:
        """Where ``a`` is taken; ``counted`` gives the iterations of a loop."""
        return counted(self.loop) < self.at


@dataclass(frozen=True)
class Triangle:
    """``a`` where ``over``, plus ``shift``, is not below ``under``, else ``b``."""

    over: str
    under: str
    shift: int
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"te.if_then_else({self.over} + {self.shift} >= {self.under}, {self.a}, {self.b})"

    def holds(self, counted: Callable[[str], Any]) -> Any:
        """Where ``a`` is taken; ``counted`` gives the iterations of a loop."""
        return counted(self.over) + self.shift >= counted(self.under)


@dataclass
class Program:
    """``loops`` and their extents; ``stages``: name, dimensions, reduction, reduced, value.

    ``dtypes`` are the inputs' in the source, ``work`` is what is computed with, and ``out`` what
    the last stage is cast to; ``layouts`` are as a build spec gives them; ``indices`` are those
    that inputs are read at.
    """

    loops: dict[str, int]
    work: str = "bfloat16"
    out: str = ""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)
    layouts: dict[str, dict[str, Any]] = field(default_factory=dict)
    indices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    stages: list[tuple[str, tuple[str, ...], str, tuple[str, ...], Any]] = field(
        default_factory=list
    )

    def extents(self, index: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(1 if loop == "0" else self.loops[loop] for loop in index)

    @property
    def place(self) -> str:
        """The place of what is refused, as a pattern: where TE's function stands."""
        return r"kernels/k\.py:3:"

    def load(
        self,
        draw: Any,
        index: tuple[str, ...],
        shift: tuple[int, ...] = (),
        shape: tuple[int, ...] = (),
    ) -> Load:
        """A new input that is read at ``index``, in a format and a layout that are drawn."""
        name = f"T{len(self.shapes)}"
        self.indices[name] = index
        self.shapes[name] = shape or self.extents(index)
        mixed = self.work == "float32"
        dtype, desc = draw(st.sampled_from(FORMATS)) if mixed else (self.work, {})
        place = draw(st.sampled_from(LAYOUTS)) if draw(st.integers(0, 3)) == 0 else {}
        self.dtypes[name], self.layouts[name] = dtype, {**desc, **place}
        return Load(name, index, "" if dtype == self.work else self.work, shift)

    def source(self) -> str:
        lines = [
            f'    {name} = te.placeholder({shape}, dtype="{self.dtypes[name]}", name="{name}")'
            for name, shape in self.shapes.items()
        ]
        for name, index, reduction, reduced, value in self.stages:
            parameters = ", ".join(_variables(index))
            text = str(value)
            if reduced:
                lines += [
                    f'    {r} = te.reduce_axis((0, {self.loops[r]}), name="{r}")' for r in reduced
                ]
                text = f"te.{reduction}({text}, axis=[{', '.join(reduced)}])"
            elif self.out and name == self.stages[-1][0]:
                text = f'({text}).astype("{self.out}")'
            lines.append(
                f"    {name} = te.compute({self.extents(index)}, lambda {parameters}: {text}, "
                f'name="{name}")'
            )
        names = [*self.shapes, self.stages[-1][0]]
        return "def k():\n" + "\n".join(lines) + f"\n    return [{', '.join(names)}]\n"

    def evaluate(self, inputs: Mapping[str, Any], *, magnitude: bool = False) -> Any:
        """What the program means, by NumPy; or what it would be if nothing ever cancelled."""
        known: dict[str, Any] = {n: np.abs(a) if magnitude else a for n, a in inputs.items()}
        for name, index, reduction, reduced, value in self.stages:
            axes = (*(loop for loop in index if loop != "0"), *reduced)
            whole = self._value(value, known, axes, magnitude)
            whole = np.broadcast_to(whole, self.extents(axes))
            over = tuple(axes.index(loop) for loop in reduced)
            if over:
                whole = (np.max if reduction == "max" else np.sum)(whole, axis=over)
            known[name] = whole.reshape(self.extents(index))
        return known[self.stages[-1][0]]

    def roundings(self) -> int:
        """How often a value is rounded on its way, at most: operations, and steps of sums."""
        operations = sum(str(stage[-1]).count(symbol) for stage in self.stages for symbol in "+-*(")
        reduced = {loop for stage in self.stages for loop in stage[3]}
        steps = sum(-(-self.loops[loop] // 16) for loop in reduced)
        batch = np.prod([self.loops[loop] for loop in reduced & {"b", "c"}] or [1])
        return 8 + 4 * operations + 8 * int(steps * batch + steps * steps)

    def _value(self, expr: Any, known: dict[str, Any], axes: tuple[str, ...], size: bool) -> Any:
        """``expr`` over ``axes``, with extent 1 where it does not move; or the ``size`` of it."""
        match expr:
            case Const(value=value):
                return np.float64(abs(value) if size else value)
            case Load(name=name):
                return self._loaded(known[name], expr.places(), axes)
            case Choice(a=a, b=b) | Triangle(a=a, b=b):
                left, right = (self._value(operand, known, axes, size) for operand in (a, b))
                return np.where(expr.holds(lambda loop: self._counted(loop, axes)), left, right)
            case Vector(operands=operands):
                _, meaning, largest = expr.row
                values = (self._value(operand, known, axes, size) for operand in operands)
                return (largest if size else meaning)(*values)
            case Binary(symbol=symbol, a=a, b=b):
                left, right = (self._value(operand, known, axes, size) for operand in (a, b))
                minus = np.add if size else np.subtract
                return {"+": np.add, "-": minus, "*": np.multiply}[symbol](left, right)

    def _counted(self, loop: str, axes: tuple[str, ...]) -> Any:
        """The iterations of ``loop``, along its axis."""
        extents = [self.loops[loop] if axis == loop else 1 for axis in axes]
        return np.arange(self.loops[loop]).reshape(extents)

    def _loaded(self, tensor: Any, places: list[tuple[str, int]], axes: tuple[str, ...]) -> Any:
        """The elements of ``tensor`` over ``axes``; any where a choice does not take them."""
        for n, (loop, shift) in enumerate(places):
            count = 1 if loop == "0" else self.loops[loop]
            at = np.clip(np.arange(count) + shift, 0, tensor.shape[n] - 1)
            tensor = np.take(tensor, at, axis=n)
        moving = [loop for loop, _ in places if loop != "0"]
        tensor = tensor.reshape([self.loops[loop] for loop in moving])
        tensor = tensor.transpose(sorted(range(len(moving)), key=lambda n: axes.index(moving[n])))
        return tensor.reshape([self.loops[axis] if axis in moving else 1 for axis in axes])


@dataclass
class Tiled(Program):
    """A program in tile primitives: ``block`` rows and columns are made by each block of a grid.

    It has one stage: a product over whole tiles, or a tree of inputs and numbers. ``by_columns``:
    blocks are numbered column by column.
    """

    block: tuple[int, int] = (32, 32)
    by_columns: bool = False

    @property
    def place(self) -> str:
        """Any line and column of the kernel's."""
        return r"kernels/k\.py:\d+:\d+:"

    def source(self) -> str:
        (rows, columns), ((_, index, reduction, _, value),) = self.block, self.stages
        tensors = [*((n, s, self.dtypes[n]) for n, s in self.shapes.items())]
        tensors.append(("R", self.extents(index), self.out or self.work))
        parameters = ", ".join(f'{name}: T.Buffer({s}, "{dtype}")' for name, s, dtype in tensors)
        ids = [("y", self.loops["i"] // rows), ("x", self.loops["j"] // columns)]
        ids = ids if self.by_columns else ids[::-1]
        lines = [
            "T.device_entry()",
            f"{ids[0][0]}, {ids[1][0]} = T.cta_id([{ids[0][1]}, {ids[1][1]}])",
            f'D = T.alloc_buffer(({rows}, {columns}), "float32", scope="local")',
            *(self._product(value) if reduction else self._elements(value, "D")),
            f"Tx.cast(R[{self._region(('i', 'j'))}], D)",
        ]
        body = "".join(f"    {line}\n" for line in lines)
        head = "from tvm.script.tirx import tile as Tx\n@T.prim_func\n"
        return f"{head}def k({parameters}):\n{body}"

    def _region(self, index: tuple[str, ...]) -> str:
        """What a block of the grid, or one tile of a reduction, has of a tensor."""
        (rows, columns), parts = self.block, []
        for loop in index:
            at, size = {"i": ("y", rows), "j": ("x", columns), "k": ("k", 32)}[loop]
            parts.append(f"{at} * {size} : {at} * {size} + {size}")
        return ", ".join(parts)

    def _product(self, value: Binary) -> Iterator[str]:
        a, b = value.a, value.b
        regions = [f"{load.name}[{self._region(load.index)}]" for load in (a, b)]
        flags = f"{a.index != ('i', 'k')}, {b.index != ('k', 'j')}"
        yield "Tx.fill(D, 0.0)"
        yield f"for k in range({self.loops['k'] // 32}):"
        yield f"    Tx.gemm(D, {', '.join(regions)}, D, {flags}, 1.0, 1.0)"

    def _elements(self, expr: Any, target: str) -> Iterator[str]:
        """Statements that leave ``expr`` in the buffer ``target``; each operand has its own."""
        match expr:
            case Const(value=value):
                yield f"Tx.fill({target}, {value})"
            case Load(name=name, index=index):
                yield f"Tx.cast({target}, {name}[{self._region(index)}])"
            case Binary(symbol=symbol, a=a, b=b):
                for operand, side in ((a, "l"), (b, "r")):
                    yield f'{target}{side} = T.alloc_buffer({self.block}, "float32")'
                    yield from self._elements(operand, f"{target}{side}")
                name = {"+": "add", "-": "sub", "*": "mul"}[symbol]
                yield f"Tx.{name}({target}, {target}l, {target}r)"


@dataclass
class Beside(Program):
    """A program of which some tensors have blocks of columns side by side, one for each ``b``.

    ``joined`` are these tensors, with the indices that they would have otherwise.
    """

    joined: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def source(self) -> str:
        text = super().source()
        for name, index in self.joined.items():
            is_output = name == self.stages[-1][0]
            text = (self._stored_beside if is_output else self._read_beside)(text, name, index)
            head, names = text.rsplit("return [", 1)
            text = head + "return [" + re.sub(rf"\b{name}\b", f"{name}_in", names)
        return text

    def _read_beside(self, text: str, name: str, index: tuple[str, ...]) -> str:
        """``text`` with a view of the input ``name`` in its place."""
        *others, last = _variables(index)
        at = ", ".join([*(one for one in others if one != "b"), f"b * {self.loops[last]} + {last}"])
        shape, beside = self.shapes[name], self._beside(index)
        whole = f"    {name} = te.placeholder({shape}"
        (line,) = (one for one in text.splitlines() if one.startswith(whole))
        view = f"    {name} = te.compute({shape}, lambda {', '.join((*others, last))}: "
        view += f'{name}_in[{at}], name="P_{name}")'
        placed = line.replace(whole, f"    {name}_in = te.placeholder({beside}")
        return text.replace(line, f"{placed}\n{view}")

    def _stored_beside(self, text: str, name: str, index: tuple[str, ...]) -> str:
        """``text`` with what it makes of the output ``name`` stored there."""
        *others, last = _variables(index)
        size = self.loops[last]
        parts = {"b": f"bc // {size}", last: f"bc % {size}"}
        at = ", ".join(parts.get(one, one) for one in (*others, last))
        loops = ", ".join([*(one for one in others if one != "b"), "bc"])
        stored = f"    {name}_in = te.compute({self._beside(index)}, lambda {loops}: "
        stored += f'{name}[{at}], name="{name}")\n'
        head, names = text.replace(f'name="{name}")', f'name="P_{name}")').rsplit("    return", 1)
        return f"{head}{stored}    return{names}"

    def evaluate(self, inputs: Mapping[str, Any], *, magnitude: bool = False) -> Any:
        apart = {name: self._apart(name, array) for name, array in inputs.items()}
        result = super().evaluate(apart, magnitude=magnitude)
        index = self.joined.get(self.stages[-1][0])
        if index is None:
            return result
        return np.moveaxis(result, index.index("b"), -2).reshape(self._beside(index))

    def _beside(self, index: tuple[str, ...]) -> tuple[int, ...]:
        """The extents of a tensor with these indices, where blocks lie side by side."""
        *others, last = self.extents(tuple(loop for loop in index if loop != "b"))
        return (*others, self.loops["b"] * last)

    def _apart(self, name: str, array: Any) -> Any:
        if name not in self.joined:
            return array
        index = self.joined[name]
        *others, last = array.shape
        blocks = array.reshape(*others, self.loops["b"], last // self.loops["b"])
        return np.moveaxis(blocks, -2, index.index("b"))


def _variables(index: tuple[str, ...]) -> list[str]:
    """The names of an index's loops as a function of TE's takes them."""
    return [f"z{n}" if loop == "0" else loop for n, loop in enumerate(index)]
