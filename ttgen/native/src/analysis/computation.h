// From stores to meaning: the expression that each part of a kernel's output is
// (ttgen/analysis/computation.py).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analysis/expr.h"

namespace ttgen {

/*! By a tensor's name, which of its dimensions comes where on the device, outermost first. */
using Orders = std::map<std::string, std::vector<int64_t>>;

/*! `output[...] = value`, over all or a part of the output; `at` is the store's place. */
struct Part {
  Access output;
  Expr value;
  Location at;
};

/*! What a kernel stores: parts of one output, which do not overlap and leave nothing out. */
struct Computation {
  std::vector<Part> parts;
  /*! Of the tensors whose dimensions lie in another order than their own, and of those that have
   *  been asked to keep theirs. */
  Orders orders;

  /*! The buffer stored to. */
  const VarRef& Output() const { return parts.front().output.buffer; }
  /*! The buffers read, in the order in which the expressions first name them. */
  std::vector<VarRef> Inputs() const;
  /*! Every reduction in every part. */
  std::vector<Expr> Reductions() const;
};

using ComputationRef = std::shared_ptr<const Computation>;

/*!
 * What `func` computes; LoweringError at the first thing that has no lowering. `at` is the
 * kernel's own place, for what carries none; `orders` are those that are decided. The last few are
 * kept: passes that only set attributes share them (ttgen/analysis/shared.py).
 */
ComputationRef Analyse(const FuncRef& func, const Location& at, const Orders& orders = {});

/*! How many analyses were made so far, and how many were shared. */
struct AnalysisCalls {
  int64_t made = 0;
  int64_t shared = 0;
};
AnalysisCalls CallsOfAnalyse();

/*! What `func` means, in the orders that its layouts say (ttgen/passes/meaning.py). */
ComputationRef Meaning(const FuncRef& func);

/*! The loops' names, in the order of the program. */
std::string NamesOf(const AxisSet& axes);

}  // namespace ttgen
