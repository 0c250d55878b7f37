// What every file includes sooner or later, compiled once for all of them. (A guard, since
// compilers warn of `#pragma once` in the file that they are given.)
#ifndef TTGEN_BASE_PRECOMPILED_H_
#define TTGEN_BASE_PRECOMPILED_H_

#include <tvm/ffi/tvm_ffi.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "gen/tvm_abi.h"

#endif  // TTGEN_BASE_PRECOMPILED_H_
