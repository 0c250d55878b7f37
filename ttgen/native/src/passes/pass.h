// What every pass is: a name, options, and a function on modules.
#pragma once

#include <functional>
#include <string>

#include "base/ir.h"
#include "base/value.h"

namespace ttgen {

/*! The options of a pass by name, as its Python twin's fields; all of them are given. */
using Options = Value;
using ModuleTransform = std::function<ModuleRef(const ModuleRef&, const Options&)>;
using FuncTransform = std::function<FuncRef(const FuncRef&, const Options&)>;

/*! A pass that treats every PrimFunc of a module on its own, and leaves the others alone. */
ModuleTransform OnEachFunc(FuncTransform transform);

// One for each pass; `options` are the fields of its Python twin. LoweringError at what the pass
// does not understand.
FuncRef InferTTLayout(const FuncRef& func, const Options& options);
FuncRef PropagateTTLayout(const FuncRef& func, const Options& options);
FuncRef TTTilesToCoreMap(const FuncRef& func, const Options& options);
FuncRef LowerTTTileIntrinsics(const FuncRef& func, const Options& options);
ModuleRef GridToPersistentTT(const ModuleRef& module, const Options& options);
ModuleRef VerifyTTIR(const ModuleRef& module, const Options& options);

}  // namespace ttgen
