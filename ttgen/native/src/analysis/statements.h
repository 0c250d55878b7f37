// The stores of a PrimFunc, each with the loops around it: loops, blocks and threads unrolled
// (ttgen/analysis/statements.py).
#pragma once

#include <vector>

#include "analysis/index.h"

namespace ttgen {

/*! A condition that a statement runs under, and what it has to be. */
struct Guard {
  ExprRef condition;
  Scope scope;
  bool wanted = true;

  /*! The guard with other indices in the place of some axes. */
  Guard WithValues(const AxisValues& values) const;
};

/*!
 * One `buffer[indices] = value` with the loops that it runs in, outermost first. A block's
 * `T.init()` runs once before the block's reduction: the loops that its reduction axes are bound to
 * are none of its own. It runs where all `guards` hold.
 */
struct Statement {
  Ptr<tir::BufferStore> store;
  std::vector<Axis> axes;
  Scope scope;
  Location at;
  std::vector<Guard> guards;

  /*! Whether it runs at all; Restart where only some iterations do. */
  bool Runs() const;
  /*! The statement with the loops `parts` in the place of `axis`, which is `value`. */
  Statement WithAxis(const Axis& axis, const Affine& value, const std::vector<Axis>& parts) const;
};

/*!
 * Every store of `func` in program order; LoweringError at what is neither loop nor store. `at`
 * stands for nodes without a span, which is all of them for TE.
 */
std::vector<Statement> Statements(const FuncRef& func, const Location& at);

}  // namespace ttgen
