// What a rule of plans finds wrong (ttgen/plan/violation.py).
#pragma once

#include <optional>
#include <string>

#include "base/error.h"

namespace ttgen::plan {

/*!
 * A broken rule: where in the plan ("tensors.0.pages"), and what is wrong. `at` is the place in the
 * kernel source of the operation that is to blame, if there is one.
 */
struct Violation {
  std::string path;
  std::string message;
  std::optional<Location> at = std::nullopt;
};

/*! What a rule says of a plan: the first thing that breaks it. */
using Verdict = std::optional<Violation>;

/*! The path of the item at `position` of a list: "tensors.0", and of what is in it. */
inline std::string ItemPath(const std::string& list, size_t position,
                            const std::string& field = "") {
  std::string path = list + "." + std::to_string(position);
  return field.empty() ? path : path + "." + field;
}

}  // namespace ttgen::plan
