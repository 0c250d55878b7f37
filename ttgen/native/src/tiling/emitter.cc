#include "tiling/emitter.h"

#include <unordered_set>

#include "passes/device_shape.h"
#include "tiling/alignment.h"
#include "tiling/common_dims.h"
#include "tiling/dimensions.h"
#include "tiling/expressions.h"
#include "tiling/factors.h"
#include "tiling/marks.h"
#include "tiling/sharing.h"
#include "tiling/streaming.h"

namespace ttgen {
namespace {

/*! What the parts of an output have in common, and what they have become. */
struct Shared {
  const TensorFormats& formats;
  int64_t dst_tiles;
  int64_t stream_tiles;
  std::vector<VarRef> buffers;
  ConstTiles const_tiles;
  std::vector<StmtRef> loops;
  std::vector<VarRef> symbols;
  Value constants = Value::Dict();
};

/*! What the names of each part's sizes end with. */
std::vector<std::string> Suffixes(size_t parts) {
  if (parts == 1) return {""};
  std::vector<std::string> suffixes;
  for (size_t n = 1; n <= parts; ++n) suffixes.push_back("_" + std::to_string(n));
  return suffixes;
}

/*! The names that no new variable may have. */
std::unordered_set<std::string> Taken(const TensorFormats& formats,
                                      const std::vector<std::string>& suffixes) {
  std::unordered_set<std::string> taken;
  for (const auto& [name, format] : formats) taken.insert(name);
  for (const std::string& suffix : suffixes) {
    for (const char* size : {"Mt", "Nt", "Kt"}) taken.insert(size + suffix);
  }
  return taken;
}

/*! The stages that make a tile of `part`, whose dimensions are `all`: the last two make tiles. */
StmtRef TileOfPart(const Part& part, const std::vector<Dim>& all, const ExprRef& page,
                   Dimensions& dims, Shared& shared) {
  const VarRef& output = part.output.buffer;
  const Frame frame{all[all.size() - 2], all.back()};
  Stages stages(dims, BufferTypeOf(output), shared.formats, shared.buffers, shared.const_tiles);
  const auto [value, streams] = WithStreams(WithCommonDims(WithFactorsOutside(part.value)),
                                            DimSet(all.begin(), all.end()), shared.stream_tiles);
  Expressions expressions(dims, stages, frame, UsedAgain(value), shared.dst_tiles, streams);
  expressions.Finish(value, frame, output, page, part.at);
  return Sequence(stages.Parts());
}

void AddPart(const Part& part, Form form, Dimensions& dims, Shared& shared) {
  const std::vector<Index> view = DeviceView(part.output, form);
  std::vector<Dim> all;
  for (const Index& index : view) all.push_back(index.dim);
  const Frame frame{all[all.size() - 2], all.back()};
  // Mt and Nt are all of the output's rows and columns, of which the inner of several are not.
  const size_t beside = part.output.beside;
  const bool is_split = part.output.view.size() - beside > part.output.indices.size();
  dims.DeclareOutput({all.begin(), all.end() - 2}, frame,
                     is_split ? frame.rows.Name() + "_tiles" : "Mt",
                     beside ? frame.columns.Name() + "_tiles" : "Nt");
  StmtRef body = TileOfPart(part, all, dims.Page(view, beside), dims, shared);
  for (auto dim = all.rbegin(); dim != all.rend(); ++dim) {
    if (dims.Has(*dim)) body = dims.Loop(*dim, body, Parallel());
  }
  shared.loops.push_back(body);
  const std::vector<VarRef> symbols = dims.Symbols();
  shared.symbols.insert(shared.symbols.end(), symbols.begin(), symbols.end());
  for (const auto& [name, size] : dims.Constants()) shared.constants.Set(name, size);
}

}  // namespace

TileLoops MakeTileLoops(const Computation& computation, const TensorFormats& formats,
                        int64_t dst_tiles, int64_t stream_tiles) {
  const std::vector<Part>& parts = computation.parts;
  const Form form = OutputForm(computation);
  const std::vector<std::string> suffixes = Suffixes(parts.size());
  Names names(Taken(formats, suffixes));
  Shared shared{formats, dst_tiles, stream_tiles, {}, {}, {}, {}, Value::Dict()};
  for (size_t n = 0; n < parts.size(); ++n) {
    CheckAligned(parts[n], form);
    Dimensions dims(names, suffixes[n]);
    AddPart(parts[n], form, dims, shared);
  }
  std::vector<StmtRef> body;
  for (const VarRef& buffer : shared.buffers) body.push_back(MakeAlloc(buffer));
  body.insert(body.end(), shared.loops.begin(), shared.loops.end());
  TileLoops made{Sequence(body), std::move(shared.symbols), std::move(shared.constants), {}};
  for (auto& [pages, buffer] : shared.const_tiles) {
    made.const_tiles.emplace_back(NameOf(buffer), std::move(pages));
  }
  return made;
}

}  // namespace ttgen
