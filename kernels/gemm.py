"""Matrix product: C[M, N] = A[M, K] @ B[K, N], in bf16."""

from tvm.script import tirx as T


def gemm(M: int = 64, N: int = 96, K: int = 160):
    """Any M, N and K."""

    @T.prim_func(s_tir=True)
    def gemm(
        A: T.Buffer((M, K), "bfloat16"),
        B: T.Buffer((K, N), "bfloat16"),
        C: T.Buffer((M, N), "bfloat16"),
    ):
        for i, j, k in T.grid(M, N, K):
            with T.sblock("gemm"):
                vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                with T.init():
                    C[vi, vj] = T.bfloat16(0)
                C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]

    return gemm
