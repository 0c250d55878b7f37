"""An elementwise tree with every kind of broadcast, in one kernel."""

from tvm.script import tirx as T


def fused(M: int = 40, N: int = 70):
    """E = (A * row - column) * scalar + (A.T transposed back - 1.5)."""

    @T.prim_func
    def fused(
        A: T.Buffer((M, N), "bfloat16"),
        At: T.Buffer((N, M), "bfloat16"),
        row: T.Buffer((N,), "bfloat16"),
        column: T.Buffer((M, 1), "bfloat16"),
        scalar: T.Buffer((1, 1), "bfloat16"),
        E: T.Buffer((M, N), "bfloat16"),
    ):
        for i, j in T.grid(M, N):
            E[i, j] = (A[i, j] * row[j] - column[i, 0]) * scalar[0, 0] + (
                At[j, i] - T.bfloat16(1.5)
            )

    return fused
