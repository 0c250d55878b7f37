// What comes before a compute kernel in the SDK's translation unit (trisck.cc, chlkc_list.h), for
// editors: the thread is the one that computes. The JIT writes chlkc_descriptors.h for each kernel;
// here the values that differ are macros of the command line.
#pragma once
#include "internal/pch.h"

#include "internal/firmware_common.h"
#include "api/compile_time_args.h"

#include "internal/debug/fw_debug.h"
#include "ckernel.h"
#include "ckernel_gpr_map.h"
#include "llk_param_structs.h"

using namespace ckernel;

#include "llk_defs.h"

#define TTGEN_32_TIMES(n) \
    n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n

constexpr ckernel::MathFidelity MATH_FIDELITY = ckernel::MathFidelity::TTGEN_FIDELITY;
constexpr bool APPROX = TTGEN_APPROX;
constexpr uint8_t unpack_src_format[32] = {TTGEN_SOURCE_FORMATS};
constexpr uint8_t unpack_dst_format[32] = {TTGEN_REGISTER_FORMATS};
constexpr uint8_t unpack_tile_num_faces[32] = {TTGEN_32_TIMES(4)};
constexpr uint8_t unpack_partial_face[32] = {};
constexpr uint8_t unpack_tile_face_r_dim[32] = {TTGEN_32_TIMES(16)};
constexpr uint8_t unpack_narrow_tile[32] = {};
constexpr uint8_t unpack_tile_r_dim[32] = {TTGEN_32_TIMES(32)};
constexpr uint8_t unpack_tile_c_dim[32] = {TTGEN_32_TIMES(32)};
constexpr uint16_t unpack_tile_size[32] = {TTGEN_TILE_BYTES};
constexpr uint8_t unpack_num_faces_r_dim[32] = {TTGEN_32_TIMES(2)};
constexpr uint8_t unpack_num_faces_c_dim[32] = {TTGEN_32_TIMES(2)};
constexpr bool DST_ACCUM_MODE = TTGEN_DST_ACCUM;
#define DST_SYNC_MODE DstSync::TTGEN_DST_SYNC

#define TRISC_MATH
void kernel_main();
