// Scalar float arithmetic and 64-bit division on a data-movement core: calls of compiler-rt's.
#include "api/dataflow/dataflow_api.h"

void kernel_main() {
    volatile tt_l1_ptr uint32_t* words =
        reinterpret_cast<volatile tt_l1_ptr uint32_t*>(get_arg_val<uint32_t>(0));
    const float a = __builtin_bit_cast(float, words[0]);
    words[1] = __builtin_bit_cast(uint32_t, a * 1.5f);
    const uint64_t wide = (uint64_t(words[2]) << 32) | words[3];
    words[4] = uint32_t(wide / words[5]);
}
