// Sets of axes as Python's sets are combined.
#pragma once

#include <algorithm>
#include <iterator>
#include <vector>

#include "analysis/expr.h"
#include "base/collections.h"

namespace ttgen {

/*! The axes in one of two sets, or in both. */
inline AxisSet Union(AxisSet a, const AxisSet& b) {
  a.insert(b.begin(), b.end());
  return a;
}

/*! The axes in both of two sets. */
inline AxisSet Intersection(const AxisSet& a, const AxisSet& b) {
  AxisSet both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::inserter(both, both.end()));
  return both;
}

/*! The axes in `a` that are not in `b`. */
inline AxisSet Difference(const AxisSet& a, const AxisSet& b) {
  AxisSet rest;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(rest, rest.end()));
  return rest;
}

/*! Whether there is an axis in both. */
inline bool Meet(const AxisSet& a, const AxisSet& b) {
  return std::any_of(a.begin(), a.end(), [&](const Axis& axis) { return b.count(axis) != 0; });
}

/*! The loops of all of `dims`. */
inline AxisSet AxesOf(const std::vector<Dim>& dims) {
  AxisSet axes;
  for (const Dim& dim : dims) axes.insert(dim.axes.begin(), dim.axes.end());
  return axes;
}

/*! Whether `index` moves with one of `axes`. */
inline bool MovesWith(const Affine& index, const AxisSet& axes) {
  return std::any_of(index.terms.begin(), index.terms.end(),
                     [&](const Affine::Term& term) { return axes.count(term.first) != 0; });
}

/*! Whether `access` moves with `axis`. */
inline bool MovesWith(const Access& access, const Axis& axis) {
  return std::any_of(access.indices.begin(), access.indices.end(),
                     [&](const Affine& index) { return index.Has(axis); });
}

}  // namespace ttgen
