// From the three programs that the passes end with to the plan (ttgen/plan/from_ir.py).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ir.h"
#include "plan/model.h"

namespace ttgen::plan {

/*! The programs of a kernel by their names, all three of them, in the order of their module. */
using ProgramFuncs = std::vector<std::pair<std::string, FuncRef>>;
/*! The program called `name`. */
const FuncRef& FuncOf(const ProgramFuncs& programs, const std::string& name);

/*! A tensor of a kernel, and where it stands. */
struct KernelTensor {
  std::string name;
  Location at;
};

/*! A kernel as far as its programs know it: `at` is where it stands. */
struct KernelFacts {
  std::string name;
  std::vector<KernelTensor> tensors;
  Location at;
};

/*!
 * The plan of `kernel`; `programs` are what GridToPersistentTT made. Its rules are not checked
 * here, but its types are: LoweringError, at the kernel, at a value that a plan cannot hold.
 */
Plan PlanFromPrograms(const ProgramFuncs& programs, const KernelFacts& kernel);

/*! Whether cores have a value for a program's argument of this name. */
bool IsRuntimeArg(const std::string& name);

/*! Left and right of an expression that is one of the operators which plans have. */
struct OperatorNode {
  Expr::Kind kind;
  const tir::Expr* left;
  const tir::Expr* right;
};
/*! `expr` as an operator; nothing where plans have none such. */
std::optional<OperatorNode> OperatorOf(const tir::Expr* expr);

}  // namespace ttgen::plan
