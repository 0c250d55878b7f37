#include "plan/coverage.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "base/text.h"
#include "plan/shards.h"

namespace ttgen::plan {
namespace {

const char kCores[] = "partition.cores";

}  // namespace

Verdict WorkProblem(const std::vector<std::pair<int64_t, int64_t>>& shares, int64_t total) {
  std::vector<std::array<int64_t, 3>> sorted;  // start, count, position
  for (const auto& [start, count] : shares) {
    sorted.push_back({start, count, static_cast<int64_t>(sorted.size())});
  }
  std::sort(sorted.begin(), sorted.end());
  int64_t position = 0;
  for (const auto& [start, count, i] : sorted) {
    if (count < 0) {
      return Violation{ItemPath(kCores, i),
                       std::to_string(count) + " tiles cannot be given to a core"};
    }
    if (count == 0) continue;
    if (start != position) {
      const bool is_twice = start < position;
      return Violation{ItemPath(kCores, i),
                       "output tile " + std::to_string(is_twice ? start : position) +
                           (is_twice ? " is given to two cores" : " is given to no core")};
    }
    position = start + count;
  }
  if (position == total) return std::nullopt;
  return Violation{kCores, "the cores' work ends at output tile " + std::to_string(position) +
                               ", the grid has " + std::to_string(total)};
}

Verdict CoreProblem(const std::vector<Grid>& listed, const std::vector<Grid>& covered,
                    const Grid& grid) {
  for (size_t i = 0; i < listed.size(); ++i) {
    const auto& [x, y] = listed[i];
    if (0 <= x && x < grid.first && 0 <= y && y < grid.second) continue;
    return Violation{ItemPath(kCores, i, "core"),
                     "core " + TupleText(listed[i]) + " is outside the " + ByText(grid) + " grid"};
  }
  const std::set<Grid> ranges(covered.begin(), covered.end()), cores(listed.begin(), listed.end());
  if (ranges.size() != covered.size()) return Violation{"core_ranges", "ranges overlap"};
  if (cores.size() != listed.size()) return Violation{kCores, "a core is listed twice"};
  std::vector<Grid> odd;
  std::set_symmetric_difference(ranges.begin(), ranges.end(), cores.begin(), cores.end(),
                                std::back_inserter(odd));
  if (odd.empty()) return std::nullopt;
  return Violation{
      kCores, "core " + TupleText(odd.front()) + " is in core_ranges or in partition, not in both"};
}

}  // namespace ttgen::plan
