// Registers by number, and the tables that LReg0-2 and LReg4-6 hold.
#pragma once

#include "arithmetic.h"

namespace sfpi {

enum class LRegs { LReg0, LReg1, LReg2, LReg3, LReg4, LReg5, LReg6, LReg7 };

#define SFPI_EACH_LREG(do)                                                                              \
    do(LReg0, "fs0") do(LReg1, "fs1") do(LReg2, "fa0") do(LReg3, "fa1") do(LReg4, "fa2") do(LReg5, "fa3") \
        do(LReg6, "fa4") do(LReg7, "fa5")

sfpi_inline float held_in(LRegs which) {
#define SFPI_READ(number, name)                \
    if (which == LRegs::number) {              \
        register float value __asm__(name);    \
        __asm__ volatile("" : "=f"(value));    \
        return value;                          \
    }
    SFPI_EACH_LREG(SFPI_READ)
#undef SFPI_READ
    __builtin_unreachable();
}

sfpi_inline void hold_in(LRegs which, float held) {
#define SFPI_WRITE(number, name)                   \
    if (which == LRegs::number) {                  \
        register float value __asm__(name) = held; \
        __asm__ volatile("" ::"f"(value));         \
    }
    SFPI_EACH_LREG(SFPI_WRITE)
#undef SFPI_WRITE
}

// Nothing of the compiler's is in that register here: what follows writes to it by its number.
sfpi_inline void leave(LRegs which) {
#define SFPI_LEAVE(number, name) \
    if (which == LRegs::number) __asm__ volatile("" ::: name);
    SFPI_EACH_LREG(SFPI_LEAVE)
#undef SFPI_LEAVE
}

// l_reg[n]: what LReg n holds here, or a value that is to be there. Nothing keeps it there but that no
// other vector is live.
struct l_reg_t {
    struct reference {
        LRegs which;

        template <class T>
        sfpi_inline operator T() const {
            return T(lanes{held_in(which)});
        }
        sfpi_inline void operator=(const vReg& value) const { hold_in(which, value.r); }
        sfpi_inline void in_use() const { leave(which); }
    };

    sfpi_inline reference operator[](LRegs which) const { return {which}; }
};
inline constexpr l_reg_t l_reg{};

// A programmable constant. It is written from LReg0, eight lanes for all (SFPCONFIG).
template <u32 number>
struct programmable {
    sfpi_inline float held() const {
        if constexpr (number == 0) return programmed_0();
        if constexpr (number == 1) return programmed_1();
        if constexpr (number == 2) return programmed_2();
    }
    sfpi_inline void set(float to) const {
        register float value __asm__("fs0") = to;
        constexpr u32 word = encoding::op(encoding::CONFIG, (12 + number) << 4);
        await_operands<word>();
        __asm__ volatile(".ttinsn %1" SFPI_SETTLED ::"f"(value), "i"(word));
    }
};

template <u32 number>
struct vConstFloat : programmable<number> {
    sfpi_inline operator vFloat() const { return get(); }
    sfpi_inline lanes get() const { return {this->held()}; }
    sfpi_inline void operator=(const vFloat& value) const { this->set(value.r); }
};
template <u32 number>
struct vConstInt : programmable<number> {
    sfpi_inline operator vInt() const { return get(); }
    sfpi_inline lanes get() const { return {this->held()}; }
    sfpi_inline void operator=(const vInt& value) const { this->set(value.r); }
};
inline constexpr vConstFloat<0> vConstFloatPrgm0{};
inline constexpr vConstFloat<1> vConstFloatPrgm1{};
inline constexpr vConstFloat<2> vConstFloatPrgm2{};
inline constexpr vConstInt<0> vConstIntPrgm0{};
inline constexpr vConstInt<1> vConstIntPrgm1{};
inline constexpr vConstInt<2> vConstIntPrgm2{};

// Twice the lane's number.
struct vConstTileId_t {
    sfpi_inline operator vInt() const { return lanes{tile_id()}; }
    sfpi_inline lanes get() const { return {tile_id()}; }
};
inline constexpr vConstTileId_t vConstTileId{};

// A slope and an intercept of eight bits each: a sign, three bits for 2^0 to 2^-7, four of mantissa.
constexpr u32 as_lut8(float value) {
    const u32 bits = std::bit_cast<u32>(value) + 0x40000;  // to nearest
    if ((bits & 0x7fffffff) < 0x3c000000) return 0xff;
    return ((bits >> 24) & 0x80) | ((127 - ((bits >> 23) & 0xff)) << 4) | ((bits >> 19) & 0xf);
}

// fp16, without infinities.
constexpr u32 as_lut16(float value) {
    const u32 bits = std::bit_cast<u32>(value) + 0x1000;  // to nearest
    if ((bits & 0x7fffffff) < 0x38800000) return 0x7c00;  // what the table takes for zero
    return as_fp16(bits);
}

struct vLut8si : vReg {
    SFPI_VECTOR(vLut8si, vReg)
    sfpi_inline vLut8si(float slope, float intercept)
        : vReg(lanes{integer((as_lut8(slope) << 8) | as_lut8(intercept))}) {}
};
// Two slopes, and two intercepts.
struct vLut16ss : vReg {
    SFPI_VECTOR(vLut16ss, vReg)
    sfpi_inline vLut16ss(float first, float second)
        : vReg(lanes{integer((as_lut16(second) << 16) | as_lut16(first))}) {}
};
struct vLut16ii : vReg {
    SFPI_VECTOR(vLut16ii, vReg)
    sfpi_inline vLut16ii(float first, float second)
        : vReg(lanes{integer((as_lut16(second) << 16) | as_lut16(first))}) {}
};

enum class LutSign { Retain, Update };

// slope * |x| + intercept by the range that |x| is in, below 1, 2 or above; with the sign of x.
sfpi_inline vFloat lut(
    const vFloat& x, const vLut8si& t0, const vLut8si& t1, const vLut8si& t2, LutSign sign = LutSign::Retain) {
    register float r0 __asm__("fs0") = t0.r;
    register float r1 __asm__("fs1") = t1.r;
    register float r2 __asm__("fa0") = t2.r;
    register float r3 __asm__("fa1") = x.r;
    float dest;
    const u32 word = encoding::op(encoding::LUT, (sign == LutSign::Retain ? SFPLUT_MOD0_SGN_RETAIN : 0) << 16);
    __asm__ volatile(".ttinsn (%5 + (L_%0 << 20))" SFPI_SETTLED
                     : "=cf"(dest)
                     : "f"(r0), "f"(r1), "f"(r2), "f"(r3), "i"(word));
    return lanes{dest};
}

// The same with six ranges: up to 0.5, 1, 1.5, 2, 3 and above.
sfpi_inline vFloat lut(
    const vFloat& x, const vLut16ss& s01, const vLut16ii& i01, const vLut16ss& s23, const vLut16ii& i23,
    const vLut16ss& s45, const vLut16ii& i45, LutSign sign = LutSign::Retain) {
    register float r0 __asm__("fs0") = s01.r;
    register float r1 __asm__("fs1") = s23.r;
    register float r2 __asm__("fa0") = s45.r;
    register float r3 __asm__("fa1") = x.r;
    register float r4 __asm__("fa2") = i01.r;
    register float r5 __asm__("fa3") = i23.r;
    register float r6 __asm__("fa4") = i45.r;
    float dest;
    const u32 word = encoding::op(
        encoding::LUTFP32,
        SFPLUTFP32_MOD1_FP16_6ENTRY_TABLE1 | (sign == LutSign::Retain ? SFPLUTFP32_MOD1_SGN_RETAIN : 0));
    __asm__ volatile(".ttinsn (%8 + (L_%0 << 4))" SFPI_SETTLED
                     : "=cf"(dest)
                     : "f"(r0), "f"(r1), "f"(r2), "f"(r3), "f"(r4), "f"(r5), "f"(r6), "i"(word));
    return lanes{dest};
}

// Four registers as the rows of 4x4 blocks, transposed; the other four are as well.
sfpi_inline void subvec_transp(vReg& a, vReg& b, vReg& c, vReg& d) {
    register float r0 __asm__("fs0") = a.r;
    register float r1 __asm__("fs1") = b.r;
    register float r2 __asm__("fa0") = c.r;
    register float r3 __asm__("fa1") = d.r;
    __asm__ volatile(".ttinsn %4"
                     : "+f"(r0), "+f"(r1), "+f"(r2), "+f"(r3)
                     : "i"(encoding::op(encoding::TRANSP))
                     : "fa2", "fa3", "fa4", "fa5");
    a.r = r0;
    b.r = r1;
    c.r = r2;
    d.r = r3;
}

// Lanes rotate by one within their eight.
template <class T>
sfpi_inline T subvec_shflror1(const T& a) {
    constexpr u32 word = encoding::op(encoding::SHFT2, SFPSHFT2_MOD1_SUBVEC_SHFLROR1);
    float turned;
    await_operands<word>();
    __asm__ volatile(".ttinsn (%2 + (L_%1 << 8) + (L_%0 << 4))" SFPI_SETTLED : "=cf"(turned) : "f"(a.r), "i"(word));
    return lanes{turned};
}

}  // namespace sfpi
