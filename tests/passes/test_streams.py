"""Sums below a maximum in one loop over chunks of a row, which is never in L1 as a whole (P8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sources import plan_of, run, values

from ttgen.plan import Plan
from ttgen.plan.model import For
from ttgen.plan.trace import trace

ATTENTION = """
from tvm import topi

def k():
    Q = te.placeholder(({rows}, {depth}), "bfloat16", name="Q")
    K = te.placeholder(({length}, {depth}), "bfloat16", name="K")
    V = te.placeholder(({length}, {columns}), "bfloat16", name="V")
    mask = te.placeholder(({rows}, {length}), "bfloat16", name="mask")
    half = te.const(0.5, "bfloat16")
    s = topi.matmul(Q, K, transp_b=True)
    s = {scores}
    return [Q, K, V, mask, topi.matmul(topi.nn.softmax(s, axis=-1), V)]
"""
PLAIN, SCALED, MASKED = "topi.identity(s)", "topi.multiply(s, half)", "topi.add(s * half, mask)"
CAUSAL = (
    "te.compute(s.shape, lambda i, j: te.if_then_else(j <= i, s[i, j] * half, "
    'te.const(float("-inf"), "bfloat16")))'
)


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


SCORES: dict[str, tuple[str, Callable[..., Any]]] = {
    "plain": (PLAIN, lambda s, mask: s),
    "scaled": (SCALED, lambda s, mask: s / 2),
    "masked": (MASKED, lambda s, mask: s / 2 + mask),
    "causal": (CAUSAL, lambda s, mask: np.where(np.tri(*s.shape), s / 2, -np.inf)),
}


def attention(scores: str, rows: int, length: int, depth: int = 32, columns: int = 32) -> str:
    return ATTENTION.format(scores=scores, rows=rows, length=length, depth=depth, columns=columns)


def is_streamed(plan: Plan) -> bool:
    """Whether compute has a loop over chunks."""
    return "chunks" in " ".join(constant.name for constant in plan.programs.compute.constants)


def assert_close(source: str, meaning: Callable[..., Any], **options: Any) -> Plan:
    """The plan streams, and gives what ``meaning`` gives but for float32's rounding."""
    plan = plan_of(source, **{"stream_tiles": 1, **options})
    assert is_streamed(plan)
    inputs = values(plan)
    (result,) = run(plan, inputs).values()
    expected = meaning(**{name: array.astype(np.float64) for name, array in inputs.items()})
    assert_near(result, expected)
    return plan


def assert_near(result: np.ndarray, expected: np.ndarray) -> None:
    """Equal, but for roundings to float32 of the largest that are added up."""
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-6 * np.abs(expected).max())


def assert_attends(scores: str, rows: int, length: int, **options: Any) -> Plan:
    shape = {name: options.pop(name) for name in ("depth", "columns") if name in options}
    text, scored = SCORES[scores]
    return assert_close(
        attention(text, rows, length, **shape),
        lambda Q, K, V, mask: softmax(scored(Q @ K.T, mask)) @ V,
        **options,
    )


@pytest.mark.parametrize("length", [50, 40, 96, 300, 350])
@pytest.mark.parametrize("scores", SCORES)
def test_attention_of_any_length(scores: str, length: int) -> None:
    """P6: rows that end within a tile, the last chunk with fewer of them than others."""
    assert_attends(scores, length, length, stream_tiles=4 if length > 128 else 1)


@pytest.mark.parametrize("rows", [1, 2])
def test_attention_of_few_positions(rows: int) -> None:
    """Such as of the last one, to what came before it."""
    assert_attends("masked", rows, 150, stream_tiles=2)


def test_the_last_chunk_may_have_fewer_blocks() -> None:
    """5 tiles and 4, in blocks of 4, which is what DST holds in float32."""
    assert_attends("plain", 40, 280, arch="blackhole", stream_tiles=8)


@pytest.mark.parametrize("stream_tiles", [2, 3])
def test_tiles_of_a_chunk_that_move_with_another_loop(stream_tiles: int) -> None:
    """Those of K's squares do with the depth, too, of which there are 3 tiles."""
    squares = "topi.matmul(Q, topi.multiply(K, K), transp_b=True)"
    plan = assert_close(
        attention(squares, 40, 150, depth=80),
        lambda Q, K, V, mask: softmax(Q @ (K * K).T) @ V,
        stream_tiles=stream_tiles,
    )
    assert max(cb.pages for cb in plan.circular_buffers if cb.tensor is None) == 3 * stream_tiles


@pytest.mark.parametrize("size", [16, 64, 128, 300])
@pytest.mark.parametrize("arch", ["wormhole_b0", "blackhole"])
def test_all_columns_of_the_values_share_a_pass(size: int, arch: str) -> None:
    """As many as DST holds: 8 tiles on Wormhole, 4 in float32 on Blackhole."""
    plan = assert_attends("scaled", 40, 160, depth=size, columns=size, arch=arch, grid=(1, 1))
    tiles = -(-size // 32)
    passes = -(-tiles // (8 if arch == "wormhole_b0" else 4))
    done = [e for e in trace(plan.programs.compute, 0) if e.op.op == "matmul_tiles"]
    scores = sum(event.times for event in done if event.op.args["in0"] == "Q")
    assert scores == 2 * 5 * tiles * passes  # 2 rows of 5 tiles, each of which is a sum


def test_scores_are_made_anew_for_each_block_of_columns() -> None:
    """3 blocks of at most 4 columns: as many steps of sums as neither rows nor tiles say."""
    assert_attends("plain", 100, 64, depth=50, columns=290, grid=(1, 1), block_tiles=4)


OPTIONS = [
    {"grid": (2, 2)},  # the runs of four cores: they begin and end within rows
    {"grid": (4, 4)},  # more cores than tiles
    {"grid": (1, 1), "block_tiles": 2},
    {"grid": (1, 1), "block_tiles": 3, "buffering": 1},
    {"grid": (2, 2), "partition": "column_major"},
    {"grid": (2, 2), "partition": "block"},
    {"grid": (1, 2), "fp32_dest_acc": True, "dst_full_sync": True},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("scores", ["masked", "causal"])
def test_attention_in_every_partition(scores: str, options: dict[str, object]) -> None:
    assert_attends(scores, 70, 130, columns=150, **options)


def test_what_is_in_l1_does_not_grow_with_the_row() -> None:
    """P7: the third row in docs/fused.md. The plan is not even larger."""
    plans = [plan_of(attention(SCALED, 32, length, 64, 64)) for length in (512, 2048, 8192)]
    assert len({plan.l1.used_bytes for plan in plans}) == 1
    assert all(is_streamed(plan) for plan in plans)


def test_rows_of_one_chunk_are_not_streamed() -> None:
    """Nothing has to be corrected there."""
    assert not is_streamed(plan_of(attention(SCALED, 32, 256)))
    assert is_streamed(plan_of(attention(SCALED, 32, 257)))
    assert not is_streamed(plan_of(attention(SCALED, 32, 257), stream_tiles=9))


def test_chunks_are_as_few_and_as_equal_as_can_be() -> None:
    constants = {
        length: {c.name: c.value for c in plan_of(source).programs.compute.constants}
        for length in (288, 640, 416)
        for source in [attention(SCALED, 32, length)]
    }
    sizes = {n: (c["k_chunk_tiles"], c["k_chunks"]) for n, c in constants.items()}
    assert sizes == {288: (5, 2), 640: (7, 3), 416: (7, 2)}


def test_rows_with_nothing_to_look_at_are_not_numbers_as_in_the_source() -> None:
    """Others are, though the first chunks hold nothing but minus infinity."""
    later = CAUSAL.replace("j <= i", "j - 70 >= i")
    plan = plan_of(attention(later, 96, 128), stream_tiles=1)
    inputs = values(plan)
    (result,) = run(plan, inputs).values()
    scores = np.where(np.tri(128, 96, -70).T, inputs["Q"] @ inputs["K"].T / 2, -np.inf)
    assert np.isnan(result[58:]).all()
    expected = softmax(scores[:58].astype(np.float64)) @ inputs["V"]
    assert_near(result[:58], expected)


# What else has the form -----------------------------------------------------------------------


def below(shapes: dict[str, tuple[int, ...]], value: str, result: str, length: int = 100) -> str:
    """Maxima ``m`` over ``A`` and sums ``s`` of ``value``, of which ``result`` is made."""
    tensors = "".join(
        f'    {name} = te.placeholder({shape}, "bfloat16", name="{name}")\n'
        for name, shape in shapes.items()
    )
    return (
        f"def k():\n{tensors}"
        f'    n, q = te.reduce_axis((0, {length}), name="n"), te.reduce_axis((0, {length}))\n'
        '    m = te.compute((70,), lambda i: te.max(A[i, n], axis=n), name="m")\n'
        f"    s = te.compute((70,), lambda i: te.sum({value}, axis=q))\n"
        f"    C = {result}\n"
        f"    return [{', '.join(shapes)}, C]\n"
    )


ROWS = {"A": (70, 100)}
EXP = "te.exp(A[i, q] - m[i])"
AS_IT_IS = 'te.compute((70,), lambda i: s[i], name="C")'


def weights_of(A: np.ndarray) -> np.ndarray:
    return np.exp(A - A.max(1, keepdims=True))


FORMS: dict[str, tuple[str, Callable[..., Any]]] = {
    "a sum alone": (below(ROWS, EXP, AS_IT_IS), lambda A: weights_of(A).sum(1)),
    "the logarithm of a sum": (
        below(ROWS, EXP, 'te.compute((70,), lambda i: te.log(s[i]), name="C")'),
        lambda A: np.log(weights_of(A).sum(1)),
    ),
    "of a multiple": (
        below(ROWS, 'te.exp((A[i, q] - m[i]) * te.const(0.25, "bfloat16"))', AS_IT_IS),
        lambda A: (weights_of(A) ** 0.25).sum(1),
    ),
    "weights with other factors": (
        below(ROWS | {"B": (70, 100)}, f"B[i, q] * {EXP} * B[i, q]", AS_IT_IS),
        lambda A, B: (B * weights_of(A) * B).sum(1),
    ),
    "for all of a row": (
        below(
            ROWS | {"B": (70, 80)},
            EXP,
            'te.compute((70, 80), lambda i, j: B[i, j] / s[i], name="C")',
        ),
        lambda A, B: B / weights_of(A).sum(1, keepdims=True),
    ),
}


@pytest.mark.parametrize(("source", "meaning"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("options", [{}, {"grid": (1, 2), "stream_tiles": 2}])
def test_sums_below_a_maximum(
    source: str, meaning: Callable[..., Any], options: dict[str, object]
) -> None:
    assert_close(source, meaning, **options)


def test_a_sum_for_a_row_is_streamed_once_for_all_of_its_tiles() -> None:
    """3 rows of 3 tiles on one core: 4 steps for each row's sum, not for each tile's."""
    source, _ = FORMS["for all of a row"]
    plan = plan_of(source, grid=(1, 1), stream_tiles=1)
    steps = [e.times for e in trace(plan.programs.compute, 0) if e.op.op == "reduce_tile"]
    assert sum(steps) == 2 * 3 * 4


HEADS = """
from tvm import topi

def k():
    Q, K, V = (te.placeholder((3, 70, 32), "bfloat16", name=name) for name in "QKV")
    s = topi.nn.batch_matmul(Q, K, transpose_b=True)
    return [Q, K, V, topi.nn.batch_matmul(topi.nn.softmax(s, axis=-1), V, transpose_b=False)]
"""
TURNED = """
from tvm import topi

def k():
    Q, K, V = (te.placeholder((70, 40), "bfloat16", name=name) for name in "QKV")
    s = topi.matmul(Q, K, transp_b=True)
    return [Q, K, V, topi.transpose(topi.matmul(topi.nn.softmax(s, axis=-1), V))]
"""
#: Two streams over rows of one length, of which one makes what the other one's scores are made of.
TWICE = """
from tvm import topi

def attend(Q, K, V):
    return topi.matmul(topi.nn.softmax(topi.matmul(Q, K, transp_b=True), axis=-1), V)

def k():
    Q, K, V, W = (te.placeholder((64, 32), "bfloat16", name=name) for name in "QKVW")
    return [Q, K, V, W, {result}]
"""


def attend(Q: np.ndarray, K: np.ndarray, V: np.ndarray) -> np.ndarray:
    return softmax(Q @ K.swapaxes(-1, -2)) @ V


#: Scores are used by a stream, and by a sum that is none, in either order.
SCORES_AGAIN = """
from tvm import topi

def k():
    Q, K, V = (te.placeholder((70, 40), "bfloat16", name=name) for name in "QKV")
    s = topi.matmul(Q, K, transp_b=True)
    weighted = topi.matmul(topi.nn.softmax(s, axis=-1), V)
    total = topi.sum(topi.multiply(s, s), axis=-1, keepdims=True)
    return [Q, K, V, topi.subtract({operands})]
"""


@pytest.mark.parametrize("operands", ["weighted, total", "total, weighted"])
def test_a_chunk_of_scores_is_no_row_of_them(operands: str) -> None:
    sign = 1 if operands.startswith("weighted") else -1

    def meaning(Q: np.ndarray, K: np.ndarray, V: np.ndarray) -> np.ndarray:
        total = ((Q @ K.T) ** 2).sum(1, keepdims=True)
        return sign * (attend(Q, K, V) - total)

    assert_close(SCORES_AGAIN.format(operands=operands), meaning)


def test_every_head_is_streamed() -> None:
    assert_close(HEADS, attend)


def test_a_transposed_result() -> None:
    assert_close(TURNED, lambda Q, K, V: attend(Q, K, V).T)


def test_two_streams_in_a_kernel() -> None:
    result = "topi.add(attend(Q, K, V), attend(W, V, K))"
    assert_close(
        TWICE.format(result=result),
        lambda Q, K, V, W: attend(Q, K, V) + attend(W, V, K),
    )


def test_sums_that_share_a_maximum_share_a_stream() -> None:
    result = "topi.add(attend(Q, K, V), attend(Q, K, W))"
    plan = assert_close(
        TWICE.format(result=result), lambda Q, K, V, W: attend(Q, K, V + W), grid=(1, 1)
    )
    chunks = [one for one in plan.programs.compute.body if isinstance(one, For)]
    assert len(_loops_over_chunks(chunks)) == 1


def _loops_over_chunks(body: Any) -> list[For]:
    loops = [one for one in body if isinstance(one, For)]
    found = [one for one in loops if one.stop == "k_chunks"]
    return found + [inner for one in loops for inner in _loops_over_chunks(one.body)]


def test_an_attention_that_another_one_looks_for() -> None:
    """What its scores are made of is made before it, if it is streamed or not."""
    result = "attend(attend(Q, K, V), W, V)"
    assert_close(TWICE.format(result=result), lambda Q, K, V, W: attend(attend(Q, K, V), W, V))


# What has not -----------------------------------------------------------------------------------


UNLIKE: dict[str, tuple[str, Callable[..., Any]]] = {
    "a softmax": (
        """
from tvm import topi

def k():
    A = te.placeholder((40, 100), "bfloat16", name="A")
    return [A, topi.nn.softmax(A, axis=-1)]
""",
        lambda A: softmax(A),
    ),
    "a maximum that is used": (
        below(ROWS, EXP, 'te.compute((70,), lambda i: s[i] + m[i], name="C")'),
        lambda A: weights_of(A).sum(1) + A.max(1),
    ),
    "two weights in a product": (
        below(ROWS, f"{EXP} * {EXP}", AS_IT_IS),
        lambda A: (weights_of(A) ** 2).sum(1),
    ),
    "exponentials of something else": (
        below(ROWS | {"B": (70, 100)}, "te.exp(B[i, q] - m[i])", AS_IT_IS),
        lambda A, B: np.exp(B - A.max(1, keepdims=True)).sum(1),
    ),
    "below the row of another product": (
        """
from tvm import topi

def k():
    Q, K, V = (te.placeholder((70, 32), "bfloat16", name=name) for name in "QKV")
    W = te.placeholder((32, 40), "bfloat16", name="W")
    s = topi.matmul(Q, K, transp_b=True)
    return [Q, K, V, W, topi.matmul(topi.matmul(topi.nn.softmax(s, axis=-1), V), W)]
""",
        lambda Q, K, V, W: attend(Q, K, V) @ W,
    ),
}


@pytest.mark.parametrize(("source", "meaning"), UNLIKE.values(), ids=UNLIKE)
def test_what_is_not_streamed(source: str, meaning: Callable[..., Any]) -> None:
    plan = plan_of(source, stream_tiles=1)
    assert not is_streamed(plan)
    inputs = values(plan)
    (result,) = run(plan, inputs).values()
    assert_near(result, meaning(**inputs))
