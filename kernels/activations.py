"""What networks do between their products, each a kernel of its own, as topi or TE writes it."""

from tvm import te, topi


def softmax(M: int = 40, N: int = 70):
    """exp(A - max(A)) / sum(exp(A - max(A))) of each row."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    return [A, topi.nn.softmax(A, axis=-1)]


def rms_norm(M: int = 40, N: int = 70):
    """A * weight / sqrt(mean(A * A)) of each row."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    weight = te.placeholder((N,), "bfloat16", name="weight")
    return [A, weight, topi.nn.rms_norm(A, weight, axis=[-1])]


def layer_norm(M: int = 40, N: int = 70):
    """(A - mean) / sqrt(variance + eps) * weight + bias of each row."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    weight = te.placeholder((N,), "bfloat16", name="weight")
    bias = te.placeholder((N,), "bfloat16", name="bias")
    count, epsilon = te.const(N, "bfloat16"), te.const(1e-5, "bfloat16")
    mean = topi.divide(topi.sum(A, axis=-1, keepdims=True), count)
    X = topi.subtract(A, mean)
    variance = topi.divide(topi.sum(topi.multiply(X, X), axis=-1, keepdims=True), count)
    normal = topi.multiply(X, topi.rsqrt(topi.add(variance, epsilon)))
    return [A, weight, bias, topi.add(topi.multiply(normal, weight), bias)]


def gelu(M: int = 50, N: int = 70, K: int = 90):
    """gelu(X @ W + b), by the error function."""
    X = te.placeholder((M, K), "bfloat16", name="X")
    W = te.placeholder((K, N), "bfloat16", name="W")
    b = te.placeholder((N,), "bfloat16", name="b")
    H = topi.add(topi.matmul(X, W), b)
    half, root, one = (te.const(value, "bfloat16") for value in (0.5, 0.70710678, 1.0))

    def value(i, j):
        return half * H[i, j] * (one + te.erf(H[i, j] * root))

    return [X, W, b, te.compute((M, N), value, name="Y")]


def silu_gate(M: int = 40, N: int = 70):
    """A * sigmoid(A) * B."""
    A = te.placeholder((M, N), "bfloat16", name="A")
    B = te.placeholder((M, N), "bfloat16", name="B")

    def value(i, j):
        return A[i, j] * te.sigmoid(A[i, j]) * B[i, j]

    return [A, B, te.compute((M, N), value, name="Y")]


def leaky_relu(M: int = 50, N: int = 70, K: int = 90):
    """H = X @ W + b where that is more than 0, elsewhere an eighth of it."""
    X = te.placeholder((M, K), "bfloat16", name="X")
    W = te.placeholder((K, N), "bfloat16", name="W")
    b = te.placeholder((N,), "bfloat16", name="b")
    return [X, W, b, topi.nn.leaky_relu(topi.add(topi.matmul(X, W), b), 0.125)]
