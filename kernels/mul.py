"""Elementwise product: C = A * B, in bf16."""

from tvm.script import tirx as T


def mul(M: int = 64, N: int = 128):
    """Any M and N."""

    @T.prim_func
    def mul(
        A: T.Buffer((M, N), "bfloat16"),
        B: T.Buffer((M, N), "bfloat16"),
        C: T.Buffer((M, N), "bfloat16"),
    ):
        for i, j in T.grid(M, N):
            C[i, j] = A[i, j] * B[i, j]

    return mul
