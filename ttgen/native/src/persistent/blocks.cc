#include "persistent/blocks.h"

#include <algorithm>

#include "base/text.h"

namespace ttgen {
namespace {

/*! The largest divisor of `extent` up to `limit`. */
int64_t Divisor(int64_t extent, int64_t limit) {
  int64_t size = std::min(limit, extent);
  TVM_FFI_ICHECK_GT(size, 0);
  while (extent % size) --size;
  return size;
}

/*!
 * Tiles of a block along a loop: a divisor of `extent` if one is near the limit. A divisor makes
 * every block full; where the best one is under half of the limit, a partly filled last block costs
 * less than small blocks do.
 */
int64_t DivisorOrLimit(int64_t extent, int64_t limit) {
  limit = std::min(limit, extent);
  int64_t best = Divisor(extent, limit);
  return 2 * best >= limit ? best : limit;
}

int64_t OutputTiles(const Nest& nest, int64_t most_tiles, const BlockLimits& limits) {
  int64_t output = std::min({limits.block_tiles, most_tiles, limits.most_output});
  StageRefs of_tiles = nest.OfTiles();
  for (const StageRef& stage : of_tiles) {
    if (stage->reduces.empty() && stage->maps.empty()) {
      output = std::min(output, limits.dst_tiles / stage->Registers());
    }
  }
  // Temporary tiles of one output tile at a time.
  bool has_maps = std::any_of(of_tiles.begin(), of_tiles.end(),
                              [](const StageRef& stage) { return !stage->maps.empty(); });
  TVM_FFI_ICHECK_GT(output, 0);
  return has_maps ? 1 : output;
}

void ChooseAlong(const Stage& stage, const BlockLimits& limits, Blocks* blocks) {
  if (!stage.maps.empty()) {
    std::string name = NameOf(stage.maps.back()->loop_var);
    int64_t together = std::min(limits.block_tiles, limits.dst_tiles / stage.Registers());
    int64_t limit = stage.reduces.empty() ? together : limits.block_tiles;
    // Tiles of several loops are one row of pages, which takes blocks that are all full.
    auto choose = stage.maps.size() == 1 ? DivisorOrLimit : Divisor;
    blocks->along[name] = choose(blocks->extents.at(name), limit);
  }
  if (!stage.reduces.empty()) {
    std::string name = NameOf(stage.reduces.back()->loop_var);
    blocks->along[name] = DivisorOrLimit(blocks->extents.at(name), limits.block_tiles);
  }
}

}  // namespace

int64_t Blocks::Size(const ForRef& loop) const { return along.at(NameOf(loop->loop_var)); }

bool Blocks::IsEven(const ForRef& loop) const {
  std::string name = NameOf(loop->loop_var);
  return extents.at(name) % along.at(name) == 0;
}

int64_t Blocks::Of(const Stage& stage, const Operand& operand) const {
  ForRef loop = stage.Innermost(operand);
  return loop ? Size(loop) : AtOnce(stage);
}

int64_t Blocks::MadeBy(const Stage& stage) const {
  if (stage.maps.empty()) return AtOnce(stage);
  std::string innermost = NameOf(stage.maps.back()->loop_var);
  int64_t size = along.at(innermost);
  int64_t tiles = CeilDiv(extents.at(innermost), size) * size;
  for (size_t i = 0; i + 1 < stage.maps.size(); ++i) {
    tiles *= extents.at(NameOf(stage.maps[i]->loop_var));
  }
  return tiles;
}

Blocks ChooseBlocks(const Nest& nest, const Value& constants, const std::vector<int64_t>& counts,
                    const BlockLimits& limits) {
  int64_t most_tiles = *std::max_element(counts.begin(), counts.end());
  int64_t output = OutputTiles(nest, most_tiles, limits);
  Blocks blocks{output, true, {}, {}, limits.buffering};
  for (const StageRef& stage : nest.stages) {
    for (const auto* loops : {&stage->maps, &stage->reduces}) {
      for (const ForRef& loop : *loops) {
        blocks.extents[NameOf(loop->loop_var)] = ExtentOf(loop, constants);
      }
    }
    ChooseAlong(*stage, limits, &blocks);
  }
  blocks.output_is_even =
      std::all_of(counts.begin(), counts.end(), [&](int64_t count) { return count % output == 0; });
  return blocks;
}

}  // namespace ttgen
