// The protocols that the programs of a core keep: circular buffers, barriers and DST registers
// (ttgen/plan/protocol.py).
#pragma once

#include "plan/model.h"
#include "plan/violation.h"

namespace ttgen::plan {

/*! The programs of every core keep the protocols, and what is pushed is popped. */
Verdict Protocols(const Plan& plan);

}  // namespace ttgen::plan
