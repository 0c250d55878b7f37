// InferTTLayout: one canonical layout per tensor, from defaults, annotations and the spec
// (ttgen/passes/infer_tt_layout.py). The pass itself is declared in passes/pass.h.
#pragma once

#include <string>

#include "base/error.h"
#include "base/tables.h"
#include "base/value.h"

namespace ttgen {

/*! `error`, which is about the layout of the tensor `name`, and stands `at` if it has no place. */
LoweringError LayoutError(const LoweringError& error, const std::string& name, const Location& at);

/*! What `body` makes; what is wrong with a layout, as an error that says whose it is and where. */
template <class Body>
auto WithLayoutErrors(const std::string& name, const Location& at, Body body) {
  try {
    return body();
  } catch (const LoweringError& error) {
    throw LayoutError(error, name, at);
  }
}

/*! Rows and columns of tiles of a tensor, its leading dimensions folded into the rows. */
Grid Tiles(const Value& layout);

}  // namespace ttgen
