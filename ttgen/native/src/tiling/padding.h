// Padding: what fills the last tile along a dimension, and how it is kept out of reductions
// (ttgen/passes/tiling/padding.py).
#pragma once

#include <vector>

#include "analysis/expr.h"

namespace ttgen {

/*!
 * What `reduce` reduces, such that padding along the `ragged` dimensions does not count. No value
 * is less than `lowest`.
 *
 * A value that is zero in the padding, as inputs are, can be added up as it is. Another one is
 * multiplied by a mask of 1 and 0, or chosen by it if it has infinities. It is finite there if the
 * data is: what might not be, such as an exponential, is made of 1 there. A maximum adds a mask of
 * 0 and `lowest` to what is zero there: it is exactly that then.
 */
Expr Masked(const Expr& reduce, const std::vector<Dim>& ragged, double lowest);
/*! `expr` with 1 in the padding of `dim` for what might become an infinity there. */
Expr KeptFinite(const Expr& expr, const Dim& dim, const Location& at);
/*! Whether the value is zero in the padding of `dim`: a tensor is that ends with it. */
bool ZeroBeyond(const Expr& expr, const Dim& dim);

}  // namespace ttgen
