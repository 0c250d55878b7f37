#include "passes/partition.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "plan/shards.h"

namespace ttgen {
namespace {

using Place = std::pair<ExprRef, ExprRef>;
/*! An order of tiles: the way back from a tile's number to its row and column. */
using TileOrder = Place (*)(const ExprRef& tile, const TileGrid& grid, const Let& let);

Place Flipped(const Place& place) { return {place.second, place.first}; }

Place RowMajor(const ExprRef& tile, const TileGrid& grid, const Let&) {
  return {FloorDivide(tile, grid.columns), FloorRemainder(tile, grid.columns)};
}

Place ColumnMajor(const ExprRef& tile, const TileGrid& grid, const Let&) {
  return {FloorRemainder(tile, grid.rows), FloorDivide(tile, grid.rows)};
}

/*! What is left of `extent` for part number `number` of `size`: the last one may be smaller. */
ExprRef PartOf(const ExprRef& extent, const ExprRef& size, const ExprRef& number) {
  return Minimum(size, Minus(extent, Times(number, size)));
}

/*! Bands of `block` rows; column by column in each of them. */
Place Block(const ExprRef& tile, const TileGrid& grid, const Let& let) {
  const ExprRef rows = grid.block.first;
  const ExprRef band = let("band", FloorDivide(tile, Times(rows, grid.columns)));
  ExprRef height = rows;
  if (!grid.is_even.first) height = let("height", PartOf(grid.rows, rows, band));
  const ExprRef rest = let("rest", FloorRemainder(tile, Times(rows, grid.columns)));
  return {Plus(Times(band, rows), FloorRemainder(rest, height)), FloorDivide(rest, height)};
}

/*! Shard by shard, row by row in each of them; the last shards may be smaller. */
Place MatchShard(const ExprRef& tile, const TileGrid& grid, const Let& let) {
  const auto& [rows, columns] = grid.block;
  const ExprRef band = let("band", FloorDivide(tile, Times(rows, grid.columns)));
  ExprRef height = rows, width = columns;
  if (!grid.is_even.first) height = let("height", PartOf(grid.rows, rows, band));
  const ExprRef rest = let("rest", FloorRemainder(tile, Times(rows, grid.columns)));
  const ExprRef shard = let("shard", FloorDivide(rest, Times(height, columns)));
  if (!grid.is_even.second) width = let("width", PartOf(grid.columns, columns, shard));
  const ExprRef inside = let("inside", FloorRemainder(rest, Times(height, columns)));
  return {Plus(Times(band, rows), FloorDivide(inside, width)),
          Plus(Times(shard, columns), FloorRemainder(inside, width))};
}

/*! Block by block downwards, column by column in each; the last blocks may be smaller. */
Place ColumnBlocks(const ExprRef& tile, const TileGrid& grid, const Let& let) {
  TileGrid turned;
  turned.rows = grid.columns;
  turned.columns = grid.rows;
  turned.block = Flipped(grid.block);
  turned.is_even = {grid.is_even.second, grid.is_even.first};
  return Flipped(MatchShard(tile, turned, let));
}

/*!
 * How many of `size` tiles from `start` on are inside of `extent`; there is one. Where the extent
 * has not been halved yet, `start` is the number 0.
 */
ExprRef Inside(int64_t size, const ExprRef& extent, int64_t halvings, const ExprRef& start) {
  if (size == 1) return Int(1);
  if (IsInt(start, 0)) return int64_t{1} << halvings <= size ? extent : Int(size);
  return Minimum(Int(size), Minus(extent, start));
}

/*!
 * Quarters of quarters: upper left, upper right, lower left, lower right.
 *
 * A quarter that reaches over the edge of the grid counts the tiles inside only, so that numbers
 * have no gaps whatever the extents are. Quarters become smaller to the right and downwards: a
 * number divided by the first half's tiles says in which half it is.
 */
Place ZOrder(const ExprRef& number, const TileGrid& grid, const Let& let) {
  ExprRef row = Int(0), column = Int(0), tile = number;
  const auto& [row_halvings, column_halvings] = grid.halvings;
  for (int64_t level = std::max(row_halvings, column_halvings) - 1; level >= 0; --level) {
    const int64_t half = int64_t{1} << level;
    const std::string suffix = "_" + std::to_string(half);
    if (row_halvings > level) {
      const ExprRef height = Inside(half, grid.rows, row_halvings, row);
      const ExprRef width = Inside(2 * half, grid.columns, column_halvings, column);
      const ExprRef upper = let("upper" + suffix, Times(height, width));
      row = let("row" + suffix, Plus(row, Times(FloorDivide(tile, upper), Int(half))));
      tile = let("tile" + suffix, FloorRemainder(tile, upper));
    }
    if (column_halvings > level) {
      const ExprRef height = Inside(half, grid.rows, row_halvings, row);
      const ExprRef width = Inside(half, grid.columns, column_halvings, column);
      const ExprRef left = let("left" + suffix, Times(height, width));
      column = let("column" + suffix, Plus(column, Times(FloorDivide(tile, left), Int(half))));
      tile = let("rest" + suffix, FloorRemainder(tile, left));
    }
  }
  return {row, column};
}

struct NamedOrder {
  std::string name;
  TileOrder place;
  /*! Whether a spec may ask for it. */
  bool is_strategy;
};

/*! Adding an order is a row here, the way from a place to its number in base/utilities.cc, and
 *  its name in ttgen/plan/model.py. */
const std::vector<NamedOrder>& TileOrders() {
  static const std::vector<NamedOrder> orders = {
      {"row_major", RowMajor, true},
      {"column_major", ColumnMajor, true},
      {"block", Block, true},
      {"z_order", ZOrder, true},
      {"match_shard", MatchShard, true},
      {"column_blocks", ColumnBlocks, false},
  };
  return orders;
}

std::vector<std::string> OrderNames(bool only_strategies) {
  std::vector<std::string> names;
  for (const NamedOrder& order : TileOrders()) {
    if (order.is_strategy || !only_strategies) names.push_back(order.name);
  }
  return names;
}

/*! How often `extent` can be halved, rounding up, until one is left. */
int64_t Halvings(int64_t extent) {
  int64_t count = 0;
  for (int64_t rest = extent - 1; rest > 0; rest >>= 1) ++count;
  return count;
}

}  // namespace

BlockFacts BlockFactsOf(const Grid& tiles, const std::optional<Grid>& block) {
  const Grid found = block.value_or(Grid{1, 1});
  return {found,
          {tiles.first % found.first == 0, tiles.second % found.second == 0},
          {Halvings(tiles.first), Halvings(tiles.second)}};
}

Place TilePlace(const std::string& tile_order, const ExprRef& tile, const TileGrid& grid,
                const Let& let) {
  for (const NamedOrder& order : TileOrders()) {
    if (order.name == tile_order) return order.place(tile, grid, let);
  }
  TVM_FFI_THROW(ValueError) << "there is no order of tiles '" << tile_order << "'";
}

const std::vector<std::string>& TileOrderNames() {
  static const std::vector<std::string> names = OrderNames(false);
  return names;
}

const std::vector<std::string>& Strategies() {
  static const std::vector<std::string> names = OrderNames(true);
  return names;
}

std::vector<std::pair<int64_t, int64_t>> Balanced(int64_t tiles, int64_t cores) {
  const int64_t base = tiles / cores, extra = tiles % cores;
  std::vector<std::pair<int64_t, int64_t>> shares;
  shares.reserve(cores);
  for (int64_t core = 0; core < cores; ++core) {
    shares.emplace_back(core * base + std::min(core, extra), base + (core < extra));
  }
  return shares;
}

int64_t BlockRows(const Grid& tiles, int64_t cores, const std::optional<Grid>& grid) {
  if (grid) return CeilDiv(tiles.first, grid->second);
  const int64_t share = CeilDiv(Product(tiles), cores);
  const double side = std::sqrt(static_cast<double>(share));
  const auto distance = [side](int64_t rows) { return std::abs(static_cast<double>(rows) - side); };
  int64_t best = 1;
  for (int64_t rows = 2; rows <= std::min(share, tiles.first); ++rows) {
    if (share % rows == 0 && distance(rows) < distance(best)) best = rows;
  }
  return best;
}

}  // namespace ttgen
