"""TRISC1: arithmetic of scalar floats, as calls of compiler-rt.

F registers are vectors there (:mod:`.sfpu`), and no core has a floating-point unit. In optimised
intermediate code whatever computes with floats is of scalars: vectors are operands of instructions
that are written out, and nothing else. So each such line becomes a call on integers, whose way into
and out of floats the optimiser takes away. The call is written out as well: by its calling
convention a function may use F registers, but compiler-rt has none, and vectors stay in theirs.
"""

from __future__ import annotations

import itertools
import re

OF_TWO = {"fadd": "__addsf3", "fsub": "__subsf3", "fmul": "__mulsf3", "fdiv": "__divsf3"}
# A comparison: the function that orders its operands, and what its result is to 0. Of what is no
# number __gesf2 and __gtsf2 give -1, the others 1.
RELATIONS = {
    "oeq": ("__eqsf2", "eq"),
    "une": ("__nesf2", "ne"),
    "olt": ("__ltsf2", "slt"),
    "ole": ("__lesf2", "sle"),
    "ogt": ("__gtsf2", "sgt"),
    "oge": ("__gesf2", "sge"),
    "ult": ("__gesf2", "slt"),
    "ule": ("__gtsf2", "sle"),
    "ugt": ("__lesf2", "sgt"),
    "uge": ("__ltsf2", "sge"),
    "ord": ("__unordsf2", "eq"),
    "uno": ("__unordsf2", "ne"),
}
FROM_INTEGER = {"sitofp": "__floatsisf", "uitofp": "__floatunsisf"}
TO_INTEGER = {"fptosi": "__fixsfsi", "fptoui": "__fixunssfsi"}
# Bits of a float, changed: what is done to them, and with which number.
OF_BITS = {"fneg": ("xor", -(1 << 31)), "fabs": ("and", (1 << 31) - 1)}

# What a function may change, but for a0 and a1.
TEMPORARY = ("ra", *(f"t{at}" for at in range(7)), *(f"a{at}" for at in range(2, 8)))
CHANGED = ",".join(f"~{{{name}}}" for name in TEMPORARY)

# `  %12 = fmul contract float %2, %11, !dbg !5`: flags are of no interest, nor is what follows.
RESULT, FLAGS, VALUE = r"^  (%\S+) = ", r"(?:[a-z]\w* )*?", r"([^\s,()]+)"
CALL = rf"(?:tail )?call {FLAGS}float @llvm\."


def names(table: dict[str, str] | dict[str, tuple[str, str]]) -> str:
    return f"({'|'.join(table)}) "


ARITHMETIC = re.compile(f"{RESULT}{names(OF_TWO)}{FLAGS}float {VALUE}, {VALUE}", re.M)
MULTIPLY_ADD = re.compile(
    rf"{RESULT}{CALL}fmuladd\.f32\({', '.join([f'float {FLAGS}{VALUE}'] * 3)}\)", re.M
)
COMPARISON = re.compile(f"{RESULT}fcmp {FLAGS}{names(RELATIONS)}float {VALUE}, {VALUE}", re.M)
NEGATION = re.compile(f"{RESULT}(fneg) {FLAGS}float {VALUE}", re.M)
MAGNITUDE = re.compile(rf"{RESULT}{CALL}(fabs)\.f32\(float {FLAGS}{VALUE}\)", re.M)
LOAD = re.compile(f"{RESULT}load ((?:volatile )?)float(, .*)", re.M)
STORE = re.compile(f"^  store ((?:volatile )?)float {VALUE}(, .*)", re.M)
TO_FLOAT = re.compile(f"{RESULT}{names(FROM_INTEGER)}{FLAGS}i32 {VALUE} to float", re.M)
FROM_FLOAT = re.compile(f"{RESULT}{names(TO_INTEGER)}{FLAGS}float {VALUE} to i32", re.M)


def without_scalar_floats(code: str) -> str:
    """Optimised intermediate code with calls in the place of what it computes with floats."""
    code = MULTIPLY_ADD.sub(lambda m: multiplied_and_added(*m.groups()), code)
    code = ARITHMETIC.sub(lambda m: arithmetic(m[1], OF_TWO[m[2]], m[3], m[4]), code)
    code = COMPARISON.sub(lambda m: compared(*m.groups()), code)
    code = MAGNITUDE.sub(lambda m: changed(*m.groups()), code)
    code = NEGATION.sub(lambda m: changed(*m.groups()), code)
    code = TO_FLOAT.sub(lambda m: to_float(m[1], FROM_INTEGER[m[2]], m[3]), code)
    code = FROM_FLOAT.sub(lambda m: from_float(m[1], TO_INTEGER[m[2]], m[3]), code)
    code = LOAD.sub(lambda m: loaded(*m.groups()), code)
    places = itertools.count()
    return STORE.sub(lambda m: stored(f"%soft.{next(places)}.stored", *m.groups()), code)


def inner(result: str, what: str) -> str:
    """A name for a value on the way to ``result``. A name, since numbers are counted."""
    return f"%soft.{result[1:]}.{what}"


def bits(name: str, value: str) -> str:
    return f"  {name} = bitcast float {value} to i32\n"


def call(result: str, function: str, *operands: str) -> str:
    """``result`` is the function's, of bits in a0 and a1."""
    both = inner(result, "both")
    given = ",".join(str(at) for at in range(len(operands)))
    values = ", ".join(f"i32 {operand}" for operand in operands)
    constraints = f"={{a0}},={{a1}},{given},{CHANGED}"
    return (
        f'  {both} = call {{i32, i32}} asm "call {function}", "{constraints}"({values})\n'
        f"  {result} = extractvalue {{i32, i32}} {both}, 0"
    )


def call_on_two(result: str, function: str, a: str, b: str) -> str:
    x, y = inner(result, "a"), inner(result, "b")
    return f"{bits(x, a)}{bits(y, b)}{call(result, function, x, y)}"


def arithmetic(result: str, function: str, a: str, b: str) -> str:
    found = inner(result, "bits")
    return f"{call_on_two(found, function, a, b)}\n  {result} = bitcast i32 {found} to float"


def multiplied_and_added(result: str, a: str, b: str, c: str) -> str:
    product = inner(result, "product")
    first = arithmetic(product, "__mulsf3", a, b)
    return f"{first}\n{arithmetic(result, '__addsf3', product, c)}"


def compared(result: str, relation: str, a: str, b: str) -> str:
    function, to_zero = RELATIONS[relation]
    found = inner(result, "order")
    return f"{call_on_two(found, function, a, b)}\n  {result} = icmp {to_zero} i32 {found}, 0"


def changed(result: str, operation: str, value: str) -> str:
    how, mask = OF_BITS[operation]
    before, after = inner(result, "a"), inner(result, "bits")
    return (
        f"{bits(before, value)}  {after} = {how} i32 {before}, {mask}\n"
        f"  {result} = bitcast i32 {after} to float"
    )


def to_float(result: str, function: str, integer: str) -> str:
    found = inner(result, "bits")
    return f"{call(found, function, integer)}\n  {result} = bitcast i32 {found} to float"


def from_float(result: str, function: str, value: str) -> str:
    before = inner(result, "a")
    return f"{bits(before, value)}{call(result, function, before)}"


def loaded(result: str, volatile: str, place: str) -> str:
    found = inner(result, "bits")
    return f"  {found} = load {volatile}i32{place}\n  {result} = bitcast i32 {found} to float"


def stored(name: str, volatile: str, value: str, place: str) -> str:
    return f"{bits(name, value)}  store {volatile}i32 {name}{place}"
