// In the place of tt-llk's file of that name: the same, without the modes of SFPLOAD that Wolfpine 2.2 dies
// of. (tt-llk reads 16 bits of DST as an integer.)
#pragma once

#include <cstdint>

#include "llk_defs.h"
#include "sfpi.h"

namespace ckernel::sfpu {

template <bool APPROXIMATION_MODE, DataFormat data_format, int ITERATIONS>
inline void _calculate_where_(
    const std::uint32_t condition, const std::uint32_t if_true, const std::uint32_t if_false, const std::uint32_t out) {
    static_assert(data_format == DataFormat::Float32 || data_format == DataFormat::Float16_b, "of floats alone");
    constexpr std::uint32_t rows = 32;  // of a tile: two of DST each
#pragma GCC unroll 0
    for (int row = 0; row < ITERATIONS; ++row) {
        sfpi::vFloat value = sfpi::dst_reg[if_true * rows];
        const sfpi::vFloat chosen = sfpi::dst_reg[condition * rows];
        v_if(chosen == 0.0f) { value = sfpi::dst_reg[if_false * rows]; }
        v_endif;
        sfpi::dst_reg[out * rows] = value;
        sfpi::dst_reg++;
    }
}

template <bool APPROXIMATION_MODE>
inline void _init_where_() {}

}  // namespace ckernel::sfpu
