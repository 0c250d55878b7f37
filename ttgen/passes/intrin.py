"""The ``tt.*`` intrinsics: registered with TVM, so that every stage prints and parses.

Two kinds: *tile mathematics*, which :mod:`.lower_tt_tile_intrinsics` emits on tiles of tensors and
DST registers; and the device operations of :mod:`ttgen.ops`, which :mod:`.grid_to_persistent_tt`
emits on circular buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx
from tvm.tirx.script.builder import ir as script_builder

from ttgen.ops import TILE_OPS

#: TCallEffectKind of an operation that must be neither dropped nor moved (kUpdateState).
_UPDATES_STATE = 3


@dataclass(frozen=True)
class TileMath:
    """An operation ``tt.<name>(dst, tensor, page, …)`` into a DST register.

    It becomes ``device`` on circular buffers, after ``init``, in a program that starts with
    ``startup``. ``operands`` counts the tensors.
    """

    name: str
    operands: int
    device: str
    init: str
    startup: str = "compute_startup"


TILE_MATH: dict[str, TileMath] = {
    math.name: math
    for math in (
        TileMath("matmul", 2, "matmul_tiles", "matmul_init", startup="matmul_startup"),
        TileMath("add", 2, "add_tiles", "add_init"),
        TileMath("sub", 2, "sub_tiles", "sub_init"),
        TileMath("mul", 2, "mul_tiles", "mul_init"),
        TileMath("copy", 1, "copy_tile", "copy_init"),
    )
}

#: ``tt.pack(dst, tensor, page)``: the result leaves DST for a page of a tensor.
PACK = "pack"


def call(name: str, args: list[Any], span: Any = None) -> tirx.Evaluate:
    """The statement ``tt.<name>(*args)``, standing where ``span`` says."""
    return tirx.Evaluate(tirx.call_intrin("void", f"tt.{name}", *args, span=span), span)


def _register() -> None:
    names = sorted({*TILE_MATH, PACK, *TILE_OPS})
    for name in names:
        tvm.ir.register_op_attr(f"tt.{name}", "TCallEffectKind", _UPDATES_STATE)
        tvm.ir.register_op_attr(f"tt.{name}", "TScriptPrinterName", f"tt.{name}")
    namespace = type("TTNamespace", (), {name: staticmethod(_script(name)) for name in names})
    script_builder.register_script_namespace("tt", namespace())


def _script(name: str) -> Any:
    def emit(*args: Any) -> Any:
        return tirx.call_intrin("void", f"tt.{name}", *args)

    emit.__name__ = name
    return emit


_register()
