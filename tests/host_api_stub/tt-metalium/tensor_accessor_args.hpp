// A stand-in, not tt-metal: declarations that host.cpp uses, so that a compiler can read it.
#pragma once
#include <cstdint>
#include <vector>

#include "distributed.hpp"

namespace tt::tt_metal {
class TensorAccessorArgs {
public:
    explicit TensorAccessorArgs(const distributed::MeshBuffer& buffer);
    void append_to(std::vector<uint32_t>& compile_args) const;
};
}  // namespace tt::tt_metal
