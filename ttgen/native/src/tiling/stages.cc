#include "tiling/stages.h"

#include <algorithm>

#include "base/text.h"
#include "passes/device_shape.h"

namespace ttgen {
namespace {

/*! A page of a triangle; of one number where the diagonal is beside the tile. */
ConstantPage Triangular(int64_t diagonal, double inside, double outside) {
  ConstantPage page;
  if (diagonal <= -kTile) {
    page.value = outside;
    return page;
  }
  page.value = inside;
  page.beyond = outside;
  if (diagonal < kTile - 1) page.diagonal = diagonal;
  return page;
}

/*! `value` as a part of a name. */
std::string NameOfNumber(double value) {
  std::string name;
  for (const char c : General(value)) {
    if (c == '-') {
      name += "minus_";
    } else {
      name += c == '.' || c == '+' ? '_' : c;
    }
  }
  return name;
}

std::string KindOfMask(const Node& mask) {
  if (mask.value == 1.0 && mask.outside == 0.0) return "mask";
  return mask.value == 0.0 && mask.outside == 1.0 ? "beyond" : "lowest";
}

}  // namespace

const Format& WorkingFormat(const TensorFormats& formats) {
  std::vector<std::string> names;
  for (const auto& [tensor, format] : formats) names.push_back(format);
  return WorkingFormat(names);
}

StmtRef Sequence(const std::vector<StmtRef>& body) {
  return body.size() == 1 ? body.front() : MakeSeq(body);
}

Stages::Stages(Dimensions& dims, const tir::BufferType* output, const TensorFormats& formats,
               std::vector<VarRef>& buffers, ConstTiles& const_tiles)
    : dims_(dims),
      output_(output),
      formats_(formats),
      working_(WorkingFormat(formats)),
      buffers_(buffers),
      const_tiles_(const_tiles) {}

const Format& Stages::FormatOf(const Tile& tile) const {
  const std::string name = NameOf(tile.buffer);
  const auto found = std::find_if(formats_.begin(), formats_.end(),
                                  [&](const auto& tensor) { return tensor.first == name; });
  return found == formats_.end() ? working_ : *FindFormat(found->second);
}

std::vector<Dim> Stages::MovingWith(const DimSet& dims) const {
  std::vector<Dim> found;
  for (const Dim& loop : loops) {
    if (dims.count(loop)) found.push_back(loop);
  }
  std::stable_partition(found.begin(), found.end(),
                        [&](const Dim& dim) { return !dims_.IsUneven(dim); });
  return found;
}

void Stages::Add(std::vector<StmtRef> operations, const VarRef& target, const ExprRef& page,
                 const Location& at) {
  operations.push_back(InsertIntrinsicCall("pack", {Int(0), target, page}, SpanOf(at)));
  if (loops.empty()) {
    parts_->insert(parts_->end(), operations.begin(), operations.end());
    return;
  }
  StmtRef body = Sequence(operations);
  for (auto dim = loops.rbegin(); dim != loops.rend(); ++dim) {
    // The loop that reads these tiles has the same extent, but a variable of its own.
    body = dims_.WithOwnVariable(dims_.Loop(*dim, body, MapMark()), *dim);
  }
  parts_->push_back(body);
}

VarRef Stages::Constant(const std::vector<double>& values) {
  double sum = 0;
  std::vector<ConstantPage> pages;
  for (const double value : values) {
    sum += value;
    pages.push_back({value});
  }
  return ConstantBuffer("const_" + NameOfNumber(sum), std::move(pages));
}

Tile Stages::MaskTile(const Expr& mask, const Frame& frame) {
  const Dim& dim = mask->dims.front();
  auto [count, page] = dims_.LastPage(dim);
  std::vector<ConstantPage> pages(count, {mask->value});
  ConstantPage& last = pages.back();
  last.beyond = mask->outside;
  (dim == frame.rows ? last.rows : last.columns) = FloorMod(dim.Extent(), kTile);
  const std::string wish = KindOfMask(*mask) + "_" + dim.Name();
  return {ConstantBuffer(wish, std::move(pages)), page, frame};
}

Tile Stages::TriangleTile(const Expr& triangle, const Frame& frame) {
  const Dim &over = triangle->dims[0], &under = triangle->dims[1];
  int64_t offset = triangle->difference.offset;
  double inside = 1.0, outside = 0.0;
  if (over == frame.columns && under == frame.rows) {
    // Not in the triangle of columns that come before rows, which begins one further on.
    std::swap(inside, outside);
    offset = -offset - 1;
  } else if (over != frame.rows || under != frame.columns) {
    throw LoweringError(
        "the condition '" + triangle->Str() + "' does not line up with tiles over " +
            frame.rows.Name() + " and " + frame.columns.Name(),
        triangle->at, "conditions compare the indices of the two dimensions that make tiles");
  }
  auto [diagonals, page] = dims_.AcrossDiagonal(frame, offset);
  std::vector<ConstantPage> pages;
  for (const int64_t diagonal : diagonals) pages.push_back(Triangular(diagonal, inside, outside));
  const std::string wish = over.Name() + "_from_" + under.Name();
  return {ConstantBuffer(wish, std::move(pages)), page, frame};
}

/*! The buffer that holds `pages`, made if there is none. */
VarRef Stages::ConstantBuffer(const std::string& wish, std::vector<ConstantPage> pages) {
  const auto found = std::find_if(const_tiles_.begin(), const_tiles_.end(),
                                  [&](const auto& one) { return one.first == pages; });
  if (found != const_tiles_.end()) return found->second;
  VarRef buffer = NewBuffer(wish, kConstant);
  const_tiles_.emplace_back(std::move(pages), buffer);
  return buffer;
}

VarRef Stages::NewBuffer(const std::string& wish, const std::string& scope) {
  // Functions with blocks print buffers without a layout, others with the default one.
  const bool has_layout = output_->layout != nullptr;
  const std::string name = dims_.names.Fresh(wish);
  buffers_.push_back(MakeBuffer({kTile, kTile}, output_->dtype, name, scope, has_layout));
  return buffers_.back();
}

}  // namespace ttgen
