#include "analysis/views.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analysis/axes.h"
#include "analysis/conditions.h"
#include "analysis/orders.h"
#include "analysis/stores.h"
#include "base/text.h"

namespace ttgen {
namespace {

/*! Two axes that follow each other in an index, the inner one first, by their serials. */
using Pair = std::pair<int64_t, int64_t>;
using Pairs = std::set<Pair>;

struct AccessHash {
  size_t operator()(const Access& access) const { return access.Hash(); }
};
/*! Accesses, and the same with views. */
using Viewed = std::unordered_map<Access, Access, AccessHash>;

/*! The terms of `index`, those of the shortest steps first. */
std::vector<Affine::Term> Ascending(const Affine& index) {
  std::vector<Affine::Term> terms = index.terms;
  std::stable_sort(terms.begin(), terms.end(), [](const Affine::Term& a, const Affine::Term& b) {
    return std::abs(a.second) < std::abs(b.second);
  });
  return terms;
}

Pairs Neighbours(const Affine& index) {
  const std::vector<Affine::Term> terms = Ascending(index);
  Pairs pairs;
  for (size_t n = 1; n < terms.size(); ++n) {
    const auto& [inner, step] = terms[n - 1];
    const auto& [outer, outer_step] = terms[n];
    if (outer_step == step * inner.extent) pairs.emplace(inner.serial, outer.serial);
  }
  return pairs;
}

bool HasEither(const Affine& index, const Pair& pair) {
  return std::any_of(index.terms.begin(), index.terms.end(), [&](const Affine::Term& term) {
    return term.first.serial == pair.first || term.first.serial == pair.second;
  });
}

/*! The pairs of axes that are one dimension: neighbours in every index that has one of them. */
Pairs JointsOf(const std::vector<const Access*>& accesses) {
  std::vector<std::pair<const Affine*, Pairs>> found;
  Pairs joints;
  for (const Access* access : accesses) {
    for (const Affine& index : access->indices) {
      found.emplace_back(&index, Neighbours(index));
      joints.insert(found.back().second.begin(), found.back().second.end());
    }
  }
  for (auto pair = joints.begin(); pair != joints.end();) {
    bool apart = std::any_of(found.begin(), found.end(), [&](const auto& one) {
      return !one.second.count(*pair) && HasEither(*one.first, *pair);
    });
    pair = apart ? joints.erase(pair) : std::next(pair);
  }
  return joints;
}

/*! Axes of one dimension within an index, outermost first, in units of `weight` elements. */
struct Segment {
  int64_t weight = 1;
  int64_t step = 1;
  std::vector<Axis> axes;
};

/*! The dimensions that an index runs over, innermost first. */
std::vector<Segment> SegmentsOf(const Affine& index, const Pairs& joints) {
  std::vector<Segment> segments;
  std::optional<int64_t> previous;
  for (const auto& [axis, step] : Ascending(index)) {
    if (!previous) {
      segments.push_back({1, step, {axis}});
    } else if (joints.count({*previous, axis.serial})) {
      std::vector<Axis>& axes = segments.back().axes;
      axes.insert(axes.begin(), axis);
    } else {
      segments.push_back({std::abs(step), step > 0 ? 1 : -1, {axis}});
    }
    previous = axis.serial;
  }
  if (segments.empty()) segments.emplace_back();
  return segments;
}

/*! How the dimensions of the computation visit an index of `extent` elements, if they do. */
std::optional<std::vector<Index>> ViewOf(const Affine& index, int64_t extent, const Pairs& joints) {
  std::vector<Segment> segments = SegmentsOf(index, joints);
  for (size_t n = 1; n < segments.size(); ++n) {
    if (segments[n].weight % segments[n - 1].weight) return std::nullopt;
  }
  std::vector<Index> entries;
  int64_t start = index.offset, whole = extent;
  for (auto segment = segments.rbegin(); segment != segments.rend();
       ++segment) {  // outermost first
    int64_t own = FloorDiv(start, segment->weight), size = CeilDiv(whole, segment->weight);
    start = FloorMod(start, segment->weight);
    whole = segment->weight;
    Dim dim{std::move(segment->axes)};
    int64_t last = own + segment->step * (dim.Extent() - 1);
    if (std::min(own, last) < 0 || std::max(own, last) >= size) return std::nullopt;
    entries.push_back({std::move(dim), size, own, segment->step});
  }
  return entries;
}

/*! `access` with a view; its buffer is a parameter, with an extent for each index. */
Access WithView(const Access& access, const std::vector<int64_t>& order, const Pairs& joints,
                const Location& at) {
  const std::vector<int64_t> shape = ShapeOf(access.buffer);
  Access made{access.buffer, access.indices, {}, order};
  for (int64_t position : order) {
    auto part = ViewOf(access.indices.at(position), shape.at(position), joints);
    if (!part) {
      throw LoweringError("index " + std::to_string(position) + " of " + access.Str() +
                              " does not visit elements once each, in order",
                          at, "index with a loop, or with the parts of a loop that was split");
    }
    int64_t elements = 1;
    for (const Index& own : *part) elements *= own.extent;
    if (position != order.front() && elements != shape.at(position)) {
      throw LoweringError("index " + std::to_string(position) + " of " + access.Str() +
                              " runs over " + std::to_string(shape.at(position)) +
                              " elements in blocks of which the last is not whole",
                          at, "where other dimensions lie around them, let the blocks be equal");
    }
    made.view.insert(made.view.end(), part->begin(), part->end());
    made.beside = part->size() - 1;
  }
  if (made.beside) {
    auto outer = made.view.end() - 1 - static_cast<std::ptrdiff_t>(made.beside);
    if (outer == made.view.begin()) outer = made.view.insert(outer, Index{Dim{}, 1}) + 1;
    std::rotate(outer - 1, outer, made.view.end() - 1);  // the rows come after them
  }
  return made;
}

/*! The dimensions of `value`, which has views, that `reduce` runs over. */
std::vector<Dim> ReducedDims(const Expr& reduce, const Expr& value) {
  const AxisSet reduced = AxesOf(reduce->dims);
  DimSet seen;
  std::vector<Dim> found;
  for (const Expr& load : PartsOf(value, Kind::kLoad)) {
    for (const Index& index : load->access.view) {
      const Dim& dim = index.dim;
      if (seen.insert(dim).second && Meet(AxesOf({dim}), reduced)) found.push_back(dim);
    }
  }
  return found;
}

/*! Add to `dims` that of the last two of an access that `index` counts the elements of. */
void AddVisited(const Viewed& viewed, const Affine& index, std::vector<Dim>* dims) {
  std::optional<Index> found = Dimension(index, 0);
  if (!found || found->start != 0 || found->step != 1) return;
  for (const auto& [access, settled] : viewed) {
    const std::vector<Index>& view = settled.view;
    for (size_t n = view.size() - std::min<size_t>(view.size(), 2); n < view.size(); ++n) {
      if (view[n].dim != found->dim) continue;
      dims->push_back(std::move(found->dim));
      return;
    }
  }
}

/*!
 * `triangle` with the dimensions that it compares, which make tiles. Restart asks for loops to be
 * cut where the condition changes if they are others: of batches, or of whole blocks.
 */
Expr BetweenDims(const Expr& triangle, const Viewed& viewed) {
  const Affine& difference = triangle->difference;
  auto [more, less] = Sides(difference);
  std::vector<Dim> dims;
  AddVisited(viewed, more, &dims);
  AddVisited(viewed, less, &dims);
  if (dims.size() < 2) return NotNegative(difference, triangle->at, false);
  return MakeTriangle(Affine(difference.offset), std::move(dims), triangle->at);
}

}  // namespace

Part Settled(const Part& part, const Orders& orders) {
  const std::vector<Expr> loads = PartsOf(part.value, Kind::kLoad);
  std::vector<const Access*> accesses{&part.output};
  for (const Expr& load : loads) accesses.push_back(&load->access);
  for (const Access* access : accesses) CheckIndependent(*access, part.at);
  const Pairs joints = JointsOf(accesses);
  Viewed viewed;
  for (const Access* access : accesses) {
    auto order = orders.find(NameOf(access->buffer));
    viewed[*access] = WithView(*access, order == orders.end() ? PlainOrder(*access) : order->second,
                               joints, part.at);
  }
  auto value_of = [&](const Expr& leaf) -> Expr {
    if (Is(leaf, Kind::kLoad)) return MakeLoad(viewed.at(leaf->access));
    return Is(leaf, Kind::kTriangle) ? BetweenDims(leaf, viewed) : leaf;
  };
  Access output = viewed.at(part.output);
  return {std::move(output), Rebuilt(part.value, value_of, ReducedDims), part.at};
}

}  // namespace ttgen
