// What comes before a reader or writer in the SDK's translation units (ncrisck.cc, brisck.cc), for
// editors.
#pragma once
#include "internal/pch.h"

#include "risc_common.h"
#include "tensix.h"
#include "tensix_types.h"
#include "noc.h"
#include "noc_overlay_parameters.h"
#include "noc_nonblocking_api.h"
#include "stream_io_map.h"
#include "internal/firmware_common.h"
#include "api/dataflow/dataflow_api.h"
#include "c_tensix_core.h"

void kernel_main();
