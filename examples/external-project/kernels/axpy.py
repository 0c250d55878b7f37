from _scales import ALPHA
from tvm.script import tirx as T


def axpy(M: int = 32, N: int = 64):
    """Z = ALPHA * X + Y, for any M and N."""

    @T.prim_func
    def axpy(
        X: T.Buffer((M, N), "bfloat16"),
        Y: T.Buffer((M, N), "bfloat16"),
        Z: T.Buffer((M, N), "bfloat16"),
    ):
        for i, j in T.grid(M, N):
            Z[i, j] = T.bfloat16(ALPHA) * X[i, j] + Y[i, j]

    return axpy
