// The part of SFPI's vector API that the clang stand-in knows.
//
// A vector of 32 lanes is held in a C++ float under the constraint "cf", which is f8-f15: exactly
// eight registers, standing for LReg0-7. So the compiler's own allocator places vectors. Each
// operation is one .ttinsn whose register fields are assembler symbols named after the operand
// (L_fa0 and so on). Copies that the allocator writes as fmv.s become SFPMOV on all lanes later.
//
// Assignment writes the enabled lanes only ("+cf": the old value lives on in the others).
// Encodings: ckernel_ops.h of the SDK.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#define sfpi_inline [[gnu::always_inline]] inline

__asm__(
    ".ifndef L_fs0\n"
    ".set L_fs0, 0\n.set L_fs1, 1\n.set L_fa0, 2\n.set L_fa1, 3\n"
    ".set L_fa2, 4\n.set L_fa3, 5\n.set L_fa4, 6\n.set L_fa5, 7\n"
    ".endif\n");

namespace sfpi {

using u32 = std::uint32_t;
using i32 = std::int32_t;

// Modes of SFPLOADI, as LLK names them.
enum : u32 {
    SFPLOADI_MOD0_FLOATB = 0,
    SFPLOADI_MOD0_FLOATA = 1,
    SFPLOADI_MOD0_USHORT = 2,
    SFPLOADI_MOD0_SHORT = 4,
    SFPLOADI_MOD0_UPPER = 8,
    SFPLOADI_MOD0_LOWER = 10,
};

namespace encoding {

constexpr u32 op(u32 opcode, u32 fields = 0) { return (opcode << 24) + fields; }

constexpr u32 INCRWC = 0x38, LOAD = 0x70, LOADI = 0x71, STORE = 0x72, EXEXP = 0x77, EXMAN = 0x78;
constexpr u32 SHFT = 0x7a, MOV = 0x7c, SETEXP = 0x82, MAD = 0x84, STOCH_RND = 0x8e, NOP = 0x8f;
constexpr u32 CAST = 0x90;

// Constant registers: LReg9 holds 0, LReg10 holds 1, LReg11 holds -1.
constexpr u32 ZERO = 9, ONE = 10, MINUS_ONE = 11;

// The address mode that leaves the destination counter alone, at its place in SFPLOAD and SFPSTORE.
#if defined(__riscv_xtttensixbh)
constexpr u32 NO_INCREMENT = 7u << 13;
#else
constexpr u32 NO_INCREMENT = 3u << 14;
#endif

// Destination rows per vector.
constexpr u32 ROWS = 2;

}  // namespace encoding

template <u32 word>
sfpi_inline void issue() {
    __asm__ volatile(".ttinsn %0" ::"i"(word));
}

// Results of multiply-add and of loads can be used one instruction later.
sfpi_inline void nop() { issue<encoding::op(encoding::NOP)>(); }

// dest = op(c), every lane of dest new.
template <u32 word>
sfpi_inline float unary(float c) {
    float dest;
    __asm__ volatile(".ttinsn (%2 + (L_%1 << 8) + (L_%0 << 4))" : "=cf"(dest) : "cf"(c), "i"(word));
    return dest;
}

// dest = op(dest, c), dest kept where lanes are off.
template <u32 word>
sfpi_inline float update(float dest, float c) {
    __asm__ volatile(".ttinsn (%2 + (L_%1 << 8) + (L_%0 << 4))" : "+cf"(dest) : "cf"(c), "i"(word));
    return dest;
}

struct vReg {
    float r;

    // A 32-bit pattern, in two halves.
    sfpi_inline void loadi(u32 bits) {
        using namespace encoding;
        __asm__ volatile(".ttinsn (%1 + (L_%0 << 20))"
                         : "=cf"(r)
                         : "i"(op(LOADI, (SFPLOADI_MOD0_LOWER << 16) + (bits & 0xffff))));
        __asm__ volatile(".ttinsn (%1 + (L_%0 << 20))"
                         : "+cf"(r)
                         : "i"(op(LOADI, (SFPLOADI_MOD0_UPPER << 16) + (bits >> 16))));
    }

    sfpi_inline void assign(const vReg& other) { r = update<encoding::op(encoding::MOV)>(r, other.r); }
};

struct vFloat : vReg {
    sfpi_inline vFloat() {}
    sfpi_inline vFloat(float value) { loadi(std::bit_cast<u32>(value)); }
    vFloat(const vFloat&) = default;
    sfpi_inline vFloat& operator=(const vFloat& other) {
        assign(other);
        return *this;
    }
};

struct vInt : vReg {
    sfpi_inline vInt() {}
    sfpi_inline vInt(i32 value) { loadi(u32(value)); }
    vInt(const vInt&) = default;
    sfpi_inline vInt& operator=(const vInt& other) {
        assign(other);
        return *this;
    }
};

struct vUInt : vReg {
    sfpi_inline vUInt() {}
    sfpi_inline vUInt(u32 value) { loadi(value); }
    vUInt(const vUInt&) = default;
    sfpi_inline vUInt& operator=(const vUInt& other) {
        assign(other);
        return *this;
    }
};

// Sign and magnitude.
struct vMag : vReg {
    sfpi_inline vMag() {}
    vMag(const vMag&) = default;
    sfpi_inline vMag& operator=(const vMag& other) {
        assign(other);
        return *this;
    }
};

struct vFloat16b {};  // names a format, in convert<>

template <class T>
sfpi_inline T wrap(float r) {
    T value;
    value.r = r;
    return value;
}

// The same bits as another type.
template <class T, class U>
sfpi_inline T as(const U& value) {
    return wrap<T>(value.r);
}

// a * b + 0, a * 1 + b, a * 1 - b as b * -1 + a.
sfpi_inline vFloat operator*(vFloat a, vFloat b) {
    vFloat d;
    __asm__ volatile(".ttinsn (%3 + (L_%1 << 16) + (L_%2 << 12) + (L_%0 << 4))"
                     : "=cf"(d.r)
                     : "cf"(a.r), "cf"(b.r), "i"(encoding::op(encoding::MAD, encoding::ZERO << 8)));
    nop();
    return d;
}

template <u32 factor>
sfpi_inline vFloat times_constant_plus(vFloat a, vFloat b) {
    vFloat d;
    __asm__ volatile(".ttinsn (%3 + (L_%1 << 16) + (L_%2 << 8) + (L_%0 << 4))"
                     : "=cf"(d.r)
                     : "cf"(a.r), "cf"(b.r), "i"(encoding::op(encoding::MAD, factor << 12)));
    nop();
    return d;
}

sfpi_inline vFloat operator+(vFloat a, vFloat b) { return times_constant_plus<encoding::ONE>(a, b); }
sfpi_inline vFloat operator-(vFloat a, vFloat b) { return times_constant_plus<encoding::MINUS_ONE>(b, a); }

enum class MantissaMode { Fraction, ImplicitOne };
enum class ExponentMode { Unbiased, Biased };
enum class ShiftMode { Logical, Arithmetic };
enum class RoundMode { Nearest, Stochastic };

sfpi_inline vInt exexp(vFloat a, ExponentMode mode = ExponentMode::Unbiased) {
    using namespace encoding;
    return wrap<vInt>(mode == ExponentMode::Biased ? unary<op(EXEXP, 1)>(a.r) : unary<op(EXEXP, 0)>(a.r));
}

sfpi_inline vMag exman(vFloat a) { return wrap<vMag>(unary<encoding::op(encoding::EXMAN, 1)>(a.r)); }

sfpi_inline vInt exman(vFloat a, MantissaMode mode) {
    using namespace encoding;
    return wrap<vInt>(mode == MantissaMode::ImplicitOne ? unary<op(EXMAN, 0)>(a.r) : unary<op(EXMAN, 1)>(a.r));
}

sfpi_inline vInt shft(vInt a, vInt amount, ShiftMode) {
    return wrap<vInt>(update<encoding::op(encoding::SHFT)>(a.r, amount.r));
}

// Sign and mantissa of f under the exponent e.
sfpi_inline vFloat setexp(vFloat f, vInt e) {
    return wrap<vFloat>(update<encoding::op(encoding::SETEXP)>(e.r, f.r));
}

template <class T>
sfpi_inline vFloat convert(const vMag& value, RoundMode) {
    return wrap<vFloat>(unary<encoding::op(encoding::CAST)>(value.r));
}

template <class T>
sfpi_inline vFloat convert(const vFloat& value, RoundMode) {
    return wrap<vFloat>(unary<encoding::op(encoding::STOCH_RND, 1)>(value.r));
}

// The destination register, one vector at a time: dst_reg[0] = f(dst_reg[0]); dst_reg++;
struct dst_reg_t {
    struct reference {
        u32 index;

        sfpi_inline operator vFloat() const {
            using namespace encoding;
            vFloat d;
            __asm__ volatile(".ttinsn (%1 + (L_%0 << 20))"
                             : "=cf"(d.r)
                             : "i"(op(LOAD, NO_INCREMENT + index * ROWS)));
            nop();
            return d;
        }

        sfpi_inline void operator=(vFloat value) const {
            using namespace encoding;
            __asm__ volatile(".ttinsn (%1 + (L_%0 << 20))" ::"cf"(value.r),
                             "i"(op(STORE, NO_INCREMENT + index * ROWS)));
        }
    };

    sfpi_inline reference operator[](u32 index) const { return reference{index}; }
    sfpi_inline void operator++(int) const {
        issue<encoding::op(encoding::INCRWC, encoding::ROWS << 14)>();
    }
};

inline constexpr dst_reg_t dst_reg{};

}  // namespace sfpi
