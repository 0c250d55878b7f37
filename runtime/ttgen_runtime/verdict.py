"""What every kind of session does before and after a run: golden values in, a result out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttgen.errors import DeviceError
from ttgen.plan.model import Plan
from ttgen_runtime.compare import compare
from ttgen_runtime.result import Result

Array = npt.NDArray[np.generic]

_PREFIXES = {"input": "in_", "output": "out_"}


def load_golden(plan: Plan, path: Path) -> dict[str, Array]:
    """The arrays of a golden file: ``in_<name>`` and ``out_<name>``, in the source's shapes.

    DeviceError: a file that cannot be read, or that is not for ``plan``.
    """
    try:
        with np.load(path) as file:
            arrays = {name: np.ascontiguousarray(file[name]) for name in file.files}
    except (OSError, ValueError) as error:
        raise DeviceError(f"{path}: not a golden file: {error}") from None
    for tensor in plan.tensors:
        name = _PREFIXES[tensor.role] + tensor.name
        if name not in arrays:
            raise DeviceError(f"{path}: there is no array '{name}'")
        if arrays[name].shape != tensor.shape:
            shapes = f"{arrays[name].shape}, the plan says {tensor.shape}"
            raise DeviceError(f"{path}: array '{name}' has the shape {shapes}")
    return arrays


def save_values(plan: Plan, after: Mapping[str, Array], path: Path) -> None:
    """Write the outputs, in the source's shape, as .npz: ``out_<name>`` as in a golden file."""
    outputs = (tensor for tensor in plan.tensors if tensor.role == "output")
    np.savez(path, **{f"out_{t.name}": after[t.name] for t in outputs})


def judge(
    plan: Plan,
    device: str,
    golden: Mapping[str, Array],
    before: Mapping[str, Array],
    after: Mapping[str, Array],
    seconds: float,
) -> Result:
    """The result of a run: outputs against ``golden``, inputs as they were.

    ``before`` and ``after`` hold what tensors held on the device, by name, in the source's shape.
    """
    outputs = tuple(
        compare(t.name, after[t.name], golden[f"out_{t.name}"], plan.tolerance, t.order)
        for t in plan.tensors
        if t.role == "output"
    )
    problems = [f"{o.name}: {o.problem}" for o in outputs if not o.passed]
    problems += [
        f"{t.name}: the program has written to its input"
        for t in plan.tensors
        if t.role == "input" and not _same(before[t.name], after[t.name])
    ]
    return Result(
        kernel=plan.kernel,
        arch=plan.arch,
        device=device,
        status="failed" if problems else "passed",
        message="\n".join(problems),
        cores=sum(work.count > 0 for work in plan.partition.cores),
        seconds=seconds,
        cycles=None,
        outputs=outputs,
    )


def _same(a: Array, b: Array) -> bool:
    """Equal bit by bit, as far as values show it: NaN equals NaN."""
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
