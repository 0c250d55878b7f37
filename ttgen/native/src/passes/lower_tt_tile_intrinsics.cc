// LowerTTTileIntrinsics: from loops over elements to loops over tiles with `tt.*` operations
// (ttgen/passes/lower_tt_tile_intrinsics.py).
#include <algorithm>
#include <string>
#include <vector>

#include "analysis/computation.h"
#include "base/attrs.h"
#include "base/tables.h"
#include "passes/pass.h"
#include "tiling/emitter.h"

namespace ttgen {
namespace {

constexpr char kLower[] = "tir.tenstorrent.LowerTTTileIntrinsics";

/*! The first operation of the vector unit that needs float32 in DST, nullptr if none does. */
Expr FirstWide(const Computation& computation) {
  for (const Part& part : computation.parts) {
    for (const Expr& vector : PartsOf(part.value, Kind::kVector)) {
      if (VectorRow(vector->op).needs_fp32) return vector;
    }
  }
  return nullptr;
}

bool HasSums(const Computation& computation) {
  const std::vector<Expr> found = computation.Reductions();
  return std::any_of(found.begin(), found.end(), [](const Expr& one) { return one->op == "add"; });
}

/*!
 * Whether DST holds float32: as `asked`, if that is not None. LoweringError where it does not, and
 * an operation needs it.
 */
bool HoldsFp32(const Value& asked, const Computation& computation, const Architecture& arch,
               const Format& working, const Location& at) {
  const Expr wide = FirstWide(computation);
  bool fp32 = false;
  std::string hint = "leave fp32_dest_acc: false out";
  if (asked.IsNone()) {
    fp32 = HasSums(computation) ? arch.fp32_sums : working.is_wide || wide;
    hint = arch.name +
           " adds up in bf16: add up in a kernel of its own, or weigh fp32_dest_acc: true "
           "(docs/hardware-notes.md)";
  } else {
    fp32 = asked.Bool();
  }
  if (wide && !fp32) {
    throw LoweringError("'" + wide->op + "' needs DST to hold float32",
                        wide->at.path.empty() ? at : wide->at, hint);
  }
  return fp32;
}

TensorFormats FormatsOf(const Value& layouts) {
  TensorFormats formats;
  for (const auto& [name, layout] : layouts.Entries()) {
    formats.emplace_back(name, layout["dtype"].Text());
  }
  return formats;
}

bool HasIntegers(const TensorFormats& formats) {
  return std::any_of(formats.begin(), formats.end(), [](const auto& tensor) {
    return FindFormat(tensor.second)->kind == "integer";
  });
}

Value PagesOf(const TileLoops& loops) {
  Value buffers = Value::Dict();
  for (const auto& [name, pages] : loops.const_tiles) {
    Value::List listed;
    for (const ConstantPage& page : pages) listed.push_back(page.AsAttribute());
    buffers.Set(name, std::move(listed));
  }
  return buffers;
}

}  // namespace

FuncRef LowerTTTileIntrinsics(const FuncRef& func, const Options& options) {
  attrs::CheckPresent(func, attrs::kPartition, kLower);
  const int64_t stream_tiles = options["stream_tiles"].Int();
  if (stream_tiles < 1) throw LoweringError("stream_tiles is at least 1");
  const ComputationRef computation = Meaning(func);
  const Architecture& arch = ArchitectureOf(attrs::Require(func, attrs::kArch, kLower).Text());
  const TensorFormats formats = FormatsOf(attrs::Require(func, attrs::kLayoutDesc, kLower));
  const Location at = attrs::KernelPlace(func);
  const bool fp32 =
      HoldsFp32(options["fp32_dest_acc"], *computation, arch, WorkingFormat(formats), at);
  if (!fp32 && HasIntegers(formats)) {
    throw LoweringError("int32 needs DST to hold 32 bits", at, "leave fp32_dest_acc: false out");
  }
  const Value& dst_full_sync = options["dst_full_sync"];
  const TileLoops loops =
      MakeTileLoops(*computation, formats, arch.DstTiles(fp32, dst_full_sync.Bool()), stream_tiles);
  std::vector<VarRef> params = Items<tir::Var>(func->params);
  params.insert(params.end(), loops.symbols.begin(), loops.symbols.end());
  const Value config = Value::Dict{{"fidelity", options["fidelity"]},
                                   {"fp32_dest_acc", fp32},
                                   {"math_approx", options["math_approx"]},
                                   {"dst_full_sync", dst_full_sync}};
  return WithAttrs(MakeFunc(params, loops.body, func),
                   {{attrs::kConstants, loops.constants.ToAny()},
                    {attrs::kConstTiles, PagesOf(loops).ToAny()},
                    {attrs::kComputeConfig, config.ToAny()}});
}

}  // namespace ttgen
