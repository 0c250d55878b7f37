// Conditions on indices: true everywhere, false everywhere, or a loop to be cut in two
// (ttgen/analysis/conditions.py).
#pragma once

#include <utility>
#include <vector>

#include "analysis/index.h"

namespace ttgen {

/*! Whether it compares what no index is: floating-point numbers, or other conditions. */
bool IsOnValues(const ExprRef& condition);

/*!
 * Whether `condition` holds; LoweringError at one that does not depend on indices alone. Where it
 * holds for some iterations only, Restart asks for a loop to be cut where it changes.
 */
bool Truth(const ExprRef& condition, const Scope& scope, const Location& at);

/*!
 * The differences of two indices none of which is negative where `condition` holds: two where it is
 * an equality, or its opposite; none where it does not compare two indices.
 */
std::vector<Affine> OrderOf(const ExprRef& condition, const Scope& scope, const Location& at);

/*! Whether `value` is an index less another one, both of them in steps of 1. */
bool IsDifference(const Affine& value);

/*! What adds to `value`, and what takes from it, without the offset. */
std::pair<Affine, Affine> Sides(const Affine& value);

/*! Whether `index` is below `element`, always or never; Restart where it is at times. */
bool IsBelow(const Affine& index, int64_t element);

}  // namespace ttgen
