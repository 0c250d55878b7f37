// Every output tile once, and cores that there are (ttgen/plan/coverage.py).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/tables.h"
#include "plan/violation.h"

namespace ttgen::plan {

/*! `shares`: (first tile, tiles) of each core. Sorted, they must meet end to end, at `total`. */
Verdict WorkProblem(const std::vector<std::pair<int64_t, int64_t>>& shares, int64_t total);

/*!
 * `listed`: the cores that have work, or none to do; `covered`: those in core ranges; all of them
 * (x, y) on `grid` (columns, rows).
 */
Verdict CoreProblem(const std::vector<Grid>& listed, const std::vector<Grid>& covered,
                    const Grid& grid);

}  // namespace ttgen::plan
