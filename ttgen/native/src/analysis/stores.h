// Stores worked out: what they store to, what they store, and over which loops
// (ttgen/analysis/stores.py).
#pragma once

#include <vector>

#include "analysis/expr.h"
#include "analysis/statements.h"

namespace ttgen {

/*! A statement, which somebody else holds, with its access and expression worked out. */
struct Store {
  const Statement* statement = nullptr;
  Access target;
  Expr value;

  const Location& At() const { return statement->at; }
  /*! The loops around it, outermost first. */
  const std::vector<Axis>& Axes() const { return statement->axes; }
  /*! Axes that the store runs over and its target does not. */
  AxisSet FreeAxes() const;
  /*! Whether it stores to `buffer` or reads it. */
  bool Uses(const VarRef& buffer) const;
};

/*! Some stores, in program order, which somebody else holds. */
using StoreRefs = std::vector<const Store*>;

/*! The store of a statement; LoweringError where it has no meaning here. */
Store Resolve(const Statement& statement);

/*! Two indices that move together visit a diagonal, each of them completely. */
void CheckIndependent(const Access& target, const Location& at);

/*!
 * The stores, with a copy of each intermediate buffer for every iteration that fills it anew. A
 * buffer that is stored and read in the same iteration of a loop, and whose elements do not move
 * with that loop, holds something else each time: it gets the loop as a further index.
 */
std::vector<Store> Privatised(std::vector<Store> stores, const FuncRef& func);

}  // namespace ttgen
