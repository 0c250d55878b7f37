"""VerifyTTIR: the three programs of a kernel, checked before a plan is made of them.

Two levels. What a plan could not even say is checked here, on the IR: which statements, operations
and arguments there are, and that the functions agree about the attributes that they share. What the
programs *do* is checked by the rules of plans (:mod:`ttgen.plan.validate`), on the plan that the
programs make, since a plan is checked by them whenever it is read or written: queues, barriers,
registers, pages, L1. Their findings are told with the place in the kernel's source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import IRModule, prim
from tvm.tirx import PrimFunc
from tvm.tirx.stmt import Bind

from ttgen.arch import MAX_CIRCULAR_BUFFERS
from ttgen.errors import Location, LoweringError
from ttgen.frontend.kernel import Kernel
from ttgen.frontend.places import location
from ttgen.identity import address
from ttgen.ops import PROGRAM_NAMES, TILE_OPS, WORDS, Kind, ProgramName
from ttgen.passes import attrs
from ttgen.passes.base import TTPass
from ttgen.plan.from_ir import OPERATORS, RUNTIME_ARGS, plan_from_programs
from ttgen.plan.model import Plan, Tolerance
from ttgen.plan.validate import first_violation
from ttgen.textpos import parse_msgspec_path

#: What the functions of a kernel say alike; the plan takes it from one of them.
_SHARED = (
    attrs.ARCH,
    attrs.CB_DESC,
    attrs.COMPUTE_CONFIG,
    attrs.CORE_RANGES,
    attrs.LAYOUT_DESC,
    attrs.PARTITION,
    attrs.ROLES,
    attrs.WORK_PARTITION,
)


@dataclass(frozen=True)
class VerifyTTIR(TTPass):
    """Changes nothing; LoweringError at programs that cannot be right, with the kernel's place."""

    name: ClassVar[str] = "tir.tenstorrent.VerifyTTIR"

    def transform(self, module: IRModule) -> IRModule:
        """Check every kernel of the module."""
        for kernel, programs in _kernels(module).items():
            buffers = _check_shared(programs)
            for program, func in programs.items():
                _Program(program, func, buffers).check()
            _check_rules(kernel, programs)
        return module


def _kernels(module: IRModule) -> dict[str, dict[ProgramName, PrimFunc]]:
    """The programs of each kernel: all three of them, and nothing else."""
    found: dict[str, dict[ProgramName, PrimFunc]] = {}
    for var, func in module.functions.items():
        name = str(var.name_hint)
        program = attrs.optional(func, attrs.PROGRAM) if isinstance(func, PrimFunc) else None
        if program not in PROGRAM_NAMES or not name.endswith(f"_{program}"):
            raise LoweringError(
                f"'{name}' is none of a kernel's programs {', '.join(PROGRAM_NAMES)}",
                at=attrs.kernel_place(func) if isinstance(func, PrimFunc) else None,
                hint="run GridToPersistentTT first",
            )
        found.setdefault(name.removesuffix(f"_{program}"), {})[program] = func
    for kernel, programs in found.items():
        for program in PROGRAM_NAMES:
            if program not in programs:
                at = attrs.kernel_place(next(iter(programs.values())))
                raise LoweringError(f"kernel '{kernel}' has no {program}", at=at)
    return found


def _check_shared(programs: Mapping[ProgramName, PrimFunc]) -> set[str]:
    """What the programs of a kernel agree about; the names of their circular buffers."""
    reader = programs["reader"]
    for key in _SHARED:
        for program, func in programs.items():
            attrs.check_present(func, key, VerifyTTIR.name)
            own, first = attrs.of(func)[key], attrs.of(reader)[key]
            if not (attrs.is_same(own, first) or tvm_ffi.structural_equal(own, first)):
                raise LoweringError(
                    f"the reader and the {program} disagree about '{key}'",
                    at=attrs.kernel_place(func),
                )
    buffers = attrs.require(reader, attrs.CB_DESC, VerifyTTIR.name)
    if len(buffers) > MAX_CIRCULAR_BUFFERS:
        names = ", ".join(str(buffer["name"]) for buffer in buffers)
        raise LoweringError(
            f"{len(buffers)} circular buffers; a core has {MAX_CIRCULAR_BUFFERS}: {names}",
            at=attrs.kernel_place(reader),
            hint="split the kernel in two",
        )
    return {str(buffer["name"]) for buffer in buffers}


class _Program:
    """The statements of one program."""

    def __init__(self, name: ProgramName, func: PrimFunc, buffers: set[str]) -> None:
        self._name, self._func, self._buffers = name, func, buffers
        self._at = attrs.kernel_place(func)
        is_tensor = {param: isinstance(param.ty, tirx.BufferType) for param in func.params}
        self._tensors = {param for param, is_one in is_tensor.items() if is_one}
        self._scalars = [param for param, is_one in is_tensor.items() if not is_one]

    def check(self) -> None:
        """LoweringError at the first thing that is none of a program."""
        constants = attrs.require(self._func, attrs.CONSTANTS, VerifyTTIR.name)
        for param in self._scalars:
            if param.name not in constants and param.name not in RUNTIME_ARGS:
                raise self._error(
                    f"the {self._name} takes '{param.name}', which has no value", self._at
                )
        self._body(self._func.body, set(map(address, self._scalars)), self._at)

    def _body(self, node: tirx.Stmt, scope: set[int], at: Location) -> None:
        scope = set(scope)
        for part in node.seq[:] if isinstance(node, tirx.SeqStmt) else [node]:
            here = location(part.span, at)
            match part:
                case tirx.Evaluate() if isinstance(part.value, tvm.ir.Call):
                    self._op(part.value, scope, location(part.value.span, here))
                case tirx.For():
                    self._loop(part, scope, here)
                case Bind():
                    self._expr(part.value, scope, here)
                    scope.add(address(part.var))
                case _:
                    shown = str(part).strip().splitlines()[-1].strip()
                    raise self._error(
                        f"'{shown}' is no statement of a program",
                        here,
                        "a program has loops, bindings and tt.* operations",
                    )

    def _loop(self, loop: tirx.For, scope: set[int], at: Location) -> None:
        if loop.kind != tirx.ForKind.SERIAL:
            raise self._error(f"the loop over '{loop.loop_var.name}' is not serial", at)
        self._expr(loop.min, scope, at)
        self._expr(loop.extent, scope, at)
        if loop.step is not None and not isinstance(loop.step, int | prim.IntImm):
            raise self._error(f"the step of '{loop.loop_var.name}' is no number", at)
        self._body(loop.body, scope | {address(loop.loop_var)}, at)

    def _op(self, call: tvm.ir.Call, scope: set[int], at: Location) -> None:
        name = str(getattr(call.op, "name", call.op))
        op = TILE_OPS.get(name.removeprefix("tt.")) if name.startswith("tt.") else None
        if op is None:
            raise self._error(f"there is no operation '{name}'", at)
        if self._name not in op.programs:
            wanted = " and ".join(op.programs)
            raise self._error(f"{name} stands in the {self._name}; it belongs in {wanted}", at)
        args = call.args[:]
        if len(args) != len(op.params):
            wanted = ", ".join(f"{param} ({kind.value})" for param, kind in op.params)
            raise self._error(f"{name} has {len(args)} arguments; it takes {wanted or 'none'}", at)
        for (param, kind), arg in zip(op.params, args, strict=True):
            self._argument(f"{name}: {param}", kind, arg, scope, at)

    def _argument(self, what: str, kind: Kind, arg: Any, scope: set[int], at: Location) -> None:
        if kind is Kind.EXPR:
            self._expr(arg, scope, at)
            return
        if kind is Kind.TENSOR:
            known: Any = self._tensors
            value = arg
        else:
            known = self._buffers if kind is Kind.CB else WORDS[kind]
            value = str(arg.value) if isinstance(arg, tvm.ir.StringImm) else None
        if value not in known:
            names = ", ".join(sorted(str(getattr(one, "name", one)) for one in known))
            shown = str(getattr(arg, "name", arg))
            raise self._error(f"{what} is {shown}, and must be a {kind.value}: {names}", at)

    def _expr(self, expr: Any, scope: set[int], at: Location) -> None:
        if isinstance(expr, prim.IntImm):
            return
        if isinstance(expr, tvm.ir.Var):
            if address(expr) not in scope:
                raise self._error(f"'{expr.name}' has no value here", at)
            return
        if type(expr) not in OPERATORS:
            raise self._error(f"'{expr}' is no expression that a program can evaluate", at)
        self._expr(expr.a, scope, at)
        self._expr(expr.b, scope, at)

    def _error(self, message: str, at: Location, hint: str | None = None) -> LoweringError:
        return LoweringError(message, at=at, hint=hint)


def _check_rules(kernel: str, programs: Mapping[ProgramName, PrimFunc]) -> None:
    """The rules of plans, on the plan that these programs make."""
    reader = programs["reader"]
    at = attrs.kernel_place(reader)
    made = plan_from_programs(
        dict(programs), _stand_in(kernel, programs, at), kernel, tolerance=_ANY_TOLERANCE
    )
    try:
        plan = msgspec.convert(msgspec.to_builtins(made), Plan)
    except msgspec.ValidationError as error:
        problem, path = parse_msgspec_path(str(error))
        where = ".".join(str(item) for item in path)
        raise LoweringError(f"{where}: {problem}", at=at) from None
    violation = first_violation(plan)
    if violation is not None:
        where = ".".join(str(item) for item in violation.path)
        place = _place(violation.at) if violation.at else at
        raise LoweringError(f"{where}: {violation.message}", at=place)


_ANY_TOLERANCE = Tolerance(pcc=0.0, relative_error=0.0)


def _stand_in(kernel: str, programs: Mapping[ProgramName, PrimFunc], at: Location) -> Kernel:
    """The kernel as far as its programs know it: its tensors, and where it stands."""
    tensors = {str(tensor.name): tensor for tensor in _tensors(programs)}
    names = attrs.require(programs["reader"], attrs.LAYOUT_DESC, VerifyTTIR.name)
    roles = attrs.require(programs["reader"], attrs.ROLES, VerifyTTIR.name)
    for name in names:
        if name not in tensors and roles.get(name) != "input":
            raise LoweringError(f"no program uses the tensor '{name}'", at=at)
    unread = {name: tirx.decl_buffer((1,), "int32", name) for name in names if name not in tensors}
    func = PrimFunc([(tensors | unread)[name] for name in names], tirx.Evaluate(0))
    return Kernel(at.path, kernel, {}, func, at)


def _tensors(programs: Mapping[ProgramName, PrimFunc]) -> Iterator[tvm.ir.Var]:
    for func in programs.values():
        yield from (param for param in func.params if isinstance(param.ty, tirx.BufferType))


def _place(text: str) -> Location:
    path, line, column = text.rsplit(":", 2)
    return Location(path, int(line), int(column))
