// Whether what a kernel visits of its tensors is whole tiles (ttgen/passes/tiling/alignment.py).
#pragma once

#include "analysis/computation.h"
#include "passes/device_shape.h"

namespace ttgen {

/*!
 * LoweringError at a tensor that is entered or left in the middle of a tile. `form` is the
 * output's. The end of a tensor is the end of its last tile; what is read of an input may end
 * anywhere, since what lies behind it in the tile only reaches padding.
 */
void CheckAligned(const Part& part, Form form);

}  // namespace ttgen
