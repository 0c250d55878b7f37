// Sums of exponentials below a maximum, which can be made while the maximum is still growing
// (ttgen/passes/tiling/streaming.py).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "analysis/expr.h"

namespace ttgen {

/*! `sums` over the dimension of `peak`, a maximum that nothing else needs. */
struct Stream {
  Expr peak;
  std::vector<Expr> sums;
  /*! How many are a chunk, the last one perhaps apart. */
  int64_t tiles = 0;

  /*! What is reduced over, chunk by chunk. */
  const Dim& Along() const { return peak->dims.front(); }
};

/*!
 * `expr` with what is in the way of streams taken out of sums, and its streams. A maximum over more
 * than `most` tiles is streamed if it occurs in nothing but weights of sums, and these depend, as
 * it does, on no more than the output's dimensions, `outer`.
 */
std::pair<Expr, std::vector<Stream>> WithStreams(Expr expr, const DimSet& outer, int64_t most);

/*! The factor that corrects sums of `weight` from the maximum `before` to one `after`. */
Expr Rescaling(const Expr& weight, const Expr& peak, const Expr& before, const Expr& after);

/*! The factors of what `total` adds up that are below `peak`. */
std::vector<Expr> Weights(const Expr& total, const Expr& peak);

/*! `expr` with `now` in the place of `old`. */
Expr Replaced(const Expr& expr, const Expr& old, const Expr& now);

}  // namespace ttgen
