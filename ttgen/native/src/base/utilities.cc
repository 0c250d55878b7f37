#include "base/utilities.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/attrs.h"
#include "base/text.h"
#include "plan/shards.h"

namespace ttgen {
namespace {

/*! An order of tiles: from a place (row, column) in a grid of `tiles` to its number. */
using TileNumber = int64_t (*)(const Grid& place, const Grid& tiles, const Grid& block);

Grid Flipped(const Grid& grid) { return {grid.second, grid.first}; }

/*! Shard by shard, row by row in each of them; the last shards may be smaller. */
int64_t InShards(const Grid& place, const Grid& tiles, const Grid& block) {
  const int64_t top = place.first / block.first * block.first;
  const int64_t left = place.second / block.second * block.second;
  const int64_t height = std::min(block.first, tiles.first - top);
  const int64_t width = std::min(block.second, tiles.second - left);
  return top * tiles.second + height * left + (place.first - top) * width + place.second - left;
}

int64_t InRows(const Grid& place, const Grid& tiles, const Grid&) {
  return place.first * tiles.second + place.second;
}

int64_t InColumns(const Grid& place, const Grid& tiles, const Grid&) {
  return place.second * tiles.first + place.first;
}

/*! Bands of the block's rows; column by column in each of them. */
int64_t InBands(const Grid& place, const Grid& tiles, const Grid& block) {
  return InShards(place, tiles, {block.first, 1});
}

/*! Block by block downwards, column by column in each. */
int64_t InColumnBlocks(const Grid& place, const Grid& tiles, const Grid& block) {
  return InShards(Flipped(place), Flipped(tiles), Flipped(block));
}

/*! Quarters of quarters: each time, what is before the half that holds the place is counted. */
int64_t InQuarters(const Grid& place, const Grid& tiles, const Grid&) {
  int64_t size = 1;
  while (size < std::max(tiles.first, tiles.second)) size *= 2;
  int64_t number = 0, row = 0, column = 0;
  for (; size > 1; size /= 2) {
    const int64_t half = size / 2;
    const int64_t width = std::min(size, tiles.second - column);
    if (place.first >= row + half) {
      number += half * width;
      row += half;
    }
    if (place.second >= column + half) {
      number += std::min(half, tiles.first - row) * half;
      column += half;
    }
  }
  return number;
}

const std::map<std::string, TileNumber>& TileNumbers() {
  static const std::map<std::string, TileNumber> numbers = {
      {"row_major", InRows},   {"column_major", InColumns}, {"block", InBands},
      {"z_order", InQuarters}, {"match_shard", InShards},   {"column_blocks", InColumnBlocks},
  };
  return numbers;
}

}  // namespace

Value LayoutOf(const FuncRef& func, const std::string& tensor, const std::string& asked_by) {
  return attrs::Require(func, attrs::kLayoutDesc, asked_by)[tensor];
}

Value CircularBuffersOf(const FuncRef& func, const std::string& asked_by) {
  return attrs::Require(func, attrs::kCbDesc, asked_by);
}

void ValidateL1Capacity(const FuncRef& func, const Value& layouts, const Architecture& arch) {
  int64_t total = 0;
  std::vector<std::string> listed;
  for (const auto& [name, layout] : layouts.Entries()) {
    const int64_t bytes = layout["l1_bytes"].Int();
    total += bytes;
    if (bytes) listed.push_back(name + " " + std::to_string(bytes));
  }
  if (total <= arch.l1_bytes) return;
  throw LoweringError("the tensors in L1 take " + std::to_string(total) + " bytes of every core (" +
                          Join(listed, ", ") + "); " + arch.name + " has " +
                          std::to_string(arch.l1_bytes),
                      attrs::KernelPlace(func), "cut them into more shards, or leave some in DRAM");
}

std::optional<std::string> ValidateTileAlignment(const Grid& extents, const Grid& tile) {
  if (extents.first % tile.first == 0 && extents.second % tile.second == 0) return std::nullopt;
  return ByText(extents) + " is not in whole tiles of " + ByText(tile);
}

int64_t CalculateTileId(const Grid& place, const std::string& tile_order, const Grid& tiles,
                        const std::optional<Grid>& block) {
  return TileNumbers().at(tile_order)(place, tiles, block.value_or(Grid{1, 1}));
}

}  // namespace ttgen
