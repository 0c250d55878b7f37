// SFPI's vector API, for the clang stand-in: the vector unit (SFPU) of a Tensix core.
//
// A library of its own: docs/sfpu.md lists its operations and the instruction that each one issues.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "sfpi/blackhole.h"
#include "sfpi/conditions.h"
#include "sfpi/conversions.h"
#include "sfpi/destination.h"
