// Calls a function that nothing defines: compiles, does not link.
#include "api/dataflow/dataflow_api.h"

uint32_t defined_nowhere(uint32_t);

void kernel_main() { noc_async_write_barrier(defined_nowhere(get_arg_val<uint32_t>(0))); }
