// Which pages of the tensors the programs touch: the rule, and how all of them are found at once
// (ttgen/plan/pages.py).
#pragma once

#include "plan/model.h"
#include "plan/violation.h"

namespace ttgen::plan {

/*! Pages are read within their tensor; every page of every output is written once. */
Verdict PagesTouched(const Plan& plan);

}  // namespace ttgen::plan
