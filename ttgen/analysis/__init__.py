"""What a PrimFunc computes: iteration axes, access maps and expression trees, by dataflow alone."""

from ttgen.analysis.computation import Computation, Part
from ttgen.analysis.expr import (
    Access,
    Binary,
    Const,
    Expr,
    Held,
    Load,
    Mask,
    Reduce,
    Triangle,
    Vector,
    helds,
    loads,
    operands,
    reductions,
    triangles,
    vectors,
    with_operands,
)
from ttgen.analysis.index import Axis, Dim, Index
from ttgen.analysis.shared import analyse, calls

__all__ = [
    "Access",
    "Axis",
    "Binary",
    "Computation",
    "Const",
    "Dim",
    "Expr",
    "Held",
    "Index",
    "Load",
    "Mask",
    "Part",
    "Reduce",
    "Triangle",
    "Vector",
    "analyse",
    "calls",
    "helds",
    "loads",
    "operands",
    "reductions",
    "triangles",
    "vectors",
    "with_operands",
]
