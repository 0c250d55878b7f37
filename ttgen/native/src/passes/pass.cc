#include "passes/pass.h"

#include <utility>

namespace ttgen {

ModuleTransform OnEachFunc(FuncTransform transform) {
  return [transform = std::move(transform)](const ModuleRef& module, const Options& options) {
    Map<Any, Any> functions;
    for (const auto& [var, func] : FunctionsOf(module)) {
      auto prim_func = As<tir::PrimFunc>(func);
      functions.Set(Any(var), prim_func ? Any(transform(Hold(prim_func), options)) : func);
    }
    return MakeModule(functions);
  };
}

}  // namespace ttgen
