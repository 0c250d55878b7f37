#include "base/attrs.h"

#include <map>

#include "base/tables.h"
#include "base/text.h"

namespace ttgen::attrs {
namespace {

/*! Which pass sets an attribute. */
const std::map<std::string, std::string>& SetBy() {
  static const std::map<std::string, std::string> passes = {
      {kArch, "InferTTLayout"},
      {kLayoutDesc, "InferTTLayout"},
      {kRoles, "PropagateTTLayout"},
      {kPartition, "TTTilesToCoreMap"},
      {kWorkPartition, "TTTilesToCoreMap"},
      {kCoreRanges, "TTTilesToCoreMap"},
      {kConstants, "LowerTTTileIntrinsics"},
      {kConstTiles, "LowerTTTileIntrinsics"},
      {kComputeConfig, "LowerTTTileIntrinsics"},
      {kCbDesc, "GridToPersistentTT"},
  };
  return passes;
}

std::optional<Any> Find(const FuncRef& func, const std::string& key) {
  if (func->attrs == nullptr) return std::nullopt;
  const auto& attributes = func->attrs->dict_;
  auto found = attributes.find(String(key));
  if (found == attributes.end()) return std::nullopt;
  return (*found).second;
}

}  // namespace

AttrMap Of(const FuncRef& func) {
  if (func->attrs == nullptr) return {};
  return Any(func->attrs->dict_).cast<AttrMap>();
}

bool Has(const FuncRef& func, const std::string& key) { return Find(func, key).has_value(); }

bool AreKnown(const FuncRef& func) {
  for (const auto& entry : Of(func)) {
    std::string key = entry.first;
    bool is_unknown =
        StartsWith(key, "tt.") && !IsAttribute(key) && !StartsWith(key, kBufferPrefix);
    if (is_unknown || StartsWith(key, "tt_")) return false;
  }
  return true;
}

Value Optional(const FuncRef& func, const std::string& key) {
  auto found = Find(func, key);
  return found ? Value::Of(*found) : Value();
}

Value Require(const FuncRef& func, const std::string& key, const std::string& asked_by) {
  CheckPresent(func, key, asked_by);
  return Optional(func, key);
}

void CheckPresent(const FuncRef& func, const std::string& key, const std::string& asked_by) {
  if (Has(func, key)) return;
  throw LoweringError(asked_by + " needs the attribute '" + key + "'", KernelPlace(func),
                      "run " + SetBy().at(key) + " first");
}

bool IsSame(const Any& earlier, const Any& value) {
  auto one = earlier.as<const ffi::Object*>();
  auto other = value.as<const ffi::Object*>();
  if (one && other && *one == *other) return true;
  Value plain = Value::Of(value);
  bool is_plain = !plain.IsList() && !plain.IsDict();
  return is_plain && Value::Of(earlier) == plain;
}

Location KernelPlace(const FuncRef& func) {
  Value source = Optional(func, kSource);
  if (source.IsDict() && !source.Entries().empty()) {
    return {source["path"].Str(), static_cast<int>(source["line"].Int()),
            static_cast<int>(source["column"].Int())};
  }
  Value name = Optional(func, "global_symbol");
  Location unplaced{name.IsNone() ? "kernel" : name.Str()};
  for (const VarRef& param : Items<tir::Var>(func->params)) {
    if (param->span != nullptr) return LocationOf(param->span, unplaced);
  }
  return unplaced;
}

}  // namespace ttgen::attrs
