// Arithmetic of floats and of integers, and operations on bits.
#pragma once

#include "vectors.h"

namespace sfpi {

sfpi_inline float negated(float value) { return unary<encoding::op(encoding::MOV, SFPMOV_MOD1_NEGATE)>(value); }

// a * b + c that has not been worked out yet: where it is assigned it goes to its place at once.
struct sum {
    float a, b, c;
    u32 modifier = 0;

    sfpi_inline operator vFloat() const { return get(); }
    sfpi_inline lanes get() const { return {multiply_add(a, b, c, modifier)}; }
    sfpi_inline float into(float dest) const { return multiply_add_into(dest, a, b, c, modifier); }
};

// a * b: what is added to it is rounded together with it.
struct product {
    float a, b;

    sfpi_inline operator vFloat() const { return get(); }
    sfpi_inline lanes get() const { return whole().get(); }
    sfpi_inline sum whole() const { return {a, b, zero()}; }
};

sfpi_inline vFloat& vFloat::operator=(const sum& value) {
    r = is_written_whole() ? value.get().r : value.into(r);
    return *this;
}
sfpi_inline vFloat& vFloat::operator=(const product& value) { return *this = value.whole(); }

sfpi_inline product operator*(const vFloat& a, const vFloat& b) { return {a.r, b.r}; }
sfpi_inline sum operator+(const product& p, const vFloat& c) { return {p.a, p.b, c.r}; }
sfpi_inline sum operator+(const vFloat& c, const product& p) { return p + c; }
sfpi_inline sum operator+(const product& p, const product& q) { return p + vFloat(q); }

// Wormhole negates by an instruction of its own.
sfpi_inline sum operator-(const product& p, const vFloat& c) {
    if constexpr (is_blackhole) return {p.a, p.b, c.r, SFPMAD_MOD1_NEGATE_VC};
    return {p.a, p.b, negated(c.r)};
}
sfpi_inline sum operator-(const vFloat& c, const product& p) {
    if constexpr (is_blackhole) return {p.a, p.b, c.r, SFPMAD_MOD1_NEGATE_VA};
    return {negated(p.a), p.b, c.r};
}

sfpi_inline sum operator-(const product& p, const product& q) { return vFloat(p) - q; }
sfpi_inline sum operator+(const product& p, float c) { return p + vFloat(c); }
sfpi_inline sum operator+(float c, const product& p) { return p + vFloat(c); }
sfpi_inline sum operator-(const product& p, float c) { return p + vFloat(-c); }
sfpi_inline sum operator-(float c, const product& p) { return vFloat(c) - p; }

sfpi_inline sum operator+(const vFloat& a, const vFloat& b) { return {a.r, one(), b.r}; }
sfpi_inline sum operator-(const vFloat& a, const vFloat& b) { return {b.r, minus_one(), a.r}; }

// A constant with few digits is part of the instruction, unless a register holds it anyway.
sfpi_inline bool is_part_of_instruction(float value) {
    const u32 bits = std::bit_cast<u32>(value);
    return __builtin_constant_p(bits) && is_bf16(bits) && bits != 0 && (bits | 0x80000000) != 0xbf800000;
}

template <u32 opcode>
sfpi_inline float with_constant(float dest, float constant) {
    const u32 word = encoding::op(opcode, (std::bit_cast<u32>(constant) >> 16) << 8);
    __asm__ volatile(".ttinsn (%1 + (L_%0 << 4))" SFPI_SETTLED : "+cf"(dest) : "i"(word));
    return dest;
}

sfpi_inline vFloat operator+(const vFloat& a, float b) {
    if (is_part_of_instruction(b)) return lanes{with_constant<encoding::ADDI>(a.r, b)};
    return vFloat(a + vFloat(b));
}
sfpi_inline vFloat operator+(float a, const vFloat& b) { return b + a; }
sfpi_inline vFloat operator-(const vFloat& a, float b) { return a + -b; }
sfpi_inline sum operator-(float a, const vFloat& b) { return vFloat(a) - b; }

sfpi_inline vFloat operator-(const vFloat& a) { return lanes{negated(a.r)}; }
sfpi_inline vFloat operator-(const product& a) { return -vFloat(a); }
sfpi_inline vFloat operator-(const sum& a) { return -vFloat(a); }
sfpi_inline vFloat operator+(const vFloat& a) { return a; }

sfpi_inline vFloat& operator*=(vFloat& a, const vFloat& b) { return a = a * b; }
// In its place, wherever it was declared: lanes that are off keep what they have.
sfpi_inline vFloat& operator*=(vFloat& a, float b) {
    if (!is_part_of_instruction(b)) return a *= vFloat(b);
    a.r = with_constant<encoding::MULI>(a.r, b);
    return a;
}
template <class Other>
sfpi_inline vFloat& operator+=(vFloat& a, const Other& b) {
    return a = a + b;
}
template <class Other>
sfpi_inline vFloat& operator-=(vFloat& a, const Other& b) {
    return a = a - b;
}

sfpi_inline vFloat abs(const vFloat& a) {
    return lanes{unary<encoding::op(encoding::ABS, SFPABS_MOD1_FLOAT)>(a.r)};
}

// Integers -------------------------------------------------------------------------------------

sfpi_inline vMag abs(const vInt& a) { return lanes{unary<encoding::op(encoding::ABS, SFPABS_MOD1_INT)>(a.r)}; }

sfpi_inline float sum_of(float a, float b) {
    constexpr u32 mode = SFPIADD_MOD1_ARG_LREG_DST | SFPIADD_MOD1_CC_NONE;
    return update<encoding::op(encoding::IADD, mode)>(a, b);
}

sfpi_inline float sum_of(float a, i32 constant) {
    constexpr u32 mode = SFPIADD_MOD1_ARG_IMM | SFPIADD_MOD1_CC_NONE;
    return unary_with(encoding::op(encoding::IADD, mode) + encoding::imm12(constant), a);
}

sfpi_inline float difference_of(float a, float b) {
    constexpr u32 mode = SFPIADD_MOD1_ARG_2SCOMP_LREG_DST | SFPIADD_MOD1_CC_NONE;
    return update<encoding::op(encoding::IADD, mode)>(b, a);
}

sfpi_inline float negated_integer(float a) { return difference_of(zero(), a); }

// Whether it is known while compiling, and fits an instruction.
sfpi_inline bool is_short(i32 value) { return __builtin_constant_p(value) && value >= -2048 && value < 2048; }

// A positive amount shifts to the left, a negative one to the right.
sfpi_inline float shifted(float a, float amount) { return update<encoding::op(encoding::SHFT)>(a, amount); }

sfpi_inline float shifted(float a, i32 amount) {
    return update_with<encoding::SHFT>(SFPSHFT_MOD1_ARG_IMM + encoding::imm12(amount), a);
}

// To the right, with the sign following. Wormhole shifts zeros in: a negative number is inverted
// before and after.
template <class Amount>
sfpi_inline float shifted_with_sign(float a, Amount amount) {
    if constexpr (!is_blackhole) {
        const float sign = difference_of(zero(), shifted(a, -31));
        const float positive = update<encoding::op(encoding::XOR)>(a, sign);
        return update<encoding::op(encoding::XOR)>(shifted(positive, amount), sign);
    } else if constexpr (std::is_same_v<Amount, float>) {
        return update<encoding::op(encoding::SHFT, SFPSHFT_MOD1_ARITHMETIC)>(a, amount);
    } else {
        constexpr u32 mode = SFPSHFT_MOD1_ARG_IMM | SFPSHFT_MOD1_ARITHMETIC;
        return update_with<encoding::SHFT>(mode + encoding::imm12(amount), a);
    }
}

enum class ShiftMode { Logical, Arithmetic };

#define SFPI_INTEGER(type, scalar, own_mode)                                                                     \
    sfpi_inline type operator+(const type& a, const type& b) { return lanes{sum_of(a.r, b.r)}; }                 \
    sfpi_inline type operator+(const type& a, scalar b) {                                                        \
        return is_short(i32(b)) ? type(lanes{sum_of(a.r, i32(b))}) : a + type(b);                                \
    }                                                                                                            \
    sfpi_inline type operator+(scalar a, const type& b) { return b + a; }                                        \
    sfpi_inline type operator-(const type& a, const type& b) { return lanes{difference_of(a.r, b.r)}; }          \
    sfpi_inline type operator-(const type& a, scalar b) {                                                        \
        return is_short(-i32(b)) ? type(lanes{sum_of(a.r, -i32(b))}) : a - type(b);                              \
    }                                                                                                            \
    sfpi_inline type operator-(scalar a, const type& b) { return type(a) - b; }                                  \
    sfpi_inline type operator&(const type& a, const type& b) {                                                   \
        return lanes{update<encoding::op(encoding::AND)>(a.r, b.r)};                                             \
    }                                                                                                            \
    sfpi_inline type operator|(const type& a, const type& b) {                                                   \
        return lanes{update<encoding::op(encoding::OR)>(a.r, b.r)};                                              \
    }                                                                                                            \
    sfpi_inline type operator^(const type& a, const type& b) {                                                   \
        return lanes{update<encoding::op(encoding::XOR)>(a.r, b.r)};                                             \
    }                                                                                                            \
    sfpi_inline type operator~(const type& a) { return lanes{unary<encoding::op(encoding::NOT)>(a.r)}; }         \
    sfpi_inline type operator<<(const type& a, i32 n) { return lanes{shifted(a.r, n)}; }                         \
    sfpi_inline type operator<<(const type& a, const vInt& n) { return lanes{shifted(a.r, n.r)}; }               \
    template <class Other>                                                                                       \
    sfpi_inline type& operator+=(type& a, const Other& b) {                                                      \
        return a = a + b;                                                                                        \
    }                                                                                                            \
    template <class Other>                                                                                       \
    sfpi_inline type& operator-=(type& a, const Other& b) {                                                      \
        return a = a - b;                                                                                        \
    }                                                                                                            \
    template <class Other>                                                                                       \
    sfpi_inline type& operator&=(type& a, const Other& b) {                                                      \
        return a = a & b;                                                                                        \
    }                                                                                                            \
    template <class Other>                                                                                       \
    sfpi_inline type& operator|=(type& a, const Other& b) {                                                      \
        return a = a | b;                                                                                        \
    }                                                                                                            \
    template <class Other>                                                                                       \
    sfpi_inline type& operator^=(type& a, const Other& b) {                                                      \
        return a = a ^ b;                                                                                        \
    }                                                                                                            \
    sfpi_inline type shft(const type& a, const vInt& n, ShiftMode mode) {                                        \
        return lanes{mode == ShiftMode::Arithmetic ? shifted_with_sign(a.r, n.r) : shifted(a.r, n.r)};        \
    }                                                                                                            \
    sfpi_inline type shft(const type& a, const vInt& n) { return shft(a, n, own_mode); }         \
    sfpi_inline type shft(const type& a, i32 n, ShiftMode mode) {                                                \
        return lanes{mode == ShiftMode::Arithmetic && n < 0 ? shifted_with_sign(a.r, n) : shifted(a.r, n)};            \
    }                                                                                                            \
    sfpi_inline type shft(const type& a, i32 n) { return shft(a, n, own_mode); } \
    sfpi_inline type operator>>(const type& a, i32 n) { return shft(a, -n); }                                    \
    sfpi_inline type& operator<<=(type& a, i32 n) { return a = a << n; }                                         \
    sfpi_inline type& operator>>=(type& a, i32 n) { return a = a >> n; }

SFPI_INTEGER(vInt, i32, ShiftMode::Arithmetic)
SFPI_INTEGER(vUInt, u32, ShiftMode::Logical)
#undef SFPI_INTEGER

sfpi_inline vInt operator-(const vInt& a) { return lanes{negated_integer(a.r)}; }

sfpi_inline vMag operator>>(const vMag& a, i32 n) { return lanes{shifted(a.r, -n)}; }
sfpi_inline vMag operator<<(const vMag& a, i32 n) { return lanes{shifted(a.r, n)}; }
sfpi_inline vMag operator&(const vMag& a, i32 b) { return vMag(vInt(a) & vInt(b)); }
sfpi_inline vMag operator&(const vSMag& a, i32 b) { return vMag(vInt(a.get()) & vInt(b)); }

// Sign, exponent and mantissa --------------------------------------------------------------------

enum class MantissaMode { Fraction, ImplicitOne };
enum class ExponentMode { Unbiased, Biased };

sfpi_inline vInt exexp(const vFloat& a, ExponentMode mode = ExponentMode::Unbiased) {
    const u32 modifier = mode == ExponentMode::Biased ? SFPEXEXP_MOD1_NODEBIAS : SFPEXEXP_MOD1_DEBIAS;
    return lanes{unary_with(encoding::op(encoding::EXEXP, modifier), a.r)};
}

sfpi_inline vMag exman(const vFloat& a, MantissaMode mode = MantissaMode::Fraction) {
    const u32 modifier = mode == MantissaMode::ImplicitOne ? SFPEXMAN_MOD1_PAD8 : SFPEXMAN_MOD1_PAD9;
    return lanes{unary_with(encoding::op(encoding::EXMAN, modifier), a.r)};
}

// Sign and mantissa of f under the biased exponent e.
sfpi_inline vFloat setexp(const vFloat& f, const vInt& e) {
    return lanes{update<encoding::op(encoding::SETEXP)>(e.r, f.r)};
}
sfpi_inline vFloat setexp(const vFloat& f, i32 e) {
    const u32 word = encoding::op(encoding::SETEXP, SFPSETEXP_MOD1_ARG_IMM) + encoding::imm12(e);
    return lanes{unary_with(word, f.r)};
}
sfpi_inline vFloat setexp(const vFloat& f, u32 e) { return setexp(f, i32(e)); }

// Sign and exponent of f over the mantissa m.
sfpi_inline vFloat setman(const vFloat& f, const vInt& m) {
    return lanes{update<encoding::op(encoding::SETMAN)>(m.r, f.r)};
}
// m is shifted to the top of the mantissa.
sfpi_inline vFloat setman(const vFloat& f, i32 m) {
    const u32 word = encoding::op(encoding::SETMAN, SFPSETMAN_MOD1_ARG_IMM) + encoding::imm12(m);
    return lanes{unary_with(word, f.r)};
}
sfpi_inline vFloat copyman(const vFloat& f, const vFloat& m) {
    return lanes{update<encoding::op(encoding::SETMAN)>(m.r, f.r)};
}

// The magnitude of `f`, with a sign.
sfpi_inline float with_sign(float f, i32 sign) {
    return unary_with(encoding::op(encoding::SETSGN, SFPSETSGN_MOD1_ARG_IMM) + encoding::imm12(sign & 1), f);
}
sfpi_inline float with_sign_of(float f, float sign) { return update<encoding::op(encoding::SETSGN)>(sign, f); }

sfpi_inline vFloat setsgn(const vFloat& f, i32 sign) { return lanes{with_sign(f.r, sign)}; }
sfpi_inline vInt setsgn(const vInt& f, i32 sign) { return lanes{with_sign(f.r, sign)}; }
sfpi_inline vSMag setsgn(const vSMag& f, i32 sign) { return lanes{with_sign(f.r, sign)}; }
template <class Sign>
sfpi_inline vFloat copysgn(const vFloat& f, const Sign& sign) {
    return lanes{with_sign_of(f.r, sign.get().r)};
}
// The sign is the last bit of `bits`.
template <class Bits>
sfpi_inline vFloat setsgn2(const vFloat& f, const Bits& bits) {
    return lanes{with_sign_of(f.r, shifted(bits.get().r, 31))};
}

// f * 2^n, for a result that is a normal number.
sfpi_inline vFloat addexp(const vFloat& f, i32 n) {
    const u32 word = encoding::op(encoding::DIVP2, SFPDIVP2_MOD1_ADD) + encoding::imm12(n & 0xff);
    return lanes{unary_with(word, f.r)};
}

// Order ------------------------------------------------------------------------------------------

template <class T>
struct ordered {
    T min, max;
};

// Both in order of sign and magnitude: -NaN, -inf, ... -0, 0, ... inf, NaN.
template <class T>
sfpi_inline ordered<T> in_order(float a, float b) {
    constexpr u32 word = encoding::op(encoding::SWAP, SFPSWAP_MOD1_VEC_MIN_MAX);
    await_operands<word>();
    __asm__ volatile(".ttinsn (%2 + (L_%1 << 8) + (L_%0 << 4))" SFPI_SETTLED : "+cf"(a), "+cf"(b) : "i"(word));
    return {lanes{a}, lanes{b}};
}

#define SFPI_ORDER(type)                                                                                \
    sfpi_inline ordered<type> min_max(const type& a, const type& b) { return in_order<type>(a.r, b.r); } \
    sfpi_inline type min(const type& a, const type& b) { return in_order<type>(a.r, b.r).min; }          \
    sfpi_inline type max(const type& a, const type& b) { return in_order<type>(a.r, b.r).max; }
SFPI_ORDER(vFloat)
SFPI_ORDER(vSMag)
SFPI_ORDER(vMag)
#undef SFPI_ORDER

sfpi_inline vFloat clamp(const vFloat& a, const vFloat& low, const vFloat& high) { return min(max(a, low), high); }
sfpi_inline vFloat symmetric_clamp(const vFloat& a, float limit) { return clamp(a, vFloat(-limit), vFloat(limit)); }

}  // namespace sfpi

// LLK names some operations by SFPI's builtins, to have just that instruction: a multiply-add, and
// Blackhole's comparison, all ones where a is greater than b (modifier 8).
sfpi_inline sfpi::lanes __builtin_rvtt_sfpmad(sfpi::lanes a, sfpi::lanes b, sfpi::lanes c, sfpi::u32) {
    return {sfpi::multiply_add(a.r, b.r, c.r)};
}
sfpi_inline sfpi::lanes __builtin_rvtt_sfpgt(sfpi::lanes a, sfpi::lanes b, sfpi::u32) {
    return {sfpi::update<sfpi::encoding::op(sfpi::encoding::GT, 8)>(a.r, b.r)};
}
