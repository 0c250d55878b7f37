// A stand-in, not tt-metal: declarations that host.cpp uses, so that a compiler can read it.
#pragma once
#include <cstdint>
#include <vector>

template <typename T>
std::vector<T> tilize_nfaces(const std::vector<T>& values, uint32_t rows, uint32_t columns);
template <typename T>
std::vector<T> untilize_nfaces(const std::vector<T>& values, uint32_t rows, uint32_t columns);
