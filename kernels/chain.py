"""Reductions of reductions: what the inner one makes stays in L1."""

from tvm import te, topi


def product(M: int = 64, K: int = 96, L: int = 70, N: int = 40):
    """D = (A @ B) @ C."""
    A = te.placeholder((M, K), "bfloat16", name="A")
    B = te.placeholder((K, L), "bfloat16", name="B")
    C = te.placeholder((L, N), "bfloat16", name="C")
    return [A, B, C, topi.matmul(topi.matmul(A, B), C)]


def centred(M: int = 40, N: int = 64):
    """B[i] = sum of A[i, :] less the maximum of the row."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    return [A, topi.sum(topi.subtract(A, topi.max(A, axis=-1, keepdims=True)), axis=-1)]


def layer_norm(M: int = 40, N: int = 70):
    """C = (A - mean) * g - variance: a layer norm but for the root, each part of it made once."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    g = te.placeholder((1, N), "bfloat16", name="g")
    count = te.const(N, "bfloat16")
    mean = topi.divide(topi.sum(A, axis=-1, keepdims=True), count)
    X = topi.subtract(A, mean)
    variance = topi.divide(topi.sum(topi.multiply(X, X), axis=-1, keepdims=True), count)
    return [A, g, topi.subtract(topi.multiply(X, g), variance)]
