"""What does not lower is refused, with its place in the kernel and what is wanted (P10, P13, P14).

The line at fault is marked with ``# !``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from textwrap import dedent, indent
from typing import Any

import pytest
from sources import HEADER, buffers, elementwise, gemm, kernel, lower, prim_func, square

from ttgen.errors import LoweringError, SourceError, TTError
from ttgen.passes.pipeline import run_pipeline


@dataclass(frozen=True)
class Case:
    """A kernel, what its refusal says, and the options that it is lowered with."""

    source: str
    says: str
    options: dict[str, Any] = field(default_factory=dict)


def store(value: str, target: str = "C[i, j]") -> str:
    """One store in two loops over 64 x 64 tensors A, B and C."""
    return square(f"for i, j in T.grid(64, 64):\n    {target} = {value}  # !")


def copy_of(shape: str, dtype: str = "bfloat16", loops: str = "i, j in T.grid(64, 64)") -> str:
    index = loops.partition(" in ")[0]
    return f"""\
@T.prim_func
def k(A: T.Buffer({shape}, "{dtype}"), C: T.Buffer({shape}, "{dtype}")):  # !
    for {loops}:
        C[{index}] = A[{index}]
"""


def annotated(attributes: str) -> str:
    return f"""\
@T.prim_func
def k(A: T.Buffer((64, 64), "bfloat16"), C: T.Buffer((64, 64), "bfloat16")):  # !
    T.func_attr({attributes})
    for i, j in T.grid(64, 64):
        C[i, j] = A[i, j]
"""


SUM = "C[i, j] = C[i, j] + A[i, k] * B[k, j]"

OPERATIONS = {
    "division": Case(store("A[i, j] / B[i, j]"), "is not supported.*add, mul, sub"),
    "tan": Case(store("T.tan(A[i, j])"), "tan.* is not supported"),
    "if": Case(
        square("for i, j in T.grid(64, 64):\n    if i < j:\n        C[i, j] = A[i, j]  # !", "AC"),
        "conditions cut the loops.*whole tiles",
    ),
    "vectorised loop": Case(
        square(
            "for i in range(64):\n    for j in T.vectorized(64):  # !\n        C[i, j] = A[i, j]",
            "AC",
        ),
        "kind of loop",
    ),
    "store under a condition on values": Case(
        square(
            "for i, j in T.grid(64, 64):\n"
            "    if A[i, j] > T.bfloat16(0):\n"
            "        C[i, j] = A[i, j]  # !",
            "AC",
        ),
        "condition .* does not lower yet.*T.if_then_else or T.Select",
    ),
    "condition that is no comparison": Case(
        store('T.if_then_else(T.isnan(T.Cast("float32", A[i, j])), A[i, j], B[i, j])'),
        "isnan.* is not supported.*the nearest that has one is x != x",
    ),
    "choice of integers": Case(
        prim_func(
            'A: T.Buffer((64, 64), "float32"), B: T.Buffer((64, 64), "int32"), '
            'C: T.Buffer((64, 64), "int32")',
            "for i, j in T.grid(64, 64):\n"
            "    C[i, j] = T.Select(A[i, j] > T.float32(0), B[i, j], 0)  # !",
        ),
        "is not supported.*integers can be moved",
    ),
    "comparison of rounded values": Case(
        store('T.if_then_else(T.Cast("int32", A[i, j]) > 1, A[i, j], B[i, j])'),
        "is not supported.*the FPU does not compute with them",
    ),
    "cast of a loop": Case(
        store('A[i, j] * T.Cast("bfloat16", j)'), "cast from int32 to bfloat16.*of a condition"
    ),
    "power in DST of 16 bits": Case(
        store('T.pow(T.Cast("float32", A[i, j]), T.float32(2.5))'),
        "'pow' needs DST to hold float32.*leave fp32_dest_acc: false out",
        {"fp32_dest_acc": False},
    ),
    "power of a sum on Wormhole": Case(
        """
        def k():  # !
            A = te.placeholder((64, 64), dtype="float32", name="A")
            n = te.reduce_axis((0, 64), name="n")
            S = te.compute((64,), lambda i: te.sum(A[i, n], axis=n), name="S")
            C = te.compute((64,), lambda i: te.power(S[i], te.const(2.5, "float32")), name="C")
            return [A, C]
        """,
        "'pow' needs DST to hold float32.*wormhole_b0 adds up in bf16.*kernel of its own",
    ),
    "choice inside of tiles": Case(
        store("T.if_then_else(j < 40, A[i, j], B[i, j])"), "ends at element 40 of 64"
    ),
    "nothing stored": Case(
        "@T.prim_func\n"
        'def k(A: T.Buffer((64, 64), "bfloat16"), C: T.Buffer((64, 64), "bfloat16")):  # !\n'
        "    T.evaluate(0)\n",
        "Evaluate is not supported|stores nothing",
    ),
}


def te(body: str, result: str = "C") -> str:
    """A TE function on A and B, 64 x 64; TE has no places but the function's own."""
    return f"""\
def k():  # !
    A = te.placeholder((64, 64), dtype="bfloat16", name="A")
    B = te.placeholder((64, 64), dtype="bfloat16", name="B")
    n = te.reduce_axis((0, 64), name="n")
    m = te.reduce_axis((0, 64), name="m")
{indent(dedent(body).strip(), "    ")}
    return [A, B, {result}]
"""


def batched(value: str, shape: str, axes: str, extents: str = "(3, 64, 64)") -> str:
    """A reduction of A, called C."""
    sizes = [int(extent) for extent in extents.strip("()").split(",")]
    return f"""\
def k():  # !
    A = te.placeholder({extents}, dtype="bfloat16", name="A")
    b = te.reduce_axis((0, {sizes[0]}), name="b")
    m = te.reduce_axis((0, {sizes[1]}), name="m")
    n = te.reduce_axis((0, {sizes[2]}), name="n")
    C = te.compute({shape}, lambda {axes}: {value}, name="C")
    return [A, C]
"""


SUMS = {
    "product": Case(
        square(
            """
            for i, j in T.grid(64, 64):
                C[i, j] = T.bfloat16(0)
            for i, j, k in T.grid(64, 64, 64):
                C[i, j] = C[i, j] * A[i, k]  # !
            """,
            "AC",
        ),
        "second store is no reduction.*target = target",
    ),
    "maximum over the batch only": Case(
        batched("te.max(A[b, i, j], axis=b)", "(64, 64)", "i, j"),
        "max over b of .*one of the last two dimensions.*vector unit .SFPU.",
    ),
    "sum of three tile dimensions": Case(
        te('C = te.compute((64, 64), lambda i, j: te.sum(A[i, n] + B[n, j], axis=n), name="C")'),
        "add over n of .*reductions run over the last two dimensions",
    ),
    "temporary tiles that do not fit": Case(
        """\
def k():  # !
    A = te.placeholder((64, 32000), dtype="bfloat16", name="A")
    n = te.reduce_axis((0, 32000), name="n")
    C = te.compute((64,), lambda i: te.sum(A[i, n] * A[i, n], axis=n), name="C")
    return [A, C]
""",
        r"circular buffers take \d+ bytes of L1 \(A 32768, tmp 2048000, .*kernel of its own",
    ),
    "sum that leaves the batch in columns": Case(
        batched("te.sum(A[x, m, j], axis=m)", "(64, 3)", "j, x"),
        "dimension x makes tiles of the output, but not of A",
    ),
    "sum of matrices beside a vector of the batch": Case(
        """\
def k():  # !
    A = te.placeholder((3, 64, 64), dtype="bfloat16", name="A")
    B = te.placeholder((3,), dtype="bfloat16", name="B")
    m = te.reduce_axis((0, 64), name="m")
    n = te.reduce_axis((0, 64), name="n")
    S = te.compute((3,), lambda i: te.sum(A[i, m, n], axis=[m, n]), name="S")
    C = te.compute((3,), lambda i: S[i] + B[i], name="C")
    return [A, B, C]
""",
        "dimension i makes tiles of the output, but not of A",
    ),
    "tiles of the output from a batch": Case(
        """\
def k():  # !
    A = te.placeholder((64, 2, 64), dtype="bfloat16", name="A")
    C = te.compute((2, 64, 64), lambda b, i, j: A[i, b, j], name="C")
    return [A, C]
""",
        "dimension i makes tiles of the output, but not of A",
    ),
    "tiles that mix": Case(
        """\
def k():  # !
    A = te.placeholder((64, 64, 2), dtype="bfloat16", name="A")
    C = te.compute((2, 64, 64), lambda b, i, j: A[i, j, b], name="C")
    return [A, C]
""",
        "does not line up with tiles over i and j|makes tiles of the output",
    ),
    "reduced tiles from a batch": Case(
        """\
def k():  # !
    A = te.placeholder((64, 64), dtype="bfloat16", name="A")
    B = te.placeholder((64, 64, 1), dtype="bfloat16", name="B")
    n = te.reduce_axis((0, 64), name="n")
    C = te.compute((64,), lambda i: te.sum(A[i, n] - B[n, i, 0], axis=n), name="C")
    return [A, B, C]
""",
        r"dimension n makes tiles of others, but not of B",
    ),
    "read before it is complete": Case(
        square(
            """
            D = T.alloc_buffer((64, 64), "bfloat16")
            for i in range(64):
                for j in range(64):
                    D[i, j] = A[i, j]
                for j in range(64):
                    C[i, j] = D[j, i]  # !
            """,
            "AC",
        ),
        "D.* is stored and D.* is read.*store the whole tensor",
    ),
    "read before it is stored": Case(
        square(
            """
            D = T.alloc_buffer((64, 64), "bfloat16")
            for i, j in T.grid(64, 64):
                C[i, j] = D[i, j]  # !
            for i, j in T.grid(64, 64):
                D[i, j] = A[i, j]
            """,
            "AC",
        ),
        "'D' is read before it is stored",
    ),
    "stored again after a reader": Case(
        square(
            """
            D = T.alloc_buffer((64, 64), "bfloat16")
            for i, j in T.grid(64, 64):
                D[i, j] = A[i, j]
            for i, j in T.grid(64, 64):
                C[i, j] = D[i, j]
            for i, j in T.grid(64, 64):
                D[i, j] = B[i, j]  # !
            """
        ),
        "stored again after it was read",
    ),
    "not all of it has been stored": Case(
        square(
            """
            D = T.alloc_buffer((64, 64), "bfloat16")
            for i, j in T.grid(32, 64):
                D[i, j] = A[i, j]
            for i, j in T.grid(64, 64):
                C[i, j] = D[i, j]  # !
            """,
            "AC",
        ),
        "D.* is read, but not all of it has been stored",
    ),
    "in place through a copy": Case(
        square(
            """
            D = T.alloc_buffer((64, 64), "bfloat16")
            for i, j in T.grid(64, 64):
                D[i, j] = C[i, j]  # !
            for i, j in T.grid(64, 64):
                C[i, j] = D[i, j] + A[i, j]
            """,
            "AC",
        ),
        "'C' is read before it is stored",
    ),
    "read inside of the sum": Case(
        prim_func(
            buffers("AC", [(64, 64), (64, 64)]),
            """
            S = T.alloc_buffer((64,), "bfloat16")
            for i in range(64):
                S[i] = T.bfloat16(0)
            for i, j in T.grid(64, 64):
                S[i] = S[i] + A[i, j]
                C[i, j] = S[i]  # !
            """,
        ),
        "inside of the loop j, which still adds to it",
    ),
    "sum and maximum in turns": Case(
        prim_func(
            buffers("AC", [(64, 64), (64,)]),
            """
            for i in range(64):
                C[i] = T.bfloat16(0)
            for i, j in T.grid(64, 64):
                C[i] = C[i] + A[i, j]  # !
                C[i] = T.max(C[i], A[i, j])
            """,
        ),
        "again in every iteration of j",
    ),
    "a column beside a row": Case(
        prim_func(
            buffers("ABC", [(64, 96), (32,), (96,)]),
            """
            for i in range(64):
                C[i] = T.bfloat16(0)
            for i, j in T.grid(64, 96):
                C[i] = C[i] + A[i, j]
            for i in range(32):
                C[i + 64] = B[i]  # !
            """,
        ),
        "is made of tiles, other parts of it of columns of tiles.*a dimension of 1 for each",
    ),
    "updated from other elements": Case(
        square(
            """
            for i, j in T.grid(64, 64):
                C[i, j] = A[i, j]
            for i, j in T.grid(64, 64):
                C[i, j] = C[j, i] + A[i, j]  # !
            """,
            "AC",
        ),
        "computed from its own earlier values",
    ),
    "no start": Case(
        square(f"for i, j, k in T.grid(64, 64, 64):\n    {SUM}  # !"),
        "computed from its own earlier values.*first set its target",
    ),
    "zeroed in the reduction": Case(
        square(f"for i, j, k in T.grid(64, 64, 64):\n    C[i, j] = T.bfloat16(0)  # !\n    {SUM}"),
        "set to 0 again in every iteration of k",
    ),
    "zeroed transposed": Case(
        square(
            f"""
            for i in range(64):
                for j in range(64):
                    C[j, i] = T.bfloat16(0)  # !
                for j, k in T.grid(64, 64):
                    {SUM}
            """
        ),
        "not the same elements.*before these loops",
    ),
    "zeroed whole for every part": Case(
        square(
            """
            for jo in range(2):
                for i, j in T.grid(64, 64):
                    C[i, j] = T.bfloat16(0)  # !
                for i, j, k in T.grid(64, 32, 64):
                    C[i, jo * 32 + j] = C[i, jo * 32 + j] + A[i, k] * B[k, jo * 32 + j]
            """
        ),
        "overwritten in every iteration of jo",
    ),
    "summed over an unused loop": Case(
        square(
            f"""
            for i, j in T.grid(64, 64):
                C[i, j] = T.bfloat16(0)
            for again, i, j, k in T.grid(2, 64, 64, 64):
                {SUM}  # !
            """
        ),
        "no tensor is read along again.*added again",
    ),
    "overwritten in a loop": Case(
        square("for i, j, k in T.grid(64, 64, 64):\n    C[i, j] = A[i, k]  # !", "AC"),
        "overwritten in every iteration of k.*a sum adds",
    ),
    "stored after the sum": Case(
        gemm(64, 64, 64, "nested")
        + "    for i, j in T.grid(64, 64):\n        C[i, j] = A[i, j]  # !\n",
        "stored again, whatever it held",
    ),
    "reduction split in two ways": Case(
        square(
            """
            for i, j in T.grid(64, 64):
                C[i, j] = T.bfloat16(0)
            for i, j, ko, ki in T.grid(64, 64, 2, 32):
                C[i, j] = C[i, j] + A[i, ko * 32 + ki] * B[ki * 2 + ko, j]  # !
            """
        ),
        r"B\[ki, ko, j\] runs over rows in groups of 2",
    ),
    "init of one axis only": Case(
        square(
            """
            for i, j, k in T.grid(64, 64, 64):
                with T.sblock("sum"):
                    vi, vj, vk = T.axis.remap("RSR", [i, j, k])
                    with T.init():
                        C[vi, vj] = T.bfloat16(0)  # !
                    C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]
            """,
            s_tir=True,
        ),
        "set only in the first iteration of i",
    ),
    "reduction backwards": Case(
        square(
            """
            for i, j, k in T.grid(64, 64, 64):
                with T.sblock("sum"):  # !
                    vi, vj = T.axis.remap("SS", [i, j])
                    vk = T.axis.reduce(64, 63 - k)
                    with T.init():
                        C[vi, vj] = T.bfloat16(0)
                    C[vi, vj] = C[vi, vj] + A[vi, 63 - vk] * B[63 - vk, vj]
            """,
            s_tir=True,
        ),
        "'vk' does not count up",
    ),
}

ACCESSES = {
    "part": Case(
        prim_func(
            buffers("AC", [(64, 64)] * 2),
            "for i, j in T.grid(32, 64):\n    C[i, j] = A[i, j]  # !",
        ),
        "index 0 of C visits elements 0 to 31 of 64: the rest is never stored",
    ),
    "offset inside of a tile": Case(
        prim_func(
            buffers("AC", [(96, 64), (64, 64)]),
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[i + 16, j]  # !",
        ),
        r"A\[i \+ 16, j\] starts at element 16, inside of a tile.*multiples of 32",
    ),
    "offset of the output inside of a tile": Case(
        prim_func(
            buffers("ABC", [(16, 64), (48, 64), (64, 64)]),
            """
            for i, j in T.grid(16, 64):
                C[i, j] = A[i, j]  # !
            for i, j in T.grid(48, 64):
                C[i + 16, j] = B[i, j]
            """,
        ),
        r"C\[i, j\] ends at element 16 of 64, inside of a tile.*multiples of 32",
    ),
    "row inside of a tile": Case(
        store("A[3, j] * B[i, j]"), "starts at element 3, inside of a tile"
    ),
    "beyond the end": Case(
        store("A[i + 32, j] * B[i, j]"), r"'i \+ 32', runs from 32 to 95, outside of its 64"
    ),
    "before the start": Case(
        store("A[i - 32, j] * B[i, j]"), r"'i - 32', runs from -32 to 31, outside of its 64"
    ),
    "window": Case(
        prim_func(
            buffers("AC", [(4, 32, 32), (2, 32, 32)]),
            """
            for b, i, j in T.grid(2, 32, 32):
                C[b, i, j] = T.bfloat16(0)
            for b, w, i, j in T.grid(2, 3, 32, 32):
                C[b, i, j] = C[b, i, j] + A[b + w, i, j]  # !
            """,
        ),
        "does not visit elements once each",
    ),
    "diagonal of an input": Case(
        store("A[i, i] * B[i, j]"), "loop i runs over two dimensions of A.*diagonal"
    ),
    "rows split inside of a tile": Case(
        prim_func(
            buffers("AC", [(96, 64), (2, 48, 64)]),
            "for b, i, j in T.grid(2, 48, 64):\n    C[b, i, j] = A[b * 48 + i, j]  # !",
        ),
        "runs over rows in groups of 48.*multiples of 32",
    ),
    "batches split, the last block in part": Case(
        prim_func(
            buffers("AC", [(2, 134, 32, 32), (2, 2, 6, 32, 32)]),
            "for b, a, i, r, c in T.grid(2, 2, 6, 32, 32):\n"
            "    C[b, a, i, r, c] = A[b, a * 64 + i, r, c]  # !",
        ),
        "index 1 of A.* runs over 134 elements in blocks of which the last is not whole",
    ),
    "rows split, the last block in part": Case(
        prim_func(
            buffers("AC", [(2, 134, 32), (2, 2, 6, 32)]),
            "for b, a, i, j in T.grid(2, 2, 6, 32):\n    C[b, a, i, j] = A[b, a * 64 + i, j]  # !",
        ),
        "index 1 of A.* runs over 134 elements in blocks of which the last is not whole",
    ),
    "columns split, the last block in part": Case(
        prim_func(
            buffers("AC", [(64, 134), (2, 64, 6)]),
            "for a, i, j in T.grid(2, 64, 6):\n    C[a, i, j] = A[i, a * 64 + j]  # !",
        ),
        "index 1 of A.* runs over 134 elements in blocks of which the last is not whole",
    ),
    "columns split inside of a tile": Case(
        prim_func(
            buffers("AC", [(64, 96), (2, 64, 48)]),
            "for b, i, j in T.grid(2, 64, 48):\n    C[b, i, j] = A[i, b * 48 + j]  # !",
        ),
        "runs over columns in groups of 48.*multiples of 32",
    ),
    "stride": Case(
        prim_func(
            buffers("AC", [(128, 64), (64, 64)]),
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[i * 2, j]  # !",
        ),
        r"A\[2 \* i, j\] takes steps of 2 along dimension i",
    ),
    "reversed": Case(store("A[63 - i, j] + B[i, j]"), "takes steps of -1 along dimension i"),
    "square": Case(store("A[i * i, j] + B[i, j]"), "is not affine.*loop variables times constants"),
    "division": Case(store("A[i // 2, j] + B[i, j]"), "rows in groups of 2.*multiples of 32"),
    "gather": Case(
        prim_func(
            'A: T.Buffer((64, 64), "bfloat16"), X: T.Buffer((64,), "int32"), '
            'C: T.Buffer((64, 64), "bfloat16")',
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[X[i], j]  # !",
        ),
        "index 'X.i.' is not affine",
    ),
    "diagonal": Case(
        square("for i in range(64):\n    C[i, i] = A[i, i]  # !", "AC"),
        "loop i runs over two dimensions of C.*diagonal",
    ),
    "steps": Case(
        square(
            "for i in range(0, 64, 2):  # !\n    for j in range(64):\n        C[i, j] = A[i, j]",
            "AC",
        ),
        "steps of 1",
    ),
    "doubled thread axis": Case(
        square(
            """
            i = T.launch_thread("threadIdx.x", 64)
            j = T.launch_thread("threadIdx.x", 64)
            C[i, j] = A[i, j]
            """,
            "AC",
        ),
        "'threadIdx.x' is bound twice",
    ),
    "in place": Case(
        square("for i, j in T.grid(64, 64):\n    C[i, j] = C[i, j] + A[i, j]  # !", "AC"),
        "its own earlier values.*in-place",
    ),
    "block under a condition": Case(
        square(
            """
            for i, j in T.grid(64, 64):
                with T.sblock("one"):
                    vi, vj = T.axis.remap("SS", [i, j])
                    T.where(i < 32)
                    C[vi, vj] = A[vi, vj]  # !
            """,
            "AC",
            s_tir=True,
        ),
        "elements 0 to 31 of 64: the rest is never stored",
    ),
}

TENSORS = {
    "two outputs": Case(
        square(
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[i, j]\n    D[i, j] = A[i, j]  # !", "ACD"
        ),
        "a second output, 'D'",
    ),
    "float16": Case(copy_of("(64, 64)", "float16"), "layout of A: dtype is fp16; supported: bf16"),
    "int32 called bf16": Case(
        copy_of("(64, 64)", "int32"),
        "bf16 cannot hold the values of int32",
        {"layouts": {"A": {"dtype": "bf16"}, "C": {"dtype": "bf16"}}},
    ),
    "float64": Case(copy_of("(64, 64)", "float64"), "A is float64; the device has bfloat16"),
    "strides": Case(
        copy_of("(64, 64)").replace('"bfloat16")', '"bfloat16", strides=(1, 64))', 1),
        "A has strides",
    ),
    "scope": Case(
        copy_of("(64, 64)").replace('"bfloat16")', '"bfloat16", scope="shared")', 1),
        "A has the scope 'shared'",
    ),
    "two of one name": Case(
        """
def k():  # !
    A = te.placeholder((64, 64), dtype="bfloat16", name="A")
    B = te.placeholder((64, 64), dtype="bfloat16", name="A")
    C = te.compute((64, 64), lambda i, j: A[i, j] + B[i, j], name="C")
    return [A, B, C]
""",
        "two tensors are called 'A'",
    ),
    "no name for C++": Case(
        copy_of("(64, 64)").replace("A:", "Ä:").replace("A[", "Ä["), "cannot be called 'Ä'"
    ),
}

LAYOUTS = {
    "unknown key": Case(
        annotated('{"tt.buffer.A": {"memroy": "DRAM"}}'), "unknown key 'memroy'.*'memory'"
    ),
    "halo": Case(
        annotated('{"tt.buffer.A": {"halo": [1, 1]}}'), "layout of A: 'halo': .*not supported"
    ),
    "sharded": Case(
        annotated('{"tt.user_layout": {"C": {"layout": "sharded"}}}'),
        "layout of C: a sharded layout needs nd_shard\n.*grid",
    ),
    "tile shape": Case(
        annotated('{"tt.buffer.A": {"tile_shape": [16, 32]}}'), r"tile_shape is \[16, 32\]"
    ),
    "unknown tensor": Case(
        annotated('{"tt.buffer.AA": {"memory": "DRAM"}}'), "layout is given for 'AA'.*A, C.*'A'"
    ),
    "unknown tensor in user_layout": Case(
        annotated('{"tt.user_layout": {"D": {"memory": "DRAM"}}}'), "layout is given for 'D'"
    ),
    "unknown tensor in the spec": Case(
        annotated("{}"), "layout is given for 'D'", {"layouts": {"D": {"memory": "DRAM"}}}
    ),
    "no mapping": Case(annotated('{"tt.buffer.A": "L1"}'), "tt.buffer.A is 'L1'; it maps keys"),
    "no mapping in user_layout": Case(
        annotated('{"tt.user_layout": {"A": "L1"}}'), "tt.user_layout of A is 'L1'"
    ),
    "unknown attribute": Case(
        annotated('{"tt.user_layuot": {}}'), "unknown attribute 'tt.user_layuot'.*tt.user_layout"
    ),
    "an attribute of the passes": Case(
        annotated('{"tt.partition": {}}'), "'tt.partition' is set by the passes.*`partition`"
    ),
}

OPTIONS = {
    "unknown partition": Case(
        annotated("{}"), "unknown partition 'rowmajor'.*'row_major'", {"partition": "rowmajor"}
    ),
    "too many columns": Case(
        annotated("{}"),
        "the core grid is 9x1; wormhole_b0 has 8 columns and 9 rows",
        {"grid": (9, 1)},
    ),
    "too many rows": Case(annotated("{}"), "the core grid is 1x10", {"grid": (1, 10)}),
    "no cores": Case(annotated("{}"), "the core grid is 0x1", {"grid": (0, 1)}),
    "too much L1": Case(
        gemm(32, 32, 32 * 400),
        "circular buffers take .* bytes of L1.*lower block_tiles or buffering",
        {"block_tiles": 400, "buffering": 2},
    ),
}

CASES = {**OPERATIONS, **SUMS, **ACCESSES, **TENSORS, **LAYOUTS, **OPTIONS}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_refusals_say_where_and_what_is_wanted(case: Case) -> None:
    with pytest.raises(LoweringError) as caught:
        lower(case.source, **case.options)
    assert re.search(case.says, str(caught.value), re.DOTALL)
    marked = [n for n, line in enumerate((HEADER + case.source).splitlines(), 1) if "# !" in line]
    at = caught.value.at
    assert at is not None
    assert at.path == "kernels/k.py"
    assert at.line == (marked[0] if marked else HEADER.count("\n") + 2)
    assert str(caught.value).startswith(f"kernels/k.py:{at.line}:")


def test_nothing_is_written_for_a_refused_kernel(tmp_path: Any) -> None:
    with pytest.raises(LoweringError):
        lower(store("T.tan(A[i, j])"), plan_path=tmp_path / "out" / "tt.plan.json")
    assert not list(tmp_path.iterdir())


def test_a_scalar_parameter_needs_a_value() -> None:
    source = """\
@T.prim_func
def k(n: T.int32, A: T.Buffer((64, 64), "bfloat16"), C: T.Buffer((64, 64), "bfloat16")):
    for i, j in T.grid(64, 64):
        C[i, j] = A[i, j]
"""
    with pytest.raises(SourceError, match="parameter n needs a value"):
        kernel(source)
    assert len(kernel(source, n=3).func.params) == 2


def test_a_symbolic_extent_needs_a_value() -> None:
    symbolic = """\
@T.prim_func
def k(a: T.handle, c: T.handle):
    n = T.int32()
    A = T.match_buffer(a, (n, 64), "bfloat16")
    C = T.match_buffer(c, (n, 64), "bfloat16")
    for i, j in T.grid(n, 64):
        C[i, j] = A[i, j]
"""
    with pytest.raises(SourceError, match=r"k.py:6:9: parameter n needs a value\n.*--set"):
        kernel(symbolic)
    plan = run_pipeline(kernel(symbolic, n=96), arch="wormhole_b0").plan
    assert plan.tensors[0].shape == (96, 64)
    assert plan.source.parameters == {"n": 96}
    made = (
        "def k():\n" + "".join(f"    {line}\n" for line in symbolic.splitlines()) + "    return k\n"
    )
    with pytest.raises(LoweringError, match=r"A has the symbolic extent 'n'\n.*parameters"):
        lower(made)


@pytest.mark.parametrize(
    ("arch", "says"),
    [
        ("grayskull", "tt-metal dropped Grayskull"),
        ("wormhole", "unknown architecture 'wormhole'; known: blackhole, wormhole_b0"),
    ],
)
def test_architectures_that_are_none(arch: str, says: str) -> None:
    """P12."""
    with pytest.raises(TTError, match=says):
        lower(elementwise("copy", (64, 64)), arch)
