// From the running number of an output tile to the pages that belong to it
// (ttgen/passes/persistent/coordinates.py).
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/ir.h"
#include "base/value.h"
#include "persistent/ir.h"
#include "persistent/stages.h"

namespace ttgen {

/*! A page, and the statement that uses it once it has been worked out. */
using PageUse = std::pair<ExprRef, std::function<StmtRef(const ExprRef& page)>>;
/*! Variables and their values, in order. */
using VarConstants = std::vector<std::pair<VarRef, int64_t>>;
/*! The values of coordinates and loop variables. */
using VarValues = VarMap<ExprRef>;

/*!
 * Compile-time constants of programs that work with coordinates, and their values; `partition` is
 * the attribute `tt.partition`.
 *
 * `Sm` and `Sn` are the tiles of a shard or block, `Gy` and `Gx` the shards of the output.
 */
VarConstants PartitionConstants(const Value& partition);

/*! Where output tiles lie. What it refers to outlives it. */
struct Coordinates {
  const Nest& nest;
  /*! The attribute `tt.partition`, with the `tiles` of this nest. */
  Value partition;
  /*! The core's first tile. */
  VarRef start;
  /*! Those of `PartitionConstants`. */
  const VarConstants& constants;
  /*! Row and column of the core's shard in the mode `local_shard`, where its tiles are taken row by
   *  row. */
  std::pair<VarRef, VarRef> shard;

  /*! A statement for each page of output tile `tile`, after the bindings that they need. */
  Body AtTile(const ExprRef& tile, const std::vector<PageUse>& uses) const;

  /*!
   * Bindings of those of the tile's coordinates that `pages` use, and their variables.
   *
   * Every binding has a variable of its own, since a program may need the same coordinate at
   * several places.
   */
  std::pair<Body, VarValues> Bind(const VarRef& tile, const std::vector<ExprRef>& pages) const;
};

}  // namespace ttgen
