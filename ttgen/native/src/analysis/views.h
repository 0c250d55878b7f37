// Tensors as the dimensions of a computation see them (ttgen/analysis/views.py). Loops that always
// count together are one dimension. Where an index of one tensor runs over several dimensions of
// another, as after a reshape, its view has one entry for each of them.
#pragma once

#include "analysis/computation.h"

namespace ttgen {

/*!
 * `part` with views; LoweringError at an index that no view stands for. `orders`: of tensors whose
 * dimensions lie in another order on the device.
 */
Part Settled(const Part& part, const Orders& orders);

}  // namespace ttgen
