"""Kernels of one computation, with attributes in either spelling."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sources import buffers, elementwise, gemm, kernel, prim_func
from tvm.tirx import PrimFunc

from ttgen.passes import attrs


def carrying(source: str, attributes: dict[str, Any]) -> str:
    """The PrimFunc in ``source`` with ``attributes``."""
    head, colon, body = source.partition("):\n")
    return f"{head}{colon}    T.func_attr({attributes!r})\n{body}"


#: Two rows and three columns of output tiles.
GEMM = gemm(64, 96, 64, "nested")
ADD = elementwise("add", (64, 96))


@lru_cache(maxsize=256)
def copy(rows: int, columns: int) -> PrimFunc:
    """A copy of so many tiles, without attributes."""
    shape = (rows * 32, columns * 32)
    body = f"for i, j in T.grid{shape}:\n    C[i, j] = A[i, j]"
    func: PrimFunc = kernel(prim_func(buffers("AC", [shape] * 2), body)).func
    return func


def said(func: PrimFunc) -> dict[str, Any]:
    """What a function's attributes hold, as plain Python."""
    return {
        key: attrs.optional(func, key) for key in attrs.of(func) if key not in ("global_symbol",)
    }
