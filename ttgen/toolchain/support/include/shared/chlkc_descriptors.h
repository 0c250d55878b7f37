// In the place of a kernel's own file, while headers that kernels share are precompiled: its
// settings come before those (driver/shared.py), its tables after them (ttgen_kernel.h).
#pragma once
