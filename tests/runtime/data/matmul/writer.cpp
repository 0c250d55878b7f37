#include <cstdint>

#include "api/dataflow/dataflow_api.h"

void kernel_main() {
    const uint32_t start = get_arg_val<uint32_t>(0);
    const uint32_t count = get_arg_val<uint32_t>(1);
    constexpr uint32_t cb_c = 2;
    constexpr auto c_args = TensorAccessorArgs<0>();
    const auto c = TensorAccessor(c_args, get_common_arg_val<uint32_t>(0), get_tile_size(cb_c));
    for (uint32_t t = start; t < start + count; ++t) {
        cb_wait_front(cb_c, 1);
        noc_async_write_page(t, c, get_read_ptr(cb_c));
        noc_async_write_barrier();
        cb_pop_front(cb_c, 1);
    }
}
