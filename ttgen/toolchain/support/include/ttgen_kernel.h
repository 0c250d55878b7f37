// Included after what kernels share precompiled and before the kernel: what is the kernel's own, the
// tables in the file that the JIT writes, and its compile-time arguments.
#pragma once

// The settings in that file have come before the shared headers; here they only get other names.
#define MATH_FIDELITY ttgen_same_math_fidelity
#define APPROX ttgen_same_approx
#define DST_ACCUM_MODE ttgen_same_dst_accum_mode
#include "chlkc_descriptors.h"
#undef MATH_FIDELITY
#undef APPROX
#undef DST_ACCUM_MODE

#ifndef KERNEL_COMPILE_TIME_ARGS
#define KERNEL_COMPILE_TIME_ARGS
#endif
constexpr auto kernel_compile_time_args = make_array<uint32_t>(KERNEL_COMPILE_TIME_ARGS);

template <>
struct ttgen::arguments<void> {
    static constexpr auto values = kernel_compile_time_args;
#ifdef KERNEL_COMPILE_TIME_ARG_MAP
    static constexpr std::pair<std::string_view, uint32_t> named[] = {KERNEL_COMPILE_TIME_ARG_MAP};
#else
    static constexpr std::array<std::pair<std::string_view, uint32_t>, 0> named = {};
#endif
};
