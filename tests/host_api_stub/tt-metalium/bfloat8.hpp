// A stand-in, not tt-metal: declarations that host.cpp uses, so that a compiler can read it.
#pragma once
#include <cstdint>
#include <type_traits>
#include <vector>

namespace ttsl {
template <typename T>
class Span {
public:
    Span(const std::vector<std::remove_const_t<T>>& values);
};
}  // namespace ttsl

template <typename T>
std::vector<uint32_t> pack_as_bfp8_tiles(ttsl::Span<const T> values, bool row_major_input, bool is_exp_a);
std::vector<float> unpack_bfp8_tiles_into_float_vec(
    ttsl::Span<const uint32_t> tiles, bool row_major_output, bool is_exp_a);
