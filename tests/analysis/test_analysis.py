"""Iteration axes, access maps and expressions, by dataflow alone (P8, P13)."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import ELEMENTWISE_FORMS, GEMM_FORMS, elementwise, gemm, kernel

from ttgen.analysis import (
    Axis,
    Binary,
    Computation,
    Dim,
    Index,
    Load,
    Part,
    Reduce,
    analyse,
    reductions,
)
from ttgen.analysis.index import Affine, Restart, dimension, divided


def computation(source: str) -> Computation:
    made = kernel(source)
    return analyse(made.func, made.at)


def part(source: str) -> Part:
    """The only part of the output."""
    (found,) = computation(source).parts
    return found


@pytest.mark.parametrize("form", GEMM_FORMS)
def test_a_product_is_a_sum_over_one_dimension(form: str) -> None:
    whole = computation(gemm(64, 96, 160, form))
    (found,) = whole.parts
    assert str(found.output) == "C[i, j]"
    assert isinstance(found.value, Reduce)
    assert found.value.op == "add"
    assert [(dim.name, dim.extent) for dim in found.value.dims] == [("k", 160)]
    assert str(found.value.value) == "mul(A[i, k], B[k, j])"
    assert [buffer.name for buffer in whole.inputs()] == ["A", "B"]
    assert found.at.path == "kernels/k.py"


@pytest.mark.parametrize("form", ELEMENTWISE_FORMS)
def test_an_elementwise_operation_moves_along_one_set_of_dimensions(form: str) -> None:
    found = part(elementwise("sub", (64, 96), form))
    assert not list(reductions(found.value))
    assert isinstance(found.value, Binary)
    assert isinstance(found.value.a, Load)
    assert found.value.op == "sub"
    assert found.value.a.access.dims == found.output.dims
    assert [dim.extent for dim in found.output.dims] == [64, 96]


def test_loops_of_one_iteration_are_no_axes() -> None:
    found = part(elementwise("copy", (1, 32, 64)))
    assert [dim.axes == () for dim in found.output.dims] == [True, False, False]
    assert str(found.output) == "B[one, i1, i2]"


def test_loops_of_the_same_name_are_different_axes() -> None:
    source = gemm(64, 64, 64, "separate")
    found = part(source)
    (reduce,) = reductions(found.value)
    dims = (*found.output.dims, *reduce.dims)
    assert {dim.extent for dim in dims} == {64}
    assert len({axis for dim in dims for axis in dim.axes}) == 3


def test_blocks_become_one_expression() -> None:
    """What an intermediate buffer holds stands in the place of its loads."""
    whole = computation("""
def k():
    A = te.placeholder((32, 64), dtype="bfloat16", name="A")
    n = te.reduce_axis((0, 64), name="n")
    S = te.compute((32,), lambda i: te.sum(A[i, n], axis=n), name="S")
    C = te.compute((64, 32), lambda x, y: S[y] * A[y, x] - te.const(2, "bfloat16"), name="C")
    return [A, C]
""")
    (found,) = whole.parts
    assert str(found.output) == "C[x, y]"
    assert str(found.value) == "sub(mul(add over n of A[y, n], A[y, x]), 2)"
    assert [buffer.name for buffer in whole.inputs()] == ["A"]


def test_constants_are_folded_and_division_by_a_number_is_a_product() -> None:
    found = part("""
def k():
    A = te.placeholder((32, 32), dtype="bfloat16", name="A")
    C = te.compute((32, 32), lambda i, j: A[i, j] / te.const(4, "bfloat16"), name="C")
    return [A, C]
""")
    assert str(found.value) == "mul(A[i, j], 0.25)"


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_a_dimension_is_what_visits_no_element_twice_in_even_steps(data: st.DataObject) -> None:
    """Against counting: accepted means an arithmetic progression, in the order of the digits."""
    extents = data.draw(st.lists(st.integers(2, 4), min_size=1, max_size=3))
    axes = [Axis(f"a{n}", extent, n) for n, extent in enumerate(extents)]
    steps = data.draw(st.lists(st.integers(-4, 16), min_size=len(axes), max_size=len(axes)))
    offset = data.draw(st.sampled_from([0, 0, 0, 1, -1]))
    index = Affine({a: s for a, s in zip(axes, steps, strict=True) if s}, offset)
    visited = [offset]
    for axis, step in index.terms.items():
        visited = [at + step * n for at in visited for n in range(axis.extent)]
    found = dimension(index, 64)
    if found is not None:
        wanted = [found.start + found.step * n for n in range(found.dim.extent)]
        assert sorted(visited) == sorted(wanted)
    elif min(steps) >= 0:  # what else visits a range once is a positional system
        assert sorted(visited) != list(range(offset, offset + len(visited)))


def test_digits_stand_in_order_of_their_weight() -> None:
    outer, inner = Axis("o", 2, 0), Axis("i", 32, 1)
    assert dimension(Affine({outer: 32, inner: 1}, 0), 64) == Index(Dim((outer, inner)), 64)
    assert dimension(Affine({outer: 1, inner: 2}, 0), 64) == Index(Dim((inner, outer)), 64)
    assert dimension(Affine({outer: 32, inner: 2}, 0), 128) is None
    assert dimension(Affine({outer: -32, inner: -1}, 63), 64) == Index(
        Dim((outer, inner)), 64, start=63, step=-1
    )


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=3),
    st.integers(-20, 20),
    st.integers(1, 12),
    st.data(),
)
def test_quotients_and_remainders_are_right_where_they_are_affine(
    steps: list[int], offset: int, divisor: int, data: st.DataObject
) -> None:
    axes = [Axis(f"a{n}", data.draw(st.integers(2, 4)), n) for n in range(len(steps))]
    index = Affine(dict(zip(axes, steps, strict=True)), offset)
    try:
        found = divided(index, divisor)
    except Restart:
        return
    if found is not None:
        for values in product(*(range(axis.extent) for axis in axes)):
            at = dict(zip(axes, values, strict=True))
            whole, quotient, rest = (_value(one, at) for one in (index, *found))
            assert (quotient, rest) == divmod(whole, divisor)


def _value(index: Affine, at: dict[Axis, int]) -> int:
    return index.offset + sum(step * at[axis] for axis, step in index.terms.items())


def test_affine_arithmetic() -> None:
    a, b = Axis("a", 4, 0), Axis("b", 4, 1)
    total = Affine({a: 2, b: 1}, 3) + Affine({a: -2}, 4)
    assert total == Affine({b: 1}, 7)
    assert total.scaled(3) == Affine({b: 3}, 21)
    assert total.scaled(0) == Affine({}, 0)
