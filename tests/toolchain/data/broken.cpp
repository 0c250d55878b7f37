// Line 8 calls a function that no header declares.
#include <cstdint>

#include "api/compute/compute_kernel_hw_startup.h"

void kernel_main() {
    compute_kernel_hw_startup(0, 1, 16);
    multiply_tiles_somehow(0, 1, 0, 0, 0);
}
