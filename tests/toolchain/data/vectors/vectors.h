// A compute kernel of operations of sfpi.h: each makes a tile out of the three tiles of CB 0.
//
// What includes this says `void kernel_main() { start(); OPERATION(2, ...) OPERATION(3, ...) }`, with the
// number of operands that it has. The body of an operation is run on one vector after the other:
// number_of(n), integer_of(n) and the like are that of operand n, and result(...) takes the first one's
// place.
#pragma once

#include <cstdint>

#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/eltwise_unary/eltwise_unary.h"
#include "api/compute/pack.h"
#include "api/compute/tile_move_copy.h"

constexpr uint32_t cb_in = 0, cb_out = 16, operands = 3;

#ifdef TRISC_MATH
#include "ckernel_sfpu.h"
#include "llk_math_eltwise_unary_sfpu_params.h"

using namespace sfpi;
using Layout = sfpi::DataLayout;  // there is a ckernel::DataLayout, too

constexpr uint32_t VECTORS = 32;  // of a tile

sfpi_inline vFloat number_of(uint32_t operand) { return dst_reg[operand * VECTORS].mode<Layout::F32>(); }
sfpi_inline vInt integer_of(uint32_t operand) { return dst_reg[operand * VECTORS].mode<Layout::I32>(); }
sfpi_inline vUInt bits_of(uint32_t operand) { return dst_reg[operand * VECTORS].mode<Layout::I32>(); }
sfpi_inline vSMag signed_of(uint32_t operand) { return dst_reg[operand * VECTORS].mode<Layout::I32>(); }
sfpi_inline vMag magnitude_of(uint32_t operand) { return as<vMag>(setsgn(integer_of(operand), 0)); }

// All 32 bits of it.
template <class T>
sfpi_inline void result(const T& value) {
    dst_reg[0].mode<Layout::I32>() = value;
}

// What a condition says of each lane, as 1 or 0.
template <class T>
sfpi_inline vInt truth(const T& condition) {
    vInt r = 0;
    v_if(condition) { r = 1; }
    v_endif;
    return r;
}

// A number that the compiler cannot know.
inline uint32_t unknown(uint32_t value) {
    __asm__ volatile("" : "+r"(value));
    return value;
}

[[gnu::noinline]] static void before_vectors() { _llk_math_eltwise_sfpu_start_(0); }
[[gnu::noinline]] static void after_vectors() { _llk_math_eltwise_sfpu_done_(); }

#define VECTORWISE(...)                                  \
    before_vectors();                                    \
    for (uint32_t vector = 0; vector < VECTORS; ++vector) { \
        __VA_ARGS__                                      \
        dst_reg++;                                       \
    }                                                    \
    after_vectors();
#else
#define VECTORWISE(...)
#endif

inline void start() {
    compute_kernel_hw_startup(cb_in, cb_out);
    copy_init(cb_in);
    MATH((_llk_math_eltwise_unary_sfpu_init_<SfpuType::unused>()));
    cb_wait_front(cb_in, operands);
}

[[gnu::noinline]] static void load_operands(uint32_t number) {
    tile_regs_acquire();
    for (uint32_t tile = 0; tile < number; ++tile) {
        copy_tile(cb_in, tile, tile);
    }
}

[[gnu::noinline]] static void store_result() {
    tile_regs_commit();
    tile_regs_wait();
    cb_reserve_back(cb_out, 1);
    pack_tile(0, cb_out);
    cb_push_back(cb_out, 1);
    tile_regs_release();
}

#define OPERATION(number, ...) \
    load_operands(number);     \
    VECTORWISE(__VA_ARGS__)    \
    store_result();
