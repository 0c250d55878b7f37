// The three operands, once.
#include <cstdint>

#include "api/dataflow/dataflow_api.h"

void kernel_main() {
    constexpr uint32_t cb_in = 0, operands = 3;
    constexpr auto args = TensorAccessorArgs<0>();
    const auto in = TensorAccessor(args, get_common_arg_val<uint32_t>(0), get_tile_size(cb_in));
    cb_reserve_back(cb_in, operands);
    for (uint32_t page = 0; page < operands; ++page) {
        noc_async_read_page(page, in, get_write_ptr(cb_in) + page * get_tile_size(cb_in));
    }
    noc_async_read_barrier();
    cb_push_back(cb_in, operands);
}
