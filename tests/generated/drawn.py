"""Random programs as hypothesis draws them: extents, trees, and the kinds that there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import strategies as st

from .programs import (
    COMPARING,
    VECTOR,
    Beside,
    Binary,
    Choice,
    Const,
    Load,
    Program,
    Tiled,
    Triangle,
    Vector,
)

OPTIONS = st.fixed_dictionaries(
    {
        "partition": st.sampled_from(["row_major", "column_major", "block", "z_order"]),
        "block_tiles": st.integers(1, 10),
        "buffering": st.integers(1, 3),
        "dst_full_sync": st.booleans(),
        "fidelity": st.sampled_from(["HiFi4", "HiFi4", "HiFi3", "HiFi2", "LoFi"]),
    },
    optional={
        "grid": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "fp32_dest_acc": st.booleans(),
    },
)
#: Extents of rows, columns and reduced dimensions: whole tiles, ragged ones, and any.
TILE_EXTENTS = st.sampled_from([1, 3, 32, 33, 64, 70, 96, 100]) | st.integers(1, 200)
BATCH_EXTENTS = st.integers(1, 3)
#: How far a diagonal is from the first one.
SHIFTS = st.sampled_from([0, 0, 1, -1, 31, 32, -40])
SYMBOLS = ("+", "-", "*")


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
def _tree(draw: Any, leaves: list[Any], dtype: str, of: Callable[..., Any] | None = None) -> Any:
    """A tree with all of ``leaves``, and perhaps a number of ``dtype`` or a leaf again.

    ``of`` is what may be done to a part of it; see :func:`_of`.
    """
    of = of or _of
    nodes = list(leaves)
    for _ in range(draw(st.integers(0, 2))):
        again = draw(st.booleans())
        number = Const(draw(st.sampled_from([0.5, -2.0, 1.0, 3.0])), dtype)
        nodes.append(draw(st.sampled_from(leaves)) if again else number)
    nodes = draw(st.permutations(nodes))
    while len(nodes) > 1:
        at = draw(st.integers(0, len(nodes) - 2))
        symbol = draw(st.sampled_from(SYMBOLS))
        nodes[at : at + 2] = [Binary(symbol, of(draw, nodes[at], dtype, leaves), nodes[at + 1])]
    return of(draw, nodes[0], dtype, leaves)


def _of(draw: Any, node: Any, dtype: str, leaves: list[Any]) -> Any:
    """``node``, now and then under an operation of the vector unit.

    Others of its operands are ``leaves``; inputs are compared, where they are as they were given.
    """
    if draw(st.integers(0, 5)):
        return node
    pairs = [leaf.index[-2:] for leaf in leaves if isinstance(leaf, Load) and "0" not in leaf.index]
    pairs = [pair for pair in pairs if len(pair) == 2]
    if pairs and draw(st.integers(0, 3)) == 0:
        over, under = draw(st.permutations(draw(st.sampled_from(pairs))))
        return Triangle(over, under, draw(SHIFTS), node, draw(st.sampled_from(leaves)))
    names = [*VECTOR, *COMPARING] if _exact(leaves, dtype) else [*VECTOR]
    return _under(draw, draw(st.sampled_from(sorted(names))), node, dtype, leaves)


def _exact(leaves: list[Any], dtype: str) -> list[Any]:
    """The inputs among ``leaves`` that are compared as they were given."""
    inputs = [leaf for leaf in leaves if isinstance(leaf, Load) and leaf.name.startswith("T")]
    return inputs if dtype == "bfloat16" else []


def _under(draw: Any, name: str, node: Any, dtype: str, leaves: list[Any]) -> Any:
    """The operation ``name`` on ``node``, and on leaves."""
    if name in COMPARING:
        exact = _exact(leaves, dtype)
        compared = [*exact, Const(0.5, dtype)]
        pair = (draw(st.sampled_from(exact)), draw(st.sampled_from(compared)))
        return Vector(name, (node, *pair), dtype)
    others = (draw(st.sampled_from(leaves)),) if "{1}" in VECTOR[name][0] else ()
    return Vector(name, (node, *others), dtype)


def _loops(draw: Any) -> tuple[Program, tuple[str, ...]]:
    batch = ("b", "c")[: draw(st.sampled_from([0, 0, 1, 1, 2]))]
    mixed = draw(st.integers(0, 3)) == 0
    program = Program({loop: draw(BATCH_EXTENTS) for loop in batch})
    if mixed:
        program.work, program.out = "float32", draw(st.sampled_from(["", "bfloat16"]))
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
        program.load(draw, draw(_index(batch, ("i", "j")) if len(index) > 1 else st.just(("j",))))
        for _ in range(draw(st.integers(1, 4)))
    ]
    value = draw(_tree(loads, program.work))
    if draw(st.integers(0, 3)) == 0:
        program.stages.append(("M", index, "", (), value))
        value = draw(_tree([Load("M", index), *loads[:1]], program.work))
    program.stages.append(("R", index, "", (), value))
    return program


@st.composite
def choices(draw: Any) -> Program:
    """Four operations of the vector unit, one on what the other gives, and sums between them."""
    program, batch = _loops(draw)
    index = (*batch, "i", "j")
    leaves = [program.load(draw, draw(_index(batch, ("i", "j")))) for _ in range(3)]
    names = [*COMPARING, *VECTOR] if _exact(leaves, program.work) else [*VECTOR]
    value: Any = leaves[0]
    for name in draw(st.permutations(names))[:4]:
        value = _under(draw, name, value, program.work, leaves)
        if draw(st.booleans()):
            value = Binary(draw(st.sampled_from("+-")), value, draw(st.sampled_from(leaves)))
    used = str(value)
    program.stages.append(("R", index, "", (), value))
    program.shapes = {name: s for name, s in program.shapes.items() if f"{name}[" in used}
    program.layouts = {name: program.layouts[name] for name in program.shapes}
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
    left, right = program.load(draw, a), program.load(draw, b)
    if draw(st.booleans()):
        left, right = right, left
    program.stages.append(("P", output, "sum", reduced, Binary("*", left, right)))
    if draw(st.booleans()):
        return program
    extra = []
    for _ in range(draw(st.integers(0, 2))):
        index = draw(_index(kept, ("i", "j"))) if form == "matrix" else output
        extra.append(program.load(draw, index))
    value = draw(_tree([Load("P", output), *extra], program.work))
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
    loads = [program.load(draw, full)]
    loads += [
        program.load(draw, draw(_index(batch, ("i", "j")))) for _ in range(draw(st.integers(0, 2)))
    ]
    value = draw(_tree(loads, program.work)) if draw(st.booleans()) else loads[0]
    if draw(st.booleans()):
        output = tuple("0" if loop in reduced else loop for loop in full)
    else:
        output = tuple(loop for loop in full if loop not in reduced) or ("0",)
    program.stages.append(("S", output, reduction, reduced, value))
    epilogue = draw(st.integers(0, 3))
    if epilogue == 1:
        program.stages.append(("R", output, "", (), draw(_tree([Load("S", output)], program.work))))
    if epilogue == 2:
        program.stages.append(
            ("R", full, "", (), draw(_tree([Load("S", output), loads[0]], program.work)))
        )
    used = "".join(str(stage[-1]) for stage in program.stages)
    program.shapes = {name: s for name, s in program.shapes.items() if f"{name}[" in used}
    program.layouts = {name: program.layouts[name] for name in program.shapes}
    return program


@st.composite
def chains(draw: Any) -> Program:
    """A product or a reduction, and a product or a reduction of what came of it."""
    program, batch = _loops(draw)
    program.loops |= {"m": draw(TILE_EXTENTS), "l": program.loops["j"]}
    reduction = draw(st.sampled_from(["sum", "sum", "max"]))
    index: tuple[str, ...]
    if draw(st.booleans()):  # P[i, j] is a product over k
        left, right = program.load(draw, (*batch, "i", "k")), program.load(draw, ("k", "j"))
        index = (*batch, "i", "j")
        program.stages.append(("P", index, "sum", ("k",), Binary("*", left, right)))
        inner, loads = Load("P", index), [Load("P", index)]
    else:  # P[i, 0] is a sum or a maximum over l, beside the tensor that it is of
        tensor = program.load(draw, (*batch, "i", "l"))
        index = (*batch, "i", "0")
        program.stages.append(("P", index, reduction, ("l",), tensor))
        inner = Load(tensor.name, (*batch, "i", "j"), tensor.cast)
        loads = [Load("P", index)]
    loads += [inner] if inner not in loads or draw(st.booleans()) else []
    value = draw(_tree(loads, program.work))
    outer = draw(st.sampled_from(["product", "turned", "sum", "max", "columns", "batch", "tree"]))
    if outer == "product":
        program.stages.append(
            (
                "R",
                (*batch, "i", "m"),
                "sum",
                ("j",),
                Binary("*", value, program.load(draw, ("j", "m"))),
            )
        )
    elif outer == "turned":
        program.stages.append(
            (
                "R",
                (*batch, "m", "j"),
                "sum",
                ("i",),
                Binary("*", program.load(draw, ("i", "m")), value),
            )
        )
    elif outer in ("sum", "max"):
        program.stages.append(("R", (*batch, "i"), outer, ("j",), value))
    elif outer == "columns":
        program.stages.append(("R", (*batch, "0", "j"), "sum", ("i",), value))
    elif outer == "batch" and batch:
        program.stages.append(("R", (*batch[1:], "i", "j"), "sum", batch[:1], value))
    else:
        program.stages.append(("R", (*batch, "i", "j"), "", (), value))
    return program


@st.composite
def moves(draw: Any) -> Program:
    """Slices of tensors side by side, one below the other or in batches; int32 too. Then a tree."""
    program, batch = _loops(draw)
    if draw(st.integers(0, 2)) == 0:
        program.work, program.out = "int32", ""
    index = (*batch, "i", "j")
    loop = draw(st.sampled_from(index))
    steps = (
        st.integers(1, 2) if loop in batch else st.sampled_from([32, 32, 64, 64, 96, 96, 96, 20])
    )
    sizes = draw(st.lists(steps, min_size=1, max_size=3))
    program.loops[loop] = sum(sizes)
    value: Any = None
    at = sum(sizes)
    for size in reversed(sizes):
        at -= size
        part = _slice(draw, program, index, (loop, at, size))
        value = part if value is None else Choice(loop, at + size, part, value)
    if program.work != "int32" and draw(st.integers(0, 2)) == 0:
        other = program.load(draw, draw(_index(batch, ("i", "j"))))
        value = draw(_tree([value, other], program.work))
    program.stages.append(("R", index, "", (), value))
    return program


def _slice(draw: Any, program: Program, index: tuple[str, ...], part: tuple[str, int, int]) -> Load:
    """A slice for the ``size`` iterations of a loop from ``at`` on; ``part`` is all three."""
    order = tuple(draw(st.permutations(index))) if draw(st.integers(0, 5)) == 0 else index
    shift, shape = [], []
    for loop in order:
        unit = 1 if loop in "bc" else draw(st.sampled_from([32] * 11 + [7]))
        start = unit * draw(st.sampled_from([0, 0, 0, 1, 2]))
        at, size = part[1:] if loop == part[0] else (0, program.loops[loop])
        shift.append(start - at)
        shape.append(start + size + draw(st.sampled_from([0, 0, unit])))
    return program.load(draw, order, tuple(shift), tuple(shape))


@st.composite
def beside(draw: Any) -> Program:
    """A program of another kind, with blocks of columns side by side in some of its tensors."""
    kinds = st.sampled_from([elementwise, products, reductions])
    program = draw(kinds.flatmap(lambda kind: kind()).filter(lambda p: "b" in p.loops))
    output, index, *_ = program.stages[-1]
    tensors = {**{name: program.indices[name] for name in program.shapes}, output: index}
    joined = {
        name: index
        for name, index in tensors.items()
        if "b" in index[:-1] and index[-1] != "0" and draw(st.integers(0, 2))
    }
    for loop in {index[-1] for index in joined.values()} - {"b", "c"}:
        if draw(st.integers(0, 7)):
            program.loops[loop] = -(-program.loops[loop] // 32) * 32
    program.shapes = {name: program.extents(program.indices[name]) for name in program.shapes}
    return Beside(**vars(program), joined=joined)


@st.composite
def tiled(draw: Any) -> Program:
    """Tile primitives: a product, either factor transposed, or a tree."""
    block = draw(st.sampled_from([(32, 32), (64, 32), (32, 64), (64, 64), (32, 96), (16, 32)]))
    blocks = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    loops = {
        "i": block[0] * blocks[0],
        "j": block[1] * blocks[1],
        "k": 32 * draw(st.integers(1, 3)),
    }
    out = draw(st.sampled_from(["bfloat16", "bfloat16", "float32"]))
    program = Tiled(loops, "float32", out, block=block, by_columns=draw(st.booleans()))
    if draw(st.booleans()):
        a, b = (tuple(draw(st.permutations(pair))) for pair in (("i", "k"), ("k", "j")))
        value = Binary("*", program.load(draw, a), program.load(draw, b))
        program.stages.append(("R", ("i", "j"), "sum", ("k",), value))
        return program
    loads = [program.load(draw, ("i", "j")) for _ in range(draw(st.integers(1, 3)))]
    value = draw(_tree(loads, program.work, lambda _, node, *__: node))  # FPU primitives alone
    program.stages.append(("R", ("i", "j"), "", (), value))
    return program


#: Where an output lies.
_OUTPUTS: list[dict[str, Any]] = [{}, {}, {}, {"page": "row"}, {"memory": "L1"}]


@st.composite
def _placed(draw: Any, kind: Callable[[], Any]) -> Program:
    """A program of this kind whose output lies somewhere."""
    program: Program = draw(kind())
    place = draw(st.sampled_from(_OUTPUTS))
    if place:
        program.layouts[program.stages[-1][0]] = place
    return program


#: Kinds of programs.
KINDS: dict[str, Callable[[], Any]] = {
    name: partial(_placed, kind)
    for name, kind in {
        "elementwise": elementwise,
        "choices": choices,
        "products": products,
        "reductions": reductions,
        "chains": chains,
        "moves": moves,
        "beside": beside,
        "tiled": tiled,
    }.items()
}
