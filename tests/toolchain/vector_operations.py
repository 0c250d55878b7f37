"""Operations of sfpi.h, one a row: what it is in C++, and what it means in NumPy.

``a``, ``b`` and ``c`` are numbers, ``i``, ``j`` and ``k`` integers, ``u``, ``v`` and ``w`` unsigned
ones, ``s`` and ``t`` in sign and magnitude, ``m`` and ``n`` magnitudes: the same bits each time.
What an instruction does is in tt-isa-documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttgen.arch import ARCHITECTURES

from .vectors import Array, Bits, Body, Meaning, Near, Numbers, Operands

WORMHOLE, BLACKHOLE = "wormhole_b0", "blackhole"
TINY = np.finfo(np.float32).tiny
SIGN, MAGNITUDE, INFINITY = np.uint32(1 << 31), np.uint32(0x7FFFFFFF), np.uint32(0x7F800000)
MANTISSA = np.uint32(0x7FFFFF)
LANE = np.arange(32)

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Operation:
    """``faulty_on``: chips that the simulator has other values for (docs/simulator-notes.md)."""

    name: str
    result: str
    meaning: Callable[[Operands], Meaning]
    before: str = ""
    arches: tuple[str, ...] = tuple(ARCHITECTURES)
    faulty_on: tuple[str, ...] = ()

    @property
    def body(self) -> Body:
        return Body(self.before, self.result)


# Numbers ------------------------------------------------------------------------------------------


def bits(numbers: Array) -> Bits:
    return np.asarray(numbers, np.float32).view(np.uint32)


def as_numbers(of: Array) -> Numbers:
    return np.asarray(of).astype(np.int64).astype(np.uint32).view(np.float32)


def flushed(x: Array) -> Numbers:
    """Denormals count as zero."""
    numbers = np.asarray(x, np.float32)
    return np.where(np.abs(numbers) < TINY, np.float32(0), numbers)


def rounded(exact: npt.NDArray[np.float64]) -> Array:
    """One rounding; results that are denormal are zero. What rounds up to TINY may be either."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        numbers = flushed(exact.astype(np.float32))
    size = np.abs(exact)
    return np.ma.masked_array(numbers, (size < TINY) & (size >= TINY * (1 - 2.0**-23)))


def total(x: Array, y: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return rounded(flushed(x).astype(np.float64) + flushed(y))


def product(x: Array, y: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return rounded(flushed(x).astype(np.float64) * flushed(y))


def multiply_add(x: Array, y: Array, z: Array) -> Near:
    """x * y + z, whose product has a few more digits than a number, and no greater exponent."""
    with np.errstate(invalid="ignore", over="ignore"):
        left, right = flushed(x).astype(np.float64), flushed(y).astype(np.float64)
        addend = flushed(z).astype(np.float64)
        exact = left * right
        value = exact + addend
        slack = np.abs(value) * 2.0**-23 + np.abs(exact) * 2.0**-25 + 2 * TINY
    beyond = np.isfinite(exact) & (np.abs(exact) >= 2.0**128) & (addend != 0)
    return Near(np.ma.masked_array(value, beyond), slack)


def constant(value: float) -> Callable[[Operands], Array]:
    return lambda o: np.full_like(o.a, value)


def integer_constant(value: int) -> Callable[[Operands], Array]:
    return lambda o: np.full_like(o.u, value)


def where_number(condition: Flags, value: Near, other: Numbers) -> Near:
    """``value`` in lanes where ``condition`` holds, else ``other``, to the bit."""
    data = np.ma.masked_array(
        np.where(condition, np.ma.getdata(value.value), other),
        np.ma.getmaskarray(value.value) & condition,
    )
    return Near(data, np.where(condition, value.slack, 0))


def order(x: Array) -> npt.NDArray[np.int64]:
    """-NaN, -inf, … -0, 0, … inf, NaN, as integers."""
    pattern = np.asarray(x).view(np.uint32).astype(np.int64)
    return np.where(pattern >> 31, -1 - (pattern & 0x7FFFFFFF), pattern)


def lesser(x: Array, y: Array) -> Bits:
    return np.where(order(x) <= order(y), x.view(np.uint32), y.view(np.uint32))


def greater(x: Array, y: Array) -> Bits:
    return np.where(order(x) <= order(y), y.view(np.uint32), x.view(np.uint32))


NUMBERS = (
    Operation("add", "a + b", lambda o: total(o.a, o.b)),
    Operation("subtract", "a - b", lambda o: total(o.a, -o.b)),
    Operation("multiply", "a * b", lambda o: product(o.a, o.b)),
    Operation("add-bf16", "a + 1.5f", lambda o: total(o.a, np.float32(1.5))),
    Operation("add-1", "1.0f + a", lambda o: total(o.a, np.float32(1))),
    Operation("add-number", "a + 0.1f", lambda o: total(o.a, np.float32(0.1))),
    Operation("subtract-bf16", "a - 1.5f", lambda o: total(o.a, np.float32(-1.5))),
    Operation("subtract-from", "2.0f - a", lambda o: total(np.float32(2), -o.a)),
    Operation("multiply-number", "a * 3.14f", lambda o: product(o.a, np.float32(3.14))),
    Operation("multiply-add", "a * b + c", lambda o: multiply_add(o.a, o.b, o.c)),
    Operation("add-product", "c + a * b", lambda o: multiply_add(o.a, o.b, o.c)),
    Operation("multiply-subtract", "a * b - c", lambda o: multiply_add(o.a, o.b, -o.c)),
    Operation("subtract-product", "c - a * b", lambda o: multiply_add(o.a, -o.b, o.c)),
    Operation(
        "multiply-add-number", "a * b + 0.7f", lambda o: multiply_add(o.a, o.b, np.float32(0.7))
    ),
    Operation(
        "number-subtract-product",
        "0.7f - a * b",
        lambda o: multiply_add(o.a, -o.b, np.float32(0.7)),
    ),
    Operation(
        "sum-of-products",
        "a * b + b * c",
        lambda o: multiply_add(o.a, o.b, np.ma.getdata(product(o.b, o.c))),
    ),
    Operation(
        "difference-of-products",
        "a * b - b * c",
        lambda o: multiply_add(o.b, -o.c, np.ma.getdata(product(o.a, o.b))),
    ),
    Operation(
        "sfpmad-builtin",
        "vFloat(__builtin_rvtt_sfpmad(a.get(), b.get(), c.get(), SFPMAD_MOD1_OFFSET_NONE))",
        lambda o: multiply_add(o.a, o.b, o.c),
    ),
    Operation("negative", "-a", lambda o: o.u ^ SIGN),
    Operation("negative-product", "-(a * b)", lambda o: product(-o.a, o.b)),
    Operation("add-to", "r", lambda o: total(o.a, o.b), before="vFloat r = a; r += b;"),
    Operation(
        "add-number-to", "r", lambda o: total(o.a, np.float32(1.5)), "vFloat r = a; r += 1.5f;"
    ),
    Operation(
        "subtract-number-from",
        "r",
        lambda o: total(o.a, np.float32(-7)),
        "vFloat r = a; r -= 7.0f;",
    ),
    Operation("multiply-by", "r", lambda o: product(o.a, o.b), before="vFloat r = a; r *= b;"),
    Operation(
        "multiply-by-bf16",
        "r",
        lambda o: product(o.a, np.float32(-0.75)),
        "vFloat r = a; r *= -0.75f;",
    ),
    Operation(
        "multiply-by-number",
        "r",
        lambda o: product(o.a, np.float32(0.1)),
        "vFloat r = a; r *= 0.1f;",
    ),
    Operation(
        "abs",
        "abs(a)",
        lambda o: np.where(o.u > (SIGN | INFINITY), o.u, o.m),  # -NaN keeps its sign
    ),
)

CONSTANTS = (
    *(
        Operation(f"constant {text}", f"vFloat({text}f)", constant(float(text)))
        for text in ("0.0", "1.0", "-1.0", "3.0", "1.0009765625", "3.14159265", "1e-40", "-65504.0")
    ),
    Operation(
        "constant at run time",
        "vFloat(std::bit_cast<float>(unknown(0x40490fdb)))",
        constant(3.14159274),
    ),
    *(
        Operation(f"constant {value:#x}", f"vUInt({value:#x}u)", integer_constant(value))
        for value in (0, 5, 0xFFFF, 0x12340000, 0x12345678, 0xFFFF8000, 0xFFFFFFFF)
    ),
    Operation("constant -3", "vInt(-3)", integer_constant(0xFFFFFFFD)),
    Operation("integer at run time", "vInt(unknown(0x12345678))", integer_constant(0x12345678)),
    Operation("constant of bf16 bits", "vFloat(sFloat16b(0x4049))", constant(3.140625)),
    Operation("constant of fp16 bits", "vFloat(sFloat16a(0x3555))", constant(0.333251953125)),
    Operation("constant as bf16", "vFloat(sFloat16b(2.5f))", constant(2.5)),
)

# Parts of a number --------------------------------------------------------------------------------


def exponent(of: Bits) -> npt.NDArray[np.int64]:
    return (of.astype(np.int64) >> 23) & 0xFF


def with_exponent(of: Bits, biased: Array) -> Bits:
    field = (np.asarray(biased).astype(np.int64) & 0xFF).astype(np.uint32)
    return (of & (SIGN | MANTISSA)) | field << np.uint32(23)


def scaled(of: Bits, by: int) -> Bits:
    """The exponent wraps; infinities and NaN are left as they are."""
    return np.where(exponent(of) == 0xFF, of, with_exponent(of, exponent(of) + by))


PARTS = (
    Operation("exexp", "exexp(a)", lambda o: exponent(o.u) - 127),
    Operation("exexp-biased", "exexp(a, ExponentMode::Biased)", lambda o: exponent(o.u)),
    Operation("exman", "exman(a)", lambda o: o.u & MANTISSA),
    Operation(
        "exman-one", "exman(a, MantissaMode::ImplicitOne)", lambda o: o.u & MANTISSA | 1 << 23
    ),
    Operation("setexp", "setexp(a, j)", lambda o: with_exponent(o.u, o.j)),
    Operation("setexp-number", "setexp(a, 126)", lambda o: with_exponent(o.u, np.int64(126))),
    Operation("setman", "setman(a, j)", lambda o: o.u & ~MANTISSA | o.v & MANTISSA),
    Operation("setman-number", "setman(a, 0x955)", lambda o: o.u & ~MANTISSA | 0x955 << 11),
    Operation("copyman", "copyman(a, b)", lambda o: o.u & ~MANTISSA | o.v & MANTISSA),
    Operation("setsgn-0", "setsgn(a, 0)", lambda o: o.m),
    Operation("setsgn-1", "setsgn(a, 1)", lambda o: o.m | SIGN),
    Operation("setsgn-integer", "setsgn(i, 1)", lambda o: o.m | SIGN),
    Operation("setsgn-signed", "setsgn(s, 0)", lambda o: o.m),
    Operation("copysgn", "copysgn(a, b)", lambda o: o.m | o.v & SIGN),
    Operation("copysgn-integer", "copysgn(a, j)", lambda o: o.m | o.v & SIGN),
    Operation("setsgn2", "setsgn2(a, j)", lambda o: o.m | o.v << np.uint32(31)),
    Operation("addexp", "addexp(a, 3)", lambda o: scaled(o.u, 3)),
    Operation("addexp-negative", "addexp(a, -2)", lambda o: scaled(o.u, -2)),
    Operation("as-integer", "as<vInt>(a)", lambda o: o.u),
)

# Integers -----------------------------------------------------------------------------------------


def shifted(of: Array, by: Array) -> Array:
    """Left where ``by`` is positive, right where it is negative, by its last five bits."""
    amount = np.asarray(by).astype(np.int64)
    unit = of.dtype.type
    return np.where(
        amount >= 0, of << (amount & 31).astype(unit), of >> (-amount & 31).astype(unit)
    )


def arithmetic(o: Operands) -> Array:
    """Wormhole has no such instruction, and the library's goes to the right only."""
    left = (o.j >= 0) & (o.arch == WORMHOLE)
    return np.ma.masked_array(shifted(o.i, o.j), left)


def then(x: Array, meaning: Callable[[Bits], Array]) -> Array:
    """What follows a result. Which NaN and which zero that is, is not said."""
    data = np.ma.getdata(x)
    unsaid = np.ma.getmaskarray(x) | np.isnan(data) | (data == 0)
    return np.ma.masked_array(meaning(bits(data)), unsaid)


INTEGERS = (
    Operation("integer-add", "i + j", lambda o: o.u + o.v),
    Operation("integer-add-short", "i + 7", lambda o: o.u + 7),
    Operation("integer-add-long", "i + 100000", lambda o: o.u + 100000),
    Operation("integer-subtract", "i - j", lambda o: o.u - o.v),
    Operation("integer-subtract-short", "i - 2048", lambda o: o.u - 2048),
    Operation("integer-subtract-from", "5 - i", lambda o: np.uint32(5) - o.u),
    Operation("integer-negative", "-i", lambda o: np.uint32(0) - o.u),
    Operation("unsigned-add", "u + v", lambda o: o.u + o.v),
    Operation("unsigned-subtract", "u - 9u", lambda o: o.u - 9),
    Operation("integer-abs", "abs(i)", lambda o: np.where(o.i < 0, np.uint32(0) - o.u, o.u)),
    Operation("and", "i & j", lambda o: o.u & o.v),
    Operation("or", "u | v", lambda o: o.u | o.v),
    Operation("xor", "i ^ j", lambda o: o.u ^ o.v),
    Operation("not", "~i", lambda o: ~o.u),
    Operation("and-number", "i & 0x1ff", lambda o: o.u & 0x1FF),
    Operation("magnitude-and", "m & 0xff", lambda o: o.u & 0xFF),
    Operation("signed-and", "s & 0xff", lambda o: o.u & 0xFF),
    Operation("shift-left", "i << 3", lambda o: o.u << 3),
    Operation("shift-left-by", "i << j", lambda o: shifted(o.u, o.j)),
    Operation("shift-right", "i >> 3", lambda o: o.i >> 3),
    Operation("unsigned-shift-right", "u >> 3", lambda o: o.u >> 3),
    Operation("magnitude-shift-left", "m << 2", lambda o: o.m << 2),
    Operation("magnitude-shift-right", "m >> 2", lambda o: o.m >> 2),
    Operation("shft", "shft(i, j)", arithmetic),
    Operation("shft-unsigned", "shft(u, j)", lambda o: shifted(o.u, o.j)),
    Operation("shft-logical", "shft(i, j, ShiftMode::Logical)", lambda o: shifted(o.u, o.j)),
    Operation("shft-number", "shft(i, -4)", lambda o: o.i >> 4),
    Operation("shft-number-left", "shft(i, 4)", lambda o: o.i << 4),
    Operation("shft-unsigned-arithmetic", "shft(u, -4, ShiftMode::Arithmetic)", lambda o: o.i >> 4),
    Operation(
        "integer-assignments",
        "r",
        lambda o: ((((o.u + 7 - o.v) & o.w) | 5) ^ o.v) << 2,
        "vInt r = i; r += 7; r -= j; r &= k; r |= 5; r ^= j; r <<= 2;",
    ),
    Operation(
        "integer-add-after-product",
        "as<vInt>(vFloat(a * 0.7f)) + j",
        lambda o: then(product(o.a, np.float32(0.7)), lambda x: x + o.v),
    ),
    Operation(
        "shift-after-product",
        "as<vInt>(vFloat(a * 0.7f)) << 2",
        lambda o: then(product(o.a, np.float32(0.7)), lambda x: x << 2),
    ),
    Operation("shift-right-assignment", "r", lambda o: o.u >> 9, "vUInt r = u; r >>= 9;"),
)

# Order --------------------------------------------------------------------------------------------


def clamped(x: Array, low: float, high: float) -> Bits:
    lowest = np.full_like(x.view(np.float32), low)
    return lesser(greater(x, lowest), np.full_like(lowest, high))


def least(x: Array, y: Numbers) -> Array:
    """The lesser of a result and a number. Which NaN and which zero a result is, is not said."""
    data = np.ma.getdata(x)
    unsaid = np.ma.getmaskarray(x) | np.isnan(data) | np.isnan(y)
    return np.ma.masked_array(lesser(data, y).view(np.float32), unsaid)


ORDER = (
    Operation("min", "min(a, b)", lambda o: lesser(o.a, o.b)),
    Operation("max", "max(a, b)", lambda o: greater(o.a, o.b)),
    Operation("min-signed", "min(s, t)", lambda o: lesser(o.u, o.v)),
    Operation("max-signed", "max(s, t)", lambda o: greater(o.u, o.v)),
    Operation("min-magnitude", "min(m, n)", lambda o: np.minimum(o.m, o.n)),
    Operation("max-magnitude", "max(m, n)", lambda o: np.maximum(o.m, o.n)),
    Operation("min-of-both", "both.min", lambda o: lesser(o.a, o.b), "auto both = min_max(a, b);"),
    Operation("max-of-both", "both.max", lambda o: greater(o.a, o.b), "auto both = min_max(a, b);"),
    Operation("clamp", "clamp(a, -1.5f, 2.5f)", lambda o: clamped(o.a, -1.5, 2.5)),
    Operation("symmetric-clamp", "symmetric_clamp(a, 2.0f)", lambda o: clamped(o.a, -2, 2)),
    Operation("min-after-sum", "min(a + b, c)", lambda o: least(total(o.a, o.b), o.c)),
)

# Conversions --------------------------------------------------------------------------------------

NEAREST, TOWARDS_ZERO = 0x400000, 0x7FFFFF


def shortened(of: Bits, dropped: int, threshold: int = NEAREST) -> Bits:
    """``dropped`` bits of the mantissa less. NaN becomes an infinity, a denormal zero."""
    unit = np.uint32(1 << dropped)
    rest = of & (unit - np.uint32(1))
    up = np.where(rest >= threshold >> (23 - dropped), unit, np.uint32(0))
    beyond = np.where(exponent(of) == 0xFF, of & (SIGN | INFINITY), of - rest + up)
    return np.where(exponent(of) == 0, np.uint32(0), beyond)


def whole(of: Bits, most: int, *, signed: bool, threshold: int = NEAREST) -> Bits:
    """The nearest integer, halves away from zero, no larger than ``most``: sign and magnitude."""
    power = exponent(of) - 127
    mantissa = (of & MANTISSA).astype(np.int64) | 1 << 23
    scaled_by = np.clip(power, -1, 15)
    fixed = np.where(scaled_by >= 0, mantissa << np.maximum(scaled_by, 0), mantissa >> 1)
    size = np.minimum((fixed >> 23) + ((fixed & 0x7FFFFF) >= threshold), most)
    size = np.where(power < -1, 0, np.where(power >= 16, most, size)).astype(np.uint32)
    return size | np.where(signed & (size != 0), of & SIGN, np.uint32(0))


def narrowed(o: Operands, most: int, *, signed: bool) -> Bits:
    size = np.minimum(o.m, np.uint32(most))
    return size | np.where(signed & (size != 0), o.u & SIGN, np.uint32(0))


def nearly_shortened(o: Operands) -> Near:
    exact = shortened(o.u, 0).view(np.float32).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return Near(exact, np.abs(exact) * 2.0**-7)


def only(meaning: Bits, lanes: Flags) -> Array:
    return np.ma.masked_array(meaning, ~lanes)


def all_dropped_are_ones(o: Operands) -> Flags:
    return (o.u & 0xFFFF) == 0xFFFF


def magnitude_as_number(o: Operands) -> Bits:
    return bits(o.m.astype(np.float64))


def in_sign_and_magnitude(o: Operands) -> Array:
    """-2^31 has no counterpart."""
    size = np.abs(o.i.astype(np.int64)).astype(np.uint32)
    return np.ma.masked_array(size & MAGNITUDE | o.u & SIGN, o.u == SIGN)


INTEGER_TYPES = (("vUInt8", 255, False), ("vSMag8", 127, True))
NUMBER_TYPES = (*INTEGER_TYPES, ("vUInt16", 65535, False), ("vSMag16", 32767, True))


def conversion(to: str, what: str, mode: str = "Nearest") -> str:
    return f"convert<{to}>({what}, RoundMode::{mode})"


CONVERSIONS = (
    Operation("to-bf16", conversion("vFloat16b", "a"), lambda o: shortened(o.u, 16)),
    Operation("to-fp16", conversion("vFloat16a", "a"), lambda o: shortened(o.u, 13)),
    Operation("to-bf16-stochastic", conversion("vFloat16b", "a", "Stochastic"), nearly_shortened),
    Operation(
        "to-bf16-towards-zero",
        conversion("vFloat16b", "a", "Zero"),
        lambda o: only(shortened(o.u, 16, TOWARDS_ZERO), ~all_dropped_are_ones(o)),
        arches=(BLACKHOLE,),
    ),
    Operation(
        "to-bf16-towards-zero-of-ones",
        conversion("vFloat16b", "a", "Zero"),
        lambda o: only(shortened(o.u, 16, TOWARDS_ZERO), all_dropped_are_ones(o)),
        arches=(BLACKHOLE,),
        faulty_on=(BLACKHOLE,),
    ),
    *(
        Operation(
            f"to-{to}",
            conversion(to, "a"),
            lambda o, most=most, signed=signed: whole(o.u, most, signed=signed),
        )
        for to, most, signed in NUMBER_TYPES
    ),
    *(
        Operation(
            f"to-{to}-towards-zero",
            conversion(to, "a", "Zero"),
            lambda o, most=most, signed=signed: whole(
                o.u, most, signed=signed, threshold=TOWARDS_ZERO
            ),
            arches=(BLACKHOLE,),
        )
        for to, most, signed in NUMBER_TYPES
    ),
    *(
        Operation(
            f"signed-to-{to}",
            conversion(to, "s"),
            lambda o, most=most, signed=signed: narrowed(o, most, signed=signed),
        )
        for to, most, signed in INTEGER_TYPES
    ),
    Operation(
        "signed-to-number",
        conversion("vFloat", "s", "NearestEven"),
        lambda o: magnitude_as_number(o) | o.u & SIGN,
    ),
    Operation("magnitude-to-number", conversion("vFloat", "m"), magnitude_as_number),
    Operation(
        "signed-to-number-stochastic",
        conversion("vFloat", "s", "Stochastic"),
        lambda o: Near(o.s.astype(np.float64), np.abs(o.s) * 2.0**-23),
    ),
    Operation("integer-to-signed", "convert<vSMag>(i)", in_sign_and_magnitude),
    Operation("signed-to-integer", "convert<vInt>(s)", lambda o: o.s),
)

# Conditions ---------------------------------------------------------------------------------------


def is_less(o: Operands, x: Array, y: Array) -> Array:
    """Blackhole compares; Wormhole subtracts, and says anything of what is NaN then."""
    if o.arch == BLACKHOLE:
        return np.asarray(order(x) < order(y))
    difference = total(x, -y)
    data = np.ma.getdata(difference)
    return np.ma.masked_array(data < 0, np.ma.getmaskarray(difference) | np.isnan(data))


def is_before(x: Array, y: Array) -> Array:
    """Integers are subtracted: they are less than 2^31 apart."""
    difference = x.astype(np.int64) - y.astype(np.int64)
    return np.ma.masked_array(difference < 0, (difference < -(2**31)) | (difference >= 2**31))


def in_order(less: Callable[[Array, Array], Array], symbol: str, x: Array, y: Array) -> Array:
    """A comparison by what "less" is."""
    left, right = (y, x) if symbol in (">", "<=") else (x, y)
    holds = less(left, right)
    return ~holds if symbol in (">=", "<=") else holds


def flags(holds: Array) -> Array:
    return holds.astype(np.uint32)


def compared(
    symbol: str, x: str, y: str, other: float | None = None
) -> Callable[[Operands], Array]:
    """What ``x symbol y`` means: of two operands, or of one and a number."""

    def meaning(o: Operands) -> Array:
        left = getattr(o, x)
        right = getattr(o, y) if other is None else np.full_like(left, other)
        if symbol in ("==", "!="):
            same = left.view(np.uint32) == right.view(np.uint32)
            return flags(same if symbol == "==" else ~same)
        if left.dtype.kind != "f":
            return flags(in_order(is_before, symbol, left, right))
        if other == 0 and symbol in ("<", ">="):
            return flags((o.u >> 31 == 1) == (symbol == "<"))  # the sign alone says so
        return flags(in_order(lambda p, q: is_less(o, p, q), symbol, left, right))

    return meaning


COMPARISONS = tuple(
    Operation(f"{x} {symbol} {y}", f"truth({x} {symbol} {y})", compared(symbol, x, y, other))
    for symbol in ("<", ">", "<=", ">=", "==", "!=")
    for x, y, other in (
        ("a", "b", None),
        ("a", "0.0f", 0.0),
        ("a", "1.5f", 1.5),
        ("i", "j", None),
        ("i", "0", 0),
        ("i", "7", 7),
        ("u", "v", None),
        ("m", "n", None),
    )
)

#: Conditions that hold exactly, none of which says anything of another.
P, Q, R = "a < 0.0f", "(j & 1) == 0", "exexp(b) > 0"


def p(o: Operands) -> Flags:
    return o.u >> 31 == 1


def q(o: Operands) -> Flags:
    return o.v & 1 == 0


def r(o: Operands) -> Flags:
    return exponent(o.v) > 127


CONDITIONS = (
    Operation("and-of-two", f"truth({P} && {Q})", lambda o: flags(p(o) & q(o))),
    Operation("or-of-two", f"truth({P} || {Q})", lambda o: flags(p(o) | q(o))),
    Operation("not-of-one", f"truth(!({P}))", lambda o: flags(~p(o))),
    Operation("not-of-and", f"truth(!({P} && {Q}))", lambda o: flags(~(p(o) & q(o)))),
    Operation("not-of-or", f"truth(!({P} || {Q}))", lambda o: flags(~(p(o) | q(o)))),
    Operation("or-of-and", f"truth(({P} && {Q}) || {R})", lambda o: flags(p(o) & q(o) | r(o))),
    Operation("and-of-or", f"truth(({P} || {Q}) && {R})", lambda o: flags((p(o) | q(o)) & r(o))),
    Operation("condition-kept", "truth(kept)", lambda o: flags(p(o)), f"const vBool kept({P});"),
    Operation(
        "not-of-condition-kept", "truth(!kept)", lambda o: flags(~p(o)), f"const vBool kept({P});"
    ),
    Operation("is-nan", "truth(is_nan(a))", lambda o: flags(np.isnan(o.a))),
    Operation("is-inf", "truth(is_inf(a))", lambda o: flags(np.isinf(o.a))),
    Operation("is-finite", "truth(is_finite(a))", lambda o: flags(np.isfinite(o.a))),
    Operation("is-neg", "truth(is_neg(a))", lambda o: flags(p(o))),
    Operation("is-pos", "truth(is_pos(a))", lambda o: flags(~p(o))),
    Operation("nearby", f"truth(nearby({Q}))", lambda o: flags(q(o))),
    Operation("is-any-bit", "truth(j & 1)", lambda o: o.v & 1),
)


def branch(text: str, start: str = "vInt r = 0;") -> str:
    return f"{start} {text} v_endif;"


NESTED = f"""
v_if({P}) {{
    r = 1;
    v_if({Q}) {{
        r = 2;
        v_if({R}) {{ r = 3; }}
        v_else {{ r = 4; }}
        v_endif;
    }}
    v_elseif({R}) {{ r = 5; }}
    v_endif;
    r = r + 10;
}}
v_else {{
    v_if({R}) {{ r = 20; }}
    v_endif;
}}
"""


def nested(o: Operands) -> Array:
    inner = np.where(q(o), np.where(r(o), 3, 4), np.where(r(o), 5, 1)) + 10
    return np.where(p(o), inner, np.where(r(o), 20, 0))


#: Arithmetic of scalars that are known while the kernel runs.
SCALARS = """
volatile std::uint32_t bits[] = {0x3fc00000, 0xc0200000};
const float x = std::bit_cast<float>(bits[0]), y = std::bit_cast<float>(bits[1]);
const float z = (x * y - x) / (float(int(x + x)) - 0.9f) + y;
const bool is_less = y < x && !(x <= y), is_more = x > y && !(y >= x);
const bool is_so = is_less && is_more && x != y && !(x == y) && -y == y + 5.0f;
"""
X, Y = np.float32(1.5), np.float32(-2.5)
SCALAR = (X * Y - X) / (np.float32(3) - np.float32(0.9)) + Y

SCALAR_FLOATS = (
    Operation(
        "scalar-floats",
        "r",
        lambda o: total(o.a, np.float32(SCALAR)),
        f"{SCALARS} vFloat r = a; if (is_so) r = r + z;",
    ),
)

BRANCHES = (
    Operation(
        "if-else",
        "r",
        lambda o: np.where(p(o), 1, 2),
        branch(f"v_if({P}) {{ r = 1; }} v_else {{ r = 2; }}"),
    ),
    Operation(
        "if-elseif-else",
        "r",
        lambda o: np.select([p(o), q(o), r(o)], [1, 2, 3], 4),
        branch(
            f"v_if({P}) {{ r = 1; }} v_elseif({Q}) {{ r = 2; }} v_elseif({R}) {{ r = 3; }}"
            " v_else { r = 4; }"
        ),
    ),
    Operation("nested", "r", nested, branch(NESTED)),
    Operation(
        "and-in-if",
        "r",
        lambda o: flags(p(o) & q(o)),
        branch(f"v_if({P}) {{ v_and({Q}); r = 1; }}"),
    ),
    Operation(
        "and-in-if-else",
        "r",
        lambda o: np.where(p(o) & q(o), 1, 2),
        branch(f"v_if({P}) {{ v_and({Q}); r = 1; }} v_else {{ r = 2; }}"),
    ),
    Operation(
        "assign-copy",
        "r",
        lambda o: np.where(p(o), o.v, o.w),
        branch(f"v_if({P}) {{ r = b; }}", "vFloat r = c;"),
    ),
    Operation(
        "assign-number",
        "r",
        lambda o: np.where(p(o), np.float32(3), o.c),
        branch(f"v_if({P}) {{ r = 3.0f; }}", "vFloat r = c;"),
    ),
    Operation(
        "assign-multiply-add",
        "r",
        lambda o: where_number(p(o), multiply_add(o.a, o.b, o.c), o.c),
        branch(f"v_if({P}) {{ r = a * b + c; }}", "vFloat r = c;"),
    ),
    Operation(
        "assign-product",
        "r",
        lambda o: where_number(p(o), multiply_add(o.a, o.b, np.float32(0)), o.c),
        branch(f"v_if({P}) {{ r = a * b; }}", "vFloat r = c;"),
    ),
    Operation(
        "add-to-in-if",
        "r",
        lambda o: where_number(p(o), multiply_add(o.c, np.float32(1), o.b), o.c),
        branch(f"v_if({P}) {{ r += b; }}", "vFloat r = c;"),
    ),
    Operation(
        "add-number-in-if",
        "r",
        lambda o: where_number(p(o), multiply_add(o.c, np.float32(1), np.float32(1.5)), o.c),
        branch(f"v_if({P}) {{ r += 1.5f; }}", "vFloat r = c;"),
    ),
    Operation(
        "multiply-by-bf16-in-if",
        "r",
        lambda o: where_number(p(o), multiply_add(o.c, np.float32(-0.75), np.float32(0)), o.c),
        branch(f"v_if({P}) {{ r *= -0.75f; }}", "vFloat r = c;"),
    ),
    Operation(
        "first-value-in-if",
        "r",
        lambda o: np.where(p(o), np.where(q(o), o.v, o.w), 3),
        branch(
            f"v_if({P}) {{ v_if({Q}) {{ r = j; }} v_else {{ r = k; }} v_endif; }}"
            " v_else { r = 3; }",
            "vInt r;",
        ),
    ),
    Operation(
        "first-sum-in-if",
        "r",
        lambda o: where_number(p(o), multiply_add(o.a, o.b, o.c), np.ma.getdata(product(o.b, o.c))),
        branch(f"v_if({P}) {{ r = a * b + c; }} v_else {{ r = b * c; }}", "vFloat r;"),
    ),
    Operation(
        "integer-add-in-if",
        "r",
        lambda o: np.where(p(o), o.w + o.v, o.w),
        branch(f"v_if({P}) {{ r += j; }}", "vInt r = k;"),
    ),
    Operation(
        "shift-in-if",
        "r",
        lambda o: np.where(p(o), o.k >> 5, o.k),
        branch(f"v_if({P}) {{ r = r >> 5; }}", "vInt r = k;"),
    ),
    Operation(
        "min-in-if",
        "r",
        lambda o: np.where(p(o), lesser(o.c, o.b), o.w),
        branch(f"v_if({P}) {{ r = min(r, b); }}", "vFloat r = c;"),
    ),
    Operation(
        "setexp-in-if",
        "r",
        lambda o: np.where(p(o), with_exponent(o.w, o.j), o.w),
        branch(f"v_if({P}) {{ r = setexp(r, j); }}", "vFloat r = c;"),
    ),
    Operation(
        "load-in-if",
        "r",
        lambda o: np.where(p(o), o.v, o.w),
        branch(f"v_if({P}) {{ r = number_of(1); }}", "vFloat r = c;"),
    ),
    Operation(
        "store-in-if",
        "integer_of(1)",
        lambda o: np.where(p(o), o.w, o.v),
        branch(f"v_if({P}) {{ dst_reg[VECTORS].mode<Layout::I32>() = k; }}", ""),
    ),
    Operation(
        "declared-in-if",
        "r",
        lambda o: np.where(p(o), np.where(r(o), o.v, o.u) ^ 1, o.w),
        branch(
            f"v_if({P}) {{ vInt x = i; v_if({R}) {{ x = j; }} v_endif; x = x ^ 1; r = x; }}",
            "vInt r = k;",
        ),
    ),
    Operation(
        "unchanged-after-if",
        "c",
        lambda o: o.w,
        branch(f"v_if({P}) {{ r = -r; }}", "vFloat r = c;"),
    ),
)

# Tables -------------------------------------------------------------------------------------------


def from_table(
    x: Numbers, ranges: list[float], slopes: list[float], intercepts: list[float]
) -> Near:
    at = np.where(np.isnan(x), len(ranges), np.searchsorted(ranges, np.abs(x), "right"))
    return multiply_add(np.float32(slopes)[at], np.abs(x), np.float32(intercepts)[at])


def with_sign_of(x: Numbers, value: Near) -> Near:
    data = np.ma.getdata(value.value)
    return Near(
        np.ma.masked_array(np.copysign(data, x), np.ma.getmaskarray(value.value)), value.slack
    )


THREE = "const vLut8si x(0.51f, 0.25f), y(-0.75f, 1.5f), z(0.0f, -0.96875f);"
SIX = (
    "const vLut16ss x(0.5f, -1.25f), y(3.0f, 0.0f), z(0.125f, 2.0f);"
    "const vLut16ii p(0.0f, 0.75f), q(-2.0f, 0.3125f), r(100.0f, -0.0625f);"
)


def of_three(o: Operands) -> Near:
    return from_table(o.a, [1, 2], [0.5, -0.75, 0], [0.25, 1.5, -0.96875])


def of_six(o: Operands) -> Near:
    slopes, intercepts = [0.5, -1.25, 3, 0, 0.125, 2], [0, 0.75, -2, 0.3125, 100, -0.0625]
    return from_table(o.a, [0.5, 1, 1.5, 2, 3], slopes, intercepts)


TABLES = (
    Operation("lut-3", "lut(a, x, y, z)", lambda o: with_sign_of(o.a, of_three(o)), THREE),
    Operation("lut-3-update", "lut(a, x, y, z, LutSign::Update)", of_three, THREE),
    Operation("lut-6", "lut(a, x, p, y, q, z, r)", lambda o: with_sign_of(o.a, of_six(o)), SIX),
    Operation("lut-6-update", "lut(a, x, p, y, q, z, r, LutSign::Update)", of_six, SIX),
)

# Registers, lanes and DST -------------------------------------------------------------------------


def eights(of: Array) -> Array:
    return of.reshape(32, 4, 8)


def transposed(o: Operands, register: int) -> Bits:
    """Four registers are the rows of 4x4 blocks, of elements of eight lanes each."""
    registers = np.stack([eights(x) for x in (o.u, o.v, o.w, o.u ^ SIGN)])
    return registers[:, :, register].transpose(1, 0, 2).reshape(32, 32)


TRANSPOSE = "vFloat x = a, y = b, z = c, r = -a; subvec_transp(x, y, z, r);"


def stored(to: str, what: str) -> str:
    return f"dst_reg[VECTORS]{to} = {what};"


def stored_16(to: str, what: str) -> str:
    """Where no vector of the first operand lies: DST's rows of 16 bits are halves of others."""
    return f"dst_reg[3 * VECTORS]{to} = {what};"


def layout(name: str) -> str:
    return f".mode<Layout::{name}>()"


def denormal(of: Bits) -> Flags:
    return (exponent(of) == 0) & (of & MANTISSA != 0)


def truncated(of: Bits) -> Bits:
    """As SFPSTORE makes bf16: denormals are zero with their sign."""
    return np.where(exponent(of) == 0, of & SIGN, of & np.uint32(0xFFFF0000))


def half(of: Bits) -> Bits:
    """As SFPSTORE makes fp16 and SFPLOAD reads it: without infinities."""
    power = exponent(of) - 112
    mantissa = np.where(power > 31, MANTISSA, of & MANTISSA) & np.uint32(0x7FE000)
    number = with_exponent(mantissa, np.minimum(power, 31) + 112) | of & SIGN
    return np.where(power <= 0, of & SIGN, number)


REGISTERS = (
    Operation(
        "programmable-number",
        "a * vConstFloatPrgm0",
        lambda o: product(o.a, np.float32(2.7)),
        "vConstFloatPrgm0 = 2.7f;",
    ),
    Operation(
        "programmable-number-1",
        "a + vConstFloatPrgm1",
        lambda o: total(o.a, np.float32(-1.7)),
        "vConstFloatPrgm1 = -1.7f;",
    ),
    Operation(
        "programmable-integer", "i + vConstIntPrgm2", lambda o: o.u + 77, "vConstIntPrgm2 = 77;"
    ),
    Operation(
        "programmable-product",
        "a + vConstFloatPrgm0",
        lambda o: total(o.a, np.ma.getdata(product(o.a, o.b))[:, LANE % 8]),
        "vConstFloatPrgm0 = a * b;",  # of the first eight lanes
    ),
    Operation("tile-id", "vInt(vConstTileId)", lambda o: np.broadcast_to(2 * LANE, (32, 32))),
    Operation(
        "l-reg",
        "-x",
        lambda o: o.u ^ SIGN,
        "l_reg[LRegs::LReg3] = a; const vFloat x = l_reg[LRegs::LReg3];",
    ),
    *(
        Operation(
            f"subvec-transp-{number}",
            name,
            lambda o, number=number: transposed(o, number),
            TRANSPOSE,
        )
        for number, name in enumerate("xyzr")
    ),
    Operation(
        "subvec-shflror1",
        "subvec_shflror1(a)",
        lambda o: np.roll(eights(o.u), 1, axis=2).reshape(32, 32),
    ),
)

DESTINATION = (
    Operation("load", "vFloat(dst_reg[0])", lambda o: o.u),
    Operation(
        "load-integer",
        "vInt(dst_reg[0])",
        lambda o: o.s if o.arch == WORMHOLE else o.u,
    ),
    Operation("load-unsigned", "vUInt(dst_reg[0])", lambda o: o.u),
    Operation(
        "load-signed-layout",
        f"vInt(dst_reg[0]{layout('SM32')})",
        lambda o: o.s if o.arch == WORMHOLE else o.u,
    ),
    Operation(
        "load-at-run-time",
        f"vFloat(dst_reg[unknown(VECTORS)]{layout('F32')})",
        lambda o: o.v,
    ),
    Operation("store", "integer_of(1)", lambda o: only(o.u, ~denormal(o.u)), stored("", "a")),
    Operation(
        "store-denormal",
        "integer_of(1)",
        lambda o: only(o.u if o.arch == WORMHOLE else o.u & SIGN, denormal(o.u)),
        stored("", "a"),
        faulty_on=(BLACKHOLE,),
    ),
    Operation(
        "store-integer",
        "integer_of(1)",
        lambda o: in_sign_and_magnitude(o) if o.arch == WORMHOLE else o.u,
        stored("", "i"),
    ),
    Operation(
        "store-signed-layout",
        "integer_of(1)",
        lambda o: in_sign_and_magnitude(o) if o.arch == WORMHOLE else o.u,
        stored(layout("SM32"), "i"),
    ),
    Operation(
        "store-bf16",
        f"vFloat(dst_reg[3 * VECTORS]{layout('F16b')})",
        lambda o: truncated(o.u),
        stored_16(layout("F16b"), "a"),
    ),
    Operation(
        "store-fp16",
        f"vFloat(dst_reg[3 * VECTORS]{layout('F16a')})",
        lambda o: half(o.u),
        stored_16(layout("F16a"), "a"),
    ),
    Operation(
        "store-uint16",
        f"vUInt(dst_reg[3 * VECTORS]{layout('U16')})",
        lambda o: o.u & 0xFFFF,
        stored_16(layout("U16"), "u"),
    ),
    Operation(
        "copy",
        "integer_of(1)",
        lambda o: only(o.w, ~denormal(o.w)),
        stored("", "dst_reg[2 * VECTORS]"),
    ),
    Operation(
        "store-at-run-time",
        "integer_of(1)",
        lambda o: o.u,
        f"dst_reg[unknown(VECTORS)]{layout('I32')} = i;",
    ),
)

# Blackhole ----------------------------------------------------------------------------------------


def approximate_reciprocal(o: Operands) -> Near:
    """Right to 0.56 percent; 1 / tiny is infinite, 1 / huge is zero, and so is that of NaN."""
    with np.errstate(all="ignore"):
        inverse = 1 / o.a.astype(np.float64)
    size = np.where(o.m < 0x800000, np.inf, np.where(o.m >= 0x7E800000, 0, np.abs(inverse)))
    value = np.where(p(o), -size, size)
    with np.errstate(invalid="ignore"):
        return Near(value, size * 0.0056)


def product_of_23_bits(o: Operands) -> npt.NDArray[np.int64]:
    return (o.u & MANTISSA).astype(np.int64) * (o.v & MANTISSA).astype(np.int64)


BLACKHOLE_ONLY = (
    Operation("approx-recip", "approx_recip(a)", approximate_reciprocal, arches=(BLACKHOLE,)),
    Operation(
        "fractional-mul",
        "fractional_mul(i, j)",
        lambda o: product_of_23_bits(o) & 0x7FFFFF,
        arches=(BLACKHOLE,),
    ),
    Operation(
        "fractional-mul-high",
        "fractional_mul(i, j, FractionalHalf::High)",
        lambda o: product_of_23_bits(o) >> 23,
        arches=(BLACKHOLE,),
    ),
    Operation(
        "sfpgt-builtin",
        "vInt(__builtin_rvtt_sfpgt(a.get(), b.get(), 8))",
        lambda o: -(order(o.a) > order(o.b)).astype(np.int64),
        arches=(BLACKHOLE,),
    ),
)

OPERATIONS = (
    *NUMBERS,
    *CONSTANTS,
    *PARTS,
    *INTEGERS,
    *ORDER,
    *CONVERSIONS,
    *COMPARISONS,
    *CONDITIONS,
    *BRANCHES,
    *SCALAR_FLOATS,
    *TABLES,
    *REGISTERS,
    *DESTINATION,
    *BLACKHOLE_ONLY,
)
