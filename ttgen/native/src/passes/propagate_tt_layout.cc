// PropagateTTLayout: roles by dataflow, and the shapes that tensors have on the device
// (ttgen/passes/propagate_tt_layout.py).
#include <limits>
#include <string>
#include <vector>

#include "analysis/computation.h"
#include "base/attrs.h"
#include "base/text.h"
#include "base/utilities.h"
#include "passes/device_shape.h"
#include "passes/infer_tt_layout.h"
#include "passes/layouts.h"
#include "passes/pass.h"
#include "tiling/emitter.h"

namespace ttgen {
namespace {

constexpr char kPropagate[] = "tir.tenstorrent.PropagateTTLayout";
/*! Nothing is streamed: what lines up does so in whole rows as in chunks of them. */
constexpr int64_t kWholeRows = std::numeric_limits<int64_t>::max();

/*! What a tensor's dimensions are where each stays in its place. */
std::vector<int64_t> Plain(size_t count) {
  std::vector<int64_t> order;
  for (size_t position = 0; position < count; ++position) order.push_back(position);
  return order;
}

/*! The orders that layouts say. */
Orders SaidOrders(const Value& layouts) {
  Orders said;
  for (const auto& [name, desc] : layouts.Entries()) {
    if (const Value* order = desc.Find("order")) said[name] = order->Ints();
  }
  return said;
}

/*! Whether the kernel has tile loops. */
bool Lowers(const Computation& computation, const Value& layouts, const Architecture& arch) {
  TensorFormats formats;
  for (const auto& [name, desc] : layouts.Entries()) {
    formats.emplace_back(name, desc["dtype"].Text());
  }
  try {
    MakeTileLoops(computation, formats, arch.DstTiles(true, false), kWholeRows);
  } catch (const LoweringError&) {
    return false;
  }
  return true;
}

/*! What `func` computes where every tensor without an order keeps its own; nullptr if nothing. */
ComputationRef InOwnOrder(const FuncRef& func, const Orders& found, const Orders& said) {
  Orders own = said;
  for (const auto& [name, order] : found) own.emplace(name, Plain(order.size()));
  try {
    return Analyse(func, attrs::KernelPlace(func), own);
  } catch (const LoweringError&) {
    return nullptr;
  }
}

/*! What `func` computes: in its tensors' own order where that lowers, else as deduced. */
ComputationRef Settled(const FuncRef& func, const Value& layouts, const Architecture& arch) {
  ComputationRef found = Meaning(func);
  const Orders said = SaidOrders(layouts);
  if (found->orders == said) return found;
  ComputationRef plain = InOwnOrder(func, found->orders, said);
  return plain && Lowers(*plain, layouts, arch) ? plain : found;
}

/*! Work out a tensor's shapes on the device. */
void SetShapes(Value& desc, Form form) {
  const std::vector<int64_t> shape = desc["shape"].Ints();
  const Value* said = desc.Find("order");
  const std::vector<int64_t> plain = Plain(shape.size());
  const std::vector<int64_t> order = said ? said->Ints() : plain;
  if (order != plain && form != Form::kTiles) {
    throw LoweringError(
        "order is " + ListText(order) + ", and the output is made of " + FormText(form),
        std::nullopt, "only tensors that are whole tiles can lie in another order than their own");
  }
  std::vector<int64_t> ordered;
  for (int64_t position : order) ordered.push_back(shape.at(position));
  const std::vector<int64_t> device_shape = DeviceShape(ordered, form);
  desc.Set("device_shape", device_shape);
  desc.Set("padded_shape", Padded(device_shape));
}

/*! Complete a tensor's shards, and count what it takes of L1. */
void SetPlace(Value& desc, const Architecture& arch) {
  const std::vector<int64_t> sides = desc["tile_shape"].Ints();
  const Grid tile = {sides.at(0), sides.at(1)};
  const std::vector<int64_t> padded = desc["padded_shape"].Ints();
  const Value* shards = desc.Find("nd_shard");
  if (shards && !shards->IsNone()) {
    desc.Set("nd_shard", ShardValue(Shard(*shards, padded, tile, arch.grid)));
  }
  const Format* format = FindFormat(desc["dtype"].Text());
  int64_t pages = Product(padded) / Product(tile), page_bytes = format->tile_bytes;
  if (desc["page"] == "row") {
    const Grid rows = Matrix(desc["device_shape"].Ints());
    pages = rows.first;
    page_bytes = rows.second * format->value_bytes;
  }
  desc.Set("pages", pages);
  desc.Set("page_bytes", page_bytes);
  desc.Set("l1_bytes", L1Bytes(Planned(desc), pages, page_bytes, arch.grid));
}

}  // namespace

FuncRef PropagateTTLayout(const FuncRef& func, const Options&) {
  const Value inferred = attrs::Require(func, attrs::kLayoutDesc, kPropagate);
  const Architecture& arch = ArchitectureOf(attrs::Require(func, attrs::kArch, kPropagate).Text());
  const ComputationRef computation = Settled(func, inferred, arch);
  const VarRef& output = computation->Output();
  const Form form = OutputForm(*computation);
  const Location kernel = attrs::KernelPlace(func);
  Value layouts = Value::Dict(), roles = Value::Dict();
  for (const VarRef& param : Items<tir::Var>(func->params)) {
    const std::string name = NameOf(param);
    Value desc = inferred[name];
    roles.Set(name, param == output ? "output" : "input");
    auto order = computation->orders.find(name);
    if (order != computation->orders.end()) desc.Set("order", order->second);
    WithLayoutErrors(name, LocationOf(param->span, kernel), [&] {
      SetShapes(desc, param == output ? form : Form::kTiles);
      SetPlace(desc, arch);
    });
    layouts.Set(name, std::move(desc));
  }
  ValidateL1Capacity(func, layouts, arch);
  return WithAttrs(func, {{attrs::kRoles, roles.ToAny()}, {attrs::kLayoutDesc, layouts.ToAny()}});
}

}  // namespace ttgen
