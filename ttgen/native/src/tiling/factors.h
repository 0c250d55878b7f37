// Factors that all addends of a sum have in common, taken out of it
// (ttgen/passes/tiling/factors.py).
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "analysis/expr.h"

namespace ttgen {

/*!
 * `sum(a * b * 2)` as `sum(a * b) * 2`, wherever it stands in `expr`. What is left may be a matrix
 * product; and the number is multiplied by once, not for each addend.
 */
Expr WithFactorsOutside(const Expr& expr);

/*! What else is multiplied in `expr` (nullptr: nothing), and the factors that `is_taken` names. */
std::pair<Expr, std::vector<Expr>> TakenApart(const Expr& expr,
                                              const std::function<bool(const Expr&)>& is_taken);

/*! The factors, of which there is one at least, multiplied. */
Expr Product(const std::vector<Expr>& factors, const Location& at);

}  // namespace ttgen
