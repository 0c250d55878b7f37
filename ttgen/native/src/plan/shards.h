// Rectangles of cores, and shards of tensors on them: what they are, and what can be wrong
// (ttgen/plan/shards.py; the structs are those of ttgen/plan/model.py).
//
// A tensor is a matrix of elements here, its leading dimensions folded into the rows as ttnn does,
// in whole tiles. Shards are numbered row by row. The last one of a row or column may be smaller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/collections.h"
#include "base/tables.h"

namespace ttgen {

/*! A rectangle of worker cores: first core `start` (x, y) and its size `extent`. */
struct CoreRange {
  Grid start;
  Grid extent;

  /*! Every core of the rectangle, x running fastest. */
  std::vector<Grid> Cores() const;
  bool operator==(const CoreRange& other) const {
    return start == other.start && extent == other.extent;
  }
  bool operator!=(const CoreRange& other) const { return !(*this == other); }
};

/*!
 * How a sharded tensor is cut: per axis in `axes` a `grid` of shards of `shard_shape` (elements).
 * Shards lie on `cores`, whose ranges are taken one after the other; `order` says how cores are
 * numbered in a range, x running fastest (row_major) or y (column_major).
 */
struct NdShard {
  std::vector<std::string> axes;
  std::vector<int64_t> grid;
  std::vector<int64_t> shard_shape;
  std::string order;
  std::vector<CoreRange> cores;
};

/*!
 * The canonical layout: where a tensor lives and how it is cut into pages. `order` says which of
 * the source's dimensions comes where on the device; without it each stays in its place.
 */
struct Layout {
  /*! DRAM or L1. */
  std::string memory;
  /*! interleaved or sharded. */
  std::string layout;
  /*! Rows and columns of a tile, elements. */
  Grid tile_shape;
  std::string dtype;
  std::optional<NdShard> nd_shard;
  /*! tile or row. */
  std::string page;
  std::optional<std::vector<int64_t>> order;
};

/*! In which order cores are numbered: row_major, column_major. */
const std::vector<std::string>& CoreOrders();
/*! The dimensions of the matrix, as layouts name them: M, N. */
const std::vector<std::string>& MatrixAxes();

/*! How many there are of a grid. */
inline int64_t Product(const Grid& grid) { return grid.first * grid.second; }
/*! Extents as text: "4x2". */
std::string ByText(const std::vector<int64_t>& extents);
std::string ByText(const Grid& extents);

/*!
 * The first `count` cores of `grid` (columns, rows), x running fastest, as at most two rectangles.
 * `by_columns`: y runs fastest.
 */
std::vector<CoreRange> FirstCores(int64_t count, const Grid& grid, bool by_columns = false);
/*! Every core of `ranges`, one after the other. */
std::vector<Grid> CoresIn(const std::vector<CoreRange>& ranges);
/*! How many cores `ranges` have, those of two ranges twice. */
int64_t CountCores(const std::vector<CoreRange>& ranges);
/*! Why `ranges` are no disjoint rectangles inside of `grid` (columns, rows), if so. */
std::optional<std::string> RangeProblem(const std::vector<CoreRange>& ranges, const Grid& grid);

/*! Rows and columns of a tensor in whole tiles, its leading dimensions folded into the rows. */
Grid Matrix(const std::vector<int64_t>& padded_shape);
/*! What ttnn calls a cut into `grid` (rows, columns) shards: height, width or block. */
std::string Sharding(const Grid& grid);
/*! Rows and columns of shards that cover `extents`. */
Grid ShardCount(const Grid& extents, const Grid& shard);
/*! (start, count) of each shard, in tiles that are numbered shard by shard. */
std::vector<std::pair<int64_t, int64_t>> ShardShares(const Grid& tiles, const Grid& shard);
/*!
 * Row and column of the shard, one of `block` tiles, whose tiles begin with number `start`: what a
 * core computes in `local_shard`. (0, 0) for a core that has no tiles (`count` is 0).
 */
Grid ShardAt(const Grid& tiles, const Grid& block, int64_t start, int64_t count);

/*!
 * Where `grid` (rows, columns) shards lie unless they are told to: at the first cores of `device`
 * (columns, rows).
 */
std::vector<CoreRange> DefaultCores(const Grid& grid, const std::string& order, const Grid& device);
/*! The core (x, y) of each shard. */
std::vector<Grid> CoresOf(const NdShard& shard);
/*! Rows and columns of tiles of a shard of a sharded tensor. */
Grid ShardTiles(const Layout& layout);

/*! What is wrong with shards: which field of them, and why. */
struct ShardFault {
  std::string field;
  std::string problem;
};
/*!
 * What is wrong with the shards of a tensor of `extents` (rows, columns of elements), if anything.
 * `tile` is (rows, columns) of a tile, `device` (columns, rows) of the chip's cores.
 */
std::optional<ShardFault> ShardProblem(const NdShard& shard, const Grid& extents, const Grid& tile,
                                       const Grid& device);

/*! Bytes of every core's L1 that a tensor of `pages` takes: none in DRAM. */
int64_t L1Bytes(const Layout& layout, int64_t pages, int64_t page_bytes, const Grid& device);
/*! Bytes from one interleaved page to the next: rows may end anywhere, and begin aligned. */
int64_t Aligned(int64_t page_bytes);

}  // namespace ttgen
