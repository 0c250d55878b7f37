// Loops taken apart: what an analysis asks for when it meets a choice or a quotient of indices
// (ttgen/analysis/loops.py).
#pragma once

#include <utility>
#include <vector>

#include "analysis/statements.h"

namespace ttgen {

/*! Statements, some of whose loops have been taken apart. */
class Loops {
 public:
  explicit Loops(std::vector<Statement> statements);

  /*! Take the loop that `request` names apart, wherever it runs. */
  void Apply(const Restart& request);

  std::vector<Statement> statements;

 private:
  /*! The values of a loop, and the loops that it is made of. */
  using Piece = std::pair<Affine, std::vector<Axis>>;

  /*! Outer and inner loop of `inner` iterations. */
  Piece Nested(const Axis& axis, int64_t inner);
  /*! The values from `start` on; a loop of one iteration is no axis. */
  Piece Range(const Axis& axis, int64_t start, int64_t extent);

  int64_t serial_ = 0;
};

}  // namespace ttgen
