from tvm.script import tirx as T


def gemm(M: int = 64, N: int = 64, K: int = 64):
    """C = A @ B, for any M, N and K."""

    @T.prim_func
    def gemm(
        A: T.Buffer((M, K), "bfloat16"),
        B: T.Buffer((K, N), "bfloat16"),
        C: T.Buffer((M, N), "bfloat16"),
    ):
        for i, j in T.grid(M, N):
            C[i, j] = T.bfloat16(0)
            for k in range(K):
                C[i, j] = C[i, j] + A[i, k] * B[k, j]

    return gemm
