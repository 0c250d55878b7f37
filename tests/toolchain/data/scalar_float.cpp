// Line 13 takes a root of a scalar at run time on TRISC1, which has no floating-point unit.
#include <cstdint>

#include "api/compute/common.h"
#include "api/compute/compute_kernel_hw_startup.h"

void kernel_main() {
    compute_kernel_hw_startup(0, 1, 16);
#ifdef TRISC_MATH
    volatile uint32_t* words = reinterpret_cast<volatile uint32_t*>(get_arg_val<uint32_t>(0));
    const float a = __builtin_bit_cast(float, words[0]);
    const float b = __builtin_bit_cast(float, words[1]);
    words[2] = __builtin_bit_cast(uint32_t, __builtin_sqrtf(a * b));
#endif
}
