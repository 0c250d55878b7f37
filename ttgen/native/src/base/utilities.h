// What several passes ask of layouts, circular buffers, tiles and L1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ir.h"
#include "base/tables.h"
#include "base/value.h"

namespace ttgen {

/*! The layout of a tensor of `func`; LoweringError of the pass `asked_by` where there are none. */
Value LayoutOf(const FuncRef& func, const std::string& tensor, const std::string& asked_by);
/*!
 * The circular buffers of `func` in the order of their indices: what GridToPersistentTT has said of
 * each. LoweringError of the pass `asked_by` where there are none.
 */
Value CircularBuffersOf(const FuncRef& func, const std::string& asked_by);

/*! LoweringError where the tensors of `func` take more of every core's L1 than `arch` has. */
void ValidateL1Capacity(const FuncRef& func, const Value& layouts, const Architecture& arch);
/*! Why `extents` (rows, columns of elements) are not in whole tiles of `tile`, if so. */
std::optional<std::string> ValidateTileAlignment(const Grid& extents, const Grid& tile);
/*!
 * The number of the output tile at `place` (row, column) in the order called `tile_order`, of a
 * grid of `tiles` (rows, columns) that is taken in blocks of `block`, where the order has them.
 */
int64_t CalculateTileId(const Grid& place, const std::string& tile_order, const Grid& tiles,
                        const std::optional<Grid>& block);

}  // namespace ttgen
