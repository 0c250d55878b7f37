#include "tiling/common_dims.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/collections.h"
#include "passes/device_shape.h"

namespace ttgen {
namespace {

/*! Dimensions that reductions may run over, by their extent. */
using KnownDims = std::unordered_map<int64_t, std::vector<Dim>>;

/*! The dimensions of tensors before the last two. */
DimSet OuterDims(const Expr& expr) {
  DimSet outer;
  for (const Expr& load : PartsOf(expr, Kind::kLoad)) {
    const std::vector<Dim> dims = AsTiles(load->access.Dims());
    outer.insert(dims.begin(), dims.end() - 2);
  }
  return outer;
}

KnownDims DimsInTiles(const Expr& expr) {
  const DimSet outer = OuterDims(expr);
  KnownDims known;
  for (const Expr& reduce : PartsOf(expr, Kind::kReduce)) {
    for (const Dim& dim : reduce->dims) {
      // One loop, and among the last two dimensions wherever it is used.
      if (dim.axes.size() != 1 || outer.count(dim)) continue;
      std::vector<Dim>& dims = known[dim.Extent()];
      if (!Contains(dims, dim)) dims.push_back(dim);
    }
  }
  return known;
}

/*! `access` at `name` in the place of `dim`, each of which is one loop. */
Access At(Access access, const Dim& dim, const Dim& name) {
  const AxisValues values{{dim.axes.front(), Affine({{name.axes.front(), 1}}, 0)}};
  for (Affine& index : access.indices) index = index.Of(values);
  for (Index& index : access.view) {
    if (index.dim == dim) index.dim = name;
  }
  return access;
}

/*! `expr` at `name` in the place of `dim`, where that is not a reduction's own. */
Expr WithDim(const Expr& expr, const Dim& dim, const Dim& name) {
  if (name == dim || !DependsOn(expr, dim)) return expr;
  if (Is(expr, Kind::kLoad)) return MakeLoad(At(expr->access, dim, name));
  if (Is(expr, Kind::kTriangle)) {
    std::vector<Dim> dims = expr->dims;
    std::replace(dims.begin(), dims.end(), dim, name);
    return MakeTriangle(expr->difference, std::move(dims), expr->at);
  }
  return WithOperands(expr, [&](const Expr& one) { return WithDim(one, dim, name); });
}

/*! Whether `value` means the same with `name` in the place of `dim`. */
bool MayBe(const Dim& dim, const Dim& name, const Expr& value) {
  if (name == dim) return true;
  if (DependsOn(value, name)) return false;
  const std::vector<Expr> inner = PartsOf(value, Kind::kReduce);
  return std::none_of(inner.begin(), inner.end(), [&](const Expr& reduce) {
    return Contains(reduce->dims, name) && DependsOn(reduce, dim);
  });
}

/*! The dimension of `known` to run over in the place of `dim`; it is none of `chosen`. */
Dim NameFor(const Dim& dim, const Expr& value, const std::vector<Dim>& chosen,
            const KnownDims& known) {
  const auto names = known.find(dim.Extent());
  if (names == known.end() || !Contains(names->second, dim)) return dim;
  for (const Dim& name : names->second) {
    if (!Contains(chosen, name) && MayBe(dim, name, value)) return name;
  }
  return dim;
}

Expr Renamed(const Expr& expr, const KnownDims& known) {
  const auto renamed = [&](const Expr& one) { return Renamed(one, known); };
  if (!Is(expr, Kind::kReduce)) return WithOperands(expr, renamed);
  Expr value = renamed(expr->operands[0]);
  std::vector<Dim> chosen;
  for (const Dim& dim : expr->dims) {
    const Dim name = NameFor(dim, value, chosen, known);
    value = WithDim(value, dim, name);
    chosen.push_back(name);
  }
  return MakeReduce(expr->op, std::move(chosen), value, expr->at);
}

}  // namespace

Expr WithCommonDims(const Expr& expr) { return Renamed(expr, DimsInTiles(expr)); }

}  // namespace ttgen
