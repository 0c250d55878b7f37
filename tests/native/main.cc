// The unit tests' program: TVM without Python, and the operations that ttgen registers there.
#include <gtest/gtest.h>

#include "base/ir.h"
#include "base/tables.h"

namespace {

/*! As `ttgen.passes.intrin` registers an operation, so that nodes are made and printed. */
void RegisterOp(const std::string& name) {
  constexpr int kUpdatesState = 3;
  constexpr int kLevel = 10;
  tvm::ffi::String op("tt." + name);
  const auto& set = ttgen::Global("ir.RegisterOpAttr");
  set(op, "TCallEffectKind", kUpdatesState, kLevel);
  set(op, "TScriptPrinterName", op, kLevel);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::set<std::string> names{"pack"};
  for (const std::string& name : ttgen::TileMathNames()) names.insert(name);
  for (const ttgen::TileOp& op : ttgen::TileOps()) names.insert(op.name);
  for (const std::string& name : names) RegisterOp(name);
  return RUN_ALL_TESTS();
}
