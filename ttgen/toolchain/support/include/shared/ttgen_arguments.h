// The API of the SDK's api/compile_time_args.h for headers that kernels share precompiled.
//
// A kernel's arguments are not known there. They are the members of ttgen::arguments<void>, which
// ttgen_kernel.h defines; templates look for them where they are used, by way of `Kernel`.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

// With the SDK's guard its own header has nothing to say.
#define TT_METAL_COMPILE_TIME_ARGS_H

namespace ttgen {
template <class Kernel>
struct arguments;
}

template <class T, class... Ts>
inline constexpr std::array<T, sizeof...(Ts)> make_array(Ts... values) {
    return {T(values)...};
}

template <uint32_t Idx, class Kernel = void>
constexpr uint32_t get_ct_arg() {
    static_assert(Idx < ttgen::arguments<Kernel>::values.size(), "Index out of range");
    return ttgen::arguments<Kernel>::values[Idx];
}

template <class Kernel = void>
constexpr uint32_t get_named_ct_arg(std::string_view name) {
    for (const auto& [known, value] : ttgen::arguments<Kernel>::named) {
        if (name == known) {
            return value;
        }
    }
    __builtin_unreachable();  // as in the SDK: an argument that there is not ends the compilation
}

template <class Kernel = void>
constexpr uint32_t get_named_compile_time_arg_val(std::string_view name) {
    return get_named_ct_arg<Kernel>(name);
}

#define get_compile_time_arg_val(arg_idx) get_ct_arg<arg_idx>()
