// Loads of what has been stored: the loops of the store in terms of those of the reader
// (ttgen/analysis/inlining.py).
#pragma once

#include "analysis/expr.h"

namespace ttgen {

/*!
 * The axes that `target` moves with, where it stores the element that `read` means. LoweringError
 * where that is no affine expression; Restart where it is one once a loop of the reader is split.
 */
AxisValues Solved(const Access& target, const Access& read, const Location& at);

}  // namespace ttgen
