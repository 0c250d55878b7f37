// Values that an expression uses more than once (ttgen/passes/tiling/sharing.py).
#pragma once

#include "analysis/expr.h"

namespace ttgen {

/*!
 * The operations and reductions that `expr` uses at several places. What only such a value uses is
 * not among them: it is worked out when the value is, once.
 */
ExprSet UsedAgain(const Expr& expr);

}  // namespace ttgen
