// TVM's expressions read into trees (the other half of ttgen/analysis/expr.py).
#pragma once

#include "analysis/expr.h"

namespace ttgen {

/*! The access `buffer[indices]`; LoweringError where an index leaves the buffer. */
Access ToAccess(const VarRef& buffer, const Array<Any>& indices, const Scope& scope,
                const Location& at);

/*! A buffer's extent (an item of its shape), elements; LoweringError where it is symbolic. */
int64_t StaticExtent(const Any& extent, const VarRef& buffer, const Location& at);

/*!
 * `value` as an expression tree; LoweringError names the first node that has no meaning. Casts
 * between float types vanish. Of a choice by indices only the part chosen is left; Restart asks for
 * loops in which the choice is always the same. A condition on values is 1 or 0.
 */
Expr ToExpression(const ExprRef& value, const Scope& scope, const Location& at);

/*!
 * `condition` as a tree that is 1 or 0; a number where it depends on indices alone. Restart asks
 * for loops in which what depends on indices is always the same.
 */
Expr TruthValue(const ExprRef& condition, const Scope& scope, const Location& at);

}  // namespace ttgen
