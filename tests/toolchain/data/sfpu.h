// An SFPU function on each tile of CB 0; the kernel that includes this defines lane(x).
#pragma once

#include <cstdint>

#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/eltwise_unary/eltwise_unary.h"
#include "api/compute/pack.h"
#include "api/compute/tile_move_copy.h"

#ifdef TRISC_MATH
#include "ckernel_sfpu.h"
#include "llk_math_eltwise_unary_sfpu_macros.h"
#include "llk_math_eltwise_unary_sfpu_params.h"

sfpi::vFloat lane(sfpi::vFloat x);

inline void face() {
    for (int row = 0; row < 8; ++row) {
        const sfpi::vFloat x = sfpi::dst_reg[0];
        sfpi::dst_reg[0] = lane(x);
        sfpi::dst_reg++;
    }
}
#endif

void kernel_main() {
    constexpr uint32_t cb_in = 0, cb_other = 1, cb_out = 16;
    const uint32_t tiles = get_arg_val<uint32_t>(0);
    compute_kernel_hw_startup(cb_in, cb_out);
    copy_init(cb_in);
    MATH((_llk_math_eltwise_unary_sfpu_init_<SfpuType::unused>()));
    for (uint32_t tile = 0; tile < tiles; ++tile) {
        cb_wait_front(cb_in, 1);
        cb_wait_front(cb_other, 1);
        tile_regs_acquire();
        copy_tile(cb_in, 0, 0);
        MATH((_llk_math_eltwise_unary_sfpu_params_(face, 0, VectorMode::RC)));
        tile_regs_commit();
        tile_regs_wait();
        cb_reserve_back(cb_out, 1);
        pack_tile(0, cb_out);
        cb_push_back(cb_out, 1);
        tile_regs_release();
        cb_pop_front(cb_in, 1);
        cb_pop_front(cb_other, 1);
    }
}
