"""Linear layers, any shape, in bf16.

Their blocks and intermediates become one kernel: the product stays in DST while it is scaled, added
to, and whatever else follows it.
"""

from tvm import te, topi


def linear(M: int = 50, N: int = 70, K: int = 90):
    """Y = (X @ W) * s + b + residual. Any M, N and K, whole tiles or not."""
    X = te.placeholder((M, K), "bfloat16", name="X")
    W = te.placeholder((K, N), "bfloat16", name="W")
    b = te.placeholder((N,), "bfloat16", name="b")
    residual = te.placeholder((M, N), "bfloat16", name="residual")
    scaled = topi.multiply(topi.matmul(X, W), te.const(0.125, "bfloat16"))
    return [X, W, b, residual, topi.add(topi.add(scaled, b), residual)]


def relu(M: int = 50, N: int = 70, K: int = 90):
    """Y = max(X @ W + b, 0)."""
    X = te.placeholder((M, K), "bfloat16", name="X")
    W = te.placeholder((K, N), "bfloat16", name="W")
    b = te.placeholder((N,), "bfloat16", name="b")
    return [X, W, b, topi.nn.relu(topi.add(topi.matmul(X, W), b))]
