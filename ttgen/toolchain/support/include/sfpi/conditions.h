// Conditions, and what is on while they hold.
//
// A condition narrows the lanes that are on: keep() to those in which it holds, drop() to the others.
// v_if pushes the flags before it does so, v_else takes the complement, v_endif pops.
#pragma once

#include <limits>

#include "arithmetic.h"

namespace sfpi {

sfpi_inline void push_flags() { issue<encoding::op(encoding::PUSHC)>(); }
sfpi_inline void pop_flags() { issue<encoding::op(encoding::POPC)>(); }
sfpi_inline void complement_flags() { issue<encoding::op(encoding::COMPC)>(); }

struct condition {};

template <class T>
concept is_condition = std::is_base_of_v<condition, T>;

// A register against zero: bit 2 of SFPSETCC's modifier says the opposite.
template <u32 mode>
struct against_zero : condition {
    float r;

    sfpi_inline explicit against_zero(float value) : r(value) {}
    sfpi_inline void keep() const { on<encoding::op(encoding::SETCC, mode)>(r); }
    sfpi_inline void drop() const { on<encoding::op(encoding::SETCC, mode ^ 4)>(r); }
};

using is_negative = against_zero<SFPSETCC_MOD1_LREG_LT0>;
using is_not_negative = against_zero<SFPSETCC_MOD1_LREG_GTE0>;
using is_zero = against_zero<SFPSETCC_MOD1_LREG_EQ0>;
using is_not_zero = against_zero<SFPSETCC_MOD1_LREG_NE0>;

// Blackhole compares two registers at once: a > b, in order of sign and magnitude. Where a is one of
// LReg12-15, SFPGT and SFPLE do nothing: what may be a programmable constant is copied.
template <bool is_number>
struct is_greater : condition {
    float a, b;

    sfpi_inline is_greater(float left, float right) : a(left), b(right) {}
    template <u32 opcode>
    sfpi_inline void compare() const {
        constexpr u32 word = encoding::op(opcode, 1);
        if constexpr (is_number) {
            __asm__ volatile(".ttinsn (%2 + (L_%1 << 8) + (L_%0 << 4))" ::"f"(a), "f"(b), "i"(word));
        } else {
            __asm__ volatile(".ttinsn (%2 + (L_%1 << 8) + (L_%0 << 4))" ::"cf"(a), "f"(b), "i"(word));
        }
    }
    sfpi_inline void keep() const { compare<encoding::GT>(); }
    sfpi_inline void drop() const { compare<encoding::LE>(); }
};

template <class T>
struct opposite : condition {
    T of;

    sfpi_inline explicit opposite(const T& inner) : of(inner) {}
    sfpi_inline void keep() const { of.drop(); }
    sfpi_inline void drop() const { of.keep(); }
};

// Not both: worked out aside, since flags can only be narrowed.
template <class Narrow>
sfpi_inline is_not_zero unless(Narrow narrow) {
    float r = integer(1);
    push_flags();
    narrow();
    r = loaded_into(r, loadi(SFPLOADI_MOD0_USHORT, 0));
    pop_flags();
    return is_not_zero(r);
}

template <class A, class B>
struct both : condition {
    A a;
    B b;

    sfpi_inline both(const A& left, const B& right) : a(left), b(right) {}
    sfpi_inline void keep() const {
        a.keep();
        b.keep();
    }
    sfpi_inline void drop() const {
        unless([this] { keep(); }).keep();
    }
};

template <class A, class B>
struct either : condition {
    A a;
    B b;

    sfpi_inline either(const A& left, const B& right) : a(left), b(right) {}
    sfpi_inline void keep() const {
        unless([this] { drop(); }).keep();
    }
    sfpi_inline void drop() const {
        a.drop();
        b.drop();
    }
};

template <is_condition A, is_condition B>
sfpi_inline both<A, B> operator&&(const A& a, const B& b) {
    return {a, b};
}
template <is_condition A, is_condition B>
sfpi_inline either<A, B> operator||(const A& a, const B& b) {
    return {a, b};
}
template <is_condition A>
sfpi_inline opposite<A> operator!(const A& a) {
    return opposite<A>(a);
}

// Any condition, as a value: 1 or 0 in every lane.
struct vBool : condition {
    float r;

    template <is_condition T>
    sfpi_inline vBool(const T& from) : r(integer(1)) {
        push_flags();
        from.drop();
        r = loaded_into(r, loadi(SFPLOADI_MOD0_USHORT, 0));
        pop_flags();
    }
    vBool(const vBool&) = default;
    sfpi_inline void keep() const { is_not_zero(r).keep(); }
    sfpi_inline void drop() const { is_not_zero(r).drop(); }
};

// Floats. On Wormhole two floats are subtracted and the sign decides; on Blackhole they are compared in
// order of sign and magnitude, in which -0 is less than 0. (So it is on Wormhole where 0 is a constant.)
// Equal is what has the same bits.
template <class B>
sfpi_inline auto operator<(const vFloat& a, const B& b)
    requires std::is_convertible_v<B, vFloat>
{
    if constexpr (is_blackhole) {
        return is_greater<std::is_arithmetic_v<B>>(vFloat(b).r, a.r);
    } else if constexpr (std::is_arithmetic_v<B>) {
        const float value = float(b);
        return is_negative(__builtin_constant_p(value) && value == 0 ? a.r : vFloat(a - value).r);
    } else {
        return is_negative((a - vFloat(b)).get().r);
    }
}
template <class B>
sfpi_inline auto operator>(const vFloat& a, const B& b)
    requires std::is_convertible_v<B, vFloat>
{
    return vFloat(b) < a;
}
template <class B>
sfpi_inline auto operator>=(const vFloat& a, const B& b)
    requires std::is_convertible_v<B, vFloat>
{
    return !(a < b);
}
template <class B>
sfpi_inline auto operator<=(const vFloat& a, const B& b)
    requires std::is_convertible_v<B, vFloat>
{
    return !(a > b);
}

sfpi_inline is_zero operator==(const vFloat& a, const vFloat& b) {
    return is_zero(update<encoding::op(encoding::XOR)>(a.r, b.r));
}
sfpi_inline is_zero operator==(const vFloat& a, float b) {
    const bool bare = __builtin_constant_p(b) && std::bit_cast<u32>(b) == 0;
    return is_zero(bare ? a.r : update<encoding::op(encoding::XOR)>(a.r, vFloat(b).r));
}
sfpi_inline auto operator!=(const vFloat& a, const vFloat& b) { return !(a == b); }
sfpi_inline auto operator!=(const vFloat& a, float b) { return !(a == b); }

sfpi_inline float difference(const vInt& a, const vInt& b) { return (a - b).r; }
sfpi_inline float difference(const vInt& a, i32 b) { return __builtin_constant_p(b) && b == 0 ? a.r : (a - b).r; }

// Integers are subtracted: they are less than 2^31 apart.
#define SFPI_COMPARED(type, symbol, what, left, right)                                                       \
    sfpi_inline auto operator symbol(const type& a, const type& b) { return what(difference(left, right)); } \
    template <class Scalar>                                                                                  \
    sfpi_inline auto operator symbol(const type& a, Scalar number)                                           \
        requires std::is_integral_v<Scalar>                                                                  \
    {                                                                                                        \
        const i32 b = i32(number);                                                                           \
        return what(difference(left, right));                                                                \
    }
#define SFPI_ALL_COMPARED(type)                        \
    SFPI_COMPARED(type, <, is_negative, a, b)          \
    SFPI_COMPARED(type, >, is_negative, b, a)          \
    SFPI_COMPARED(type, >=, is_not_negative, a, b)     \
    SFPI_COMPARED(type, <=, is_not_negative, b, a)     \
    SFPI_COMPARED(type, ==, is_zero, a, b)             \
    SFPI_COMPARED(type, !=, is_not_zero, a, b)
SFPI_ALL_COMPARED(vInt)
SFPI_ALL_COMPARED(vUInt)
SFPI_ALL_COMPARED(vMag)
#undef SFPI_ALL_COMPARED
#undef SFPI_COMPARED

// Kinds of floats.
sfpi_inline float beyond_infinity(const vFloat& a) {
    return difference_of(number(std::numeric_limits<float>::infinity()), with_sign(a.r, 0));
}
sfpi_inline is_negative is_nan(const vFloat& a) { return is_negative(beyond_infinity(a)); }
sfpi_inline is_zero is_inf(const vFloat& a) { return is_zero(beyond_infinity(a)); }
sfpi_inline is_not_zero is_finite(const vFloat& a) {
    return is_not_zero(sum_of(exexp(a).r, -128));
}
sfpi_inline is_negative is_neg(const vFloat& a) { return is_negative(a.r); }
sfpi_inline is_not_negative is_pos(const vFloat& a) { return is_not_negative(a.r); }

// Operands that are near to each other: their difference does not overflow. Ours never may.
template <is_condition T>
sfpi_inline T nearby(const T& condition) {
    return condition;
}

// The flags of one v_if ... v_endif.
class branches {
    u32 outer = region;
    u32 depth = 0;

    template <is_condition T>
    sfpi_inline void narrow(const T& condition) {
        ++region;
        condition.keep();
    }

   public:
    template <is_condition T>
    sfpi_inline void if_(const T& condition) {
        push_flags();
        ++depth;
        narrow(condition);
    }
    sfpi_inline void if_(const vInt& value) { if_(is_not_zero(value.r)); }
    template <is_condition T>
    sfpi_inline void and_(const T& condition) {
        narrow(condition);
    }
    sfpi_inline void else_() { complement_flags(); }
    sfpi_inline void end() {
        for (u32 at = 0; at < depth; ++at) {
            pop_flags();
        }
        region = outer;
    }
};

}  // namespace sfpi

// The condition is worked out before the flags are pushed, where what it reads is still whole.
#define v_if(condition)                   \
    {                                     \
        sfpi::branches sfpi_branches;     \
        sfpi_branches.if_((condition));

#define v_elseif(condition)     \
    sfpi_branches.else_();      \
    sfpi_branches.if_((condition));

#define v_else sfpi_branches.else_();

#define v_and(condition) sfpi_branches.and_((condition))

#define v_endif            \
    sfpi_branches.end();   \
    }
