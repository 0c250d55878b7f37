// Dealing output tiles to cores: tile orders, balanced splits, and the cores that take part
// (ttgen/partition.py).
//
// An order numbers the output tiles; a core's share is a run of numbers. On the core the way back,
// from a number to a tile, is arithmetic: TilePlace. The way from a tile to its number is
// CalculateTileId (base/utilities.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ir.h"
#include "base/tables.h"

namespace ttgen {

/*! What is known of a grid of tiles before anything runs. */
struct BlockFacts {
  /*! Rows and columns of the blocks that an order takes one after the other. */
  Grid block;
  /*! Of rows and of columns, whether they are whole blocks. */
  std::pair<bool, bool> is_even;
  /*! How often rows and columns can be halved, rounding up, until one is left. */
  Grid halvings;
};

/*! The facts of a grid of `tiles` (rows, columns); without `block`, blocks are single tiles. */
BlockFacts BlockFactsOf(const Grid& tiles, const std::optional<Grid>& block);

/*! The grid of output tiles, its extents and its block as expressions; else as BlockFacts. */
struct TileGrid {
  ExprRef rows;
  ExprRef columns;
  std::pair<ExprRef, ExprRef> block;
  std::pair<bool, bool> is_even = {false, false};
  Grid halvings = {0, 0};
};

/*! `value`, worked out once and used several times, under this name: a number stays itself. */
using Let = std::function<ExprRef(const std::string& name, const ExprRef& value)>;

/*! Row and column of the output tile with number `tile` in the order called `tile_order`. */
std::pair<ExprRef, ExprRef> TilePlace(const std::string& tile_order, const ExprRef& tile,
                                      const TileGrid& grid, const Let& let);

/*! The orders of tiles, in the order in which they are tried. */
const std::vector<std::string>& TileOrderNames();
/*! Those that a spec may ask for; the others follow from the grid or the work of a kernel. */
const std::vector<std::string>& Strategies();

/*!
 * One output tile: its row `io` and column `jo` in tiles, reduced over `len_k` tiles. `tile_order`
 * is the order that the tile was taken in. Nothing: all tiles, any order.
 */
struct WorkItem {
  int64_t io = 0;
  int64_t jo = 0;
  std::optional<int64_t> len_k;
  std::optional<std::string> tile_order;
};

/*! (start, count) per core: contiguous, in order, no two counts more than one apart. */
std::vector<std::pair<int64_t, int64_t>> Balanced(int64_t tiles, int64_t cores);

/*!
 * Rows of the bands of the order `block`: on a logical `grid` (columns, rows) of cores every row of
 * cores has a band; without one, blocks are as square as they can be.
 */
int64_t BlockRows(const Grid& tiles, int64_t cores, const std::optional<Grid>& grid);

}  // namespace ttgen
