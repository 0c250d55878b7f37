"""Transpose of the last two dimensions, batch dimensions permuted on the way."""

from tvm import te


def transpose(B: int = 2, C: int = 3, M: int = 40, N: int = 64):
    """Y[c, b, j, i] = X[b, c, i, j]."""
    X = te.placeholder((B, C, M, N), "bfloat16", name="X")
    return [X, te.compute((C, B, N, M), lambda c, b, j, i: X[b, c, i, j], name="Y")]
