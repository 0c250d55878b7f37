#include "passes/device_shape.h"

#include <algorithm>
#include <memory>

#include "base/text.h"

namespace ttgen {
namespace {

const Index kOneIndex{kOne, 1};

bool HasAny(const DimSet& set, const std::vector<Dim>& dims) {
  return std::any_of(dims.begin(), dims.end(), [&](const Dim& dim) { return set.count(dim) > 0; });
}

// Forms of results --------------------------------------------------------------------------------

/*! The dimensions of what a result is made of: of those operands that have tiles of their own. */
struct OperandDims {
  DimSet rows, columns;
  /*! Those before the last two, of all operands. */
  DimSet batch;
  /*! Those that make tiles, be it of an operand with one dimension. */
  DimSet tiled;
};

OperandDims DimsOfOperands(const Expr& value) {
  OperandDims found;
  for (const Expr& load : PartsOf(value, Kind::kLoad)) {
    const std::vector<Dim> dims = load->access.Dims();
    if (dims.size() < 2) continue;
    found.rows.insert(*(dims.end() - 2));
    found.columns.insert(dims.back());
    found.batch.insert(dims.begin(), dims.end() - 2);
  }
  for (const Dim& dim : TileDims(value)) {
    found.tiled.insert(dim);
    found.batch.erase(dim);
  }
  found.tiled.erase(kOne);
  found.batch.erase(kOne);
  return found;
}

/*! The form of a result: a dimension that makes tiles of no operand makes none of it. */
Form FormOf(const Part& part) {
  const std::vector<Dim> dims = part.output.Dims();
  if (dims.empty()) return Form::kTiles;
  const OperandDims operands = DimsOfOperands(part.value);
  const Dim& last = dims.back();
  const std::vector<Dim> others(dims.begin(), dims.end() - 1);
  // No dimension of an output comes twice, but for those of extent 1.
  if (!last.axes.empty() && operands.rows.count(last) && !HasAny(operands.rows, others) &&
      !HasAny(operands.columns, dims)) {
    return Form::kColumn;
  }
  const bool is_batched = !HasAny(operands.tiled, others);
  if (operands.batch.count(last) && is_batched) return Form::kPoint;
  const bool is_row = operands.columns.count(last) || last == kOne;
  if (is_row && is_batched && !others.empty() && operands.batch.count(others.back())) {
    return Form::kRow;
  }
  return Form::kTiles;
}

// Dimensions of trees -----------------------------------------------------------------------------

/*! What trees have been found to have: they are asked at every turn, and keep their hashes. */
template <class T>
class Known {
 public:
  using Held = std::shared_ptr<const T>;

  template <class Find>
  Held Of(const Expr& expr, const Find& find) {
    const auto known = held_.find(expr);
    if (known != held_.end()) return known->second;
    Held found = std::make_shared<const T>(find(expr));
    if (held_.size() >= kMost) held_.clear();
    held_.emplace(expr, found);
    return found;
  }

 private:
  static constexpr size_t kMost = 4096;
  ExprMap<Held> held_;
};

void AddOnce(std::vector<Dim>& dims, const Dim& dim) {
  if (std::find(dims.begin(), dims.end(), dim) == dims.end()) dims.push_back(dim);
}

std::vector<Dim> FoundTileDims(const Expr& expr) {
  std::vector<Dim> dims;
  for (const Expr& load : PartsOf(expr, Kind::kLoad)) {
    const auto [rows, columns] = RowsAndColumns(load->access);
    AddOnce(dims, rows);
    AddOnce(dims, columns);
  }
  for (const Expr& triangle : PartsOf(expr, Kind::kTriangle)) {
    for (const Dim& dim : triangle->dims) AddOnce(dims, dim);
  }
  return dims;
}

Known<DimSet>::Held KnownFreeDims(const Expr& expr);

DimSet FoundFreeDims(const Expr& expr) {
  DimSet dims;
  if (IsLeaf(expr)) {
    const std::vector<Dim> own = Is(expr, Kind::kLoad) ? expr->access.Dims() : expr->dims;
    return DimSet(own.begin(), own.end());
  }
  for (const Expr& operand : expr->operands) {
    const Known<DimSet>::Held of_operand = KnownFreeDims(operand);
    dims.insert(of_operand->begin(), of_operand->end());
  }
  for (const Dim& reduced : expr->dims) dims.erase(reduced);
  return dims;
}

Known<DimSet>::Held KnownFreeDims(const Expr& expr) {
  thread_local Known<DimSet> known;
  return known.Of(expr, FoundFreeDims);
}

/*! The trips of the loops around what a reduction reduces, as far as it depends on them. */
DimMap<int64_t> TripsInside(const Expr& reduce, const DimMap<int64_t>& around) {
  const std::vector<Dim> tiled = TileDims(reduce->operands[0]);
  DimMap<int64_t> trips;
  for (const Dim& dim : reduce->dims) {
    const bool in_tiles = std::find(tiled.begin(), tiled.end(), dim) != tiled.end();
    trips.emplace(dim, in_tiles ? TilesAlong(dim.Extent()) : dim.Extent());
  }
  for (const auto& [dim, count] : around) {
    if (DependsOn(reduce, dim)) trips.emplace(dim, count);
  }
  return trips;
}

}  // namespace

std::string FormText(Form form) {
  switch (form) {
    case Form::kTiles:
      return "tiles";
    case Form::kColumn:
      return "columns of tiles";
    case Form::kRow:
      return "rows of tiles";
    case Form::kPoint:
      return "single elements of tiles";
  }
  return "";
}

Form OutputForm(const Computation& computation) {
  const Form form = FormOf(computation.parts.front());
  for (const Part& part : computation.parts) {
    const Form own = FormOf(part);
    if (own != form) {
      throw LoweringError(part.output.Str() + " is made of " + FormText(own) +
                              ", other parts of it of " + FormText(form),
                          part.at,
                          "give the output a dimension of 1 for each that has been reduced away in "
                          "some of its parts, so that all of it is tiles");
    }
  }
  return form;
}

std::vector<Index> DeviceView(const Access& access, Form form) {
  return WithOnes(form, access.view, kOneIndex);
}

std::vector<int64_t> DeviceShape(const std::vector<int64_t>& shape, Form form) {
  return WithOnes<int64_t>(form, shape, 1);
}

std::vector<int64_t> Padded(std::vector<int64_t> shape) {
  for (auto extent = shape.end() - 2; extent != shape.end(); ++extent) {
    *extent = TilesAlong(*extent) * kTile;
  }
  return shape;
}

std::vector<Dim> AsTiles(std::vector<Dim> dims) {
  return WithOnes(Form::kTiles, std::move(dims), kOne);
}

std::pair<Dim, Dim> RowsAndColumns(const Access& access) {
  const auto from_end = [&](size_t place) {
    const size_t count = access.view.size();
    return place <= count ? access.view[count - place].dim : kOne;
  };
  return {from_end(2), from_end(1)};
}

std::vector<Dim> TileDims(const Expr& expr) {
  thread_local Known<std::vector<Dim>> known;
  return *known.Of(expr, FoundTileDims);
}

int64_t TilesAlong(int64_t extent) { return CeilDiv(extent, kTile); }

DimSet FreeDims(const Expr& expr) { return *KnownFreeDims(expr); }

bool DependsOn(const Expr& expr, const Dim& dim) { return KnownFreeDims(expr)->count(dim) > 0; }

int64_t Steps(const Expr& expr, const DimMap<int64_t>& around) {
  const bool is_reduce = Is(expr, Kind::kReduce);
  const DimMap<int64_t> inside = is_reduce ? TripsInside(expr, around) : around;
  int64_t most = 1;
  if (is_reduce) {
    for (const auto& [dim, count] : inside) most *= count;
  }
  for (const Expr& operand : expr->operands) most = std::max(most, Steps(operand, inside));
  return most;
}

}  // namespace ttgen
