// The semantic rules of a plan: what its types cannot say (ttgen/plan/validate.py).
//
// Rules that no plan made of programs can break are the Python twin's alone, which checks plans
// that are read from files, too.
#pragma once

#include "plan/model.h"
#include "plan/violation.h"

namespace ttgen::plan {

/*! The first rule that `plan` breaks, if any. Rules run in order, and may rely on those before. */
Verdict FirstViolation(const Plan& plan);

}  // namespace ttgen::plan
