"""What a PrimFunc computes: iteration axes, access maps and expression trees, by dataflow alone."""

from ttgen.analysis.computation import Computation
from ttgen.analysis.expr import (
    Access,
    Binary,
    Const,
    Expr,
    Load,
    Mask,
    Reduce,
    loads,
    reductions,
)
from ttgen.analysis.index import Axis, Dim
from ttgen.analysis.shared import analyse, calls

__all__ = [
    "Access",
    "Axis",
    "Binary",
    "Computation",
    "Const",
    "Dim",
    "Expr",
    "Load",
    "Mask",
    "Reduce",
    "analyse",
    "calls",
    "loads",
    "reductions",
]
