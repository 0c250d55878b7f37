"""Iteration axes, access maps and expressions, by dataflow alone (P8, P13)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import ELEMENTWISE_FORMS, GEMM_FORMS, elementwise, gemm, kernel

from ttgen.analysis import Axis, Binary, Computation, Dim, Load, Reduce, analyse, reductions
from ttgen.analysis.index import Affine, dimension


def computation(source: str) -> Computation:
    made = kernel(source)
    return analyse(made.func, made.at)


@pytest.mark.parametrize("form", GEMM_FORMS)
def test_a_product_is_a_sum_over_one_dimension(form: str) -> None:
    found = computation(gemm(64, 96, 160, form))
    assert str(found.output) == "C[i, j]"
    assert isinstance(found.value, Reduce)
    assert found.value.op == "add"
    assert [(dim.name, dim.extent) for dim in found.value.dims] == [("k", 160)]
    assert str(found.value.value) == "mul(A[i, k], B[k, j])"
    assert [buffer.name for buffer in found.inputs()] == ["A", "B"]
    assert found.at.path == "kernels/k.py"


@pytest.mark.parametrize("form", ELEMENTWISE_FORMS)
def test_an_elementwise_operation_moves_along_one_set_of_dimensions(form: str) -> None:
    found = computation(elementwise("sub", (64, 96), form))
    assert not list(reductions(found.value))
    assert isinstance(found.value, Binary)
    assert isinstance(found.value.a, Load)
    assert found.value.op == "sub"
    assert found.value.a.access.dims == found.output.dims
    assert [dim.extent for dim in found.output.dims] == [64, 96]


def test_loops_of_one_iteration_are_no_axes() -> None:
    found = computation(elementwise("copy", (1, 32, 64)))
    assert [dim.axes == () for dim in found.output.dims] == [True, False, False]
    assert str(found.output) == "B[one, i1, i2]"


def test_loops_of_the_same_name_are_different_axes() -> None:
    source = gemm(64, 64, 64, "separate")
    found = computation(source)
    (reduce,) = reductions(found.value)
    dims = (*found.output.dims, *reduce.dims)
    assert {dim.extent for dim in dims} == {64}
    assert len({axis for dim in dims for axis in dim.axes}) == 3


def test_blocks_become_one_expression() -> None:
    """What an intermediate buffer holds stands in the place of its loads."""
    found = computation("""
def k():
    A = te.placeholder((32, 64), dtype="bfloat16", name="A")
    n = te.reduce_axis((0, 64), name="n")
    S = te.compute((32,), lambda i: te.sum(A[i, n], axis=n), name="S")
    C = te.compute((64, 32), lambda x, y: S[y] * A[y, x] - te.const(2, "bfloat16"), name="C")
    return [A, C]
""")
    assert str(found.output) == "C[x, y]"
    assert str(found.value) == "sub(mul(add over n of A[y, n], A[y, x]), 2)"
    assert [buffer.name for buffer in found.inputs()] == ["A"]


def test_constants_are_folded_and_division_by_a_number_is_a_product() -> None:
    found = computation("""
def k():
    A = te.placeholder((32, 32), dtype="bfloat16", name="A")
    C = te.compute((32, 32), lambda i, j: A[i, j] / te.const(4, "bfloat16"), name="C")
    return [A, C]
""")
    assert str(found.value) == "mul(A[i, j], 0.25)"


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_a_dimension_is_what_visits_every_index_once_in_digits(data: st.DataObject) -> None:
    """Against counting: accepted means a bijection; a positional system is always accepted."""
    extents = data.draw(st.lists(st.integers(2, 4), min_size=1, max_size=3))
    axes = [Axis(f"a{n}", extent, n) for n, extent in enumerate(extents)]
    steps = data.draw(st.lists(st.integers(-4, 16), min_size=len(axes), max_size=len(axes)))
    offset = data.draw(st.sampled_from([0, 0, 0, 1, -1]))
    size = data.draw(st.integers(1, 64))
    index = Affine({a: s for a, s in zip(axes, steps, strict=True) if s}, offset)
    visited = [offset]
    for axis, step in index.terms.items():
        visited = [at + step * n for at in visited for n in range(axis.extent)]
    found = dimension(index, size)
    if found is not None:
        assert sorted(visited) == list(range(size))
        assert found.extent == size
    elif offset == 0 and min(steps) >= 0:  # what else visits all once is a positional system
        assert sorted(visited) != list(range(size))


def test_digits_stand_in_order_of_their_weight() -> None:
    outer, inner = Axis("o", 2, 0), Axis("i", 32, 1)
    assert dimension(Affine({outer: 32, inner: 1}, 0), 64) == Dim((outer, inner))
    assert dimension(Affine({outer: 1, inner: 2}, 0), 64) == Dim((inner, outer))
    assert dimension(Affine({outer: 32, inner: 1}, 0), 128) is None


def test_affine_arithmetic() -> None:
    a, b = Axis("a", 4, 0), Axis("b", 4, 1)
    total = Affine({a: 2, b: 1}, 3) + Affine({a: -2}, 4)
    assert total == Affine({b: 1}, 7)
    assert total.scaled(3) == Affine({b: 3}, 21)
    assert total.scaled(0) == Affine({}, 0)
