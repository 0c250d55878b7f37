// The canonical layout of a tensor, made from what a user has said of it (ttgen/layouts.py).
//
// Every function raises LoweringError without a place; the passes add it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/tables.h"
#include "base/value.h"
#include "plan/shards.h"

namespace ttgen {

/*! What `asked` says together, later ones winning: a dict. */
Value Merged(const std::vector<Value>& asked);
/*! `asked` with defaults; the keys of `nd_shard` are checked, and completed by `Shard`. */
Value Completed(const Value& asked);
/*! LoweringError at an `order` that does not have each dimension of `shape` once. */
void CheckOrder(const Value& asked, const std::vector<int64_t>& shape);

/*!
 * The shards of a tensor of `padded_shape`: what a user has asked for, completed. `tile` is rows
 * and columns of elements, `device` columns and rows of the chip's cores.
 */
NdShard Shard(const Value& asked, const std::vector<int64_t>& padded_shape, const Grid& tile,
              const Grid& device);
/*! Rectangles [x, y, width, height] of cores; LoweringError, about `what`, at anything else. */
std::vector<CoreRange> CoreRanges(const Value& asked, const std::string& what);
/*! Whether `value` is a list of nothing but integers. */
bool IsIntList(const Value& value);

/*! Shards as layouts hold them. */
Value ShardValue(const NdShard& shard);
/*! The shards in a completed layout, if it has any. */
std::optional<NdShard> NdShardOf(const Value& layout);
/*! A completed layout as plans hold it. */
Layout Planned(const Value& desc);

}  // namespace ttgen
