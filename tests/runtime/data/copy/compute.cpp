#include "api/compute/compute_kernel_hw_startup.h"

void kernel_main() {}
