"""LowerTTTileIntrinsics: from loops over elements to loops over tiles with ``tt.*`` operations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import tvm
from tvm import tirx
from tvm.ir import prim
from tvm.tirx import PrimFunc

from ttgen.analysis import Access, Binary, Computation, Dim, Load, analyse
from ttgen.arch import architecture
from ttgen.errors import LoweringError
from ttgen.passes import attrs, intrin
from ttgen.passes.base import FuncPass

#: Marks the loops over output tiles, whose iterations are independent of each other.
PARALLEL = {"tt.axis": "parallel"}
#: Marks the loop over the tiles that an output tile is summed over, in DST.
REDUCE = {"tt.axis": "reduce"}
_TILE = 32


@dataclass(frozen=True)
class LowerTTTileIntrinsics(FuncPass):
    """Rewrites the body, and sets ``tt.constants`` and ``tt.compute_config``.

    The new parameters ``Mt``, ``Nt`` and ``Kt`` are the rows and columns of output tiles and the
    tiles summed over. A tile of a tensor is the tensor and a page number.

    ``fp32_dest_acc``: DST holds float32. Unless it is said, it does so for sums where the chip
    adds them up without fault (:attr:`ttgen.arch.Architecture.fp32_sums`): with bf16 in DST every
    step of a sum is rounded, and the error grows with its length.
    """

    name: ClassVar[str] = "tir.tenstorrent.LowerTTTileIntrinsics"
    fidelity: Literal["LoFi", "HiFi2", "HiFi3", "HiFi4"] = "HiFi4"
    fp32_dest_acc: bool | None = None
    math_approx: bool = False
    dst_full_sync: bool = False

    def apply(self, func: PrimFunc) -> PrimFunc:
        """Lower the function; LoweringError at an expression that has no tile operation yet."""
        partition = attrs.require(func, attrs.PARTITION, self.name)
        computation = analyse(func, attrs.kernel_place(func))
        names = _Names({param.name for param in func.params} | {"Mt", "Nt", "Kt"})
        emitter = _Emitter(computation, names)
        body = emitter.reduction() if computation.reduced else emitter.elementwise()
        lowered = PrimFunc([*func.params, *emitter.symbols.values()], body, attrs=func.attrs)
        values = {"Mt": partition["tiles"][0], "Nt": partition["tiles"][1]}
        values["Kt"] = partition["len_k"]
        arch = architecture(attrs.require(func, attrs.ARCH, self.name))
        by_default = bool(computation.reduced) and arch.fp32_sums
        fp32 = by_default if self.fp32_dest_acc is None else self.fp32_dest_acc
        return lowered.with_attrs(
            {
                attrs.CONSTANTS: {name: values[name] for name in emitter.symbols},
                attrs.COMPUTE_CONFIG: {
                    "fidelity": self.fidelity,
                    "fp32_dest_acc": fp32,
                    "math_approx": self.math_approx,
                    "dst_full_sync": self.dst_full_sync,
                },
            }
        )


class _Names:
    """Names for new variables: identifiers made from the source's, none used twice."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)

    def fresh(self, wish: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_]", "_", wish)
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name


@dataclass
class _Emitter:
    """Builds the tile loops of one computation."""

    computation: Computation
    names: _Names
    symbols: dict[str, tvm.ir.Var] = field(default_factory=dict)

    def symbol(self, name: str) -> tvm.ir.Var:
        """The constant ``Mt``, ``Nt`` or ``Kt``, a parameter of the lowered function once used."""
        return self.symbols.setdefault(name, tirx.Var(name, "int32"))

    def elementwise(self) -> tirx.Stmt:
        """``output = a op b`` or ``output = a``, one tile at a time."""
        output, init = self.computation.output, self.computation.init
        if init:
            raise self._error(
                f"{output} is {init:g} plus a tensor, which does not lower yet",
                "set the target to 0, or store the tensor alone",
            )
        rows, columns = self._tile_variables(_row_name(output), output.dims[-1].name)
        page = rows * self.symbol("Nt") + columns
        operands = self._elementwise_operands(output)
        body = self._statements(self._math_name(), [(o.buffer, page) for o in operands], page)
        return self._parallel(rows, columns, body)

    def reduction(self) -> tirx.Stmt:
        """``output = sum(a * b)`` with one shared dimension: a matrix product."""
        left, right = self._matmul_operands()
        (reduced,) = self.computation.reduced
        row, column = self.computation.output.dims
        rows, columns = self._tile_variables(row.name, column.name)
        inner = tirx.Var(self.names.fresh(f"{reduced.name}_tile"), "int32")
        nt, kt = self.symbol("Nt"), self.symbol("Kt")
        pages = [(left.buffer, rows * kt + inner), (right.buffer, inner * nt + columns)]
        math, pack = self._statements("matmul", pages, rows * nt + columns)
        summed = _loop(inner, kt, math, REDUCE)
        return self._parallel(rows, columns, [summed, pack])

    def _statements(
        self, math: str, operands: list[tuple[tvm.ir.Var, prim.Expr]], page: prim.Expr
    ) -> list[tirx.Stmt]:
        span = _span(self.computation)
        flat = [item for operand in operands for item in operand]
        output = self.computation.output.buffer
        return [
            intrin.call(math, [0, *flat], span),
            intrin.call(intrin.PACK, [0, output, page], span),
        ]

    def _tile_variables(self, rows: str, columns: str) -> tuple[tvm.ir.Var, tvm.ir.Var]:
        made = [tirx.Var(self.names.fresh(f"{name}_tile"), "int32") for name in (rows, columns)]
        return made[0], made[1]

    def _parallel(self, rows: tvm.ir.Var, columns: tvm.ir.Var, body: list[tirx.Stmt]) -> tirx.Stmt:
        inner = _loop(columns, self.symbol("Nt"), tirx.SeqStmt(body), PARALLEL)
        return _loop(rows, self.symbol("Mt"), inner, PARALLEL)

    def _math_name(self) -> str:
        value = self.computation.value
        return value.op if isinstance(value, Binary) else "copy"

    def _elementwise_operands(self, output: Access) -> list[Access]:
        """The operands of the one operation that the value is, all accessed as the output is."""
        match self.computation.value:
            case Load(access=only):
                operands = [only]
            case Binary(a=Load(access=a), b=Load(access=b)):
                operands = [a, b]
            case other:
                raise self._error(
                    f"'{other}' takes more than one tile operation, which does not lower yet",
                    "one add, sub or mul of two tensors, or a copy of one",
                )
        for operand in operands:
            if operand.dims != output.dims:
                raise self._error(
                    f"{operand} is read for {output}: the indices differ",
                    "broadcast, transpose and permutation do not lower yet",
                )
        return operands

    def _matmul_operands(self) -> tuple[Access, Access]:
        """The factors, the one with the output's rows first, whatever order they stand in."""
        output, reduced = self.computation.output, self.computation.reduced
        match self.computation.value:
            case Binary(op="mul", a=Load(access=a), b=Load(access=b)):
                factors = (a, b)
            case other:
                raise self._error(
                    f"the sum of '{other}' does not lower yet",
                    "sums of a product of two tensors do: C[i, j] += A[i, k] * B[k, j]",
                )
        if self.computation.init != 0:
            raise self._error(
                f"the sum starts from {self.computation.init:g}", "a sum starts from 0"
            )
        wanted = _matmul_dims(output.dims, reduced)
        for left, right in (factors, factors[::-1]):
            if wanted == (left.dims, right.dims):
                return left, right
        raise self._error(
            f"{output} = sum of {factors[0]} * {factors[1]} is no plain matrix product",
            "rows x inner times inner x columns lowers; transposed and batched ones not yet",
        )

    def _error(self, message: str, hint: str) -> LoweringError:
        return LoweringError(message, at=self.computation.at, hint=hint)


def _matmul_dims(
    output: tuple[Dim, ...], reduced: tuple[Dim, ...]
) -> tuple[tuple[Dim, ...], tuple[Dim, ...]] | None:
    if len(output) != 2 or len(reduced) != 1:
        return None
    return (output[0], reduced[0]), (reduced[0], output[1])


def _row_name(output: Access) -> str:
    """The name of a tile row of the output; leading dimensions are folded into the rows."""
    return "_".join(dim.name for dim in output.dims[:-1])


def _loop(
    var: tvm.ir.Var, extent: prim.Expr, body: tirx.Stmt, annotations: Mapping[str, Any]
) -> tirx.For:
    return tirx.For(var, 0, extent, tirx.ForKind.SERIAL, body, annotations=annotations)


def _span(computation: Computation) -> Any:
    at = computation.at
    return tvm.ir.Span(tvm.ir.SourceName(at.path), at.line, at.line, at.column, at.column)
