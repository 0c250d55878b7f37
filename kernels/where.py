"""Choices between values: both are worked out, and a comparison says which one is taken."""

from tvm.script import tirx as T


def where(M: int = 40, N: int = 70):
    @T.prim_func
    def where(
        A: T.Buffer((M, N), "bfloat16"),
        B: T.Buffer((M, N), "bfloat16"),
        limit: T.Buffer((N,), "bfloat16"),
        C: T.Buffer((M, N), "bfloat16"),
    ):
        for i, j in T.grid(M, N):
            C[i, j] = T.if_then_else(
                A[i, j] > B[i, j] and B[i, j] != limit[j],
                A[i, j] * B[i, j],
                T.min(T.max(A[i, j], T.bfloat16(-0.5)), limit[j]),
            )

    return where
