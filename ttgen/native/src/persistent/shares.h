// The parts of an output in the running numbers of its tiles, and a core's share of each
// (ttgen/passes/persistent/shares.py).
//
// Parts are numbered one after the other, each in the order of tiles that the partition asks for. A
// core has a contiguous range of numbers, which may lie in one part, in several, or in none.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ir.h"
#include "base/tables.h"
#include "base/value.h"
#include "persistent/ir.h"
#include "persistent/stages.h"

namespace ttgen {

/*! What a core does of a part: `count` tiles from `start`, both counted in the part. */
struct Mine {
  VarRef start;
  VarRef count;
  Body bindings;

  /*! `body` after the bindings that it needs. */
  Body Bound(Body body) const;
};

/*! A part of the output, and where its tiles are in the numbers of all. */
struct PartShare {
  /*! The number of its first tile. */
  int64_t base;
  /*! Rows and columns, output tiles. */
  Grid grid;
  /*! Counts the parts from 1; 0 where a part is the whole output. */
  int64_t number;

  /*! Output tiles. */
  int64_t Tiles() const { return grid.first * grid.second; }
  /*! How many of the tiles from `start` on belong to this part; `in_runs`: of each run. */
  std::vector<int64_t> TilesTogether(int64_t start, int64_t count, bool in_runs) const;
  /*! The core's share, bound to new variables where this is not all of the output. */
  Mine Of(const VarRef& start, const VarRef& count) const;
};

/*! The shares of all parts; `constants` are the extents of their loops. */
std::vector<PartShare> SharesOf(const std::vector<Nest>& nests, const Value& constants);

}  // namespace ttgen
