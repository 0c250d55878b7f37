"""Slices, concatenations, choices by index and fills: data that moves in whole tiles."""

from tvm import te, topi
from tvm.script import tirx as T


def slices(B: int = 3, M: int = 96, N: int = 100):
    """Y = X[::-1, 32:, 64:] - X[:, :M - 32, 0], any N of at least 65."""
    X = te.placeholder((B, M, N), "bfloat16", name="X")
    return [
        X,
        te.compute(
            (B, M - 32, N - 64),
            lambda b, i, j: X[B - 1 - b, i + 32, j + 64] - X[b, i, 0],
            name="Y",
        ),
    ]


def concatenate(M: int = 40, N: int = 64, P: int = 70):
    """Y[:, :N] = X and Y[:, N:] = Z, as topi writes it."""
    X = te.placeholder((M, N), "bfloat16", name="X")
    Z = te.placeholder((M, P), "bfloat16", name="Z")
    return [X, Z, topi.concatenate((X, Z), axis=1)]


def framed(M: int = 64, N: int = 32, K: int = 96):
    """A product in the middle of a frame that is filled with ones, with a bias below it."""

    @T.prim_func
    def framed(
        A: T.Buffer((M, K), "bfloat16"),
        B: T.Buffer((K, N), "bfloat16"),
        bias: T.Buffer((N,), "bfloat16"),
        C: T.Buffer((M + 32, N + 64), "bfloat16"),
    ):
        for i, j in T.grid(M, N):
            C[i, j + 32] = T.bfloat16(0)
            for k in range(K):
                C[i, j + 32] = C[i, j + 32] + A[i, k] * B[k, j]
        for i, j in T.grid(M + 32, N + 64):
            if j < 32 or j >= N + 32:
                C[i, j] = T.bfloat16(1)
        for i, j in T.grid(32, N):
            C[i + M, j + 32] = bias[j]

    return framed


def reshape(B: int = 3, M: int = 64, N: int = 40):
    """Y[c, i, j] = X[...]: matrices stacked in a batch become rows of one matrix, times two."""
    X = te.placeholder((B, M, N), "bfloat16", name="X")
    return [X, topi.multiply(topi.reshape(X, (B * M, N)), te.const(2, "bfloat16"))]
