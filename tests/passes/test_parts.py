"""Parts of tensors, read and stored: slices, concatenations, choices by index, scratch buffers.

Plans are interpreted with NumPy (:func:`sources.run`), and compared with NumPy's own result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sources import assert_means, buffers, prim_func, square, sum_over, te

SLICES: dict[str, tuple[str, Callable[..., Any]]] = {
    "both dimensions": (
        prim_func(
            buffers("AC", [(96, 128), (64, 64)]),
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[i + 32, j + 64]",
        ),
        lambda A: A[32:, 64:],
    ),
    "ragged end": (
        prim_func(
            buffers("ABC", [(96, 100), (40, 36), (40, 36)]),
            "for i, j in T.grid(40, 36):\n    C[i, j] = A[i + 32, j + 64] - B[i, j]",
        ),
        lambda A, B: A[32:72, 64:] - B,
    ),
    "batch, in steps and backwards": (
        prim_func(
            buffers("ABC", [(7, 40, 33), (5, 40, 33), (3, 40, 33)]),
            """
            for b, i, j in T.grid(3, 40, 33):
                C[b, i, j] = A[2 * b + 1, i, j] - B[4 - b, i, j]
            """,
        ),
        lambda A, B: A[1::2] - B[:1:-1],
    ),
    "one row, one matrix": (
        prim_func(
            buffers("ABC", [(64, 70), (4, 40, 70), (40, 70)]),
            "for i, j in T.grid(40, 70):\n    C[i, j] = A[32, j] * B[2, i, j]",
        ),
        lambda A, B: A[32] * B[2],
    ),
    "product of slices": (
        prim_func(
            buffers("ABC", [(64, 128), (160, 64), (32, 32)]),
            """
            for i, j in T.grid(32, 32):
                C[i, j] = T.bfloat16(0)
            for i, j, k in T.grid(32, 32, 96):
                C[i, j] = C[i, j] + A[i + 32, k + 32] * B[k + 64, j]
            """,
        ),
        lambda A, B: A[32:, 32:] @ B[64:, :32],
    ),
    "product over a part that one factor ends with": (
        prim_func(
            buffers("ABC", [(32, 70), (64, 32), (32, 32)]),
            """
            for i, j in T.grid(32, 32):
                C[i, j] = T.bfloat16(0)
            for i, j, k in T.grid(32, 32, 38):
                C[i, j] = C[i, j] + A[i, k + 32] * B[k, j]
            """,
        ),
        lambda A, B: A[:, 32:] @ B[:38],
    ),
    "sum of a slice": (
        te({"A": (64, 128)}, sum_over(64, (64,), "i", "A[i, n + 32]")),
        lambda A: A[:, 32:96].sum(axis=1),
    ),
    "intermediate buffer": (
        te(
            {"A": (96, 64), "B": (96, 64)},
            """
S = te.compute((96, 64), lambda i, j: A[i, j] * B[i, j], name="S")
C = te.compute((64, 32), lambda i, j: S[i + 32, j + 32] - A[i, j], name="C")
""",
        ),
        lambda A, B: (A * B)[32:, 32:] - A[:64, :32],
    ),
}

PARTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "two stores": (
        prim_func(
            buffers("ABC", [(64, 40), (33, 40), (97, 40)]),
            """
            for i, j in T.grid(64, 40):
                C[i, j] = A[i, j]
            for i, j in T.grid(33, 40):
                C[i + 64, j] = B[i, j] * B[i, j]
            """,
        ),
        lambda A, B: np.concatenate([A, B * B]),
    ),
    "of different kinds": (
        prim_func(
            buffers("ABC", [(64, 96), (96, 64), (96, 128)]),
            """
            for i, j in T.grid(64, 64):
                C[i, j] = T.bfloat16(0)
                for k in range(96):
                    C[i, j] = C[i, j] + A[i, k] * B[k, j]
            for i, j in T.grid(64, 64):
                C[i, j + 64] = A[i, j] - B[j, i]
            for i, j in T.grid(32, 128):
                C[i + 64, j] = T.bfloat16(3)
            """,
        ),
        lambda A, B: np.block([[A @ B, A[:, :64] - B[:64].T], [np.full((32, 128), 3)]]),
    ),
    "every other matrix": (
        prim_func(
            buffers("ABC", [(2, 40, 33), (2, 40, 33), (4, 40, 33)]),
            """
            for b, i, j in T.grid(2, 40, 33):
                C[2 * b, i, j] = A[b, i, j]
            for b, i, j in T.grid(2, 40, 33):
                C[2 * b + 1, i, j] = B[b, i, j]
            """,
        ),
        lambda A, B: np.stack([A, B], axis=1).reshape(4, 40, 33),
    ),
    "frame of zeros": (
        prim_func(
            buffers("AC", [(32, 64), (96, 128)]),
            """
            for i, j in T.grid(96, 128):
                C[i, j] = T.bfloat16(0)
            for i, j in T.grid(32, 64):
                C[i + 32, j + 32] = C[i + 32, j + 32] + A[i, j]
            """,
        ),
        lambda A: np.pad(A, ((32, 32), (32, 32))),
    ),
    "one tile each": (
        prim_func(
            buffers("ABC", [(1, 1), (1, 1), (2, 1, 1)]),
            "C[0, 0, 0] = A[0, 0]\nC[1, 0, 0] = B[0, 0] + A[0, 0]",
        ),
        lambda A, B: np.stack([A, B + A]),
    ),
    "columns of reductions": (
        te(
            {"A": (64, 96), "B": (32, 96)},
            """
n = te.reduce_axis((0, 96), name="n")
S = te.compute((64,), lambda i: te.sum(A[i, n], axis=n), name="S")
C = te.compute((64,), lambda i: S[i] * te.const(2, "bfloat16"), name="C")
""",
        ).replace('"B": (32, 96)', '"B": (32, 96)'),
        lambda A, B: 2 * A.sum(axis=1),
    ),
}

CHOICES: dict[str, tuple[str, Callable[..., Any]]] = {
    "if and else": (
        prim_func(
            buffers("ABC", [(64, 70), (64, 70), (64, 70)]),
            """
            for i, j in T.grid(64, 70):
                if i >= 32 and j < 64:
                    C[i, j] = A[i, j]
                else:
                    C[i, j] = B[i, j]
            """,
        ),
        lambda A, B: np.block([[B[:32]], [A[32:, :64], B[32:, 64:]]]),
    ),
    "split loop": (
        prim_func(
            buffers("ABC", [(128, 32)] * 3),
            """
            for o, p, j in T.grid(2, 64, 32):
                C[o * 64 + p, j] = T.if_then_else(
                    o * 64 + p < 96, A[o * 64 + p, j], B[o * 64 + p, j]
                )
            """,
        ),
        lambda A, B: np.concatenate([A[:96], B[96:]]),
    ),
    "select, of several tensors": (
        prim_func(
            buffers("ABDC", [(3, 32, 32)] * 4),
            """
            for b, i, j in T.grid(3, 32, 32):
                C[b, i, j] = T.Select(b == 1, A[b, i, j], B[b, i, j]) + T.if_then_else(
                    b != 2, D[b, i, j], T.bfloat16(5)
                )
            """,
        ),
        lambda A, B, D: np.stack([B[0] + D[0], A[1] + D[1], B[2] + 5]),
    ),
    "concatenation in the middle": (
        te(
            {"A": (32, 64), "B": (64, 64)},
            """
S = te.compute((96, 64), lambda i, j: te.if_then_else(i < 32, A[i, j], B[i - 32, j]), name="S")
C = te.compute((96, 64), lambda i, j: S[i, j] * S[i, j], name="C")
""",
        ),
        lambda A, B: np.concatenate([A, B]) ** 2,
    ),
    "product over a concatenation": (
        te(
            {"A": (32, 64), "B": (32, 32), "D": (96, 64)},
            """
S = te.compute((32, 96), lambda i, j: te.if_then_else(j < 64, A[i, j], B[i, j - 64]), name="S")
n = te.reduce_axis((0, 96), name="n")
C = te.compute((32, 64), lambda i, j: te.sum(S[i, n] * D[n, j], axis=n), name="C")
""",
        ),
        lambda A, B, D: np.concatenate([A, B], axis=1) @ D,
    ),
    "block under a condition": (
        square(
            """
            for i, o, p in T.grid(64, 3, 32):
                with T.sblock("one"):
                    vi = T.axis.spatial(64, i)
                    vj = T.axis.spatial(64, o * 32 + p)
                    T.where(o * 32 + p < 64)
                    C[vi, vj] = A[vi, vj]
            """,
            "AC",
            s_tir=True,
        ),
        lambda A: A,
    ),
}

UPDATES: dict[str, tuple[str, Callable[..., Any]]] = {
    "bias before the sum": (
        prim_func(
            buffers("ABDC", [(64, 96), (96, 64), (64,), (64, 64)]),
            """
            for i, j in T.grid(64, 64):
                C[i, j] = D[j]
                for k in range(96):
                    C[i, j] = C[i, j] + A[i, k] * B[k, j]
            """,
        ),
        lambda A, B, D: D + A @ B,
    ),
    "several": (
        prim_func(
            buffers("ABC", [(64, 64)] * 3),
            """
            for i, j in T.grid(64, 64):
                C[i, j] = T.bfloat16(1)
            for i, j, k in T.grid(64, 64, 64):
                C[i, j] = C[i, j] + A[i, k] * B[k, j]
            for i, j in T.grid(64, 64):
                C[i, j] = C[i, j] * A[i, j]
            """,
        ),
        lambda A, B: (1 + A @ B) * A,
    ),
    "of a part": (
        prim_func(
            buffers("ABC", [(64, 64)] * 3),
            """
            for i, j in T.grid(64, 64):
                C[i, j] = A[i, j]
            for i, j, k in T.grid(32, 64, 64):
                C[i + 32, j] = C[i + 32, j] + A[i, k] * B[k, j]
            """,
        ),
        lambda A, B: np.concatenate([A[:32], A[32:] + A[:32] @ B]),
    ),
    "accumulator of one element": (
        prim_func(
            buffers("ABC", [(64, 96), (96, 64), (64, 64)]),
            """
            acc = T.alloc_buffer((1,), "float32")
            for i, j in T.grid(64, 64):
                acc[0] = T.float32(0)
                for k in range(96):
                    acc[0] = acc[0] + T.Cast("float32", A[i, k] * B[k, j])
                C[i, j] = T.Cast("bfloat16", acc[0] * T.float32(2))
            """,
        ),
        lambda A, B: 2 * (A @ B),
    ),
    "tiles in buffers of their own": (
        prim_func(
            buffers("ABC", [(64, 96), (96, 64), (64, 64)]),
            """
            a = T.alloc_buffer((32, 32), "bfloat16")
            b = T.alloc_buffer((32, 32), "bfloat16")
            c = T.alloc_buffer((32, 32), "float32")
            for io, jo in T.grid(2, 2):
                for i, j in T.grid(32, 32):
                    c[i, j] = T.float32(0)
                for ko in range(3):
                    for i, k in T.grid(32, 32):
                        a[i, k] = A[io * 32 + i, ko * 32 + k]
                    for k, j in T.grid(32, 32):
                        b[k, j] = B[ko * 32 + k, jo * 32 + j]
                    for i, j, k in T.grid(32, 32, 32):
                        c[i, j] = c[i, j] + T.Cast("float32", a[i, k] * b[k, j])
                for i, j in T.grid(32, 32):
                    C[io * 32 + i, jo * 32 + j] = T.Cast("bfloat16", c[i, j])
            """,
        ),
        lambda A, B: A @ B,
    ),
}

RESHAPES: dict[str, tuple[str, Callable[..., Any]]] = {
    "quotient and remainder": (
        prim_func(
            buffers("AC", [(2, 3, 64, 40), (6, 64, 40)]),
            "for b, i, j in T.grid(6, 64, 40):\n    C[b, i, j] = A[b // 3, b % 3, i, j]",
        ),
        lambda A: A.reshape(6, 64, 40),
    ),
    "rows of a batch joined": (
        prim_func(
            buffers("AC", [(3, 64, 40), (192, 40)]),
            "for b, i, j in T.grid(3, 64, 40):\n    C[b * 64 + i, j] = A[b, i, j]",
        ),
        lambda A: A.reshape(192, 40),
    ),
    "every other part of the rows": (
        prim_func(
            buffers("AC", [(192, 40), (3, 32, 40)]),
            "for b, i, j in T.grid(3, 32, 40):\n    C[b, i, j] = A[b * 64 + i + 32, j]",
        ),
        lambda A: A.reshape(3, 64, 40)[:, 32:],
    ),
    "parameter that is never read": (
        prim_func(
            buffers("ABC", [(64, 64)] * 3),
            "for i, j in T.grid(64, 64):\n    C[i, j] = A[i, j]",
        ),
        lambda A, B: A,
    ),
}

FAMILIES = {
    "slice": SLICES,
    "part": PARTS,
    "choice": CHOICES,
    "update": UPDATES,
    "reshape": RESHAPES,
}
CASES = [
    pytest.param(*case, id=f"{family}: {name}")
    for family, cases in FAMILIES.items()
    for name, case in cases.items()
]
OPTIONS = [
    {},
    {"grid": (2, 1), "block_tiles": 3, "buffering": 1},
    {"grid": (3, 2), "partition": "column_major"},
    {"grid": (2, 2), "partition": "block"},
    {"grid": (2, 1), "partition": "z_order"},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("source", "meaning"), CASES)
def test_parts_of_tensors_mean_what_numpy_says(
    source: str, meaning: Callable[..., Any], options: dict[str, Any]
) -> None:
    assert_means(source, meaning, **options)
