"""What holds of the attributes between passes, whichever pass has set them.

After each pass the attributes that it has set or changed are checked, so that a fault is told where
it was made and not three passes later; a pass of one's own is held to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from tvm.ir import IRModule
from tvm.tirx import BufferType, PrimFunc

from ttgen.arch import ARCHITECTURES, architecture
from ttgen.errors import LoweringError
from ttgen.ops import PROGRAM_NAMES
from ttgen.passes import attrs
from ttgen.plan.coverage import core_problems, work_problems


def check(before: IRModule, after: IRModule, made_by: str) -> None:
    """LoweringError at an attribute that is new in ``after`` and cannot be right."""
    known = [func for func in before.functions.values() if isinstance(func, PrimFunc)]
    kept = [attrs.of(func) for func in known]
    for var, func in after.functions.items():
        if not isinstance(func, PrimFunc) or any(func.same_as(one) for one in known):
            continue
        attrs.check_known(func)
        found = attrs.of(func)
        for key, rule in _RULES.items():
            if key not in found or any(attrs.is_same(one.get(key), found[key]) for one in kept):
                continue
            for problem in rule(func, attrs.plain(found[key])):
                raise LoweringError(
                    f"{made_by} has left a wrong '{key}' of '{var.name_hint}': {problem}",
                    at=attrs.kernel_place(func),
                    hint="this is a fault of the pass, not of the kernel",
                )


def _arch(_: PrimFunc, name: Any) -> Iterator[str]:
    if name not in ARCHITECTURES:
        yield f"there is no architecture '{name}'"


def _layouts(func: PrimFunc, layouts: Mapping[str, Any]) -> Iterator[str]:
    """A layout for each tensor, and shapes in whole tiles once they are known."""
    for param in func.params:
        if isinstance(param.ty, BufferType) and param.name not in layouts:
            yield f"the tensor '{param.name}' has none"
    for name, layout in layouts.items():
        shape, padded = layout.get("device_shape"), layout.get("padded_shape")
        if padded is None:
            continue
        steps = [1] * (len(padded) - 2) + list(layout["tile_shape"])
        whole = [-(-extent // step) * step for extent, step in zip(shape, steps, strict=True)]
        if padded != whole:
            yield f"'{name}' is {shape} on the device, which is {whole} in whole tiles: {padded}"


def _roles(func: PrimFunc, roles: Mapping[str, str]) -> Iterator[str]:
    layouts = attrs.optional(func, attrs.LAYOUT_DESC) or {}
    for name in sorted(set(roles) ^ set(layouts)):
        yield f"'{name}' has a role or a layout, and not both"
    if "output" not in roles.values():
        yield "there is no output"


def _work(func: PrimFunc, work: list[list[int]]) -> Iterator[str]:
    """Every output tile once, on cores of the chip, all of them in the core ranges."""
    partition = attrs.optional(func, attrs.PARTITION)
    ranges = attrs.optional(func, attrs.CORE_RANGES)
    name = attrs.optional(func, attrs.ARCH)
    if partition is None or ranges is None or name is None:
        yield "it comes with an architecture, a partition and core ranges"
        return
    shares = [(start, count) for *_, start, count in work]
    yield from (problem for _, problem in work_problems(shares, prod(partition["tiles"])))
    covered = [
        (x, y) for x0, y0, dx, dy in ranges for y in range(y0, y0 + dy) for x in range(x0, x0 + dx)
    ]
    listed = [(x, y) for x, y, *_ in work]
    yield from (problem for _, problem in core_problems(listed, covered, architecture(name).grid))


def _constants(func: PrimFunc, constants: Mapping[str, Any]) -> Iterator[str]:
    scalars = {str(p.name) for p in func.params if not isinstance(p.ty, BufferType)}
    for name, value in constants.items():
        if name not in scalars:
            yield f"the function does not take '{name}'"
        if not isinstance(value, int) or value < 1:
            yield f"'{name}' is {value}, and must be a number of tiles or iterations"


def _program(_: PrimFunc, name: Any) -> Iterator[str]:
    if name not in PROGRAM_NAMES:
        yield f"'{name}' is none of {', '.join(PROGRAM_NAMES)}"


_RULES: dict[str, Callable[[PrimFunc, Any], Iterator[str]]] = {
    attrs.ARCH: _arch,
    attrs.LAYOUT_DESC: _layouts,
    attrs.ROLES: _roles,
    attrs.WORK_PARTITION: _work,
    attrs.CONSTANTS: _constants,
    attrs.PROGRAM: _program,
}
