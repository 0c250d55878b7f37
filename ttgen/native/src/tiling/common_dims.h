// Reductions that run over equally many elements run over one dimension
// (ttgen/passes/tiling/common_dims.py).
#pragma once

#include "analysis/expr.h"

namespace ttgen {

/*!
 * `expr` with as few dimensions for its reductions as their values allow: what is reduced is the
 * same value only then, and made once. A reduction keeps away from dimensions that it depends on,
 * of which it makes one result each. What makes tiles and what does not stay apart.
 */
Expr WithCommonDims(const Expr& expr);

}  // namespace ttgen
