#include "passes/old_form.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "plan/shards.h"

namespace ttgen {
namespace {

bool IsOldKey(const std::string& key) {
  return key == "shard" || key == "interleave" || key == "stride" || key == "tile_id_order";
}

/*! What memories are called, there and here. */
const std::vector<std::pair<std::string, std::string>>& Memories() {
  static const std::vector<std::pair<std::string, std::string>> names = {
      {"DRAM", "DRAM"}, {"DDR", "DRAM"}, {"L1", "L1"}, {"SRAM", "L1"}};
  return names;
}

std::string MemoryOf(const Value& value) {
  for (const auto& [old, name] : Memories()) {
    if (value == Value(old)) return name;
  }
  const auto name_of = [](const auto& entry) { return entry.first; };
  throw LoweringError("shard is " + value.Repr() +
                      "; it is one of: " + JoinMap(Memories(), ", ", name_of));
}

/*! Set `key` to what `old_key` means; LoweringError where it is something else already. */
void Set(Value* found, const std::string& key, const Value& value, const std::string& old_key) {
  if (!found->Has(key)) found->Set(key, value);
  if ((*found)[key] != value) {
    throw LoweringError(old_key + " means " + key + ": " + value.Str() + ", and " + key + " is " +
                        (*found)[key].Str());
  }
}

void SetLayout(Value* found, const Value& interleave) {
  if (!interleave.IsBool()) {
    throw LoweringError("interleave is " + interleave.Repr() + "; it is True or False");
  }
  const Value* memory = found->Find("memory");
  if (!interleave.Bool() && (!memory || *memory == Value("DRAM"))) {
    throw LoweringError("interleave is False: a tensor in DRAM is interleaved", std::nullopt,
                        "leave it out, or say shard: L1 with nd_shard");
  }
  Set(found, "layout", interleave.Bool() ? "interleaved" : "sharded", "interleave");
}

void CheckStrides(const Value& strides, const std::vector<int64_t>& shape) {
  std::vector<int64_t> dense(shape.size(), 1);
  for (size_t axis = shape.size(); axis-- > 1;) dense[axis - 1] = dense[axis] * shape[axis];
  if (strides == Value(dense)) return;
  throw LoweringError("stride is " + strides.Repr() + "; a dense tensor of " + ListText(shape) +
                          " has " + ListText(dense),
                      std::nullopt, "tensors are dense and row-major");
}

/*! Pages of an interleaved tensor are numbered row by row; those of shards follow the shards. */
void ApplyOrder(Value* found, const Value& order) {
  const Value* layout = found->Find("layout");
  const bool is_sharded = (layout && *layout == Value("sharded")) || found->Has("nd_shard");
  if (order == Value(is_sharded ? "match_shard" : "row_major")) return;
  const std::vector<std::string>& known = CoreOrders();
  const bool is_known = order.IsText() && std::count(known.begin(), known.end(), order.Text());
  if (is_sharded && is_known) {
    Value shards = found->Has("nd_shard") ? (*found)["nd_shard"] : Value(Value::Dict());
    Set(&shards, "order", order, "tile_id_order");
    found->Set("nd_shard", shards);
    return;
  }
  throw LoweringError("tile_id_order is " + order.Repr() + ", which " +
                      (is_sharded ? "sharded" : "interleaved") + " tensors cannot have");
}

}  // namespace

Value FromOldForm(const Value& old, const std::vector<int64_t>& shape) {
  Value found = Value::Dict();
  for (const auto& [key, value] : old.Entries()) {
    if (!IsOldKey(key)) found.Set(key, value);
  }
  if (const Value* shard = old.Find("shard")) Set(&found, "memory", MemoryOf(*shard), "shard");
  if (const Value* interleave = old.Find("interleave")) SetLayout(&found, *interleave);
  if (const Value* strides = old.Find("stride")) CheckStrides(*strides, shape);
  if (const Value* order = old.Find("tile_id_order")) ApplyOrder(&found, *order);
  return found;
}

}  // namespace ttgen
