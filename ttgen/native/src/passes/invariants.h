// What holds of the attributes between passes, whichever pass has set them
// (ttgen/passes/invariants.py).
#pragma once

#include <string>

#include "base/ir.h"

namespace ttgen {

/*! LoweringError at an attribute that is new in `after` and cannot be right. */
void CheckInvariants(const ModuleRef& before, const ModuleRef& after, const std::string& made_by);

}  // namespace ttgen
