"""From the three programs that the passes end with to the plan."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import tvm
from tvm import tirx
from tvm.ir import prim
from tvm.tirx import PrimFunc
from tvm.tirx.stmt import Bind

from ttgen.arch import Architecture, architecture
from ttgen.errors import LoweringError
from ttgen.frontend.kernel import Kernel
from ttgen.frontend.places import file_of, location
from ttgen.identity import address
from ttgen.layouts import planned
from ttgen.ops import TILE_OPS, Kind, ProgramName
from ttgen.passes import attrs
from ttgen.plan import model
from ttgen.plan.shards import shard_at
from ttgen.sdk import SDK_VERSION


def plan_from_programs(
    programs: dict[ProgramName, PrimFunc],
    kernel: Kernel,
    name: str,
    *,
    tolerance: model.Tolerance,
    templates: tuple[str, ...] = (),
) -> model.Plan:
    """The plan of ``kernel``, called ``name``; ``programs`` are what GridToPersistentTT made.

    Nothing is checked here: writing the plan checks it (:func:`ttgen.plan.save`).
    """
    said = _said(programs)
    arch, config = said.arch, said.config
    tensors = tuple(_tensors(kernel, said))
    tensor_bytes = sum(layout["l1_bytes"] for layout in said.layouts.values())
    return model.Plan(
        version=model.PLAN_VERSION,
        kernel=name,
        source=model.Source(
            path=kernel.source,
            function=kernel.function,
            parameters=kernel.parameters,
            hash=kernel.hash,
        ),
        arch=arch.name,
        sdk=SDK_VERSION,
        tensors=tensors,
        circular_buffers=said.buffers,
        l1=model.L1Use(
            used_bytes=tensor_bytes + sum(cb.page_bytes * cb.pages for cb in said.buffers),
            limit_bytes=arch.l1_bytes,
            tensor_bytes=tensor_bytes,
        ),
        semaphores=(),
        device_grid=arch.grid,
        core_ranges=said.core_ranges,
        partition=said.partition,
        compute=model.Compute(
            **config,
            dst_tiles=arch.dst_tiles(
                fp32_dest_acc=config["fp32_dest_acc"], dst_full_sync=config["dst_full_sync"]
            ),
        ),
        programs=said.programs,
        tolerance=tolerance,
        templates=templates,
    )


@dataclass(frozen=True)
class _Said:
    """What the programs of a kernel and their attributes say, whatever the kernel is called."""

    functions: dict[ProgramName, PrimFunc]
    arch: Architecture
    layouts: dict[str, Any]
    roles: dict[str, Any]
    config: dict[str, Any]
    buffers: tuple[model.CircularBuffer, ...]
    core_ranges: tuple[model.CoreRange, ...]
    partition: model.Partition
    programs: model.Programs


#: Of the last kernel: VerifyTTIR makes a plan to check it, and then the plan itself is made. TVM
#: changes no function that somebody else holds: the same functions say the same.
_last: deque[_Said] = deque(maxlen=1)


def _said(functions: dict[ProgramName, PrimFunc]) -> _Said:
    for last in _last:
        if all(func.same_as(last.functions[name]) for name, func in functions.items()):
            return last
    said = _read(functions)
    _last.append(said)
    return said


def _read(functions: dict[ProgramName, PrimFunc]) -> _Said:
    def read(key: str) -> Any:
        return attrs.require(functions["reader"], key, "the plan")

    partition = _partition(read(attrs.PARTITION), read(attrs.WORK_PARTITION))
    return _Said(
        functions=dict(functions),
        arch=architecture(read(attrs.ARCH)),
        layouts=read(attrs.LAYOUT_DESC),
        roles=read(attrs.ROLES),
        config=read(attrs.COMPUTE_CONFIG),
        buffers=tuple(
            model.CircularBuffer(index=index, **desc)
            for index, desc in enumerate(read(attrs.CB_DESC))
        ),
        core_ranges=tuple(
            model.CoreRange(start=(x, y), extent=(width, height))
            for x, y, width, height in read(attrs.CORE_RANGES)
        ),
        partition=partition,
        programs=model.Programs(
            **{name: _program(func, partition) for name, func in functions.items()}
        ),
    )


def _partition(desc: dict[str, Any], work: list[list[int]]) -> model.Partition:
    return model.Partition(
        mode=desc["mode"],
        tile_order=desc["tile_order"],
        tiles=tuple(desc["tiles"]),
        len_k=desc["len_k"],
        cores=tuple(
            model.CoreWork(core=(x, y), start=start, count=count) for x, y, start, count in work
        ),
        block=None if desc["block"] is None else tuple(desc["block"]),
    )


def _tensors(kernel: Kernel, said: _Said) -> list[model.Tensor]:
    tensors = []
    for param in kernel.func.params:
        name = str(param.name)
        desc = said.layouts[name]
        tensors.append(
            model.Tensor(
                name=name,
                role=said.roles[name],
                shape=tuple(desc["shape"]),
                device_shape=tuple(desc["device_shape"]),
                padded_shape=tuple(desc["padded_shape"]),
                layout=planned(desc),
                page_bytes=desc["page_bytes"],
                pages=desc["pages"],
                at=str(location(param.span, kernel.at)),
            )
        )
    return tensors


#: The runtime arguments that the passes may ask for, and where a core's value comes from.
RUNTIME_ARGS: dict[str, Callable[[model.Partition, model.CoreWork], int]] = {
    "start": lambda _, work: work.start,
    "count": lambda _, work: work.count,
    "sy": lambda partition, work: shard_at(partition, work)[0],
    "sx": lambda partition, work: shard_at(partition, work)[1],
}


def _program(func: PrimFunc, partition: model.Partition) -> model.Program:
    constants = attrs.require(func, attrs.CONSTANTS, "the plan")
    # Long names are a subclass of str in TVM, which msgspec does not write.
    tensors = [str(param.name) for param in func.params if isinstance(param.ty, tirx.BufferType)]
    scalars = [
        str(param.name) for param in func.params if not isinstance(param.ty, tirx.BufferType)
    ]
    arguments = [name for name in scalars if name not in constants]
    # Tensors are no variables: in C++ their names have a suffix.
    scope: _Scope = {
        address(param): str(param.name)
        for param in func.params
        if not isinstance(param.ty, tirx.BufferType)
    }
    return model.Program(
        tensors=tuple(tensors),
        constants=tuple(
            model.NamedConstant(name=name, value=constants[name])
            for name in scalars
            if name in constants
        ),
        runtime_args=model.RuntimeArgs(
            names=tuple(arguments),
            values=tuple(
                tuple(RUNTIME_ARGS[name](partition, work) for name in arguments)
                for work in partition.cores
            ),
        ),
        body=_body(func.body, scope),
    )


#: The name of each variable in scope, by its address. C++ has one name space where TVM has objects:
#: a variable whose name is taken in its scope gets a number.
_Scope: TypeAlias = dict[int, str]


def _body(node: tirx.Stmt, scope: _Scope) -> tuple[model.Statement, ...]:
    scope = dict(scope)
    parts = node.seq[:] if isinstance(node, tirx.SeqStmt) else [node]
    return tuple(_statement(part, scope) for part in parts)


def _statement(node: tirx.Stmt, scope: _Scope) -> model.Statement:
    """The statement for the plan; a binding is entered into ``scope``."""
    match node:
        # Most statements are operations, and to find that a node is of no other kind takes long.
        case tirx.Evaluate() if isinstance(node.value, tvm.ir.Call):
            return _op(node.value, scope)
        case tirx.For():
            start, extent = _expr(node.min, scope), _expr(node.extent, scope)
            name = _fresh(node.loop_var, scope)
            return model.For(
                var=name,
                start=start,
                stop=_stop(start, extent),
                step=1 if node.step is None else int(node.step),
                body=_body(node.body, {**scope, address(node.loop_var): name}),
            )
        case Bind():
            value = _expr(node.value, scope)
            name = scope[address(node.var)] = _fresh(node.var, scope)
            return model.Let(var=name, value=value)
    raise LoweringError(f"a plan cannot hold '{node}'")


def _fresh(var: tvm.ir.Var, scope: _Scope) -> str:
    taken = set(scope.values())
    name, number = str(var.name), 1
    while name in taken:
        number += 1
        name = f"{var.name}_{number}"
    return name


def _stop(start: model.Expr, extent: model.Expr) -> model.Expr:
    if start == 0:
        return extent
    if isinstance(start, int) and isinstance(extent, int):
        return start + extent
    return model.BinaryOp("+", start, extent)


def _op(call: tvm.ir.Call, scope: _Scope) -> model.Op:
    op = TILE_OPS[call.op.name.removeprefix("tt.")]
    args = {
        name: _argument(kind, arg, scope)
        for (name, kind), arg in zip(op.params, call.args[:], strict=True)
    }
    span = call.span
    at = f"{file_of(span)}:{span.line}:{span.column}"
    return model.Op(op=op.name, args=args, at=at)


def _argument(kind: Kind, arg: Any, scope: _Scope) -> model.Expr:
    match kind:
        case Kind.TENSOR:
            return str(arg.name)
        case Kind.EXPR:
            return _expr(arg, scope)
        case _:
            return str(arg.value)


#: The operators of TVM's expressions that a plan can hold.
OPERATORS: dict[type[prim.Expr], model.Operator] = {
    prim.Add: "+",
    prim.Sub: "-",
    prim.Mul: "*",
    prim.FloorDiv: "//",
    prim.FloorMod: "%",
    prim.Min: "min",
    prim.Max: "max",
}


def _expr(expr: prim.Expr, scope: _Scope) -> model.Expr:
    if isinstance(expr, prim.IntImm):
        return int(expr.value)
    if isinstance(expr, tvm.ir.Var):
        return scope[address(expr)]
    operator = OPERATORS.get(type(expr))
    if operator is None:
        raise LoweringError(f"a plan cannot hold the expression '{expr}'")
    return model.BinaryOp(operator, _expr(expr.a, scope), _expr(expr.b, scope))
