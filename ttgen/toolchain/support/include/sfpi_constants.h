// Names of modifiers, without the vector types.
#pragma once

#include "sfpi/constants.h"
