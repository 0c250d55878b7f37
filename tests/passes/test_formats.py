"""Data formats in the pipeline: what tiles are kept in, when units are told (D7, P14)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sources import kernel

from ttgen.errors import LoweringError
from ttgen.formats import FORMATS, working_format
from ttgen.passes.pipeline import run_pipeline
from ttgen.plan.model import For, Op, Plan, Statement
from ttgen.render import operations

GEMM = """\
from tvm import te


def f():
    A = te.placeholder((64, 96), "{a}", name="A")
    B = te.placeholder((96, 64), "{b}", name="B")
    k = te.reduce_axis((0, 96), name="k")
    P = te.compute(
        (64, 64),
        lambda i, j: te.sum(A[i, k].astype("float32") * B[k, j].astype("float32"), axis=k),
        name="P",
    )
    return [A, B, te.compute((64, 64), lambda i, j: P[i, j].astype("{c}"), name="C")]
"""
TREE = """\
from tvm import te


def f():
    A = te.placeholder((64, 64), "float32", name="A")
    B = te.placeholder((64, 64), "bfloat16", name="B")

    def value(i, j):
        return (A[i, j] + B[i, j].astype("float32")) * A[j, i]

    return [A, B, te.compute((64, 64), value, name="C")]
"""
COPY = """\
from tvm import te


def f():
    A = te.placeholder((64, 64), "{a}", name="A")
    return [A, te.compute((64, 64), lambda i, j: A[i, j].astype("{c}"), name="C")]
"""
MAX = """\
from tvm import te


def f():
    A = te.placeholder((64, 64), "{a}", name="A")
    k = te.reduce_axis((0, 64), name="k")
    return [A, te.compute((64,), lambda i: te.max(A[i, k], axis=k), name="C")]
"""


def plan_of(source: str, arch: str = "blackhole", **options: Any) -> Plan:
    return run_pipeline(kernel(source), arch=arch, **options).plan


def used(plan: Plan) -> set[str]:
    """The operations of the compute program."""
    return operations(plan)["compute"]


def ops(body: tuple[Statement, ...]) -> Iterator[Op]:
    """Every operation of a body, in order, loops taken once."""
    for statement in body:
        if isinstance(statement, For):
            yield from ops(statement.body)
        elif isinstance(statement, Op):
            yield statement


def formats(plan: Plan) -> dict[str, str]:
    return {cb.name: cb.dtype for cb in plan.circular_buffers}


@pytest.mark.parametrize(
    ("tensors", "wanted"),
    [
        (["bf16", "bf16"], "bf16"),
        (["bf16", "bfp8_b"], "bf16"),
        (["bfp8_b", "bfp8_b"], "bf16"),
        (["bf16", "fp32"], "fp32"),
        (["int32", "int32"], "int32"),
    ],
)
def test_temporary_tiles_are_no_narrower_than_tensors(tensors: list[str], wanted: str) -> None:
    assert working_format(tensors).name == wanted


@pytest.mark.parametrize("name", ["bf16", "fp32", "bfp8_b", "int32"])
def test_circular_buffers_have_the_formats_of_their_tensors(name: str) -> None:
    """D7: format and page bytes, and so L1."""
    source = (
        COPY.format(a="int32", c="int32")
        if name == "int32"
        else COPY.format(a="float32", c="float32")
    )
    plan = plan_of(source, layouts={"A": {"dtype": name}, "C": {"dtype": name}})
    assert formats(plan) == {"A": name, "C": name}
    assert {cb.page_bytes for cb in plan.circular_buffers} == {FORMATS[name].tile_bytes}
    assert {tensor.page_bytes for tensor in plan.tensors} == {FORMATS[name].tile_bytes}


def test_tensors_of_one_format_need_no_reconfiguration() -> None:
    for source in (
        GEMM.format(a="bfloat16", b="bfloat16", c="bfloat16"),
        COPY.format(a="float32", c="float32"),
    ):
        assert not {op for op in used(plan_of(source)) if op.startswith("reconfig")}


def test_a_product_of_two_formats_is_set_up_once() -> None:
    """One operation: the startup says it all."""
    plan = plan_of(GEMM.format(a="float32", b="bfloat16", c="bfloat16"))
    assert not {op for op in used(plan) if op.startswith("reconfig")}
    assert formats(plan) == {"A": "fp32", "B": "bf16", "C": "bf16"}


def test_steps_with_other_formats_tell_the_unpackers() -> None:
    plan = plan_of(TREE)
    assert {op for op in used(plan) if op.startswith("reconfig")} == {
        "reconfig_sources",
        "reconfig_source_a",
    }
    assert formats(plan) == {"A": "fp32", "A_2": "fp32", "tmp": "fp32", "B": "bf16", "C": "fp32"}


def test_what_comes_from_dst_keeps_the_bits_of_the_widest_format() -> None:
    """The product's source was set up for bf16; the residual must not cut it to that."""
    source = GEMM.format(a="float32", b="bfloat16", c="bfloat16").replace(
        'P[i, j].astype("bfloat16")', "P[i, j] * te.const(2.0, 'float32')"
    )
    plan = plan_of(source, layouts={"C": {"dtype": "bf16"}})
    found = [op.args for op in ops(plan.programs.compute.body) if op.op == "reconfig_sources"]
    assert found == [{"a": "B", "b": "A"}, {"a": "A", "b": "const_2"}]


def test_stages_with_other_formats_tell_the_packer() -> None:
    plan = plan_of(TREE, layouts={"C": {"dtype": "bf16"}})
    assert "reconfig_pack" in used(plan)
    assert "reconfig_pack" not in used(plan_of(TREE))


def test_int32_needs_all_of_its_bits() -> None:
    with pytest.raises(LoweringError, match="int32 needs DST to hold 32 bits"):
        plan_of(COPY.format(a="int32", c="int32"), fp32_dest_acc=False)


@pytest.mark.parametrize(
    ("source", "arch", "wanted"),
    [
        (COPY.format(a="bfloat16", c="bfloat16"), "blackhole", False),
        (COPY.format(a="float32", c="bfloat16"), "blackhole", True),
        (COPY.format(a="float32", c="float32"), "wormhole_b0", True),
        (COPY.format(a="int32", c="int32"), "wormhole_b0", True),
        (GEMM.format(a="bfloat16", b="bfloat16", c="float32"), "blackhole", True),
        # Its sums in float32 have a fault; see ttgen.arch.
        (GEMM.format(a="bfloat16", b="bfloat16", c="float32"), "wormhole_b0", False),
        # Nothing is added up in a maximum.
        (MAX.format(a="float32"), "wormhole_b0", True),
        (MAX.format(a="bfloat16"), "blackhole", False),
    ],
)
def test_dst_has_32_bits_for_tensors_that_have_them(source: str, arch: str, wanted: bool) -> None:
    assert plan_of(source, arch).compute.fp32_dest_acc == wanted


def test_what_is_only_copied_goes_to_dst_with_all_its_bits() -> None:
    def direct(plan: Plan) -> set[str]:
        return {cb.name for cb in plan.circular_buffers if cb.unpack_to_dst}

    assert direct(plan_of(COPY.format(a="float32", c="float32"))) == {"A"}
    assert direct(plan_of(COPY.format(a="int32", c="int32"))) == {"A"}
    assert direct(plan_of(COPY.format(a="bfloat16", c="float32"))) == set()
    assert direct(plan_of(TREE)) == set()
    narrow = plan_of(COPY.format(a="float32", c="float32"), fp32_dest_acc=False)
    assert direct(narrow) == set()


SQUARE = COPY.replace('A[i, j].astype("{c}")', "A[i, j] * A[i, j]")


@pytest.mark.parametrize(
    ("source", "options", "wanted"),
    [
        (SQUARE.format(a="int32"), {}, "the FPU does not compute with them"),
        (COPY.format(a="int32", c="float32"), {}, r"does not lower yet"),
        (COPY.format(a="float16", c="float16"), {}, r"dtype is fp16; supported: bf16, fp32,"),
        (
            COPY.format(a="int32", c="int32"),
            {"layouts": {"A": {"dtype": "bf16"}}},
            "bf16 cannot hold the values of int32",
        ),
        (
            COPY.format(a="float32", c="float32"),
            {"layouts": {"A": {"dtype": "int32"}}},
            "int32 cannot hold the values of float32",
        ),
    ],
)
def test_what_no_format_has_is_refused(source: str, options: dict[str, Any], wanted: str) -> None:
    with pytest.raises(LoweringError, match=wanted) as raised:
        plan_of(source, **options)
    assert raised.value.at is not None
    assert raised.value.at.line > 0


def test_sums_of_rows_have_their_scale_in_source_a() -> None:
    """They are products with a column of the scale; sums of columns and maxima are not."""
    sources = []
    for reduction, index in (("sum", "i, n"), ("sum", "n, i"), ("max", "i, n")):
        plan = plan_of(
            f"""\
from tvm import te


def f():
    A = te.placeholder((64, 64), "bfloat16", name="A")
    n = te.reduce_axis((0, 64), name="n")
    value = lambda i: te.{reduction}(A[{index}].astype("float32"), axis=n)
    return [A, te.compute((64,), value, name="C")]
"""
        )
        (start,) = [op for op in ops(plan.programs.compute.body) if op.op == "compute_startup"]
        sources.append((start.args["in0"], start.args["in1"]))
    assert sources == [("const_1", "A"), ("A", "const_1"), ("A", "const_1")]
