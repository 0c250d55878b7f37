#include "tiling/streaming.h"

#include <algorithm>

#include "base/text.h"
#include "passes/device_shape.h"
#include "tiling/factors.h"

namespace ttgen {
namespace {

/*! The maximum of a weight, `exp(x - max x)` or of that a multiple; nullptr if it is none. */
const Node* PeakOf(const Expr& factor) {
  if (!Is(factor, Kind::kVector) || factor->op != "exp") return nullptr;
  const Node* below = factor->operands[0].get();
  if (below->kind == Kind::kBinary && below->op == "mul" && Is(below->operands[1], Kind::kConst)) {
    below = below->operands[0].get();
  }
  if (below->kind != Kind::kBinary || below->op != "sub") return nullptr;
  const Expr& peak = below->operands[1];
  const bool is_peak = Is(peak, Kind::kReduce) && peak->op == "max" && peak->dims.size() == 1;
  return is_peak && Equal(below->operands[0], peak->operands[0]) ? peak.get() : nullptr;
}

bool IsBelowPeak(const Expr& factor, const Expr& peak) {
  const Node* found = PeakOf(factor);
  return found && *found == *peak;
}

std::vector<Expr> FactorsOf(const Expr& expr) {
  return TakenApart(expr, [](const Expr&) { return true; }).second;
}

bool Occurs(const Expr& peak, const Expr& expr) {
  const std::vector<Expr> found = PartsOf(expr, Kind::kReduce);
  return std::any_of(found.begin(), found.end(), [&](const Expr& one) { return Equal(one, peak); });
}

/*! Whether it is a sum over the dimension of `peak` of what has one weight below it. */
bool Weighs(const Expr& expr, const Expr& peak) {
  return Is(expr, Kind::kReduce) && expr->op == "add" && expr->dims == peak->dims &&
         Weights(expr, peak).size() == 1;
}

/*! Whether it is such a sum, and needs `peak` for nothing but the weight. */
bool IsBelow(const Expr& expr, const Expr& peak) {
  if (!Weighs(expr, peak)) return false;
  const std::vector<Expr> factors = FactorsOf(expr->operands[0]);
  return std::none_of(factors.begin(), factors.end(), [&](const Expr& factor) {
    return !IsBelowPeak(factor, peak) && Occurs(peak, factor);
  });
}

/*! `expr` with what all addends have in common taken out of sums below `peak`. */
Expr WithCommonFactorsOutside(const Expr& expr, const Expr& peak) {
  const Expr part = WithOperands(
      expr, [&](const Expr& operand) { return WithCommonFactorsOutside(operand, peak); });
  if (!Weighs(part, peak)) return part;
  const auto is_common = [&](const Expr& one) {
    return std::none_of(peak->dims.begin(), peak->dims.end(),
                        [&](const Dim& dim) { return DependsOn(one, dim); });
  };
  const auto [rest, common] = TakenApart(part->operands[0], is_common);
  if (!rest || common.empty()) return part;
  std::vector<Expr> factors{MakeReduce(part->op, part->dims, rest, part->at)};
  factors.insert(factors.end(), common.begin(), common.end());
  return Product(factors, part->at);
}

bool IsLong(const Expr& peak, int64_t most) {
  if (peak->dims.size() != 1) return false;
  const Dim& dim = peak->dims.front();
  const std::vector<Dim> tiled = TileDims(peak->operands[0]);
  return std::find(tiled.begin(), tiled.end(), dim) != tiled.end() &&
         TilesAlong(dim.Extent()) > most;
}

bool MovesWithin(const Expr& expr, const DimSet& outer) {
  const DimSet free = FreeDims(expr);
  return std::all_of(free.begin(), free.end(),
                     [&](const Dim& dim) { return dim.axes.empty() || outer.count(dim) > 0; });
}

/*! Whether all that `peak` occurs in is sums that can be streamed. */
bool IsStreamed(const Expr& expr, const Expr& peak, const DimSet& outer) {
  if (Equal(expr, peak)) return false;
  if (IsBelow(expr, peak)) return MovesWithin(expr, outer) && MovesWithin(peak, outer);
  return std::all_of(expr->operands.begin(), expr->operands.end(),
                     [&](const Expr& operand) { return IsStreamed(operand, peak, outer); });
}

/*! Adds the sums below `peak` that `found` does not have yet. */
void CollectSums(const Expr& expr, const Expr& peak, std::vector<Expr>& found) {
  if (IsBelow(expr, peak)) {
    const bool is_known =
        std::any_of(found.begin(), found.end(), [&](const Expr& one) { return Equal(one, expr); });
    if (!is_known) found.push_back(expr);
    return;
  }
  for (const Expr& operand : expr->operands) CollectSums(operand, peak, found);
}

Stream StreamBelow(const Expr& peak, const Expr& expr, int64_t most) {
  Stream stream{peak, {}, 0};
  CollectSums(expr, peak, stream.sums);
  const int64_t tiles = TilesAlong(stream.Along().Extent());
  stream.tiles = CeilDiv(tiles, CeilDiv(tiles, most));
  return stream;
}

/*! The last maximum in `expr` that is not in `tried`, nullptr if all are. */
Expr LastPeak(const Expr& expr, const ExprSet& tried) {
  const std::vector<Expr> found = PartsOf(expr, Kind::kReduce);
  const auto peak = std::find_if(found.rbegin(), found.rend(), [&](const Expr& one) {
    return one->op == "max" && tried.count(one) == 0;
  });
  return peak == found.rend() ? nullptr : *peak;
}

}  // namespace

std::pair<Expr, std::vector<Stream>> WithStreams(Expr expr, const DimSet& outer, int64_t most) {
  ExprSet tried;
  std::vector<Expr> found;
  // Inner ones first: what is around them changes when they are streamed.
  while (const Expr peak = LastPeak(expr, tried)) {
    tried.insert(peak);
    if (!IsLong(peak, most)) continue;
    Expr changed = WithCommonFactorsOutside(expr, peak);
    if (!IsStreamed(changed, peak, outer)) continue;
    expr = std::move(changed);
    found.push_back(peak);
  }
  std::vector<Stream> streams;
  for (const Expr& peak : found) streams.push_back(StreamBelow(peak, expr, most));
  return {std::move(expr), std::move(streams)};
}

Expr Rescaling(const Expr& weight, const Expr& peak, const Expr& before, const Expr& after) {
  const Expr below = MakeBinary("sub", peak->operands[0], peak, Location());
  return Replaced(weight, below, MakeBinary("sub", before, after, Location()));
}

std::vector<Expr> Weights(const Expr& total, const Expr& peak) {
  std::vector<Expr> found;
  for (const Expr& factor : FactorsOf(total->operands[0])) {
    if (IsBelowPeak(factor, peak)) found.push_back(factor);
  }
  return found;
}

Expr Replaced(const Expr& expr, const Expr& old, const Expr& now) {
  if (Equal(expr, old)) return now;
  return WithOperands(expr, [&](const Expr& one) { return Replaced(one, old, now); });
}

}  // namespace ttgen
