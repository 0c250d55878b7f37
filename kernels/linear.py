"""A linear layer with a residual: Y = (X @ W) * s + b + X0, any shape, in bf16.

Three blocks and their intermediates become one kernel: the product stays in DST while it is scaled
and added to.
"""

from tvm import te, topi


def linear(M: int = 50, N: int = 70, K: int = 90):
    """Any M, N and K, whole tiles or not."""
    X = te.placeholder((M, K), "bfloat16", name="X")
    W = te.placeholder((K, N), "bfloat16", name="W")
    b = te.placeholder((N,), "bfloat16", name="b")
    residual = te.placeholder((M, N), "bfloat16", name="residual")
    scaled = topi.multiply(topi.matmul(X, W), te.const(0.125, "bfloat16"))
    return [X, W, b, residual, topi.add(topi.add(scaled, b), residual)]
