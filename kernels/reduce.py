"""Sums, means and maxima over the last two dimensions, kept or dropped."""

from tvm import te, topi


def row_sum(M: int = 64, N: int = 96):
    """B[i] = sum of A[i, :]."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    return [A, topi.sum(A, axis=-1)]


def column_max(M: int = 64, N: int = 96):
    """B[0, j] = maximum of A[:, j]."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    return [A, topi.max(A, axis=0, keepdims=True)]


def center(M: int = 64, N: int = 128):
    """B[i, j] = A[i, j] less the mean of its row: a reduction inside an elementwise tree."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    mean = topi.divide(topi.sum(A, axis=-1, keepdims=True), te.const(N, "bfloat16"))
    return [A, topi.subtract(A, mean)]


def batch_sum(B: int = 5, M: int = 40, N: int = 70):
    """C = sum of A[b, :, :] over b: whole tiles."""
    A = te.placeholder((B, M, N), "bfloat16", name="A")
    return [A, topi.sum(A, axis=0)]


def rows_sum(B: int = 3, M: int = 40, N: int = 70):
    """C[b, j] = sum of A[b, :, j]: a row in each batch."""
    A = te.placeholder((B, M, N), "bfloat16", name="A")
    return [A, topi.sum(A, axis=1)]


def matrix_max(B: int = 3, M: int = 40, N: int = 70):
    """C[b] = maximum of A[b, :, :] less 3: a number in each batch."""
    A = te.placeholder((B, M, N), "bfloat16", name="A")
    return [A, topi.max(topi.subtract(A, te.const(3, "bfloat16")), axis=[1, 2])]


def ragged_max(M: int = 40, N: int = 70):
    """B[i] = maximum of A[i, :] less 3: padding would be more than any of these numbers."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    return [A, topi.max(topi.subtract(A, te.const(3, "bfloat16")), axis=-1)]


def ragged_mean(M: int = 70, N: int = 48):
    """B[0, j] = mean of 1 + A[:, j], which is 1 in the padding."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    total = topi.sum(topi.add(A, te.const(1, "bfloat16")), axis=0, keepdims=True)
    return [A, topi.divide(total, te.const(M, "bfloat16"))]


def total_mean(M: int = 40, N: int = 70):
    """B = mean of all of A: sums of rows, and the sum of those."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    total = topi.sum(A, keepdims=True)
    return [A, topi.divide(total, te.const(M * N, "float32"))]


def dot_rows(M: int = 40, N: int = 70):
    """C[i] = sum of A[i, :] * B[i, :]."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    B = te.placeholder((M, N), "bfloat16", name="B")
    return [A, B, topi.sum(topi.multiply(A, B), axis=-1)]
