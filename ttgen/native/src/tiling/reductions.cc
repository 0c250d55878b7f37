#include "tiling/reductions.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "base/collections.h"
#include "base/tables.h"
#include "passes/device_shape.h"
#include "tiling/marks.h"
#include "tiling/padding.h"

namespace ttgen {
namespace {

/*! The dimensions that the value depends on and that make tiles of its tensors, in order. */
std::vector<Dim> Tiled(const Expr& expr) {
  const DimSet free = FreeDims(expr);
  std::vector<Dim> found;
  for (const Dim& dim : TileDims(expr)) {
    if (!dim.axes.empty() && free.count(dim)) found.push_back(dim);
  }
  return found;
}

/*! The dimensions of tiles that `expr` reduces, in order. */
std::vector<Dim> Reduced(const Expr& expr) {
  std::vector<Dim> found;
  for (const Dim& dim : Tiled(expr->operands[0])) {
    if (Contains(expr->dims, dim)) found.push_back(dim);
  }
  return found;
}

// Matrix products ---------------------------------------------------------------------------------

/*! The two factors and the inner dimension of a matrix product. */
struct Factors {
  Expr left, right;
  Dim inner;
};

/*! Whether the value's tiles are over `outer` (or nothing) and `inner`. */
bool IsOver(const Expr& factor, const Dim& outer, const Dim& inner) {
  DimSet wanted;
  for (const Dim& dim : {outer, inner}) {
    if (!dim.axes.empty()) wanted.insert(dim);
  }
  const std::vector<Dim> tiled = Tiled(factor);
  return tiled.size() == wanted.size() &&
         std::all_of(tiled.begin(), tiled.end(),
                     [&](const Dim& dim) { return wanted.count(dim) > 0; });
}

/*!
 * What `sum(a * b)` is made of, if it is a matrix product: the first factor has no other tile
 * dimensions than the rows of the result and the inner dimension, the second none but that and the
 * columns.
 */
std::optional<Factors> FactorsOfProduct(const Expr& expr, const Frame& frame) {
  const Expr& value = expr->operands[0];
  if (expr->op != "add" || !Is(value, Kind::kBinary) || value->op != "mul") return std::nullopt;
  for (const size_t first : {0, 1}) {
    const Expr &left = value->operands[first], &right = value->operands[1 - first];
    for (const Dim& inner : Tiled(left)) {
      if (Contains(expr->dims, inner) && IsOver(left, frame.rows, inner) &&
          IsOver(right, frame.columns, inner)) {
        return Factors{left, right, inner};
      }
    }
  }
  return std::nullopt;
}

// Sums and maxima ---------------------------------------------------------------------------------

/*! Frames that might do: those of tensors first, which need not be transposed then. */
std::vector<Frame> Frames(const Expr& value, const Frame& frame, const std::vector<Dim>& reduced) {
  const DimSet free = FreeDims(value);
  const auto used = [&](const Dim& dim) { return free.count(dim) ? dim : kOne; };
  std::vector<Frame> frames;
  for (const Access& access : LoadsOf(value)) {
    const auto [rows, columns] = RowsAndColumns(access);
    frames.push_back({used(rows), used(columns)});
  }
  const Dim &first = reduced[0], &second = reduced.size() > 1 ? reduced[1] : kOne;
  frames.push_back({frame.rows, first});
  frames.push_back({first, frame.columns});
  frames.push_back({first, second});
  return frames;
}

/*! The frame of the tiles that are reduced: the result's, with the reduced dimensions. */
Frame Inside(const Expr& expr, const Frame& frame, const std::vector<Dim>& reduced) {
  const Expr& value = expr->operands[0];
  const std::vector<Dim> tiled = Tiled(value);
  for (const Frame& candidate : Frames(value, frame, reduced)) {
    const Dim &rows = candidate.rows, &columns = candidate.columns;
    const bool keeps_others = (rows == frame.rows || Contains(reduced, rows)) &&
                              (columns == frame.columns || Contains(reduced, columns));
    if (keeps_others && std::all_of(tiled.begin(), tiled.end(), [&](const Dim& dim) {
          return dim == rows || dim == columns;
        })) {
      return candidate;
    }
  }
  throw LoweringError("'" + expr->Str() + "' does not lower yet", expr->at,
                      "reductions run over the last two dimensions of a tensor, one of them or "
                      "both");
}

/*! Without a reduction inside a reduction, where both are the same and one runs over batches. */
Expr Flattened(Expr expr) {
  while (true) {
    const Expr& inner = expr->operands[0];
    if (!Is(inner, Kind::kReduce) || inner->op != expr->op || !Reduced(expr).empty()) return expr;
    const bool meet = std::any_of(inner->dims.begin(), inner->dims.end(),
                                  [&](const Dim& dim) { return Contains(expr->dims, dim); });
    if (meet) return expr;
    std::vector<Dim> dims = expr->dims;
    dims.insert(dims.end(), inner->dims.begin(), inner->dims.end());
    expr = MakeReduce(expr->op, std::move(dims), inner->operands[0], inner->at);
  }
}

/*!
 * A sum over rows and columns as a sum over rows of sums over columns. The unit that does both at
 * once passes on sums of columns in the format of a source register, rounded towards zero, and
 * scales everything twice.
 */
Expr OneSideAtATime(const Expr& expr, const Frame& frame) {
  const std::vector<Dim> reduced = Reduced(expr);
  if (expr->op != "add" || reduced.size() < 2 || FactorsOfProduct(expr, frame)) return expr;
  const Dim columns = Inside(expr, frame, reduced).columns;
  std::vector<Dim> others;
  for (const Dim& dim : expr->dims) {
    if (dim != columns) others.push_back(dim);
  }
  return MakeReduce(expr->op, std::move(others),
                    MakeReduce(expr->op, {columns}, expr->operands[0], expr->at), expr->at);
}

/*! One or two numbers that bf16 holds, which add up to (nearly) `value`. */
std::vector<double> InBf16(double value) {
  const double upper = NearestBf16(value);
  if (upper == value) return {upper};
  return {upper, NearestBf16(value - upper)};
}

const char* PoolOf(const Expr& expr) { return expr->op == "add" ? "SUM" : "MAX"; }

const char* WordOf(bool down, bool along) {
  if (!down) return "REDUCE_ROW";
  return along ? "REDUCE_SCALAR" : "REDUCE_COL";
}

}  // namespace

bool Reductions::Scales(const Expr& expr, const Frame& frame) const {
  return expr->op == "add" && !Reduced(expr).empty() && !FactorsOfProduct(Flattened(expr), frame);
}

std::vector<StmtRef> Reductions::IntoDst(const Expr& of, const Frame& frame, double scale) {
  const Expr expr = OneSideAtATime(Flattened(of), frame);
  const std::vector<Dim> tiled = TileDims(expr->operands[0]);
  const DimSet in_tiles(tiled.begin(), tiled.end());
  dims_.DeclareReduced(expr, in_tiles);
  std::vector<Dim> loops = expr->dims;
  std::stable_partition(loops.begin(), loops.end(),
                        [&](const Dim& dim) { return in_tiles.count(dim) == 0; });
  StmtRef step;
  {
    std::vector<Dim> around = stages_.loops;
    around.insert(around.end(), loops.begin(), loops.end());
    const auto inside = stages_.Inside(std::move(around));
    step = Step(expr, frame, scale);
  }
  for (auto dim = loops.rbegin(); dim != loops.rend(); ++dim) {
    ForRef loop = dims_.Loop(*dim, step, ReduceMark());
    // The same sum once more: no two loops share a variable.
    const bool is_new = dims_.reduced.insert(*dim).second;
    step = is_new ? loop : dims_.WithOwnVariable(loop, *dim);
  }
  return {step};
}

/*! What is done in each iteration. */
StmtRef Reductions::Step(const Expr& expr, const Frame& frame, double scale) {
  if (const auto factors = FactorsOfProduct(expr, frame)) {
    return MatrixProduct(expr, frame, factors->left, factors->right, factors->inner);
  }
  const std::vector<Dim> reduced = Reduced(expr);
  return reduced.empty() ? AddedUp(expr, frame) : Pooled(expr, frame, reduced, scale);
}

/*! A matrix product over `inner`. */
StmtRef Reductions::MatrixProduct(const Expr& expr, const Frame& frame, Expr left, Expr right,
                                  const Dim& inner) {
  const Location& at = expr->at;
  if (inner.Extent() % kTile) {
    left = KeptFinite(left, inner, at);
    right = KeptFinite(right, inner, at);
    if (!ZeroBeyond(left, inner) && !ZeroBeyond(right, inner)) {
      left = WithoutPadding(MakeReduce(expr->op, expr->dims, left, at), {inner});
    }
  }
  const Tile first = maker_.TileOf(left, {frame.rows, inner}, at);
  Frame stored{inner, frame.columns};
  if (Is(right, Kind::kLoad)) {  // the unit transposes the second factor itself
    std::tie(stored.rows, stored.columns) = RowsAndColumns(right->access);
  }
  const Tile second = maker_.TileOf(right, stored, at);
  const ExprRef is_transposed = Int(stored.rows != inner);
  return InsertIntrinsicCall(
      "matmul", {Int(0), first.buffer, first.page, second.buffer, second.page, is_transposed},
      SpanOf(at));
}

/*!
 * A reduction of tiles along their rows, columns or both. Every addend is multiplied by a tile of
 * `scale`, in bf16; what that has rounded away is a second tile.
 */
StmtRef Reductions::Pooled(const Expr& expr, const Frame& frame, const std::vector<Dim>& reduced,
                           double scale) {
  const Frame inside = Inside(expr, frame, reduced);
  const char* word = WordOf(Contains(reduced, inside.rows), Contains(reduced, inside.columns));
  std::vector<Dim> ragged;
  for (const Dim& dim : reduced) {
    if (dim.Extent() % kTile) ragged.push_back(dim);
  }
  const Tile tile = maker_.TileOf(WithoutPadding(expr, ragged), inside, expr->at);
  const std::vector<double> parts = InBf16(scale);
  const VarRef scales = stages_.Constant(parts);
  std::vector<StmtRef> steps;
  for (size_t page = 0; page < parts.size(); ++page) {
    steps.push_back(InsertIntrinsicCall(
        "reduce",
        {Int(0), tile.buffer, tile.page, scales, Int(page), Text(PoolOf(expr)), Text(word)},
        SpanOf(expr->at)));
  }
  return Sequence(steps);
}

/*! A sum of whole tiles: over batch dimensions alone. */
StmtRef Reductions::AddedUp(const Expr& expr, const Frame& frame) {
  if (expr->op != "add") {
    throw LoweringError("'" + expr->Str() + "' does not lower yet", expr->at,
                        "a maximum runs over one of the last two dimensions of a tensor; over "
                        "others it takes that of two tiles, which needs the vector unit (SFPU)");
  }
  const Tile tile = maker_.TileOf(expr->operands[0], frame, expr->at);
  const VarRef zero = stages_.Constant({0.0});
  return InsertIntrinsicCall("accumulate", {Int(0), tile.buffer, tile.page, zero, Int(0)},
                             SpanOf(expr->at));
}

Expr Reductions::WithoutPadding(const Expr& expr, const std::vector<Dim>& ragged) const {
  return Masked(expr, ragged, stages_.Working().lowest);
}

}  // namespace ttgen
