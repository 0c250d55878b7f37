#include "tiling/padding.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/tables.h"
#include "passes/device_shape.h"

namespace ttgen {
namespace {

/*! 1 for what a dimension counts, 0 in its padding. */
Expr Inside(const Dim& dim) { return MakeMask(dim, 1.0, 0.0); }

/*!
 * Whether there is an infinity in `expr`, such as a score that must not count. The FPU makes no
 * number of its product with a mask, of which it adds up parts.
 */
bool HasInfinity(const Expr& expr) {
  if (Is(expr, Kind::kConst)) return std::isinf(expr->value);
  return !Is(expr, Kind::kReduce) &&
         std::any_of(expr->operands.begin(), expr->operands.end(), HasInfinity);
}

/*! `expr` with a number in the padding, by the vector unit. */
Expr Chosen(const Expr& expr, const Dim& dim, double beyond, const Location& at) {
  return MakeVector("where", {Inside(dim), expr, MakeConst(beyond)}, at);
}

/*! `expr` with 0 in the padding of `dim`. */
Expr WithZeroBeyond(const Expr& expr, const Dim& dim, const Location& at) {
  if (ZeroBeyond(expr, dim)) return expr;
  if (HasInfinity(expr)) return Chosen(expr, dim, 0.0, at);
  return MakeBinary("mul", expr, Inside(dim), at);
}

/*! `expr` with 1 in the padding of `dim`, if it has any. */
Expr WithOneBeyond(const Expr& expr, const Dim& dim, const Location& at) {
  if (!DependsOn(expr, dim)) return expr;
  if (HasInfinity(expr)) return Chosen(expr, dim, 1.0, at);
  return MakeBinary("add", WithZeroBeyond(expr, dim, at), MakeMask(dim, 0.0, 1.0), at);
}

bool AllZeroBeyond(const std::vector<Expr>& those, const Dim& dim) {
  return std::all_of(those.begin(), those.end(),
                     [&](const Expr& one) { return ZeroBeyond(one, dim); });
}

bool IsLoadZeroBeyond(const Access& access, const Dim& dim) {
  const std::optional<Index> index = access.IndexOver(dim);
  return index && index->ReachesEnd();
}

bool IsTriangleZeroBeyond(const Node& triangle, const Dim& dim) {
  if (triangle.dims.empty() || triangle.dims[1] != dim) return false;
  return triangle.dims[0].Extent() - 1 - dim.Extent() + triangle.difference.offset < 0;
}

bool IsVectorZeroBeyond(const Node& vector, const Dim& dim) {
  const std::vector<Expr>& those = vector.operands;
  if (vector.op == "where" && ZeroBeyond(those[0], dim)) return ZeroBeyond(those[2], dim);
  const VectorOp& row = VectorRow(vector.op);
  if (!row.keeps_zero) return false;
  if (row.chooses.empty()) return AllZeroBeyond(those, dim);
  return std::all_of(row.chooses.begin(), row.chooses.end(),
                     [&](int position) { return ZeroBeyond(those[position], dim); });
}

}  // namespace

Expr Masked(const Expr& reduce, const std::vector<Dim>& ragged, double lowest) {
  Expr value = reduce->operands[0];
  for (const Dim& dim : ragged) {
    value = WithZeroBeyond(KeptFinite(value, dim, reduce->at), dim, reduce->at);
    if (reduce->op == "max") {
      value = MakeBinary("add", value, MakeMask(dim, 0.0, lowest), reduce->at);
    }
  }
  return value;
}

Expr KeptFinite(const Expr& expr, const Dim& dim, const Location& at) {
  if (!Is(expr, Kind::kVector) && !Is(expr, Kind::kBinary)) return expr;
  const bool may_overflow = Is(expr, Kind::kVector) && !VectorRow(expr->op).is_finite;
  return WithOperands(expr, [&](const Expr& operand) {
    Expr kept = KeptFinite(operand, dim, at);
    return may_overflow ? WithOneBeyond(kept, dim, at) : kept;
  });
}

bool ZeroBeyond(const Expr& expr, const Dim& dim) {
  const std::vector<Expr>& operands = expr->operands;
  switch (expr->kind) {
    case Kind::kLoad:
      return IsLoadZeroBeyond(expr->access, dim);
    case Kind::kConst:
      return expr->value == 0.0;
    case Kind::kMask:
      return expr->dims.front() == dim && expr->outside == 0.0;
    case Kind::kTriangle:
      return IsTriangleZeroBeyond(*expr, dim);
    case Kind::kBinary:
      if (expr->op != "mul") return AllZeroBeyond(operands, dim);
      return ZeroBeyond(operands[0], dim) || ZeroBeyond(operands[1], dim);
    case Kind::kVector:
      return IsVectorZeroBeyond(*expr, dim);
    case Kind::kReduce:
      return std::find(expr->dims.begin(), expr->dims.end(), dim) == expr->dims.end() &&
             ZeroBeyond(operands[0], dim);
    case Kind::kHeld:
      return false;
  }
  return false;
}

}  // namespace ttgen
