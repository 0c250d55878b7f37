// Reductions to loops over tiles in DST: matrix products, sums and maxima
// (ttgen/passes/tiling/reductions.py).
#pragma once

#include <vector>

#include "tiling/dimensions.h"
#include "tiling/stages.h"

namespace ttgen {

/*! What makes an operand of a reduction. */
class TileMaker {
 public:
  virtual ~TileMaker() = default;
  /*! `expr` as a tile in memory, in the frame that it has values in. */
  virtual Tile TileOf(const Expr& expr, const Frame& frame, const Location& at) = 0;
};

/*! Lowers reductions; everything that it works with outlives it. */
class Reductions {
 public:
  Reductions(Dimensions& dims, Stages& stages, TileMaker& maker)
      : dims_(dims), stages_(stages), maker_(maker) {}

  /*! Whether the sum `expr` can be scaled while it is made. */
  bool Scales(const Expr& expr, const Frame& frame) const;
  /*! Loops that leave `expr` times `scale` in DST; `frame` is the result's. */
  std::vector<StmtRef> IntoDst(const Expr& expr, const Frame& frame, double scale = 1.0);

 private:
  StmtRef Step(const Expr& expr, const Frame& frame, double scale);
  StmtRef MatrixProduct(const Expr& expr, const Frame& frame, Expr left, Expr right,
                        const Dim& inner);
  StmtRef Pooled(const Expr& expr, const Frame& frame, const std::vector<Dim>& reduced,
                 double scale);
  StmtRef AddedUp(const Expr& expr, const Frame& frame);
  Expr WithoutPadding(const Expr& expr, const std::vector<Dim>& ragged) const;

  Dimensions& dims_;
  Stages& stages_;
  TileMaker& maker_;
};

}  // namespace ttgen
