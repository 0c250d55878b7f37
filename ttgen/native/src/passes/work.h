// Work partitions that a user gives: every output tile once, in an order that cores can walk
// (ttgen/passes/work.py).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/tables.h"
#include "base/value.h"
#include "passes/partition.h"
#include "plan/shards.h"

namespace ttgen {

/*! What one core does: `count` output tiles from number `start` on. */
struct Share {
  Grid core;
  int64_t start = 0;
  int64_t count = 0;
};

/*! Shares of all cores, in an order of tiles with its block (rows, columns), if it has one. */
struct Dealt {
  std::string tile_order;
  std::optional<Grid> block;
  std::vector<Share> shares;
};

/*! The output tiles of each core, cores in the order in which they are listed. */
using Work = std::vector<std::pair<Grid, std::vector<WorkItem>>>;

/*! The attribute `tt.work_partition` of a kernel; LoweringError at what it cannot be. */
Work ReadWork(const Value& given);
/*! LoweringError unless `work` has every tile of the grid once, whole. */
void CheckCover(const Work& work, const Grid& tiles, int64_t len_k);
/*! `work` as runs of tiles in an order; LoweringError where no order has them. */
Dealt DealtOf(const Work& work, const Grid& tiles, const std::optional<Grid>& shard);
/*! Rectangles of one row each that are `cores`. */
std::vector<CoreRange> RangesOf(std::vector<Grid> cores);

}  // namespace ttgen
