"""Names that come from a kernel source, made safe as C++ identifiers.

Buffers get a suffix in C++ (``A_cb``), and what they may be called is checked where the kernel is
read. Variables keep the name that a loop has in the source: one that C++, the SDK or a template has
a meaning for gets a number. What a kernel computes does not depend on what it calls its loops.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from ttgen.ops import TILE_OPS, Kind
from ttgen.plan.model import BinaryOp, Expr, For, Let, Op, Plan, Program, Statement
from ttgen.vector import VECTOR

#: What templates put behind the names of buffers and tensors.
SUFFIXES = ("cb", "args", "tensor", "buffer")

#: C++20's keywords and alternative tokens.
_KEYWORD_LIST = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
    char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
    constinit continue decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast requires return
    short signed sizeof static static_assert static_cast struct switch template this thread_local
    throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while
    xor xor_eq
"""
KEYWORDS = frozenset(_KEYWORD_LIST.split())


#: Macros of the SDK's headers and of libc that do not begin with a capital.
_MACRO_LIST = """
    alloca assert consume_discard dest_type_is_32b dest_type_to_fmt dprint_cfg_reg
    dprint_cfg_reg_field dprint_tensix_struct_field errno get_compile_time_arg_val getter_helper
    math_errhandling mk_dest_meta_type mk_vector_binary_op myRiscID offsetof sfpi_inline stderr
    stdin stdout strdupa tt_l1_ptr tt_reg_ptr type_to_datasz
"""
_MACROS = frozenset(_MACRO_LIST.split())


def may_be_macro(name: str) -> bool:
    """Whether a header of the SDK may define a macro of that name.

    There are thousands, which all begin with a capital and have more letters, but for a few.
    """
    return re.fullmatch(r"[A-Z]\w+", name) is not None or name in _MACROS


def with_safe_names(plan: Plan, program: Program, used: frozenset[str]) -> Program:
    """``program`` with other names for those variables that mean something else in its C++.

    ``used`` are the identifiers of the templates that it is rendered from.
    """
    named = {item.name for item in plan.tensors} | {item.name for item in plan.circular_buffers}
    of_buffers = {f"{name}_{suffix}" for name in named for suffix in SUFFIXES}
    arguments = {constant.name for constant in program.constants}
    arguments.update(program.runtime_args.names)
    variables = dict.fromkeys(_variables(program.body))
    called = {name for row in VECTOR.values() for name in (row.init, row.tile)}
    of_functions = {name.partition("<")[0] for name in called}
    taken = used | KEYWORDS | of_buffers | of_functions
    unsafe = [
        name for name in variables if name in taken or _is_reserved(name) or may_be_macro(name)
    ]
    if not unsafe:
        return program
    taken = taken | arguments | frozenset(variables)
    renamed: dict[str, str] = {}
    for name in unsafe:
        renamed[name] = _fresh(name, taken | frozenset(renamed.values()))
    return msgspec.structs.replace(program, body=_renamed_body(program.body, renamed))


def _is_reserved(name: str) -> bool:
    """Whether the C++ standard keeps the name for compilers and their libraries."""
    return "__" in name or re.match("_[A-Z]", name) is not None


def _fresh(name: str, taken: frozenset[str]) -> str:
    base, number = re.sub("_+", "_", name).strip("_").lower() or "v", 2
    while f"{base}_{number}" in taken:
        number += 1
    return f"{base}_{number}"


def _variables(body: Iterable[Statement]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, For | Let):
            yield statement.var
        if isinstance(statement, For):
            yield from _variables(statement.body)


def _renamed_body(body: Iterable[Statement], renamed: Mapping[str, str]) -> tuple[Statement, ...]:
    return tuple(_renamed_statement(statement, renamed) for statement in body)


def _renamed_statement(statement: Statement, renamed: Mapping[str, str]) -> Statement:
    replace = msgspec.structs.replace
    if isinstance(statement, For):
        return replace(
            statement,
            var=renamed.get(statement.var, statement.var),
            start=_renamed(statement.start, renamed),
            stop=_renamed(statement.stop, renamed),
            body=_renamed_body(statement.body, renamed),
        )
    if isinstance(statement, Let):
        var = renamed.get(statement.var, statement.var)
        return replace(statement, var=var, value=_renamed(statement.value, renamed))
    return _renamed_op(statement, renamed)


def _renamed_op(op: Op, renamed: Mapping[str, str]) -> Op:
    kinds = dict(TILE_OPS[op.op].params)
    args = {
        name: _renamed(value, renamed) if kinds[name] is Kind.EXPR else value
        for name, value in op.args.items()
    }
    return msgspec.structs.replace(op, args=args)


def _renamed(expr: Expr, renamed: Mapping[str, str]) -> Expr:
    if isinstance(expr, BinaryOp):
        return BinaryOp(expr.operator, _renamed(expr.left, renamed), _renamed(expr.right, renamed))
    return renamed.get(expr, expr) if isinstance(expr, str) else expr
