"""What a PrimFunc computes: iteration axes, access maps and expression trees, by dataflow alone."""

from ttgen.analysis.computation import Computation, Part
from ttgen.analysis.expr import (
    Access,
    Binary,
    Const,
    Expr,
    Load,
    Mask,
    Reduce,
    Triangle,
    Vector,
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
    "Index",
    "Load",
    "Mask",
    "Part",
    "Reduce",
    "Triangle",
    "Vector",
    "analyse",
    "calls",
    "loads",
    "operands",
    "reductions",
    "triangles",
    "vectors",
    "with_operands",
]
