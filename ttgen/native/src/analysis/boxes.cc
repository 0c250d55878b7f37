#include "analysis/boxes.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <set>
#include <string>

#include "analysis/conditions.h"
#include "base/text.h"

namespace ttgen {
namespace {

constexpr char kAllOfOutput[] = "a kernel stores all of its output";

/*! LoweringError where the boxes do not reach every element along the index `position`. */
void CheckReached(const VarRef& buffer, const std::vector<Box>& boxes, size_t position,
                  int64_t extent, const Location& at) {
  std::set<Side> reached;
  for (const Box& box : boxes) reached.insert(box.sides[position]);
  int64_t count = 0;
  for (const Side& side : reached) count += side.count;
  if (count >= extent) return;
  std::string seen = JoinMap(reached, ", ", [](const Side& side) {
    return std::to_string(side.start) + " to " + std::to_string(side.Stop() - 1);
  });
  throw LoweringError("index " + std::to_string(position) + " of " + NameOf(buffer) +
                          " visits elements " + seen + " of " + std::to_string(extent) +
                          ": the rest is never stored",
                      at, kAllOfOutput);
}

}  // namespace

bool Side::Meets(const Side& other) const {
  if (step == other.step && (start - other.start) % step) return false;
  return start < other.Stop() && other.start < Stop();
}

int64_t Box::Elements() const {
  int64_t elements = 1;
  for (const Side& side : sides) elements *= side.count;
  return elements;
}

bool Box::Meets(const Box& other) const {
  return std::equal(sides.begin(), sides.end(), other.sides.begin(), other.sides.end(),
                    [](const Side& a, const Side& b) { return a.Meets(b); });
}

bool Box::Holds(const Access& read) const {
  for (size_t n = 0; n < sides.size(); ++n) {
    auto [low, high] = read.indices[n].Bounds();
    if (high < sides[n].start || low >= sides[n].Stop()) return false;
  }
  for (size_t n = 0; n < sides.size(); ++n) {
    const Affine& index = read.indices[n];
    if (IsBelow(index, sides[n].start) || !IsBelow(index, sides[n].Stop())) return false;
  }
  return true;
}

Box BoxOf(const Access& target, const Location& at) {
  Box box;
  for (size_t n = 0; n < target.indices.size(); ++n) {
    std::optional<Index> found = Dimension(target.indices[n], 0);
    if (!found) {
      throw LoweringError("index " + std::to_string(n) + " of " + target.Str() +
                              " does not visit its elements once each, in order",
                          at, "index with a loop, or with the parts of a loop that was split");
    }
    int64_t count = found->dim.Extent(), step = found->step;
    int64_t first = step > 0 ? found->start : found->start + step * (count - 1);
    box.sides.push_back({first, count, std::abs(step)});
  }
  return box;
}

std::vector<std::pair<Box, StoreRefs>> Separate(const StoreRefs& stores) {
  std::vector<std::pair<Box, StoreRefs>> parts;
  for (const Store* store : stores) {
    Box box = BoxOf(store->target, store->At());
    StoreRefs* same = nullptr;
    for (auto& [other, others] : parts) {
      if (other == box) {
        same = &others;
      } else if (other.Meets(box)) {
        const Access& first = others.front()->target;
        other.Holds(store->target);
        box.Holds(first);
        throw LoweringError(store->target.Str() + " and " + first.Str() + " overlap in part",
                            store->At(), "store the same elements, or others");
      }
    }
    if (same) {
      same->push_back(store);
    } else {
      parts.emplace_back(std::move(box), StoreRefs{store});
    }
  }
  return parts;
}

void CheckCovers(const VarRef& buffer, const std::vector<Box>& boxes, const Location& at) {
  const std::vector<int64_t> shape = ShapeOf(buffer);
  int64_t all = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  int64_t stored = 0;
  for (const Box& box : boxes) stored += box.Elements();
  if (stored == all) return;
  for (size_t n = 0; n < shape.size(); ++n) CheckReached(buffer, boxes, n, shape[n], at);
  throw LoweringError(std::to_string(stored) + " of the " + std::to_string(all) + " elements of " +
                          NameOf(buffer) + " are stored",
                      at, kAllOfOutput);
}

}  // namespace ttgen
