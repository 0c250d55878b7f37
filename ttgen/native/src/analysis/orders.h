// In which order the dimensions of tensors lie on the device, where matrix products decide it
// (ttgen/analysis/orders.py): of each tensor that a product reads, that goes with it, or that it is
// stored to, it is known which two dimensions come last. The others come first, and neither group
// changes its own order.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/computation.h"

namespace ttgen {

/*! The order that the source has. */
std::vector<int64_t> PlainOrder(const Access& access);

/*!
 * The orders that the matrix products in `parts` ask for, without tensors that are asked for in
 * several orders, or just in their own.
 */
Orders Deduced(const std::vector<Part>& parts);

/*!
 * The order with the dimensions that `tiled` visits last, if these are two. Where it is one, the
 * last dimension of extent 1 stands beside it.
 */
std::optional<std::vector<int64_t>> WithLast(const Access& access, const AxisSet& tiled);

}  // namespace ttgen
