// The rules of a plan about cores and their work (ttgen/plan/work_rules.py).
#pragma once

#include "plan/model.h"
#include "plan/violation.h"

namespace ttgen::plan {

/*! Cores are on the chip, and those with work are those of the ranges. */
Verdict Cores(const Plan& plan);
/*! Every output tile once. */
Verdict Work(const Plan& plan);
/*! The blocks of the tile order, and in `local_shard` who has which shard. */
Verdict Order(const Plan& plan);

}  // namespace ttgen::plan
