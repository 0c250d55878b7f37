// Layouts in the form shard, interleave, stride, tile_id_order, as the older documents of the
// TileLang back end describe them (the end of ttgen/layouts.py).
#pragma once

#include <cstdint>
#include <vector>

#include "base/value.h"

namespace ttgen {

/*!
 * `old` in our own form; keys that are of it are kept. `shape` is the tensor's, elements.
 * LoweringError, without a place, at what has no equivalent: nothing is dropped.
 */
Value FromOldForm(const Value& old, const std::vector<int64_t>& shape);

}  // namespace ttgen
