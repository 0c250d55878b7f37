#include "passes/invariants.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/attrs.h"
#include "base/collections.h"
#include "base/tables.h"
#include "base/text.h"
#include "plan/coverage.h"

namespace ttgen {
namespace {

using Problem = std::optional<std::string>;
/*! The first thing that is wrong with an attribute of a function, if anything is. */
using Rule = std::function<Problem(const FuncRef&, const Value&)>;

bool IsOneOf(const Value& value, const std::vector<std::string>& known) {
  return value.IsText() && std::find(known.begin(), known.end(), value.Text()) != known.end();
}

Problem ArchProblem(const FuncRef&, const Value& name) {
  if (name.IsText() && FindArchitecture(name.Text())) return std::nullopt;
  return "there is no architecture '" + name.Str() + "'";
}

/*! What is wrong with the shapes of a layout, once they are known. */
Problem ShapeProblem(const std::string& name, const Value& layout) {
  const Value* padded = layout.Find("padded_shape");
  if (!padded || padded->IsNone()) return std::nullopt;
  std::vector<int64_t> whole = layout["device_shape"].Ints();
  std::vector<int64_t> tile = layout["tile_shape"].Ints();
  size_t leading = whole.size() - tile.size();
  for (size_t i = 0; i < tile.size(); ++i) {
    int64_t& extent = whole[leading + i];
    extent = CeilDiv(extent, tile[i]) * tile[i];
  }
  if (padded->Ints() == whole) return std::nullopt;
  return "'" + name + "' is " + layout["device_shape"].Repr() + " on the device, which is " +
         ListText(whole) + " in whole tiles: " + padded->Repr();
}

/*! A layout for each tensor, and shapes in whole tiles once they are known. */
Problem LayoutProblem(const FuncRef& func, const Value& layouts) {
  for (const VarRef& param : Items<tir::Var>(func->params)) {
    if (BufferTypeOf(param) && !layouts.Has(NameOf(param))) {
      return "the tensor '" + NameOf(param) + "' has none";
    }
  }
  for (const auto& [name, layout] : layouts.Entries()) {
    if (Problem problem = ShapeProblem(name, layout)) return problem;
  }
  return std::nullopt;
}

Problem RoleProblem(const FuncRef& func, const Value& roles) {
  Value layouts = attrs::Optional(func, attrs::kLayoutDesc);
  std::set<std::string> odd;
  bool has_output = false;
  for (const auto& [name, role] : roles.Entries()) {
    if (!layouts.Has(name)) odd.insert(name);
    has_output = has_output || role == Value("output");
  }
  if (layouts.IsDict()) {
    for (const auto& entry : layouts.Entries()) {
      if (!roles.Has(entry.first)) odd.insert(entry.first);
    }
  }
  if (!odd.empty()) return "'" + *odd.begin() + "' has a role or a layout, and not both";
  if (!has_output) return "there is no output";
  return std::nullopt;
}

std::vector<Grid> CoresIn(const Value& ranges) {
  std::vector<Grid> cores;
  for (const Value& range : ranges.Items()) {
    std::vector<int64_t> sides = range.Ints();
    for (int64_t y = sides[1]; y < sides[1] + sides[3]; ++y) {
      for (int64_t x = sides[0]; x < sides[0] + sides[2]; ++x) cores.emplace_back(x, y);
    }
  }
  return cores;
}

/*! Every output tile once, on cores of the chip, all of them in the core ranges. */
Problem WorkProblem(const FuncRef& func, const Value& work) {
  Value partition = attrs::Optional(func, attrs::kPartition);
  Value ranges = attrs::Optional(func, attrs::kCoreRanges);
  Value arch = attrs::Optional(func, attrs::kArch);
  if (partition.IsNone() || ranges.IsNone() || arch.IsNone()) {
    return "it comes with an architecture, a partition and core ranges";
  }
  std::vector<std::pair<int64_t, int64_t>> shares;
  std::vector<Grid> listed;
  for (const Value& item : work.Items()) {
    std::vector<int64_t> numbers = item.Ints();
    listed.emplace_back(numbers[0], numbers[1]);
    shares.emplace_back(numbers[2], numbers[3]);
  }
  plan::Verdict verdict = plan::WorkProblem(shares, Product(partition["tiles"].Ints()));
  if (!verdict) {
    verdict = plan::CoreProblem(listed, CoresIn(ranges), ArchitectureOf(arch.Text()).grid);
  }
  if (verdict) return verdict->message;
  return std::nullopt;
}

Problem ConstantProblem(const FuncRef& func, const Value& constants) {
  std::set<std::string> scalars;
  for (const VarRef& param : Items<tir::Var>(func->params)) {
    if (!BufferTypeOf(param)) scalars.insert(NameOf(param));
  }
  for (const auto& [name, value] : constants.Entries()) {
    if (!scalars.count(name)) return "the function does not take '" + name + "'";
    bool is_count = value.IsInt() ? value.Int() >= 1 : value.IsBool() && value.Bool();
    if (!is_count) {
      return "'" + name + "' is " + value.Str() + ", and must be a number of tiles or iterations";
    }
  }
  return std::nullopt;
}

Problem ProgramProblem(const FuncRef&, const Value& name) {
  if (IsOneOf(name, ProgramNames())) return std::nullopt;
  return "'" + name.Str() + "' is none of " + Join(ProgramNames(), ", ");
}

const std::vector<std::pair<std::string, Rule>>& Rules() {
  static const std::vector<std::pair<std::string, Rule>> rules = {
      {attrs::kArch, ArchProblem},          {attrs::kLayoutDesc, LayoutProblem},
      {attrs::kRoles, RoleProblem},         {attrs::kWorkPartition, WorkProblem},
      {attrs::kConstants, ConstantProblem}, {attrs::kProgram, ProgramProblem},
  };
  return rules;
}

/*! Whether one of the functions before had this very value of an attribute. */
bool IsKept(const std::vector<AttrMap>& before, const String& key, const Any& value) {
  return std::any_of(before.begin(), before.end(), [&](const AttrMap& one) {
    auto found = one.find(key);
    return found != one.end() && attrs::IsSame((*found).second, value);
  });
}

}  // namespace

void CheckInvariants(const ModuleRef& before, const ModuleRef& after, const std::string& made_by) {
  std::vector<const tir::PrimFunc*> known;
  std::vector<AttrMap> kept;
  for (const auto& [var, node] : FunctionsOf(before)) {
    if (auto func = As<tir::PrimFunc>(node)) {
      known.push_back(func);
      kept.push_back(attrs::Of(Hold(func)));
    }
  }
  for (const auto& [var, node] : FunctionsOf(after)) {
    auto func = As<tir::PrimFunc>(node);
    if (!func || std::find(known.begin(), known.end(), func) != known.end()) continue;
    FuncRef held = Hold(func);
    AttrMap found = attrs::Of(held);
    for (const auto& [key, rule] : Rules()) {
      auto attribute = found.find(String(key));
      if (attribute == found.end() || IsKept(kept, String(key), (*attribute).second)) continue;
      if (Problem problem = rule(held, Value::Of((*attribute).second))) {
        throw LoweringError(made_by + " has left a wrong '" + key + "' of '" +
                                std::string(var->name_hint) + "': " + *problem,
                            attrs::KernelPlace(held),
                            "this is a fault of the pass, not of the kernel");
      }
    }
  }
}

}  // namespace ttgen
