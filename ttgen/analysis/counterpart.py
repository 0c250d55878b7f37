"""Which of ttnn's own operations computes the same as a kernel, if one alone does.

Decided by what the kernel means, as everything here: by its expression and the dimensions of its
accesses. Dimensions are counted from the last one, because a tensor may have more on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isclose, prod

from ttgen.analysis.computation import Computation, Part
from ttgen.analysis.expr import Access, Binary, Const, Expr, Load, Reduce, Vector
from ttgen.analysis.index import Dim
from ttgen.counterpart import Argument, Counterpart

Dims = tuple[Dim, ...]

_ELEMENTWISE = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "max": "maximum",
    "min": "minimum",
}
_UNARY = {"relu": "relu"}
_REDUCTIONS = {"add": "sum", "max": "max"}
_ONE = Dim(())


def counterpart(computation: Computation) -> Counterpart | None:
    """The call of ttnn's that gives the kernel's output, or None where it takes several."""
    if len(computation.parts) > 1:
        return _concatenation(computation.parts)
    (part,) = computation.parts
    dims = _whole(part.output)
    if dims is None:
        return None
    found = (meant(part.value, dims) for meant in _MEANINGS)
    return next((call for call in found if call is not None), None)


def _whole(access: Access) -> Dims | None:
    """The dimensions of an access to all of a tensor, in their order; None for other accesses."""
    for index in access.view:
        if index.start != 0 or index.step != 1 or index.dim.extent != index.extent:
            return None
    return access.dims if len(access.view) == len(access.indices) else None


def _operand(expr: Expr) -> tuple[str, Dims] | None:
    """The tensor that ``expr`` is, and its dimensions."""
    if not isinstance(expr, Load):
        return None
    dims = _whole(expr.access)
    return None if dims is None else (expr.access.buffer.name, dims)


# Meanings: an expression, and the dimensions of the output --------------------------------------


def _product(value: Expr, dims: Dims) -> Counterpart | None:
    found = _factors(value, dims)
    return None if found is None else Counterpart("matmul", *found)


def _product_and_bias(value: Expr, dims: Dims) -> Counterpart | None:
    if not (isinstance(value, Binary) and value.op == "add"):
        return None
    for product, other in ((value.a, value.b), (value.b, value.a)):
        found, bias = _factors(product, dims), _operand(other)
        if found is None or bias is None:
            continue
        arguments, keywords = found
        name, own = bias
        if own[-1:] == dims[-1:] and not any(dim.axes for dim in own[:-1]):
            return Counterpart("linear", arguments, {**keywords, "bias": name})
    return None


def _factors(value: Expr, dims: Dims) -> tuple[tuple[Argument, ...], dict[str, Argument]] | None:
    """The arguments of a matrix product."""
    match value:
        case Reduce(op="add", dims=(k,), value=Binary(op="mul", a=a, b=b)) if len(dims) >= 2:
            pass
        case _:
            return None
    *batch, m, n = dims
    left, right = _operand(a), _operand(b)
    if left is None or right is None or m == n:
        return None
    for (first, own), (second, others) in ((left, right), (right, left)):
        pairs = ((own, (m, k)), (others, (k, n)))
        if any(set(d[-2:]) != set(pair) or len(d) < 2 for d, pair in pairs):
            continue
        if own[:-2] != tuple(batch) or others[:-2] not in ((), tuple(batch)):
            continue
        turned = [d[-2:] != pair for d, pair in pairs]
        names = ("transpose_a", "transpose_b")
        keywords: dict[str, Argument] = {n: True for n, t in zip(names, turned, strict=True) if t}
        return (first, second), keywords
    return None


def _elementwise(value: Expr, dims: Dims) -> Counterpart | None:
    match value:
        case Binary(a=a, b=b) | Vector(operands=(a, b)) if value.op in _ELEMENTWISE:
            pass
        case _:
            return None
    if isinstance(a, Const) and value.op != "sub":
        a, b = b, a
    first = _operand(a)
    second = None if isinstance(b, Const) else _operand(b)
    if first is None or (second is None and not isinstance(b, Const)):
        return None
    shapes = [operand[1] for operand in (first, second) if operand is not None]
    if not _broadcast(shapes, dims):
        return None
    other: Argument = b.value if isinstance(b, Const) else second[0] if second else ""
    return Counterpart(_ELEMENTWISE[value.op], (first[0], other))


def _broadcast(shapes: Sequence[Dims], dims: Dims) -> bool:
    """Whether the shapes, their last dimensions side by side, give ``dims``."""
    padded = [(_ONE,) * (len(dims) - len(shape)) + shape for shape in shapes]
    return all(len(shape) == len(dims) for shape in padded) and all(
        {dim, *found} <= {dim, _ONE} and dim in found
        for dim, *found in zip(dims, *padded, strict=True)
    )


def _unary(value: Expr, dims: Dims) -> Counterpart | None:
    if not (isinstance(value, Vector) and value.op in _UNARY):
        return None
    operand = _operand(value.operands[0])
    if operand is None or operand[1] != dims:
        return None
    return Counterpart(_UNARY[value.op], (operand[0],))


def _reduction(value: Expr, dims: Dims) -> Counterpart | None:
    match value:
        case Binary(op="mul", a=Reduce(op="add") as reduce, b=Const(value=factor)):
            pass
        case Reduce() as reduce:
            factor = 1.0
        case _:
            return None
    operand = _operand(reduce.value)
    if operand is None:
        return None
    name, own = operand
    operation = _REDUCTIONS[reduce.op]
    if reduce is not value:
        if not isclose(factor * prod(dim.extent for dim in reduce.dims), 1.0, rel_tol=1e-6):
            return None
        operation = "mean"
    kept = tuple(_ONE if dim in reduce.dims else dim for dim in own)
    dropped = tuple(dim for dim in own if dim not in reduce.dims)
    if dims not in (kept, dropped):
        return None
    over = tuple(i - len(own) for i, dim in enumerate(own) if dim in reduce.dims)
    # On the device a result keeps what has been reduced away; ttnn would take a program to drop it.
    return Counterpart(operation, (name,), {"dim": over, "keepdim": True})


def _moved(value: Expr, dims: Dims) -> Counterpart | None:
    operand = _operand(value)
    if operand is None:
        return None
    name, own = operand
    if own == dims:
        return Counterpart("clone", (name,))
    if len(own) != len(dims) or set(own) != set(dims) or len(set(own)) != len(own):
        return None
    order = tuple(own.index(dim) for dim in dims)
    apart = tuple(i for i, at in enumerate(order) if i != at)
    if len(apart) == 2:
        return Counterpart("transpose", (name, *(i - len(own) for i in apart)))
    return Counterpart("permute", (name, order))


def _slice(value: Expr, dims: Dims) -> Counterpart | None:
    if not isinstance(value, Load):
        return None
    access = value.access
    view = access.view
    if len(view) != len(access.indices) or access.dims != dims or any(i.step < 1 for i in view):
        return None
    ends = (index.start + index.step * (index.dim.extent - 1) + 1 for index in view)
    return Counterpart(
        "slice",
        (
            access.buffer.name,
            tuple(index.start for index in view),
            tuple(ends),
            tuple(index.step for index in view),
        ),
    )


_MEANINGS: tuple[Callable[[Expr, Dims], Counterpart | None], ...] = (
    _product,
    _product_and_bias,
    _reduction,
    _elementwise,
    _unary,
    _moved,
    _slice,
)


def _concatenation(parts: Sequence[Part]) -> Counterpart | None:
    """Whole tensors one after the other along one dimension."""
    tensors: list[tuple[int, str]] = []
    along: set[int] = set()
    for part in parts:
        operand, output = _operand(part.value), part.output
        if operand is None or operand[1] != output.dims or len(output.view) != len(output.indices):
            return None
        cut = [i for i, index in enumerate(output.view) if index.dim.extent != index.extent]
        if len(cut) != 1 or output.view[cut[0]].step != 1:
            return None
        along.add(cut[0] - len(output.view))
        tensors.append((output.view[cut[0]].start, operand[0]))
    if len(along) != 1:
        return None
    names = tuple(name for _, name in sorted(tensors))
    return Counterpart("concat", (names,), {"dim": along.pop()})
