"""Attention in one kernel: of the scores, a few tiles of a row are in L1 at a time."""

from tvm import te, topi


def attention(S: int = 64, D: int = 64):
    """softmax(Q @ Kᵀ / sqrt(D)) @ V, of one head; K and V are read again for each row of tiles."""
    Q, K, V = (te.placeholder((S, D), "bfloat16", name=name) for name in "QKV")
    return [Q, K, V, _weighted(_scores(Q, K), V)]


def masked(S: int = 64, D: int = 64):
    """The same with a mask that is added to the scores: -1e9, say, where none may look."""
    Q, K, V = (te.placeholder((S, D), "bfloat16", name=name) for name in "QKV")
    mask = te.placeholder((S, S), "bfloat16", name="mask")
    return [Q, K, V, mask, _weighted(topi.add(_scores(Q, K), mask), V)]


def causal(S: int = 64, D: int = 64):
    """The same where no position looks at a later one."""
    Q, K, V = (te.placeholder((S, D), "bfloat16", name=name) for name in "QKV")
    scores, scale = topi.matmul(Q, K, transp_b=True), _scale(D)
    never = te.const(float("-inf"), "bfloat16")
    seen = te.compute((S, S), lambda i, j: te.if_then_else(j <= i, scores[i, j] * scale, never))
    return [Q, K, V, _weighted(seen, V)]


def heads(S: int = 32, H: int = 2, D: int = 32):
    """The same of several heads, which lie side by side in each row as projections make them."""
    Q, K, V = (te.placeholder((S, H * D), "bfloat16", name=name) for name in "QKV")
    q, k, v = (topi.transpose(topi.reshape(x, (S, H, D)), (1, 0, 2)) for x in (Q, K, V))
    scores = topi.multiply(topi.nn.batch_matmul(q, k), _scale(D))
    found = topi.nn.batch_matmul(topi.nn.softmax(scores), v, transpose_b=False)
    return [Q, K, V, topi.reshape(topi.transpose(found, (1, 0, 2)), (S, H * D))]


def _scores(Q, K):
    return topi.multiply(topi.matmul(Q, K, transp_b=True), _scale(int(Q.shape[1])))


def _scale(D):
    return te.const(D**-0.5, "bfloat16")


def _weighted(scores, V):
    return topi.matmul(topi.nn.softmax(scores, axis=-1), V)
