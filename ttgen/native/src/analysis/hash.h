// How hashes of parts make that of the whole.
#pragma once

#include <cstddef>
#include <vector>

namespace ttgen {

/*! The hash of what comes so far and one part more. */
inline size_t Mixed(size_t so_far, size_t part) {
  return so_far ^ (part + 0x9e3779b97f4a7c15 + (so_far << 6) + (so_far >> 2));
}

/*! The same for each item, of which `hash` makes a number. */
template <class Item, class Hash>
size_t MixedAll(size_t so_far, const std::vector<Item>& items, Hash hash) {
  so_far = Mixed(so_far, items.size());
  for (const Item& item : items) so_far = Mixed(so_far, hash(item));
  return so_far;
}

}  // namespace ttgen
