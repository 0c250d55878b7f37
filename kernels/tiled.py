"""Tile primitives on a grid that the author gives: blocks stay whole, and in their order."""

from tvm.script import tirx as T
from tvm.script.tirx import tile as Tx


def gemm(M: int = 128, N: int = 192, K: int = 96):
    """C = A @ B in blocks of 64x64, column by column: the first id of a grid moves fastest."""

    @T.prim_func
    def gemm(
        A: T.Buffer((M, K), "bfloat16"),
        B: T.Buffer((K, N), "bfloat16"),
        C: T.Buffer((M, N), "bfloat16"),
    ):
        T.device_entry()
        by, bx = T.cta_id([M // 64, N // 64])
        tile_a = T.alloc_buffer((64, 32), "bfloat16", scope="shared")
        tile_b = T.alloc_buffer((32, 64), "bfloat16", scope="shared")
        total = T.alloc_buffer((64, 64), "float32", scope="local")
        Tx.fill(total, 0.0)
        for k in range(K // 32):
            Tx.copy(tile_a, A[by * 64 : by * 64 + 64, k * 32 : k * 32 + 32])
            Tx.copy(tile_b, B[k * 32 : k * 32 + 32, bx * 64 : bx * 64 + 64])
            Tx.gemm(total, tile_a, tile_b, total, beta=1.0)
        Tx.cast(C[by * 64 : by * 64 + 64, bx * 64 : bx * 64 + 64], total)

    return gemm


def scores(L: int = 96, D: int = 64):
    """S = Q @ K' / 8 in blocks of 32x32, row by row."""

    @T.prim_func
    def scores(
        Q: T.Buffer((L, D), "bfloat16"),
        K: T.Buffer((L, D), "bfloat16"),
        S: T.Buffer((L, L), "bfloat16"),
    ):
        T.device_entry()
        bx, by = T.cta_id([L // 32, L // 32])
        total = T.alloc_buffer((32, 32), "float32", scope="local")
        rows = T.meta_var(slice(by * 32, by * 32 + 32))
        columns = T.meta_var(slice(bx * 32, bx * 32 + 32))
        Tx.gemm(total, Q[rows, :], K[columns, :], total, transpose_B=True, alpha=0.125)
        Tx.cast(S[rows, columns], total)

    return scores


def cast(B: int = 2, M: int = 70, N: int = 90):
    """Y = bf16(X), a matrix of the batch for each block."""

    @T.prim_func
    def cast(X: T.Buffer((B, M, N), "float32"), Y: T.Buffer((B, M, N), "bfloat16")):
        T.device_entry()
        b = T.cta_id([B])
        Tx.cast(Y[b, :, :], X[b, :, :])

    return cast
