// A tile of results for each operation.
#include <cstdint>

#include "api/dataflow/dataflow_api.h"

void kernel_main() {
    constexpr uint32_t cb_out = 16, operations = get_named_compile_time_arg_val("operations");
    constexpr auto args = TensorAccessorArgs<0>();
    const auto out = TensorAccessor(args, get_common_arg_val<uint32_t>(0), get_tile_size(cb_out));
    for (uint32_t page = 0; page < operations; ++page) {
        cb_wait_front(cb_out, 1);
        noc_async_write_page(page, out, get_read_ptr(cb_out));
        noc_async_write_barrier();
        cb_pop_front(cb_out, 1);
    }
}
