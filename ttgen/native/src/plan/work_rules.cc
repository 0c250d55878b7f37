#include "plan/work_rules.h"

#include <algorithm>

#include "base/text.h"
#include "plan/coverage.h"
#include "plan/shards.h"

namespace ttgen::plan {
namespace {

/*! Tile orders that take blocks of tiles together. */
const std::vector<std::string> kBlocked = {"block", "match_shard", "column_blocks"};

const char kBlock[] = "partition.block";

/*! The only output of a plan. */
const Tensor& OutputOf(const Plan& plan) {
  const Tensor* output = nullptr;
  for (const Tensor& tensor : plan.tensors) {
    if (tensor.role != "output") continue;
    TVM_FFI_ICHECK(!output) << "local_shard is for one output";
    output = &tensor;
  }
  TVM_FFI_ICHECK(output) << "local_shard is for one output";
  return *output;
}

/*! Every core has the tiles of the shard of the output that it holds. */
Verdict OwnShards(const Plan& plan) {
  const Partition& partition = plan.partition;
  const Tensor& output = OutputOf(plan);
  const auto& shard = output.layout.nd_shard;
  if (!shard || partition.block != ShardTiles(output.layout)) {
    const std::string block = partition.block ? TupleText(*partition.block) : "None";
    return Violation{kBlock,
                     "local_shard: " + block + " is not the shard of '" + output.name + "'"};
  }
  std::vector<Grid> cores = CoresOf(*shard);
  auto shares = ShardShares(partition.tiles, *partition.block);
  TVM_FFI_ICHECK_EQ(cores.size(), shares.size()) << "every shard lies on a core";
  for (size_t i = 0; i < partition.cores.size(); ++i) {
    const CoreWork& work = partition.cores[i];
    const size_t number = std::find(cores.begin(), cores.end(), work.core) - cores.begin();
    const bool holds_one = number < cores.size();
    const auto share = holds_one ? shares[number] : std::pair<int64_t, int64_t>(work.start, 0);
    if (std::pair(work.start, work.count) != share) {
      return Violation{ItemPath("partition.cores", i), "the shard of core " + TupleText(work.core) +
                                                           " has " + std::to_string(share.second) +
                                                           " tiles from " +
                                                           std::to_string(share.first) + " on"};
    }
    if (!holds_one) continue;
    cores.erase(cores.begin() + number);
    shares.erase(shares.begin() + number);
  }
  if (cores.empty()) return std::nullopt;
  return Violation{"partition.cores",
                   "core " + TupleText(cores.front()) + " holds a shard and is not listed"};
}

}  // namespace

Verdict Cores(const Plan& plan) {
  std::vector<Grid> listed;
  for (const CoreWork& work : plan.partition.cores) listed.push_back(work.core);
  return CoreProblem(listed, CoresIn(plan.core_ranges), plan.arch->grid);
}

Verdict Work(const Plan& plan) {
  const Grid& tiles = plan.partition.tiles;
  const int64_t total = Product(tiles);
  for (const Tensor& tensor : plan.tensors) {
    if (tensor.role != "output" || tensor.Tiles() == total) continue;
    return Violation{"partition.tiles", ListText({tiles.first, tiles.second}) + " is " +
                                            std::to_string(total) + " tiles, '" + tensor.name +
                                            "' has " + std::to_string(tensor.Tiles())};
  }
  std::vector<std::pair<int64_t, int64_t>> shares;
  for (const CoreWork& work : plan.partition.cores) shares.emplace_back(work.start, work.count);
  return WorkProblem(shares, total);
}

Verdict Order(const Plan& plan) {
  const Partition& partition = plan.partition;
  const bool is_blocked =
      std::find(kBlocked.begin(), kBlocked.end(), partition.tile_order) != kBlocked.end();
  if (partition.block.has_value() != is_blocked) {
    return Violation{kBlock,
                     "a block belongs to the orders " + Join(kBlocked, ", ") + ", and only there"};
  }
  return partition.mode == "local_shard" ? OwnShards(plan) : std::nullopt;
}

}  // namespace ttgen::plan
