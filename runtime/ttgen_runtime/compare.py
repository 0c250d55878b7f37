"""Is an output equal to its reference, as far as the plan's tolerance asks?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ttgen.plan.model import Tolerance
from ttgen_runtime.result import OutputFigures

Array = npt.NDArray[Any]

#: Below this spread around its mean, relative to its norm, a reference counts as constant: what
#: varies there is the rounding of bf16, and correlating rounding errors says nothing.
CONSTANT = 2.0**-8


def compare(
    name: str,
    out: Array,
    reference: Array,
    tolerance: Tolerance,
    order: Sequence[int] | None = None,
) -> OutputFigures:
    """Figures and verdict for one output.

    Both PCC and the relative error ‖out − ref‖ / ‖ref‖ have to hold. PCC is left out (None) for a
    constant reference, where it is not defined. For a reference that is all zeros the relative
    error is the root mean square of the output. Values that are not finite are a failure, and so
    is any integer that differs. ``order``: in which the dimensions lie on the device, if not in
    their own.
    """
    if out.shape != reference.shape:
        return _refused(name, f"shape {out.shape}, but the golden has {reference.shape}")
    if reference.dtype.kind in "iu":
        return _compare_integers(name, out, reference)
    out64, ref64 = out.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    for values, what in ((ref64, "the golden"), (out64, "the output")):
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            where = tuple(int(i) for i in np.unravel_index(bad[0], reference.shape))
            problem = f"{bad.size} of {values.size} values of {what} are not finite"
            tiles = _unwritten(out if order is None else out.transpose(order))
            problem = f"{problem}, the first at {where}{tiles}"
            return _refused(name, problem, int(bad.size))
    error = relative_error(out64, ref64)
    correlation = pcc(out64, ref64)
    return OutputFigures(
        name=name,
        passed=_holds(correlation, error, tolerance),
        pcc=correlation,
        relative_error=error,
        max_abs_error=float(np.max(np.abs(out64 - ref64), initial=0.0)),
        not_finite=0,
        problem=_problem(correlation, error, tolerance),
    )


def _compare_integers(name: str, out: Array, reference: Array) -> OutputFigures:
    """Integers are equal or they are wrong."""
    wrong = np.argwhere(out != reference)
    problem = None
    if wrong.size:
        where = tuple(int(i) for i in wrong[0])
        problem = f"{len(wrong)} of {out.size} values differ, the first at {where}: "
        problem += f"{out[where]} where {reference[where]} is expected"
    out64, ref64 = out.astype(np.float64), reference.astype(np.float64)
    return OutputFigures(
        name=name,
        passed=problem is None,
        pcc=None,
        relative_error=relative_error(out64.ravel(), ref64.ravel()),
        max_abs_error=float(np.max(np.abs(out64 - ref64), initial=0.0)),
        not_finite=0,
        problem=problem,
    )


def _unwritten(out: Array) -> str:
    """Says how many tiles are as they were before the run, when outputs are filled with NaN."""
    if out.ndim < 2 or out.dtype.kind != "f":
        return ""
    rows, columns = (-(-extent // 32) for extent in out.shape[-2:])
    padding = [(0, 0)] * (out.ndim - 2)
    padding += [(0, rows * 32 - out.shape[-2]), (0, columns * 32 - out.shape[-1])]
    padded = np.pad(np.isnan(out), padding, constant_values=True)
    tiles = padded.reshape(-1, rows, 32, columns, 32).all(axis=(2, 4))
    unwritten = int(tiles.sum())
    if not unwritten:
        return ""
    return f"; {unwritten} of {tiles.size} tiles are all NaN, as they were before the run"


def relative_error(out: Array, reference: Array) -> float:
    """‖out − ref‖ / ‖ref‖, or the root mean square of ``out`` where ``reference`` is zero."""
    norm = float(np.linalg.norm(reference)) or math.sqrt(max(reference.size, 1))
    return float(np.linalg.norm(out - reference)) / norm


def pcc(out: Array, reference: Array) -> float | None:
    """Pearson's correlation coefficient, or None where ``reference`` is (almost) constant."""
    if reference.size == 0:
        return None
    spread = reference - reference.mean()
    if np.linalg.norm(spread) <= CONSTANT * np.linalg.norm(reference):
        return None
    out_spread = out - out.mean()
    norm = float(np.linalg.norm(out_spread) * np.linalg.norm(spread))
    return float(np.dot(out_spread, spread)) / norm if norm else 0.0


def _holds(correlation: float | None, error: float, tolerance: Tolerance) -> bool:
    close = error <= tolerance.relative_error
    return close and (correlation is None or correlation >= tolerance.pcc)


def _problem(correlation: float | None, error: float, tolerance: Tolerance) -> str | None:
    if _holds(correlation, error, tolerance):
        return None
    parts = []
    if correlation is not None and correlation < tolerance.pcc:
        parts.append(f"PCC {correlation:.6f} is below {tolerance.pcc}")
    if error > tolerance.relative_error:
        parts.append(f"relative error {error:.6f} is above {tolerance.relative_error}")
    return " and ".join(parts)


def _refused(name: str, problem: str, not_finite: int = 0) -> OutputFigures:
    return OutputFigures(
        name=name,
        passed=False,
        pcc=None,
        relative_error=None,
        max_abs_error=None,
        not_finite=not_finite,
        problem=problem,
    )
