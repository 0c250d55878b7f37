#include "tiling/alignment.h"

#include <string>

namespace ttgen {
namespace {

/*! An access, and the place nearest to it. */
struct Read {
  const Access* access;
  const Location* at;
};

void CollectReads(const Expr& expr, const Location& at, std::vector<Read>& reads) {
  if (Is(expr, Kind::kLoad)) reads.push_back({&expr->access, &at});
  const Location& here = expr->at.path.empty() ? at : expr->at;
  for (const Expr& operand : expr->operands) CollectReads(operand, here, reads);
}

/*! The last two of a tensor's dimensions on the device. */
std::vector<Index> TiledView(const Access& access, Form form = Form::kTiles) {
  std::vector<Index> view = DeviceView(access, form);
  view.erase(view.begin(), view.end() - 2);
  return view;
}

void CheckStart(const Access& access, const Index& index, const Location& at) {
  if (index.step != 1) {
    throw LoweringError(access.Str() + " takes steps of " + std::to_string(index.step) +
                            " along dimension " + index.dim.Name() + ", inside of tiles",
                        at, "steps are possible in all but the last two dimensions");
  }
  if (index.start % kTile) {
    throw LoweringError(
        access.Str() + " starts at element " + std::to_string(index.start) + ", inside of a tile",
        at,
        "in the last two dimensions, parts of tensors start at multiples of " +
            std::to_string(kTile));
  }
}

void CheckEnd(const Access& access, const Index& index, const Location& at) {
  const int64_t end = index.start + index.dim.Extent();
  if (index.ReachesEnd() || end % kTile == 0) return;
  throw LoweringError(
      access.Str() + " ends at element " + std::to_string(end) + " of " +
          std::to_string(index.extent) + ", inside of a tile",
      at, "parts of an output end at multiples of " + std::to_string(kTile) + ", or where it ends");
}

/*! Where rows are several dimensions, the inner one is whole tiles. */
void CheckRows(const Access& access, const Location& at) {
  if (access.order.size() < 2) return;
  const int64_t rows = (access.view.end() - 2)->extent;
  const std::vector<int64_t> shape = access.Shape();
  if (rows != *(shape.end() - 2) && rows % kTile) {
    throw LoweringError(access.Str() + " runs over rows in groups of " + std::to_string(rows), at,
                        "rows can be split and joined in multiples of " + std::to_string(kTile));
  }
}

/*! Where columns are several dimensions, the inner one is whole tiles. */
void CheckColumns(const Access& access, const Location& at) {
  if (!access.beside || access.view.back().extent % kTile == 0) return;
  throw LoweringError(
      access.Str() + " runs over columns in groups of " + std::to_string(access.view.back().extent),
      at, "columns can be split and joined in multiples of " + std::to_string(kTile));
}

}  // namespace

void CheckAligned(const Part& part, Form form) {
  if (part.output.beside && form != Form::kTiles) {
    throw LoweringError(
        "the last index of " + part.output.Str() + " runs over several dimensions of others",
        part.at,
        "where a reduction drops rows or columns of its tiles, give the result a dimension for "
        "each");
  }
  for (const Index& index : TiledView(part.output, form)) {
    CheckStart(part.output, index, part.at);
    CheckEnd(part.output, index, part.at);
  }
  std::vector<Read> reads;
  CollectReads(part.value, part.at, reads);
  for (const Read& read : reads) {
    for (const Index& index : TiledView(*read.access)) CheckStart(*read.access, index, *read.at);
    CheckRows(*read.access, *read.at);
    CheckColumns(*read.access, *read.at);
  }
  // Of a tile these have one row, whatever is before it.
  const bool has_rows = form != Form::kRow && form != Form::kPoint;
  if (has_rows) CheckRows(part.output, part.at);
  CheckColumns(part.output, part.at);
}

}  // namespace ttgen
