// Small questions about collections, and what the standard library has no name for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

namespace ttgen {

/*! Whether `value` is one of `items`. */
template <class Items, class Item>
bool Contains(const Items& items, const Item& value) {
  return std::find(items.begin(), items.end(), value) != items.end();
}

/*! All of `values` multiplied; 1 if there are none. */
inline int64_t Product(const std::vector<int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace ttgen
