#include "tiling/dimensions.h"

#include <tvm/ffi/extra/structural_mutate.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "base/text.h"
#include "passes/device_shape.h"
#include "tiling/marks.h"

namespace ttgen {
namespace {

bool IsWordCharacter(char c) {
  return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '_';
}

/*! `wish` with an underscore for each character, of however many bytes, that no name has. */
std::string AsIdentifier(const std::string& wish) {
  std::string name;
  for (const char c : wish) {
    const bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    if (!continues) name += IsWordCharacter(c) ? c : '_';
  }
  return name;
}

ExprRef Sum(const ExprRef& a, const ExprRef& b) {
  if (IsInt(a, 0)) return b;
  return IsInt(b, 0) ? a : Plus(a, b);
}

ForRef SerialLoop(const VarRef& var, const ExprRef& extent, const StmtRef& body,
                  const AttrMap& annotations) {
  return To<tir::For>(Any(MakeFor(var, Int(0), extent, body, nullptr, annotations)));
}

}  // namespace

std::string Names::Fresh(const std::string& wish) {
  const std::string base = AsIdentifier(wish);
  std::string name = base;
  for (int number = 2; !taken_.insert(name).second; ++number) {
    name = base + "_" + std::to_string(number);
  }
  return name;
}

Frame Frame::Narrowed(const Expr& expr) const {
  const auto used = [&](const Dim& dim) { return DependsOn(expr, dim) ? dim : kOne; };
  return {used(rows), used(columns)};
}

std::string Frame::BroadcastOf(const Frame& inner) const {
  const bool other_rows = inner.rows != rows, other_columns = inner.columns != columns;
  if (other_rows && other_columns) return "SCALAR";
  if (other_rows) return "ROW";
  return other_columns ? "COL" : "";
}

// What is declared --------------------------------------------------------------------------------

const Dimensions::Declared* Dimensions::Find(const Dim& dim) const {
  const auto found = std::find_if(declared_.begin(), declared_.end(),
                                  [&](const Declared& one) { return one.dim == dim; });
  return found == declared_.end() ? nullptr : &*found;
}

const Dimensions::Declared& Dimensions::At(const Dim& dim) const {
  const Declared* found = Find(dim);
  TVM_FFI_ICHECK(found) << "no loop runs over " << dim.Name();
  return *found;
}

template <class Visit>
void Dimensions::EachSize(const Visit& visit) const {
  for (const Declared& one : declared_) visit(one.extent);
  for (const ChunkSizes& sizes : chunk_sizes_) {
    visit(sizes.tiles);
    visit(sizes.count);
  }
}

std::vector<VarRef> Dimensions::Symbols() const {
  std::vector<VarRef> symbols;
  EachSize([&](const Size& size) { symbols.push_back(size.var); });
  return symbols;
}

std::vector<std::pair<std::string, int64_t>> Dimensions::Constants() const {
  std::vector<std::pair<std::string, int64_t>> constants;
  EachSize([&](const Size& size) { constants.emplace_back(NameOf(size.var), size.value); });
  return constants;
}

void Dimensions::DeclareOutput(const std::vector<Dim>& batch, const Frame& frame,
                               const std::string& rows, const std::string& columns) {
  for (const Dim& dim : batch) {
    Declare(dim, names.Fresh(dim.Name() + "_extent"), dim.Extent(), dim.Name());
  }
  for (const auto& [dim, extent] : {std::pair(frame.rows, rows), {frame.columns, columns}}) {
    Declare(dim, extent + suffix_, TilesAlong(dim.Extent()), dim.Name() + "_tile");
  }
  tiled = {frame.rows, frame.columns};
}

void Dimensions::DeclareReduced(const Expr& reduce, const DimSet& in_tiles) {
  for (const Dim& dim : reduce->dims) {
    const bool makes_tiles = in_tiles.count(dim) > 0;
    if (makes_tiles) tiled.insert(dim);
    if (Has(dim)) continue;
    if (!makes_tiles) {
      Declare(dim, names.Fresh(dim.Name() + "_extent"), dim.Extent(), dim.Name());
      continue;
    }
    const std::string wish = "Kt" + suffix_;
    const bool is_taken = std::any_of(declared_.begin(), declared_.end(), [&](const Declared& one) {
      return NameOf(one.extent.var) == wish;
    });
    Declare(dim, is_taken ? names.Fresh(wish) : wish, TilesAlong(dim.Extent()),
            dim.Name() + "_tile");
  }
}

/*! Gives a dimension its loop variable and the parameter that holds its extent. */
void Dimensions::Declare(const Dim& dim, const std::string& extent_name, int64_t extent,
                         const std::string& variable) {
  if (dim.axes.empty() || Has(dim)) return;
  declared_.push_back({dim, MakeVar(names.Fresh(variable)), {MakeVar(extent_name), extent}});
}

// Loops -------------------------------------------------------------------------------------------

ForRef Dimensions::Loop(const Dim& dim, const StmtRef& body, const AttrMap& annotations) const {
  return SerialLoop(At(dim).var, Trips(dim), body, annotations);
}

ForRef Dimensions::WithOwnVariable(const ForRef& loop, const Dim& dim) {
  const VarRef& old = At(dim).var;
  const VarRef var = MakeVar(names.Fresh(NameOf(old)));
  const auto exchange = [&](ffi::Arc<tir::Var> seen) -> ffi::Expected<Any> {
    return seen.get() == old.get() ? Any(var) : Any(seen);
  };
  const StmtRef body =
      To<tir::Stmt>(ffi::StructuralMap<ffi::WalkOrder::kPostOrder>(Any(loop->body), exchange));
  return SerialLoop(var, Trips(dim), body, Any(loop->annotations).cast<AttrMap>());
}

Dimensions::ChunkLoop Dimensions::InChunks(const Dim& dim, int64_t tiles) {
  const ChunkSizes& sizes = SizesOf(dim, tiles);
  const Chunks chunks{MakeVar(names.Fresh(dim.Name() + "_chunk")), sizes};
  return {chunks, {&chunks_, chunks}};
}

ForRef Dimensions::ChunkLoop::Around(const StmtRef& body) const {
  return SerialLoop(chunks.at, chunks.sizes.count.var, body, StreamMark());
}

const Dimensions::ChunkSizes& Dimensions::SizesOf(const Dim& dim, int64_t tiles) {
  for (const ChunkSizes& sizes : chunk_sizes_) {
    if (sizes.dim == dim && sizes.tiles.value == tiles) return sizes;
  }
  const VarRef size = MakeVar(names.Fresh(dim.Name() + "_chunk_tiles"));
  const VarRef count = MakeVar(names.Fresh(dim.Name() + "_chunks"));
  chunk_sizes_.push_back({dim, {size, tiles}, {count, CeilDiv(At(dim).extent.value, tiles)}});
  return chunk_sizes_.back();
}

const Dimensions::Chunks* Dimensions::ChunksOf(const Dim& dim) const {
  return chunks_ && chunks_->sizes.dim == dim ? &*chunks_ : nullptr;
}

bool Dimensions::IsUneven(const Dim& dim) const {
  return At(dim).extent.value % MostTrips(dim).value > 0;
}

/*! How many iterations loops over `dim` have, at most. */
const Dimensions::Size& Dimensions::MostTrips(const Dim& dim) const {
  const Chunks* chunks = ChunksOf(dim);
  return chunks ? chunks->sizes.tiles : At(dim).extent;
}

/*! How many iterations they have now. */
ExprRef Dimensions::Trips(const Dim& dim) const {
  const VarRef& most = MostTrips(dim).var;
  if (!IsUneven(dim)) return most;
  return Minimum(most, Minus(At(dim).extent.var, Times(ChunksOf(dim)->at, most)));
}

/*! The number of the current iteration over all of `dim`. */
ExprRef Dimensions::Place(const Dim& dim) const {
  const VarRef& var = At(dim).var;
  const Chunks* chunks = ChunksOf(dim);
  if (!chunks) return var;
  return Plus(Times(chunks->at, chunks->sizes.tiles.var), var);
}

// Pages -------------------------------------------------------------------------------------------

ExprRef Dimensions::Page(std::vector<Index> view, size_t beside) const {
  const size_t columns = view.size() - 1, rows = columns - 1 - beside;
  // As they lie: the rows come before what stands beside.
  std::rotate(view.end() - 2 - static_cast<std::ptrdiff_t>(beside), view.end() - 2, view.end() - 1);
  ExprRef page = Int(0);
  for (size_t position = 0; position < view.size(); ++position) {
    const Index& index = view[position];
    const bool in_tiles = position == rows || position == columns;
    const int64_t size = in_tiles ? TilesAlong(index.extent) : index.extent;
    if (size == 1) continue;
    if (!IsInt(page, 0)) page = Times(page, SizeOrName(index.dim, size));
    page = Sum(page, Along(index, in_tiles ? FloorDiv(index.start, kTile) : index.start));
  }
  return page;
}

/*! `size`, by its name if the loop over `dim` has as many iterations. */
ExprRef Dimensions::SizeOrName(const Dim& dim, int64_t size) const {
  const Declared* found = Find(dim);
  return found && found->extent.value == size ? ExprRef(found->extent.var) : Int(size);
}

/*! Where `index` is now, in tiles or elements as `start`, which is where it begins. */
ExprRef Dimensions::Along(const Index& index, int64_t start) const {
  if (index.dim.axes.empty()) return Int(start);
  const ExprRef place = Place(index.dim);
  const int64_t step = std::abs(index.step);
  const ExprRef way = step == 1 ? place : Times(place, Int(step));
  return index.step < 0 ? Minus(Int(start), way) : Sum(way, Int(start));
}

ExprRef Dimensions::Number(const std::vector<Dim>& dims) const {
  ExprRef number = Int(0);
  for (const Dim& dim : dims) {
    const VarRef& var = At(dim).var;
    number = IsInt(number, 0) ? ExprRef(var) : Plus(Times(number, MostTrips(dim).var), var);
  }
  return number;
}

std::pair<int64_t, ExprRef> Dimensions::LastPage(const Dim& dim) const {
  const Size& tiles = At(dim).extent;
  if (tiles.value == 1) return {1, Int(0)};
  return {2, FloorDivide(Place(dim), Minus(tiles.var, Int(1)))};
}

std::pair<std::vector<int64_t>, ExprRef> Dimensions::AcrossDiagonal(const Frame& frame,
                                                                    int64_t offset) const {
  const int64_t whole = FloorDiv(offset, kTile), part = FloorMod(offset, kTile);
  // A tile's own diagonal is 32 * (its row of tiles - its column + whole) + part.
  const int64_t first = whole - At(frame.columns).extent.value + 1;
  const int64_t last = whole + At(frame.rows).extent.value - 1;
  const int64_t lowest = std::max<int64_t>(first, part ? -2 : -1);
  const int64_t highest = std::min<int64_t>(last, 1);
  std::vector<int64_t> diagonals;
  for (int64_t number = lowest; number <= highest; ++number) {
    diagonals.push_back(kTile * number + part);
  }
  // No step of this is negative: the device computes with unsigned integers.
  const ExprRef down = Sum(Place(frame.rows), Int(std::max<int64_t>(whole - lowest, 0)));
  const ExprRef along = Sum(Place(frame.columns), Int(std::max<int64_t>(lowest - whole, 0)));
  const ExprRef page = Minus(first >= lowest ? down : Maximum(down, along), along);
  return {diagonals, last <= highest ? page : Minimum(page, Int(highest - lowest))};
}

}  // namespace ttgen
