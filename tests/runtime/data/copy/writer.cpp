#include <cstdint>

#include "api/dataflow/dataflow_api.h"

void kernel_main() {
    const uint32_t start = get_arg_val<uint32_t>(0);
    const uint32_t count = get_arg_val<uint32_t>(1);
    constexpr uint32_t cb_x = 0;
    constexpr auto y_args = TensorAccessorArgs<0>();
    const auto y = TensorAccessor(y_args, get_common_arg_val<uint32_t>(0), get_tile_size(cb_x));
    for (uint32_t t = start; t < start + count; ++t) {
        cb_wait_front(cb_x, 1);
        noc_async_write_page(t, y, get_read_ptr(cb_x));
        noc_async_write_barrier();
        cb_pop_front(cb_x, 1);
    }
}
