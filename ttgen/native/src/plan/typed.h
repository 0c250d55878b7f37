// The types of what a plan holds: what is said of values that they do not allow.
//
// The Python twin checks them by msgspec, whose words these are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/tables.h"
#include "base/value.h"

namespace ttgen::plan {

/*! Where in a plan a value stands. A place refers to the one around it, which must outlive it. */
class Place {
 public:
  /*! The plan of a kernel that stands at `kernel`, which is where all of its errors are told. */
  explicit Place(const Location& kernel) : kernel_(kernel) {}

  Place operator[](const char* field) const { return Place(*this, field, 0); }
  Place operator[](size_t position) const { return Place(*this, nullptr, position); }

  /*! LoweringError that says where this is, and what is wrong. */
  [[noreturn]] void Refuse(const std::string& problem) const;
  /*! "tensors.0.layout". */
  std::string Text() const;

 private:
  Place(const Place& around, const char* field, size_t position)
      : kernel_(around.kernel_), around_(&around), field_(field), position_(position) {}

  const Location& kernel_;
  const Place* around_ = nullptr;
  const char* field_ = nullptr;
  size_t position_ = 0;
};

// Each of these gives `value` as what it must be, or refuses it at `place`.

int64_t IntAt(const Place& place, const Value& value, int64_t least);
bool TruthAt(const Place& place, const Value& value);
std::string TextAt(const Place& place, const Value& value);
/*! A C++ identifier. */
std::string IdentifierAt(const Place& place, const Value& value);
std::optional<std::string> IdentifierOrNoneAt(const Place& place, const Value& value);
/*! The name of a kernel variant: part of a path, so no separators and no leading dot. */
std::string KernelNameAt(const Place& place, const std::string& name);
/*! One of `words`. */
std::string WordAt(const Place& place, const Value& value, const std::vector<std::string>& words);
/*! Any number of integers. */
std::vector<int64_t> IntsAt(const Place& place, const Value& value, int64_t least);
/*! Two integers. */
Grid PairAt(const Place& place, const Value& value, int64_t least);

/*! As Python's `tuple(value)`: of text its characters, of a dict its keys. */
Value::List ElementsOf(const Value& value);

}  // namespace ttgen::plan
