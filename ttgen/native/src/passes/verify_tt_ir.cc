// VerifyTTIR: the three programs of a kernel, checked before a plan is made of them
// (ttgen/passes/verify_tt_ir.py).
//
// Two levels. What a plan could not even say is checked here, on the IR: which statements,
// operations and arguments there are, and that the functions agree about the attributes that they
// share. What the programs *do* is checked by the rules of plans (plan/validate.h), on the plan
// that the programs make. Their findings are told with the place in the kernel's source.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/attrs.h"
#include "base/error.h"
#include "base/ir.h"
#include "base/tables.h"
#include "base/text.h"
#include "base/utilities.h"
#include "base/value.h"
#include "passes/pass.h"
#include "plan/from_ir.h"
#include "plan/validate.h"

namespace ttgen {
namespace {

using plan::FuncOf;
using plan::ProgramFuncs;

const char kVerify[] = "tir.tenstorrent.VerifyTTIR";

/*! What the functions of a kernel say alike; the plan takes it from one of them. */
const char* const kShared[] = {
    attrs::kArch,       attrs::kCbDesc,    attrs::kComputeConfig, attrs::kCoreRanges,
    attrs::kLayoutDesc, attrs::kPartition, attrs::kRoles,         attrs::kWorkPartition,
};

// Kernels ----------------------------------------------------------------------------------------

/*! Which of a kernel's programs a function is, if it is one. */
std::optional<std::string> ProgramOf(const std::string& name, const tir::PrimFunc* func) {
  if (!func) return std::nullopt;
  const Value program = attrs::Optional(Hold(func), attrs::kProgram);
  const auto& known = ProgramNames();
  if (!program.IsText()) return std::nullopt;
  const bool is_one = std::find(known.begin(), known.end(), program.Text()) != known.end();
  if (!is_one || !EndsWith(name, "_" + program.Text())) return std::nullopt;
  return program.Text();
}

bool HasProgram(const ProgramFuncs& programs, const std::string& name) {
  return std::any_of(programs.begin(), programs.end(),
                     [&](const auto& program) { return program.first == name; });
}

/*! The programs of each kernel: all three of them, and nothing else. */
std::vector<std::pair<std::string, ProgramFuncs>> KernelsOf(const ModuleRef& module) {
  std::vector<std::pair<std::string, ProgramFuncs>> found;
  for (const auto& [var, held] : FunctionsOf(module)) {
    const std::string name = var->name_hint;
    auto func = As<tir::PrimFunc>(held);
    const auto program = ProgramOf(name, func);
    if (!program) {
      throw LoweringError(
          "'" + name + "' is none of a kernel's programs " + Join(ProgramNames(), ", "),
          func ? std::optional(attrs::KernelPlace(Hold(func))) : std::nullopt,
          "run GridToPersistentTT first");
    }
    const std::string kernel = RemoveSuffix(name, "_" + *program);
    auto known = std::find_if(found.begin(), found.end(),
                              [&](const auto& one) { return one.first == kernel; });
    if (known == found.end()) known = found.insert(known, {kernel, {}});
    known->second.emplace_back(*program, Hold(func));
  }
  for (const auto& [kernel, programs] : found) {
    for (const std::string& program : ProgramNames()) {
      if (HasProgram(programs, program)) continue;
      throw LoweringError("kernel '" + kernel + "' has no " + program,
                          attrs::KernelPlace(programs.front().second));
    }
  }
  return found;
}

/*! What the programs of a kernel agree about; the names of their circular buffers. */
std::set<std::string> CheckShared(const ProgramFuncs& programs) {
  const FuncRef& reader = FuncOf(programs, "reader");
  std::map<std::string, AttrMap> attributes;
  for (const auto& [program, func] : programs) attributes[program] = attrs::Of(func);
  for (const char* key : kShared) {
    for (const auto& [program, func] : programs) {
      attrs::CheckPresent(func, key, kVerify);
      const Any own = attributes[program].at(key), wanted = attributes["reader"].at(key);
      if (attrs::IsSame(own, wanted) || StructuralEqual(own, wanted)) continue;
      throw LoweringError(
          "the reader and the " + program + " disagree about '" + std::string(key) + "'",
          attrs::KernelPlace(func));
    }
  }
  const Value buffers = CircularBuffersOf(reader, kVerify);
  auto name_of = [](const Value& buffer) { return buffer["name"].Str(); };
  const size_t count = buffers.Items().size();
  if (static_cast<int64_t>(count) > kMaxCircularBuffers) {
    throw LoweringError(std::to_string(count) + " circular buffers; a core has " +
                            std::to_string(kMaxCircularBuffers) + ": " +
                            JoinMap(buffers.Items(), ", ", name_of),
                        attrs::KernelPlace(reader), "split the kernel in two");
  }
  std::set<std::string> names;
  for (const Value& buffer : buffers.Items()) names.insert(name_of(buffer));
  return names;
}

// Programs ---------------------------------------------------------------------------------------

/*! A node as messages show it: by its name, if it has one. */
std::string Shown(const Any& node) {
  if (auto var = As<tir::Var>(node)) return var->name;
  if (auto op = As<tir::Op>(node)) return op->name;
  return Script(node);
}

/*! The statements of one program. */
class ProgramChecker {
 public:
  ProgramChecker(const std::string& name, const FuncRef& func, const std::set<std::string>& buffers)
      : name_(name), func_(func), buffers_(buffers), kernel_(attrs::KernelPlace(func)) {
    for (const VarRef& param : Items<tir::Var>(func->params)) {
      (BufferTypeOf(param) ? tensors_ : scope_).push_back(param.get());
    }
  }

  /*! LoweringError at the first thing that is none of a program. */
  void Check() {
    const Value constants = attrs::Require(func_, attrs::kConstants, kVerify);
    for (const tir::Var* param : scope_) {
      const std::string name = param->name;
      if (constants.Has(name) || plan::IsRuntimeArg(name)) continue;
      throw LoweringError("the " + name_ + " takes '" + name + "', which has no value", kernel_);
    }
    CheckBody(func_->body.get(), nullptr);
  }

 private:
  // The span of what is around a node is its place, where it has none of its own; nullptr where
  // there is no other than the kernel's.
  using Span = const tir::Span*;

  static Span Inner(const SpanRef& span, Span around) {
    return span == nullptr ? around : span.get();
  }

  void CheckBody(const tir::Stmt* node, Span around) {
    const size_t outside = scope_.size();
    if (auto seq = As<tir::SeqStmt>(node)) {
      for (const Any& part : seq->seq) CheckStatement(As<tir::Stmt>(part), around);
    } else {
      CheckStatement(node, around);
    }
    scope_.resize(outside);
  }

  void CheckStatement(const tir::Stmt* node, Span around) {
    const Span here = Inner(node->span, around);
    auto evaluate = As<tir::Evaluate>(node);
    if (auto call = evaluate ? As<tir::Call>(evaluate->value) : nullptr) {
      CheckOp(call, Inner(call->span, here));
    } else if (auto loop = As<tir::For>(node)) {
      CheckLoop(loop, here);
    } else if (auto bind = As<tir::Bind>(node)) {
      CheckExpr(Any(bind->value), here);
      scope_.push_back(bind->var.get());
    } else {
      const std::string shown = Strip(LastLine(Strip(Script(Any(Hold(node))))));
      throw Error("'" + shown + "' is no statement of a program", here,
                  "a program has loops, bindings and tt.* operations");
    }
  }

  void CheckLoop(const tir::For* loop, Span here) {
    constexpr int kSerial = 0;
    const std::string name = loop->loop_var->name;
    if (loop->kind != kSerial) throw Error("the loop over '" + name + "' is not serial", here);
    CheckExpr(Any(loop->min), here);
    CheckExpr(Any(loop->extent), here);
    if (loop->step != nullptr && !As<tir::IntImm>(loop->step)) {
      throw Error("the step of '" + name + "' is no number", here);
    }
    scope_.push_back(loop->loop_var.get());
    CheckBody(loop->body.get(), here);
    scope_.pop_back();
  }

  void CheckOp(const tir::Call* call, Span here) {
    const std::string name = CalleeOf(call);
    const TileOp* op = StartsWith(name, "tt.") ? FindTileOp(RemovePrefix(name, "tt.")) : nullptr;
    if (!op) throw Error("there is no operation '" + name + "'", here);
    if (std::find(op->programs.begin(), op->programs.end(), name_) == op->programs.end()) {
      throw Error(
          name + " stands in the " + name_ + "; it belongs in " + Join(op->programs, " and "),
          here);
    }
    if (call->args.size() != op->params.size()) {
      auto text = [](const auto& param) {
        return param.first + " (" + ArgKindText(param.second) + ")";
      };
      const std::string wanted = JoinMap(op->params, ", ", text);
      throw Error(name + " has " + std::to_string(call->args.size()) + " arguments; it takes " +
                      (wanted.empty() ? "none" : wanted),
                  here);
    }
    for (size_t i = 0; i < op->params.size(); ++i) {
      const auto& [param, kind] = op->params[i];
      const Any arg = call->args[i];
      if (kind == ArgKind::kExpr) {
        CheckExpr(arg, here);
      } else if (!IsKnown(kind, arg)) {
        throw Error(name + ": " + param + " is " + Shown(arg) + ", and must be a " +
                        ArgKindText(kind) + ": " + Join(KnownNames(kind), ", "),
                    here);
      }
    }
  }

  /*! Whether `arg` is one of what an argument of `kind` may be. */
  bool IsKnown(ArgKind kind, const Any& arg) const {
    if (kind == ArgKind::kTensor) {
      auto var = As<tir::Var>(arg);
      return std::find(tensors_.begin(), tensors_.end(), var) != tensors_.end();
    }
    const auto name = TextValue(arg);
    if (!name) return false;
    if (kind == ArgKind::kCb) return buffers_.count(*name) != 0;
    const auto& words = WordsOf(kind);
    return std::find(words.begin(), words.end(), *name) != words.end();
  }

  std::vector<std::string> KnownNames(ArgKind kind) const {
    std::vector<std::string> names = WordsOf(kind);
    if (kind == ArgKind::kCb) names.assign(buffers_.begin(), buffers_.end());
    if (kind == ArgKind::kTensor) {
      for (const tir::Var* tensor : tensors_) names.push_back(tensor->name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  void CheckExpr(const Any& node, Span here) const {
    if (As<tir::IntImm>(node)) return;
    if (auto var = As<tir::Var>(node)) {
      if (std::find(scope_.rbegin(), scope_.rend(), var) != scope_.rend()) return;
      throw Error("'" + std::string(var->name) + "' has no value here", here);
    }
    auto expr = As<tir::Expr>(node);
    const auto found = expr ? plan::OperatorOf(expr) : std::nullopt;
    if (!found) {
      throw Error("'" + Script(node) + "' is no expression that a program can evaluate", here);
    }
    CheckExpr(Any(Hold(found->left)), here);
    CheckExpr(Any(Hold(found->right)), here);
  }

  LoweringError Error(const std::string& message, Span at,
                      std::optional<std::string> hint = std::nullopt) const {
    const SpanRef span = at ? Hold(at) : nullptr;
    return LoweringError(message, LocationOf(span, kernel_), std::move(hint));
  }

  const std::string& name_;
  const FuncRef& func_;
  const std::set<std::string>& buffers_;
  const Location kernel_;
  std::vector<const tir::Var*> tensors_;
  /*! The variables that have a value, the innermost ones last. */
  std::vector<const tir::Var*> scope_;
};

// Rules ------------------------------------------------------------------------------------------

/*! The tensor called `name` in the last program that takes one, nullptr where none does. */
VarRef FindTensor(const ProgramFuncs& programs, const std::string& name) {
  VarRef found;
  for (const auto& [program, func] : programs) {
    for (const VarRef& param : Items<tir::Var>(func->params)) {
      if (BufferTypeOf(param) && NameOf(param) == name) found = param;
    }
  }
  return found;
}

/*! The kernel as far as its programs know it: its tensors, and where it stands. */
plan::KernelFacts KernelOf(const std::string& kernel, const ProgramFuncs& programs,
                           const Location& at) {
  const FuncRef& reader = FuncOf(programs, "reader");
  const Value layouts = attrs::Require(reader, attrs::kLayoutDesc, kVerify);
  const Value roles = attrs::Require(reader, attrs::kRoles, kVerify);
  plan::KernelFacts facts{kernel, {}, at};
  for (const auto& [name, layout] : layouts.Entries()) {
    const VarRef tensor = FindTensor(programs, name);
    const Value* role = roles.Find(name);
    if (tensor == nullptr && !(role && *role == Value("input"))) {
      throw LoweringError("no program uses the tensor '" + name + "'", at);
    }
    facts.tensors.push_back({name, tensor == nullptr ? at : LocationOf(tensor->span, at)});
  }
  return facts;
}

/*! The rules of plans, on the plan that these programs make. */
void CheckRules(const std::string& kernel, const ProgramFuncs& programs) {
  const Location at = attrs::KernelPlace(FuncOf(programs, "reader"));
  const plan::KernelFacts facts = KernelOf(kernel, programs, at);
  const plan::Verdict broken = FirstViolation(PlanFromPrograms(programs, facts));
  if (broken) throw LoweringError(broken->path + ": " + broken->message, broken->at.value_or(at));
}

}  // namespace

ModuleRef VerifyTTIR(const ModuleRef& module, const Options&) {
  for (const auto& [kernel, programs] : KernelsOf(module)) {
    const std::set<std::string> buffers = CheckShared(programs);
    for (const auto& [program, func] : programs) ProgramChecker(program, func, buffers).Check();
    CheckRules(kernel, programs);
  }
  return module;
}

}  // namespace ttgen
