// What Blackhole alone has.
#pragma once

#include "conversions.h"

namespace sfpi {

enum class FractionalHalf { Low, High };

sfpi_inline vMag lower_half(float a, float b) {
    float dest;
    constexpr u32 word = encoding::op(encoding::MUL24, (9 << 8) + SFPMUL24_MOD1_LOWER);
    __asm__ volatile(".ttinsn (%3 + (L_%1 << 16) + (L_%2 << 12) + (L_%0 << 4))"
                     : "=cf"(dest)
                     : "f"(a), "f"(b), "i"(word));
    return lanes{dest};
}

// The last 23 bits as a float.
sfpi_inline vFloat number_of_23_bits(lanes a) { return convert<vFloat>(exman(vFloat(a)), RoundMode::NearestEven); }

// By way of floats: a * b without its lower half has 23 bits that count, and 2^23 moves them to the
// end of the mantissa. SFPMUL24 would do for it, but Wolfpine 2.2 gives the lower half for either.
sfpi_inline vMag upper_half(lanes a, lanes b) {
    const vMag lower = lower_half(a.r, b.r);
    const vFloat upper = number_of_23_bits(a) * number_of_23_bits(b) - number_of_23_bits(lower.get());
    return exman(upper * 0x1p-23f + 0x1p23f);
}

// The lower or upper 23 bits of a product of 23 bits.
template <class A, class B>
sfpi_inline vInt fractional_mul(const A& a, const B& b, FractionalHalf half = FractionalHalf::Low) {
    return half == FractionalHalf::High ? upper_half(a.get(), b.get()) : lower_half(a.get().r, b.get().r);
}

// 1 / a to seven bits.
sfpi_inline vFloat approx_recip(const vFloat& a) { return lanes{unary<encoding::op(encoding::ARECIP)>(a.r)}; }

}  // namespace sfpi
