#include "plan/shards.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "base/text.h"
#include "base/utilities.h"

namespace ttgen {
namespace {

/*! What the beginning of every page is a multiple of on all architectures, bytes. */
constexpr int64_t kAlignment = 64;

Grid Flipped(const Grid& grid) { return {grid.second, grid.first}; }

/*! Rows and columns of a grid of shards, which has two extents. */
Grid GridOf(const std::vector<int64_t>& extents) { return {extents.at(0), extents.at(1)}; }

/*! Why the cores of a block sharded tensor are not one rectangle like its shards, if so. */
std::optional<std::string> BlockProblem(const NdShard& shard, const Grid& device) {
  const Grid wanted = DefaultCores(GridOf(shard.grid), shard.order, device).front().extent;
  if (shard.cores.size() == 1 && shard.cores.front().extent == wanted) return std::nullopt;
  return ByText(shard.grid) + " shards in " + shard.order + " take one rectangle of " +
         std::to_string(wanted.first) + " columns and " + std::to_string(wanted.second) + " rows";
}

std::optional<std::string> CoreProblem(const NdShard& shard, const Grid& device) {
  if (auto outside = RangeProblem(shard.cores, device)) {
    return ByText(shard.grid) + " shards in " + shard.order + ": " + *outside;
  }
  const int64_t held = CountCores(shard.cores), wanted = Product(shard.grid);
  if (held != wanted) {
    return "there are " + std::to_string(held) + " for " + std::to_string(wanted) + " shards";
  }
  if (Sharding(GridOf(shard.grid)) == "block") return BlockProblem(shard, device);
  return std::nullopt;
}

}  // namespace

const std::vector<std::string>& CoreOrders() {
  static const std::vector<std::string> orders = {"row_major", "column_major"};
  return orders;
}

const std::vector<std::string>& MatrixAxes() {
  static const std::vector<std::string> axes = {"M", "N"};
  return axes;
}

std::vector<Grid> CoreRange::Cores() const {
  std::vector<Grid> cores;
  cores.reserve(Product(extent));
  for (int64_t y = start.second; y < start.second + extent.second; ++y) {
    for (int64_t x = start.first; x < start.first + extent.first; ++x) cores.emplace_back(x, y);
  }
  return cores;
}

std::string ByText(const std::vector<int64_t>& extents) {
  return JoinMap(extents, "x", [](int64_t extent) { return std::to_string(extent); });
}

std::string ByText(const Grid& extents) {
  return std::to_string(extents.first) + "x" + std::to_string(extents.second);
}

std::vector<CoreRange> FirstCores(int64_t count, const Grid& grid, bool by_columns) {
  std::vector<CoreRange> ranges;
  if (by_columns) {
    for (const CoreRange& range : FirstCores(count, Flipped(grid))) {
      ranges.push_back({Flipped(range.start), Flipped(range.extent)});
    }
    return ranges;
  }
  const int64_t width = grid.first, full_rows = count / width, rest = count % width;
  if (full_rows) ranges.push_back({{0, 0}, {width, full_rows}});
  if (rest) ranges.push_back({{0, full_rows}, {rest, 1}});
  return ranges;
}

std::vector<Grid> CoresIn(const std::vector<CoreRange>& ranges) {
  std::vector<Grid> cores;
  for (const CoreRange& range : ranges) {
    const std::vector<Grid> inside = range.Cores();
    cores.insert(cores.end(), inside.begin(), inside.end());
  }
  return cores;
}

int64_t CountCores(const std::vector<CoreRange>& ranges) {
  int64_t count = 0;
  for (const CoreRange& range : ranges) count += Product(range.extent);
  return count;
}

std::optional<std::string> RangeProblem(const std::vector<CoreRange>& ranges, const Grid& grid) {
  std::set<Grid> seen;
  for (const CoreRange& range : ranges) {
    const auto [x0, y0] = range.start;
    for (int64_t y = y0; y < y0 + range.extent.second; ++y) {
      for (int64_t x = x0; x < x0 + range.extent.first; ++x) {
        if (x >= grid.first || y >= grid.second) {
          return "core " + TupleText({x, y}) + " is outside of " + std::to_string(grid.first) +
                 " columns and " + std::to_string(grid.second) + " rows";
        }
        if (!seen.emplace(x, y).second) return "core " + TupleText({x, y}) + " is in two ranges";
      }
    }
  }
  return std::nullopt;
}

Grid Matrix(const std::vector<int64_t>& padded_shape) {
  const int64_t columns = padded_shape.back();
  int64_t rows = 1;
  for (size_t axis = 0; axis + 1 < padded_shape.size(); ++axis) rows *= padded_shape[axis];
  return {rows, columns};
}

std::string Sharding(const Grid& grid) {
  if (grid.second == 1) return "height";
  return grid.first == 1 ? "width" : "block";
}

Grid ShardCount(const Grid& extents, const Grid& shard) {
  return {CeilDiv(extents.first, shard.first), CeilDiv(extents.second, shard.second)};
}

std::vector<std::pair<int64_t, int64_t>> ShardShares(const Grid& tiles, const Grid& shard) {
  std::vector<std::pair<int64_t, int64_t>> shares;
  int64_t start = 0;
  for (int64_t top = 0; top < tiles.first; top += shard.first) {
    const int64_t height = std::min(shard.first, tiles.first - top);
    for (int64_t left = 0; left < tiles.second; left += shard.second) {
      const int64_t count = height * std::min(shard.second, tiles.second - left);
      shares.emplace_back(start, count);
      start += count;
    }
  }
  return shares;
}

Grid ShardAt(const Grid& tiles, const Grid& block, int64_t start, int64_t count) {
  if (!count) return {0, 0};
  const auto shares = ShardShares(tiles, block);
  auto found = std::find_if(shares.begin(), shares.end(),
                            [start](const auto& share) { return share.first == start; });
  TVM_FFI_ICHECK(found != shares.end()) << "no shard begins with tile " << start;
  const int64_t number = found - shares.begin(), columns = ShardCount(tiles, block).second;
  return {number / columns, number % columns};
}

std::vector<CoreRange> DefaultCores(const Grid& grid, const std::string& order,
                                    const Grid& device) {
  const bool is_row_major = order == "row_major";
  // Rows of shards of a block sharded tensor are rows of cores, or columns of them.
  if (Sharding(grid) == "block") return {{{0, 0}, is_row_major ? Flipped(grid) : grid}};
  return FirstCores(Product(grid), device, !is_row_major);
}

std::vector<Grid> CoresOf(const NdShard& shard) {
  std::vector<Grid> cores;
  for (const CoreRange& range : shard.cores) {
    std::vector<Grid> inside = range.Cores();
    if (shard.order != "row_major") std::sort(inside.begin(), inside.end());
    cores.insert(cores.end(), inside.begin(), inside.end());
  }
  return cores;
}

Grid ShardTiles(const Layout& layout) {
  const auto [rows, columns] = GridOf(layout.nd_shard.value().shard_shape);
  return {rows / layout.tile_shape.first, columns / layout.tile_shape.second};
}

std::optional<ShardFault> ShardProblem(const NdShard& shard, const Grid& extents, const Grid& tile,
                                       const Grid& device) {
  if (shard.axes != MatrixAxes() || shard.grid.size() != 2 || shard.shard_shape.size() != 2) {
    return ShardFault{"axes", "shards are cut along " + Join(MatrixAxes(), " and ")};
  }
  const Grid shape = GridOf(shard.shard_shape);
  if (auto problem = ValidateTileAlignment(shape, tile)) return ShardFault{"shard_shape", *problem};
  if (shape.first > extents.first || shape.second > extents.second) {
    return ShardFault{"shard_shape",
                      ByText(shape) + " is larger than the tensor, which has " + ByText(extents)};
  }
  const Grid wanted = ShardCount(extents, shape);
  if (GridOf(shard.grid) != wanted) {
    return ShardFault{"grid", "shards of " + ByText(shape) + " cut " + ByText(extents) + " into " +
                                  ByText(wanted) + ", not into " + ByText(shard.grid)};
  }
  if (auto problem = CoreProblem(shard, device)) return ShardFault{"cores", *problem};
  return std::nullopt;
}

int64_t L1Bytes(const Layout& layout, int64_t pages, int64_t page_bytes, const Grid& device) {
  if (layout.memory != "L1") return 0;
  // tt-metal allocates at the same address on all cores, so a shard counts on cores without one.
  // Interleaved pages go round all cores, and on some chips round a few that run no programs.
  const int64_t on_a_core =
      layout.nd_shard ? Product(ShardTiles(layout)) : CeilDiv(pages, Product(device));
  return on_a_core * Aligned(page_bytes);
}

int64_t Aligned(int64_t page_bytes) { return CeilDiv(page_bytes, kAlignment) * kAlignment; }

}  // namespace ttgen
