#include "passes/infer_tt_layout.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>
#include <vector>

#include "analysis/reading.h"
#include "base/attrs.h"
#include "base/collections.h"
#include "base/text.h"
#include "passes/layouts.h"
#include "passes/old_form.h"
#include "passes/pass.h"

namespace ttgen {
namespace {

/*! What each key of a layout may be. Adding a value here needs its lowering and a template. */
const std::vector<std::pair<std::string, Value::List>>& Supported() {
  static const std::vector<std::pair<std::string, Value::List>> values = {
      {"memory", {"DRAM", "L1"}},
      {"layout", {"interleaved", "sharded"}},
      {"tile_shape", {Value(Value::List{kTile, kTile})}},
      {"dtype", {"bf16", "fp32", "bfp8_b", "int32"}},
      {"page", {"tile", "row"}},
  };
  return values;
}

LoweringError NoMapping(const FuncRef& func, const std::string& what, const Value& value) {
  return LoweringError(what + " is " + value.Repr() + "; it maps keys of a layout to values",
                       attrs::KernelPlace(func), "for example {\"memory\": \"DRAM\"}");
}

/*! The annotation `key`, empty where there is none; LoweringError if it is no mapping. */
Value Mapping(const FuncRef& func, const std::string& key) {
  Value value = attrs::Optional(func, key);
  if (value.IsNone()) return Value::Dict();
  if (!value.IsDict()) throw NoMapping(func, key, value);
  return value;
}

/*! Whether C++ and the plan can hold `name`. */
bool IsIdentifier(const std::string& name) {
  const auto is_fine = [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) || letter == '_';
  };
  return !name.empty() && !std::isdigit(static_cast<unsigned char>(name.front())) &&
         std::all_of(name.begin(), name.end(), is_fine);
}

void CheckDense(const VarRef& buffer, const Location& at) {
  const tir::BufferType* type = BufferTypeOf(buffer);
  const std::string scope = type->storage_scope;
  const std::pair<bool, std::string> faults[] = {
      {!type->strides.empty(), "strides"},
      {IntValue(type->elem_offset).value_or(0) != 0, "an element offset"},
      {!scope.empty() && scope != "global", "the scope '" + scope + "'"},
  };
  for (const auto& [is_so, what] : faults) {
    if (is_so) {
      throw LoweringError(NameOf(buffer) + " has " + what, at,
                          "tensors are dense and in global memory");
    }
  }
}

/*! LoweringError at a name that is used twice or means nothing in C++, and at sparse tensors. */
void CheckBuffers(const std::vector<VarRef>& buffers, const Location& kernel) {
  std::set<std::string> seen;
  for (const VarRef& buffer : buffers) {
    const std::string name = NameOf(buffer);
    const Location at = LocationOf(buffer->span, kernel);
    if (!IsIdentifier(name)) {
      throw LoweringError(
          "a tensor cannot be called '" + name + "': use ASCII letters, digits and '_'", at);
    }
    if (!seen.insert(name).second) {
      throw LoweringError("two tensors are called '" + name + "'", at,
                          "give each a name of its own");
    }
    CheckDense(buffer, at);
  }
}

/*! LoweringError at a layout of what is none of the tensors. */
void CheckNames(const FuncRef& func, const std::vector<std::string>& known, const Value& layouts) {
  std::vector<std::string> named;
  for (const auto& entry : attrs::Of(func)) {
    const std::string key = entry.first;
    if (StartsWith(key, attrs::kBufferPrefix)) {
      named.push_back(RemovePrefix(key, attrs::kBufferPrefix));
    }
  }
  const Value user = Mapping(func, attrs::kUserLayout);
  for (const Value* given : {&user, &layouts}) {
    for (const auto& entry : given->Entries()) named.push_back(entry.first);
  }
  for (const std::string& name : named) {
    if (Contains(known, name)) continue;
    const std::string near = NearestWord(name, known);
    throw LoweringError(
        "a layout is given for '" + name + "', but the tensors are " + Join(known, ", "),
        attrs::KernelPlace(func),
        near.empty() ? std::nullopt : std::make_optional("did you mean '" + near + "'?"));
  }
}

/*! What annotations and the spec's `layouts` say of a tensor, those that win last. */
std::vector<Value> AskedLayouts(const FuncRef& func, const std::string& name,
                                const Value& layouts) {
  std::vector<Value> asked = {Mapping(func, attrs::kBufferPrefix + name)};
  const Value user = Mapping(func, attrs::kUserLayout);
  if (const Value* own = user.Find(name)) {
    if (!own->IsDict()) {
      throw NoMapping(func, std::string(attrs::kUserLayout) + " of " + name, *own);
    }
    asked.push_back(*own);
  }
  if (const Value* own = layouts.Find(name)) asked.push_back(*own);
  return asked;
}

std::string DefaultFormat(const VarRef& buffer, const Location& at) {
  const std::string dtype = DtypeName(buffer->ty);
  if (const Format* format = FormatOfDtype(dtype)) return format->name;
  std::vector<std::string> known;
  for (const Format& format : Formats()) {
    if (!format.source_dtype.empty()) known.push_back(format.source_dtype);
  }
  throw LoweringError(NameOf(buffer) + " is " + dtype + "; the device has " + Join(known, ", "),
                      at);
}

/*! LoweringError at what there is no lowering for. */
void Check(const Value& layout, const VarRef& buffer, const Location& at) {
  const std::string whose = "layout of " + NameOf(buffer) + ": ";
  for (const auto& [key, supported] : Supported()) {
    const Value& value = layout[key];
    if (std::find(supported.begin(), supported.end(), value) == supported.end()) {
      const auto text = [](const Value& one) { return one.Str(); };
      throw LoweringError(
          whose + key + " is " + value.Str() + "; supported: " + JoinMap(supported, ", ", text),
          at);
    }
  }
  const std::string dtype = layout["dtype"].Text();
  const std::string kind = FindFormat(dtype)->kind;
  const bool is_sharded = layout["layout"] == "sharded";
  if (layout["page"] == "row" && (is_sharded || kind == "block")) {
    throw LoweringError(
        whose + (is_sharded ? "a sharded tensor" : dtype) + " is made of tiles, not rows", at);
  }
  const std::string source = DtypeName(buffer->ty);
  if ((kind == "integer") != (FormatOfDtype(source)->kind == "integer")) {
    throw LoweringError(whose + dtype + " cannot hold the values of " + source, at);
  }
}

Value Inferred(const FuncRef& func, const VarRef& buffer, const Location& at,
               const Value& layouts) {
  std::vector<int64_t> shape;
  for (const Any& extent : BufferTypeOf(buffer)->shape) {
    shape.push_back(StaticExtent(extent, buffer, at));
  }
  Value layout = WithLayoutErrors(NameOf(buffer), at, [&] {
    std::vector<Value> asked = {Value::Dict{{"dtype", DefaultFormat(buffer, at)}}};
    for (const Value& wish : AskedLayouts(func, NameOf(buffer), layouts)) {
      asked.push_back(FromOldForm(wish, shape));
    }
    Value made = Completed(Merged(asked));
    CheckOrder(made, shape);
    return made;
  });
  Check(layout, buffer, at);
  layout.Set("shape", shape);
  return layout;
}

}  // namespace

FuncRef InferTTLayout(const FuncRef& func, const Options& options) {
  const std::string arch = ArchitectureOf(options["arch"].Text()).name;
  const Value& layouts = options["layouts"];
  const Location kernel = attrs::KernelPlace(func);
  std::vector<VarRef> buffers;
  std::vector<std::string> names;
  for (const VarRef& param : Items<tir::Var>(func->params)) {
    if (!BufferTypeOf(param)) continue;
    buffers.push_back(param);
    names.push_back(NameOf(param));
  }
  CheckBuffers(buffers, kernel);
  CheckNames(func, names, layouts);
  Value desc = Value::Dict();
  for (const VarRef& buffer : buffers) {
    desc.Set(NameOf(buffer), Inferred(func, buffer, LocationOf(buffer->span, kernel), layouts));
  }
  return WithAttrs(func, {{attrs::kArch, String(arch)}, {attrs::kLayoutDesc, desc.ToAny()}});
}

LoweringError LayoutError(const LoweringError& error, const std::string& name, const Location& at) {
  if (error.at) return error;
  return LoweringError("layout of " + name + ": " + error.message, at, error.hint);
}

Grid Tiles(const Value& layout) {
  const std::vector<int64_t> shape = layout["padded_shape"].Ints();
  const std::vector<int64_t> tile = layout["tile_shape"].Ints();
  const Grid matrix = Matrix(shape);
  // All but the last dimensions are whole tiles' rows, folded.
  return {matrix.first / tile.at(0), matrix.second / tile.at(1)};
}

}  // namespace ttgen
