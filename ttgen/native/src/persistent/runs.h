// Runs: neighbours in a row of output tiles that a core makes one after the other
// (ttgen/passes/persistent/runs.py).
//
// What does not depend on a tile's column is made once for a run, and kept in L1 until it ends: the
// maximum and the sum of a softmax, the first product of two chained ones.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/ir.h"
#include "base/value.h"
#include "persistent/ir.h"
#include "persistent/stages.h"

namespace ttgen {

/*! A run: `count` output tiles from `start` on. */
struct Run {
  VarRef start;
  VarRef count;
};

/*!
 * The nest with the stages of runs first, and marked, where its tiles come row by row. `partition`
 * is the attribute `tt.partition`, `constants` are the extents of its loops.
 */
Nest WithRuns(Nest nest, const Value& partition, const Value& constants);

/*! How many tiles each run of the tiles from `start` on has. */
std::vector<int64_t> RunsOf(int64_t start, int64_t count, int64_t columns);

/*!
 * A loop over the runs of the tiles from `start` on, in rows of `columns`. A core without tiles has
 * none, as its `start` begins a row.
 */
StmtRef OverRuns(const VarRef& start, const VarRef& count, const ExprRef& columns,
                 const std::function<Body(const Run&)>& body);

}  // namespace ttgen
