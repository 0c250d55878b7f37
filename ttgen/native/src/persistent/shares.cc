#include "persistent/shares.h"

#include <algorithm>
#include <string>
#include <utility>

#include "persistent/runs.h"

namespace ttgen {
namespace {

/*! How many tiles of the part `share` come before `tile`. */
ExprRef Within(const PartShare& share, const ExprRef& tile) {
  if (!share.base) return Minimum(tile, Int(share.Tiles()));
  ExprRef from_base = Maximum(tile, Int(share.base));
  return Minus(Minimum(from_base, Int(share.base + share.Tiles())), Int(share.base));
}

}  // namespace

Body Mine::Bound(Body body) const {
  if (body.empty()) return body;
  Body bound = bindings;
  Extend(&bound, std::move(body));
  return bound;
}

std::vector<int64_t> PartShare::TilesTogether(int64_t start, int64_t count, bool in_runs) const {
  int64_t first = std::max(start, base);
  int64_t tiles = std::max<int64_t>(0, std::min(start + count, base + Tiles()) - first);
  if (in_runs && tiles) return RunsOf(first - base, tiles, grid.second);
  return {tiles};
}

Mine PartShare::Of(const VarRef& start, const VarRef& count) const {
  if (!number) return {start, count, {}};
  VarRef first = MakeVar("start_" + std::to_string(number));
  VarRef mine = MakeVar("count_" + std::to_string(number));
  ExprRef before_end = Within(*this, Plus(start, count));
  return {first,
          mine,
          {MakeBind(first, Within(*this, start)), MakeBind(mine, Minus(before_end, first))}};
}

std::vector<PartShare> SharesOf(const std::vector<Nest>& nests, const Value& constants) {
  std::vector<PartShare> shares;
  int64_t base = 0, number = 0;
  for (const Nest& nest : nests) {
    ++number;
    int64_t rows = 1;
    for (const ForRef& loop : nest.rows) rows *= ExtentOf(loop, constants);
    int64_t columns = nest.columns ? ExtentOf(nest.columns, constants) : 1;
    shares.push_back({base, Grid(rows, columns), nests.size() > 1 ? number : 0});
    base += rows * columns;
  }
  return shares;
}

}  // namespace ttgen
