"""TIRX tile primitives on a grid: what they mean, in which order, and what is refused.

The line at fault is marked with ``# !``.
"""

from __future__ import annotations

import re
from textwrap import dedent, indent
from typing import Any

import numpy as np
import pytest
from sources import HEADER, kernel, lower, plan_of, run, values

from ttgen.errors import LoweringError
from ttgen.golden import golden
from ttgen.partition import tile_places
from ttgen.passes.pipeline import run_pipeline

IMPORT = "from tvm.script.tirx import tile as Tx\n"


def tiled(body: str, dtype: str = "bfloat16", size: int = 128) -> str:
    """A kernel ``k`` from A and B to C, square tensors."""
    tensors = ", ".join(f'{name}: T.Buffer(({size}, {size}), "{dtype}")' for name in "ABC")
    return f"{IMPORT}@T.prim_func\ndef k({tensors}):\n{indent(dedent(body).strip(), '    ')}\n"


def in_blocks(body: str, rows: int = 32, columns: int = 32, ids: str = "bx, by") -> str:
    """``body`` for each block: ``S`` is a scratch buffer, ``C_``, ``A_`` and ``B_`` regions."""
    extents = {"bx": 128 // columns, "by": 128 // rows}
    grid = ", ".join(str(extents[name]) for name in ids.split(", "))
    part = f"[by * {rows} : by * {rows} + {rows}, bx * {columns} : bx * {columns} + {columns}]"
    body = re.sub(r"\b([ABC])_", rf"\1{part}", dedent(body).strip())
    return tiled(
        f"T.device_entry()\n{ids} = T.cta_id([{grid}])\n"
        f'S = T.alloc_buffer(({rows}, {columns}), "float32", scope="shared")\n{body}'
    )


def result(source: str, **options: Any) -> tuple[Any, dict[str, Any]]:
    """C, as the golden of ``source`` has it, after it was compared with its plan's; inputs."""
    made = kernel(source)
    plan = plan_of(source, **options)
    expected = golden(made, plan)
    assert np.allclose(run(plan, expected.inputs)["C"], expected.outputs["C"], atol=1e-4)
    given = values(plan)
    return run(plan, given)["C"], given


PRODUCTS = {
    "accumulate": (", beta=1.0", lambda a, b: a @ b + 2),
    "overwrite": ("", lambda a, b: a @ b),
    "A transposed": (", transpose_A=True, beta=1.0", lambda a, b: a.T @ b + 2),
    "B transposed": (", transpose_B=True, beta=1.0", lambda a, b: a @ b.T + 2),
    "both transposed": (", True, True, 1.0, 1.0", lambda a, b: a.T @ b.T + 2),
    "scaled": (", alpha=0.5, beta=1.0", lambda a, b: a @ b / 2 + 2),
    "both scaled": (", alpha=-2.0, beta=0.25", lambda a, b: -2 * (a @ b) + 0.5),
}


@pytest.mark.parametrize("case", PRODUCTS)
def test_products(case: str) -> None:
    flags, meaning = PRODUCTS[case]
    left = "A[:, by * 32 : by * 32 + 32]" if "A" in case or "both t" in case else None
    right = "B[bx * 32 : bx * 32 + 32, :]" if "B" in case or "both t" in case else None
    left = left or "A[by * 32 : by * 32 + 32, :]"
    right = right or "B[:, bx * 32 : bx * 32 + 32]"
    fill = "" if case == "overwrite" else "Tx.fill(S, 2.0)\n"
    body = f"{fill}Tx.gemm(S, {left}, {right}, S{flags})\nTx.cast(C_, S)"
    found, given = result(in_blocks(body))
    assert np.array_equal(found, meaning(given["A"], given["B"]))


def test_a_product_adds_to_another_tensor() -> None:
    body = """
        P = T.alloc_buffer((32, 32), "float32")
        Tx.cast(P, C0[by * 32 : by * 32 + 32, bx * 32 : bx * 32 + 32])
        Tx.gemm(S, A[by * 32 : by * 32 + 32, :], B[:, bx * 32 : bx * 32 + 32], P, beta=3.0)
        Tx.cast(C_, S)
    """
    found, given = result(in_blocks(body.replace("C0", "A")))
    assert np.array_equal(found, given["A"] @ given["B"] + 3 * given["A"])


ELEMENTWISE = {
    "copy": ("Tx.copy(C_, A_)", lambda a, b: a),
    "a scope of one block": ("Tx.cta.copy(C_, A_)", lambda a, b: a),
    "cast there and back": ("Tx.cast(S, A_)\nTx.cast(C_, S)", lambda a, b: a),
    "add": ("Tx.cast(S, A_)\nTx.add(S, S, B_)\nTx.cast(C_, S)", lambda a, b: a + b),
    "sub": ("Tx.sub(C_, A_, B_)", lambda a, b: a - b),
    "mul by a number": ("Tx.mul(S, A_, 3.0)\nTx.sub(C_, S, B_)", lambda a, b: 3 * a - b),
    "fill": ("Tx.fill(C_, 1.5)", lambda a, b: np.full((128, 128), 1.5)),
    "zero": ("Tx.zero(S)\nTx.add(C_, S, A_)", lambda a, b: a),
    "beside loops": (
        """Tx.cast(S, A_)
for i, j in T.grid(32, 32):
    C[by * 32 + i, bx * 32 + j] = T.Cast("bfloat16", S[i, j]) * T.bfloat16(2)""",
        lambda a, b: 2 * a,
    ),
}


@pytest.mark.parametrize("case", ELEMENTWISE)
def test_elements(case: str) -> None:
    body, meaning = ELEMENTWISE[case]
    made = in_blocks(body)
    plan = plan_of(made)
    given = {name: values(plan).get(name, np.zeros((128, 128))) for name in "AB"}
    found, _ = result(made)
    assert np.array_equal(found, meaning(given["A"], given["B"]))


def test_single_elements_of_a_region_are_no_dimension() -> None:
    source = f"""{IMPORT}
@T.prim_func
def k(A: T.Buffer((3, 40, 50), "float32"), C: T.Buffer((3, 40, 50), "bfloat16")):
    T.device_entry()
    b = T.cta_id([3])
    S = T.alloc_buffer((40, 50), "float32")
    Tx.copy(S, A[b, :, :])
    Tx.cast(C[b, :, :], S)
"""
    found, given = result(source)
    assert np.array_equal(found, given["A"])
    assert [c.count for c in plan_of(source).partition.cores] == [4, 4, 4]


def test_sizes_may_be_symbols() -> None:
    source = f"""{IMPORT}
@T.prim_func
def k(a: T.handle, c: T.handle):
    n = T.int32()
    A = T.match_buffer(a, (n, 64), "bfloat16")
    C = T.match_buffer(c, (n, 64), "bfloat16")
    T.device_entry()
    b = T.cta_id([n // 32])
    Tx.copy(C[b * 32 : b * 32 + 32, :], A[b * 32 : b * 32 + 32, :])
"""
    plan = run_pipeline(kernel(source, n=96), arch="wormhole_b0").plan
    assert plan.partition.tiles == (3, 2)
    given = values(plan)
    assert np.array_equal(run(plan, given)["C"], given["A"])


# The author's grid --------------------------------------------------------------------------------


def block_order(source: str, rows: int, columns: int, **options: Any) -> list[tuple[int, int]]:
    """The blocks of ``rows`` x ``columns`` tiles, as cores work on them; each whole on one core."""
    partition = plan_of(source, **options).partition
    places = tile_places(partition.tiles, partition.tile_order, partition.block)
    size, order = rows * columns, []
    for share in partition.cores:
        assert share.start % size == 0
        assert share.count % size == 0
    for start in range(0, len(places), size):
        blocks = {(i // rows, j // columns) for i, j in places[start : start + size]}
        assert len(blocks) == 1
        order += blocks
    return order


@pytest.mark.parametrize("ids", ["bx, by", "by, bx"])
@pytest.mark.parametrize(
    ("rows", "columns"), [(32, 32), (64, 64), (32, 64), (64, 32), (128, 32), (32, 128), (64, 128)]
)
def test_blocks_keep_their_order(ids: str, rows: int, columns: int) -> None:
    """The first id moves fastest."""
    source = in_blocks("Tx.copy(C_, A_)", rows, columns, ids)
    across, down = 128 // columns, 128 // rows
    expected = [(i, j) for i in range(down) for j in range(across)]
    if ids == "by, bx":
        expected = [(i, j) for j in range(across) for i in range(down)]
    for grid in (None, (3, 1), (1, 1)):
        assert block_order(source, rows // 32, columns // 32, grid=grid) == expected
    found, given = result(source, grid=(3, 1))
    assert np.array_equal(found, given["A"])


def test_a_grid_of_one_number() -> None:
    """Blocks numbered by the author, and a block that stores its part in several steps."""
    body = """
    T.device_entry()
    b = T.cta_id([4])
    for half in range(2):
        Tx.copy(
            C[b % 2 * 64 + half * 32 : b % 2 * 64 + half * 32 + 32, b // 2 * 64 : b // 2 * 64 + 64],
            A[b % 2 * 64 + half * 32 : b % 2 * 64 + half * 32 + 32, b // 2 * 64 : b // 2 * 64 + 64],
        )
    """
    assert block_order(tiled(body), 2, 2) == [(0, 0), (1, 0), (0, 1), (1, 1)]
    found, given = result(tiled(body))
    assert np.array_equal(found, given["A"])


def sums(batch: int, *, rows: int) -> str:
    """Sums of rows: blocks of ``rows`` x 64 elements of the result."""
    return f"""{IMPORT}
@T.prim_func
def k(  # !
    A: T.Buffer(({batch}, 128, 64), "bfloat16"), C: T.Buffer(({batch}, 128), "bfloat16")
):
    T.device_entry()
    n, b = T.cta_id([2, {batch // rows}])
    S = T.alloc_buffer(({rows}, 64), "float32")
    Tx.zero(S)
    for r, i, j in T.grid({rows}, 64, 64):
        S[r, i] = S[r, i] + T.Cast("float32", A[b * {rows} + r, n * 64 + i, j])
    Tx.cast(C[b * {rows} : b * {rows} + {rows}, n * 64 : n * 64 + 64], S)
"""


def test_blocks_of_a_result_that_lies_as_a_column() -> None:
    source = sums(1, rows=1)
    partition = plan_of(source).partition
    assert (partition.tiles, partition.tile_order) == ((4, 1), "row_major")
    assert [share.count for share in partition.cores] == [2, 2]
    found, given = result(source)
    assert np.array_equal(found, given["A"].sum(axis=-1))


def test_an_order_that_is_asked_for_wins() -> None:
    source = in_blocks("Tx.copy(C_, A_)", 64, 64)
    partition = plan_of(source, partition="z_order", grid=(3, 1)).partition
    assert partition.tile_order == "z_order"
    assert [share.count for share in partition.cores] == [6, 5, 5]


def test_a_plan_says_the_same_of_loops() -> None:
    """Deterministic: what is written as primitives hashes as what it was, twice."""
    source = in_blocks("Tx.copy(C_, A_)")
    assert kernel(source).hash == kernel(source).hash
    assert kernel(source).hash != kernel(in_blocks("Tx.copy(C_, B_)")).hash


# Refusals -----------------------------------------------------------------------------------------

ORDER = "no equal parts of the output"
REFUSED = {
    "unknown primitive": (in_blocks("Tx.exp(S, A_)  # !"), "Tx.exp does not lower.*Tx.gemm"),
    "threads": (
        tiled("T.device_entry()\nt = T.thread_id([4])  # !\nTx.copy(C, A)"),
        r"T.thread_id is not supported.*T.cta_id",
    ),
    "scope": (in_blocks("Tx.warp.copy(C_, A_)  # !"), "scope warp.*thread, cta"),
    "options": (in_blocks("Tx.copy(C_, A_, vec_len=4)  # !"), "vec_len has no meaning"),
    "dispatch": (in_blocks('Tx.copy(C_, A_, dispatch="tma")  # !'), "dispatch has no meaning"),
    "no extents": (
        tiled("T.device_entry()\nb = T.cta_id()  # !\nTx.copy(C, A)"),
        "T.cta_id needs extents",
    ),
    "two grids": (
        tiled("T.device_entry()\na = T.cta_id([4])\nb = T.cta_id([4])  # !\nTx.copy(C, A)"),
        "defined twice",
    ),
    "copy of another type": (in_blocks("Tx.copy(S, A_)  # !"), "bfloat16 into float32.*Tx.cast"),
    "shapes": (in_blocks("Tx.cast(S, A)  # !"), r"\[128, 128\] does not fit one of \[32, 32\]"),
    "factors": (
        in_blocks("Tx.gemm(S, A[0:32, :], B[0:32, 0:32], S)  # !"),
        "A is 32x128, B 32x32",
    ),
    "a factor that is the product": (in_blocks("Tx.gemm(S, S, B_, S)  # !"), "factor and the pro"),
    "moved within a buffer": (
        in_blocks("Tx.copy(S[0:16, :], S[16:32, :])  # !"),
        "'S' is read and written, at other elements",
    ),
    "a product overwritten": (
        in_blocks(
            "for k in range(4):\n"
            "    Tx.gemm(S, A[by * 32 : by * 32 + 32, k * 32 : k * 32 + 32],  # !\n"
            "        B[k * 32 : k * 32 + 32, bx * 32 : bx * 32 + 32], S)\n"
            "Tx.cast(C_, S)"
        ),
        "set to 0 again in every iteration of k.*beta=1.0",
    ),
    "out of bounds": (
        tiled(
            "T.device_entry()\nb = T.cta_id([5])\n"
            "Tx.copy(C[b * 32 : b * 32 + 32, :], A[b * 32 : b * 32 + 32, :])  # !"
        ),
        "outside of its 128 elements",
    ),
    "blocks within tiles": (
        in_blocks("Tx.copy(C_, A_)", 16, 16).replace("def k(", "def k(  # !\n    "),
        "16x16 elements, no whole tiles.*partition",
    ),
    "blocks in no order": (
        tiled(
            "T.device_entry()\nb = T.cta_id([4])\nTx.copy(C[ROWS, :], A[ROWS, :])".replace(
                "ROWS", "b % 2 * 64 + b // 2 * 32 : b % 2 * 64 + b // 2 * 32 + 32"
            )
        ).replace("def k(", "def k(  # !\n    "),
        ORDER,
    ),
    "blocks across columns": (sums(64, rows=32), "no runs of the 256x1 output tiles"),
    "blocks that take turns": (
        tiled(
            "T.device_entry()\nb = T.cta_id([2])\nfor n in range(2):\n"
            "    Tx.copy(C[n * 64 + b * 32 : n * 64 + b * 32 + 32, :],"
            " A[n * 64 + b * 32 : n * 64 + b * 32 + 32, :])"
        ).replace("def k(", "def k(  # !\n    "),
        ORDER,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    source, says = REFUSED[case]
    with pytest.raises(LoweringError) as caught:
        lower(source)
    assert re.search(says, str(caught.value), re.DOTALL), caught.value
    lines = (HEADER + source).splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if text.endswith("# !"))
    at = caught.value.at
    assert at is not None
    shift = 1 if "def k(  # !" in source else 0  # a parameter's place is the kernel's
    assert (at.path, at.line) == ("kernels/k.py", line + shift)
    assert at.column > 0


@pytest.mark.parametrize("case", ["blocks within tiles", "blocks in no order"])
def test_what_has_no_order_lowers_in_one_that_is_asked_for(case: str) -> None:
    found, given = result(REFUSED[case][0], partition="row_major")
    assert np.array_equal(found, given["A"])
