#include "analysis/inlining.h"

#include <utility>

namespace ttgen {
namespace {

/*! Add to `values` the axes of an index `stored`, where it is `wanted`. */
void Solve(const Index& stored, const Affine& wanted, const Access& target, const Access& read,
           const Location& at, AxisValues* values) {
  const std::vector<Axis>& axes = stored.dim.axes;
  Affine rest = wanted - Affine(stored.start);
  for (size_t n = axes.size(); n > 1; --n) {
    auto parts = Divided(rest, axes[n - 1].extent);
    if (!parts) {
      throw LoweringError(read.Str() + " does not line up with the loops of " + target.Str(), at);
    }
    rest = std::move(parts->first);
    values->emplace_back(axes[n - 1], std::move(parts->second));
  }
  if (!axes.empty()) values->emplace_back(axes.front(), std::move(rest));
}

}  // namespace

AxisValues Solved(const Access& target, const Access& read, const Location& at) {
  AxisValues values;
  for (size_t n = 0; n < target.indices.size(); ++n) {
    std::optional<Index> found = Dimension(target.indices[n], 0);
    if (!found || found->step != 1) {
      throw LoweringError(
          target.Str() + " is stored in steps that " + read.Str() + " does not take", at,
          "store intermediate values without gaps");
    }
    Solve(*found, read.indices[n], target, read, at, &values);
  }
  return values;
}

}  // namespace ttgen
