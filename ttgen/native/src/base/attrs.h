// The `tt.*` attributes of functions: what passes leave for each other (ttgen/passes/attrs.py).
#pragma once

#include <string>

#include "base/error.h"
#include "base/ir.h"
#include "base/value.h"

namespace ttgen::attrs {

inline constexpr char kArch[] = "tt.arch";
inline constexpr char kAuthorGrid[] = "tt.author_grid";
inline constexpr char kBufferPrefix[] = "tt.buffer.";
inline constexpr char kCbDesc[] = "tt.cb_desc";
inline constexpr char kComputeConfig[] = "tt.compute_config";
inline constexpr char kConstants[] = "tt.constants";
inline constexpr char kConstTiles[] = "tt.const_tiles";
inline constexpr char kCoreGrid[] = "tt.core_grid";
inline constexpr char kCoreRanges[] = "tt.core_ranges";
inline constexpr char kLayoutDesc[] = "tt.layout_desc";
inline constexpr char kPartition[] = "tt.partition";
inline constexpr char kProgram[] = "tt.program";
inline constexpr char kRoles[] = "tt.roles";
inline constexpr char kSource[] = "tt.source";
inline constexpr char kUserLayout[] = "tt.user_layout";
inline constexpr char kWorkPartition[] = "tt.work_partition";

/*! Every attribute of `func`, as TVM holds it. */
AttrMap Of(const FuncRef& func);
/*! Whether `func` has the attribute `key`. */
bool Has(const FuncRef& func, const std::string& key);
/*! Whether its `tt.*` attributes are known ones, and none is in the legacy spelling. */
bool AreKnown(const FuncRef& func);
/*! The attribute `key` as a plain value, None where it is not set. */
Value Optional(const FuncRef& func, const std::string& key);
/*! The attribute `key` as a plain value; LoweringError says which pass has to run first. */
Value Require(const FuncRef& func, const std::string& key, const std::string& asked_by);
/*! LoweringError, which says which pass has to run first, where `key` is not set. */
void CheckPresent(const FuncRef& func, const std::string& key, const std::string& asked_by);
/*! Whether an attribute is the very object that it was; numbers and text are compared. */
bool IsSame(const Any& earlier, const Any& value);
/*! Where the kernel stands: its source attribute, or the first parameter that has a span. */
Location KernelPlace(const FuncRef& func);

}  // namespace ttgen::attrs
