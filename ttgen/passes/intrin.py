"""The ``tt.*`` intrinsics: registered with TVM, so that every stage prints and parses.

Two kinds: *tile mathematics*, which :mod:`.lower_tt_tile_intrinsics` emits on tiles of tensors and
DST registers; and the device operations of :mod:`ttgen.ops`, which :mod:`.grid_to_persistent_tt`
emits on circular buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx
from tvm.tirx.script.builder import ir as script_builder

from ttgen.ops import TILE_OPS
from ttgen.vector import FORMS

#: TCallEffectKind of an operation that must be neither dropped nor moved (kUpdateState).
_UPDATES_STATE = 3


@dataclass(frozen=True)
class TileMath:
    """An operation ``tt.<name>(dst, register, …, tensor, page, …, word, …)`` into a DST register.

    It becomes ``device`` on circular buffers, after ``init``, in a program that starts with
    ``startup``. ``registers`` counts the DST registers that are operands, where these are more than
    ``dst`` itself, ``operands`` the tensors, ``words`` the words that follow them. ``uninit``
    ends what ``init`` has begun. ``sources`` says which operand goes to source A of the FPU, and
    which to source B, if any does; ``dst`` is the register itself.
    """

    name: str
    operands: int
    device: str
    init: str
    words: int = 0
    startup: str = "compute_startup"
    uninit: str | None = None
    sources: tuple[str, ...] = ("in0", "in1")
    registers: int = 0


def _binary(name: str) -> tuple[TileMath, ...]:
    return (
        TileMath(name, 2, f"{name}_tiles", f"{name}_init"),
        TileMath(f"{name}_bcast", 2, f"{name}_bcast_tiles", f"{name}_bcast_init", words=1),
        TileMath(f"{name}_dst", 1, f"{name}_dst_tiles", f"{name}_dst_init", sources=("dst", "in0")),
    )


def _vector(count: int) -> TileMath:
    """What the vector unit does with ``count`` registers."""
    form, registers = FORMS[count], count if count > 1 else 0
    device, init = f"{form}_tile", f"{form}_init"
    return TileMath(form, 0, device, init, words=1, sources=(), registers=registers)


TILE_MATH: dict[str, TileMath] = {
    math.name: math
    for math in (
        TileMath(
            "matmul",
            2,
            "matmul_tiles",
            "matmul_init",
            words=1,
            startup="matmul_startup",
            sources=("in1", "in0"),
        ),
        *_binary("add"),
        *_binary("sub"),
        *_binary("mul"),
        TileMath("rsub_dst", 1, "rsub_dst_tiles", "rsub_dst_init", sources=("in0", "dst")),
        TileMath("accumulate", 2, "accumulate_tiles", "accumulate_init"),
        TileMath("copy", 1, "copy_tile", "copy_init", sources=("in0",)),
        TileMath("transpose", 1, "transpose_tile", "transpose_init", sources=("in0",)),
        *(_vector(count) for count in FORMS),
        TileMath("reduce", 2, "reduce_tile", "reduce_init", words=2, uninit="reduce_uninit"),
    )
}

#: ``tt.pack(dst, tensor, page)``: the result leaves DST for a page of a tensor.
PACK = "pack"


def call(name: str, args: list[Any], span: Any = None) -> tirx.Evaluate:
    """The statement ``tt.<name>(*args)``, standing where ``span`` says."""
    return tirx.Evaluate(_call(name, args, span), span)


def _call(name: str, args: Sequence[Any], span: Any = None) -> tvm.ir.Call:
    return tvm.ir.Call(tvm.ir.Op.get(f"tt.{name}"), args, span=span, ret_ty=_VOID)


_VOID = tvm.ir.PrimType("void")


def _register() -> None:
    names = sorted({*TILE_MATH, PACK, *TILE_OPS})
    for name in names:
        tvm.ir.register_op_attr(f"tt.{name}", "TCallEffectKind", _UPDATES_STATE)
        tvm.ir.register_op_attr(f"tt.{name}", "TScriptPrinterName", f"tt.{name}")
    namespace = type("TTNamespace", (), {name: staticmethod(_script(name)) for name in names})
    script_builder.register_script_namespace("tt", namespace())


def _script(name: str) -> Any:
    def emit(*args: Any) -> Any:
        return _call(name, args)

    emit.__name__ = name
    return emit


_register()
