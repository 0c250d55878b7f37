// The passes as TVM and Python find them: `tir.tenstorrent.<Name>`.
#include <tvm/ffi/reflection/registry.h>

#include <utility>
#include <vector>

#include "analysis/computation.h"
#include "base/attrs.h"
#include "passes/invariants.h"
#include "passes/pass.h"

namespace ttgen {
namespace {

using Pass = std::pair<std::string, ModuleTransform>;

const std::vector<Pass>& Passes() {
  static const std::vector<Pass> passes = {
      {"InferTTLayout", OnEachFunc(InferTTLayout)},
      {"PropagateTTLayout", OnEachFunc(PropagateTTLayout)},
      {"TTTilesToCoreMap", OnEachFunc(TTTilesToCoreMap)},
      {"LowerTTTileIntrinsics", OnEachFunc(LowerTTTileIntrinsics)},
      {"GridToPersistentTT", GridToPersistentTT},
      {"VerifyTTIR", VerifyTTIR},
  };
  return passes;
}

/*! What a refused kernel is told with, for Python to raise as an error of its own. */
Any Refusal(const TTError& error) {
  Value told;
  told.Set("kind", error.kind);
  told.Set("message", error.message);
  told.Set("hint", error.hint ? Value(*error.hint) : Value());
  told.Set("path", error.at ? Value(error.at->path) : Value());
  told.Set("line", error.at ? error.at->line : 0);
  told.Set("column", error.at ? error.at->column : 0);
  return told.ToAny();
}

/*! `module` transformed, and checked. */
ModuleRef Checked(const std::string& name, const ModuleTransform& transform,
                  const ModuleRef& module, const Any& options) {
  ModuleRef made = transform(module, Value::Of(options));
  CheckInvariants(module, made, name);
  return made;
}

/*! The transformed module, or a Map that says why it is refused. */
Any Run(const std::string& name, const ModuleTransform& transform, const ModuleRef& module,
        const Any& options) {
  try {
    return Checked(name, transform, module, options);
  } catch (const TTError& error) {
    return Refusal(error);
  }
}

/*! A `tvm.transform.Pass`; a refused kernel is a RuntimeError with the whole text. */
Any MakePass(const std::string& name, const ModuleTransform& transform, const Any& options) {
  auto run = ffi::Function::FromTyped([=](ffi::RValueRef<ObjectRef> module, const Any&) -> Any {
    try {
      return Checked(name, transform, To<tir::IRModule>(Any(*std::move(module))), options);
    } catch (const TTError& error) {
      TVM_FFI_THROW(RuntimeError) << error.kind << ": " << error.what();
    }
    TVM_FFI_UNREACHABLE();
  });
  Any info = Global("transform.PassInfo")(0, String(name), Array<String>(), false);
  return Global("transform.MakeModulePass")(run, info);
}

/*! Whether every function has known `tt.*` attributes only, none in the legacy spelling. */
bool HasKnownAttributes(const ModuleRef& module) {
  for (const auto& [var, node] : FunctionsOf(module)) {
    auto func = As<tir::PrimFunc>(node);
    if (func && !attrs::AreKnown(Hold(func))) return false;
  }
  return true;
}

void Register() {
  ffi::Function::SetGlobal("tir.tenstorrent.HasKnownAttributes",
                           ffi::Function::FromTyped(HasKnownAttributes));
  ffi::Function::SetGlobal("tir.tenstorrent.AnalysisCalls", ffi::Function::FromTyped([] {
                             AnalysisCalls calls = CallsOfAnalyse();
                             return Array<int64_t>{calls.made, calls.shared};
                           }));
  for (const auto& [short_name, transform] : Passes()) {
    std::string name = "tir.tenstorrent." + short_name;
    auto make = [name, transform = transform](const Any& options) {
      return MakePass(name, transform, options);
    };
    auto run = [name, transform = transform](const ModuleRef& module, const Any& options) {
      return Run(name, transform, module, options);
    };
    ffi::Function::SetGlobal(name, ffi::Function::FromTyped(make));
    ffi::Function::SetGlobal(name + ".run", ffi::Function::FromTyped(run));
  }
}

}  // namespace

TVM_FFI_STATIC_INIT_BLOCK() { Register(); }

}  // namespace ttgen
