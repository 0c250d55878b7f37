"""Other formats than bf16, alone and mixed.

Tensors of float32 keep 32 bits in memory and where they are only moved. The FPU's factors have a
mantissa of 10 bits (TF32), so arithmetic is that exact and no more. Integers are moved as they are.
"""

from tvm import te


def widened(M: int = 64, N: int = 96, K: int = 128):
    """C = A @ B: factors in bf16, the product in float32."""
    A = te.placeholder((M, K), "bfloat16", name="A")
    B = te.placeholder((K, N), "bfloat16", name="B")
    k = te.reduce_axis((0, K), name="k")

    def product(i, j):
        return te.sum(A[i, k].astype("float32") * B[k, j].astype("float32"), axis=k)

    return [A, B, te.compute((M, N), product, name="C")]


def residual(M: int = 64, N: int = 64, K: int = 96):
    """D = bf16(A @ B + C): one factor and the residual in float32."""
    A = te.placeholder((M, K), "float32", name="A")
    B = te.placeholder((K, N), "bfloat16", name="B")
    C = te.placeholder((M, N), "float32", name="C")
    k = te.reduce_axis((0, K), name="k")
    P = te.compute(
        (M, N), lambda i, j: te.sum(A[i, k] * B[k, j].astype("float32"), axis=k), name="P"
    )
    return [A, B, C, te.compute((M, N), lambda i, j: (P[i, j] + C[i, j]).astype("bfloat16"))]


def cast(M: int = 70, N: int = 90):
    """B = bf16(A), rounded to nearest."""
    A = te.placeholder((M, N), "float32", name="A")
    return [A, te.compute((M, N), lambda i, j: A[i, j].astype("bfloat16"), name="B")]


def int32(B: int = 2, C: int = 3, M: int = 32, N: int = 64):
    """Y[c, b] = X[b, c]: batches permuted, every integer as it was."""
    X = te.placeholder((B, C, M, N), "int32", name="X")
    return [X, te.compute((C, B, M, N), lambda c, b, i, j: X[b, c, i, j], name="Y")]
