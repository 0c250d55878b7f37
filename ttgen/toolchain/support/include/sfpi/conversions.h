// From one format to another.
#pragma once

#include "arithmetic.h"

namespace sfpi {

enum class RoundMode { Nearest, NearestEven, NearestAway, NearestStochastic, Stochastic, Zero };

[[gnu::error("Wormhole does not round towards zero")]] void no_rounding_towards_zero();

sfpi_inline constexpr u32 rounding(RoundMode mode) {
    switch (mode) {
        case RoundMode::NearestStochastic:
        case RoundMode::Stochastic: return SFPSTOCHRND_RND_STOCH;
        case RoundMode::Zero:
            if constexpr (!is_blackhole) no_rounding_towards_zero();
            return SFPSTOCHRND_RND_ZERO;
        default: return SFPSTOCHRND_RND_EVEN;
    }
}

template <u32 to>
sfpi_inline lanes rounded(const vReg& a, RoundMode mode) {
    return {unary_with(encoding::op(encoding::STOCH_RND, to) + (rounding(mode) << 21), a.r)};
}

// What SFP_STOCH_RND makes of a float, by the type that is asked for.
template <class To>
constexpr u32 from_float = ~0u;
template <>
inline constexpr u32 from_float<vFloat16a> = SFPSTOCHRND_MOD1_FP32_TO_FP16A;
template <>
inline constexpr u32 from_float<vFloat16b> = SFPSTOCHRND_MOD1_FP32_TO_FP16B;
template <>
inline constexpr u32 from_float<vUInt8> = SFPSTOCHRND_MOD1_FP32_TO_UINT8;
template <>
inline constexpr u32 from_float<vSMag8> = SFPSTOCHRND_MOD1_FP32_TO_INT8;
template <>
inline constexpr u32 from_float<vUInt16> = SFPSTOCHRND_MOD1_FP32_TO_UINT16;
template <>
inline constexpr u32 from_float<vSMag16> = SFPSTOCHRND_MOD1_FP32_TO_INT16;

template <class To>
sfpi_inline To convert(const vFloat& a, RoundMode mode) {
    static_assert(from_float<To> != ~0u, "SFP_STOCH_RND does not make this of a float");
    return rounded<from_float<To>>(a, mode);
}

// An integer in sign and magnitude, saturated to eight bits, or as a float.
template <class To>
sfpi_inline To convert(const vSMag& a, RoundMode mode) {
    if constexpr (std::is_same_v<To, vFloat>) {
        const u32 modifier = rounding(mode) == SFPSTOCHRND_RND_STOCH ? SFPCAST_MOD1_INT32_TO_FP32_RNS
                                                                     : SFPCAST_MOD1_INT32_TO_FP32_RNE;
        return lanes{unary_with(encoding::op(encoding::CAST, modifier), a.r)};
    } else if constexpr (std::is_same_v<To, vUInt8>) {
        return rounded<SFPSTOCHRND_MOD1_INT32_TO_UINT8 | 8>(a, mode);
    } else {
        static_assert(std::is_same_v<To, vSMag8>, "sign and magnitude become a float or eight bits");
        return rounded<SFPSTOCHRND_MOD1_INT32_TO_INT8 | 8>(a, mode);
    }
}
template <class To>
sfpi_inline To convert(const vMag& a, RoundMode mode) {
    return convert<To>(vSMag(a), mode);
}

// Between two's complement and sign and magnitude. -2^31 has no counterpart.
template <class To>
sfpi_inline To convert(const vInt& a) {
    static_assert(std::is_same_v<To, vSMag>, "two's complement becomes sign and magnitude");
    return lanes{with_sign_of(abs(a).r, a.r)};
}
template <class To>
sfpi_inline To convert(const vSMag& a) {
    static_assert(std::is_same_v<To, vInt>, "sign and magnitude becomes two's complement");
    // -m is ~m + 1: the sign as all ones turns the magnitude round.
    const float sign = difference_of(zero(), shifted(a.r, -31));
    const float magnitude = with_sign(a.r, 0);
    return lanes{difference_of(update<encoding::op(encoding::XOR)>(magnitude, sign), sign)};
}

}  // namespace sfpi
