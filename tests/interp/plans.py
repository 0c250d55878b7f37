"""Plans of real kernels, and edits that spoil them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import numpy as np
from sources import elementwise, gemm, plan_of

from ttgen.plan import Plan

Op = dict[str, Any]
Change = Callable[[Op], list[Op]]


@cache
def product(**options: Any) -> Plan:
    """A product of 2x3 by 3x2 tiles, on one core unless ``options`` say otherwise."""
    return plan_of(gemm(64, 64, 96), **{"grid": (1, 1), "block_tiles": 1, **options})


@cache
def total(**options: Any) -> Plan:
    """A sum of two tensors of 2x2 tiles."""
    return plan_of(elementwise("add", (64, 64)), **{"grid": (1, 1), "block_tiles": 2, **options})


def inputs(plan: Plan) -> dict[str, Any]:
    """Normally distributed values for every input."""
    random = np.random.default_rng(3)
    shapes = {t.name: t.shape for t in plan.tensors if t.role == "input"}
    return {name: random.standard_normal(s, dtype=np.float32) for name, s in shapes.items()}


def replaced(plan: Plan, **fields: Any) -> Plan:
    """``plan`` with other fields, unchecked: ``compute={...}`` merges, lists replace."""
    document = msgspec.to_builtins(plan)
    for name, value in fields.items():
        document[name] = {**document[name], **value} if isinstance(value, dict) else value
    return msgspec.convert(document, Plan)


def with_pages(plan: Plan, **pages: int) -> Plan:
    """``plan`` with circular buffers of these capacities."""
    buffers = [msgspec.to_builtins(cb) for cb in plan.circular_buffers]
    return replaced(
        plan,
        circular_buffers=[{**cb, "pages": pages.get(cb["name"], cb["pages"])} for cb in buffers],
    )


def edited(plan: Plan, program: str, name: str, change: Change, *, only: int | None = None) -> Plan:
    """``plan`` with ``change`` of each operation ``name`` (or of one of them) in ``program``."""
    document = msgspec.to_builtins(plan)
    seen = 0

    def walk(body: list[Any]) -> list[Any]:
        nonlocal seen
        made: list[Any] = []
        for statement in body:
            if statement["kind"] == "for":
                made.append({**statement, "body": walk(statement["body"])})
            elif statement.get("op") == name:
                made += change(statement) if only in (None, seen) else [statement]
                seen += 1
            else:
                made.append(statement)
        return made

    document["programs"][program]["body"] = walk(document["programs"][program]["body"])
    assert seen > (only or 0), f"there is no {name} in the {program}"
    return msgspec.convert(document, Plan)


def dropped(_: Op) -> list[Op]:
    """Without it."""
    return []


def twice(op: Op) -> list[Op]:
    """Twice in a row."""
    return [op, op]


def given(**arguments: Any) -> Change:
    """With other arguments."""
    return lambda op: [{**op, "args": {**op["args"], **arguments}}]


def before(name: str, **arguments: Any) -> Change:
    """After an operation ``name`` that is inserted."""
    return lambda op: [{**op, "op": name, "args": arguments}, op]


def after(name: str, **arguments: Any) -> Change:
    """Before an operation ``name`` that is inserted."""
    return lambda op: [op, {**op, "op": name, "args": arguments}]
