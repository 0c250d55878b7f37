// How a lowered function says what its loops and buffers are for (ttgen/passes/tiling/marks.py).
#pragma once

#include <cstdint>
#include <optional>

#include "base/ir.h"
#include "base/tables.h"
#include "base/value.h"

namespace ttgen {

/*! Marks the loops over output tiles, whose iterations are independent of each other. */
const AttrMap& Parallel();
/*! Marks a loop over the tiles that an output tile is reduced over, in DST. */
const AttrMap& ReduceMark();
/*! Marks a loop that makes a temporary tile in each iteration. */
const AttrMap& MapMark();
/*! Marks a loop over chunks of a dimension, whose stages go on from what they have left before. */
const AttrMap& StreamMark();

/*! Storage scopes of temporary tiles, and of tiles that no data goes into. */
inline constexpr char kTemporary[] = "tt.cb";
inline constexpr char kConstant[] = "tt.const";

/*!
 * A page of a constant buffer: `value` in the first `rows` and `columns` of its tile. With a
 * `diagonal`, `value` is where the row's number, less the column's, plus that is not negative.
 * `beyond` is what the rest of the tile holds.
 */
struct ConstantPage {
  double value = 0;
  double beyond = 0;
  int64_t rows = kTile;
  int64_t columns = kTile;
  std::optional<int64_t> diagonal = std::nullopt;

  /*! Whether the page holds one number everywhere. */
  bool IsUniform() const { return rows == kTile && columns == kTile && !diagonal; }
  /*! The page in an attribute of a function; infinities as text, or they are not printed. */
  Value AsAttribute() const;
  /*! The page that `AsAttribute` gives `page` for. */
  static ConstantPage OfAttribute(const Value& page);

  bool operator==(const ConstantPage& other) const {
    return value == other.value && beyond == other.beyond && rows == other.rows &&
           columns == other.columns && diagonal == other.diagonal;
  }
  bool operator!=(const ConstantPage& other) const { return !(*this == other); }
};

}  // namespace ttgen
