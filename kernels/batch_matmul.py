"""Batched products with any of the factors transposed, as topi writes them."""

from tvm import te, topi


def batch_matmul(B: int = 3, M: int = 32, N: int = 64, K: int = 96):
    """C[b] = X[b] @ Y[b] transposed: the form that attention scores have."""
    X = te.placeholder((B, M, K), "bfloat16", name="X")
    Y = te.placeholder((B, N, K), "bfloat16", name="Y")
    return [X, Y, topi.nn.batch_matmul(X, Y)]


def shared_weight(B: int = 2, M: int = 40, N: int = 32, K: int = 64):
    """C[b] = X[b] transposed @ W: one factor has no batch, the other is transposed."""
    X = te.placeholder((B, K, M), "bfloat16", name="X")
    W = te.placeholder((K, N), "bfloat16", name="W")
    k = te.reduce_axis((0, K), name="k")
    return [X, W, te.compute((B, M, N), lambda b, i, j: te.sum(X[b, k, i] * W[k, j], axis=k))]
