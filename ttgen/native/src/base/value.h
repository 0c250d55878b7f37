// Plain values: what attributes and options hold, apart from TVM's containers.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/ir.h"

namespace ttgen {

/*!
 * None, a truth value, a number, text, a list, or a dict in the order of its insertion; as
 * `ttgen.passes.attrs.plain` makes them. What is none of these stays a node.
 */
class Value {
 public:
  using List = std::vector<Value>;
  using Dict = std::vector<std::pair<std::string, Value>>;

  Value() = default;
  Value(std::nullptr_t) {}                                 // NOLINT(*)
  Value(bool value) : data_(value) {}                      // NOLINT(*)
  Value(int value) : data_(int64_t{value}) {}              // NOLINT(*)
  Value(int64_t value) : data_(value) {}                   // NOLINT(*)
  Value(double value) : data_(value) {}                    // NOLINT(*)
  Value(const char* value) : data_(std::string(value)) {}  // NOLINT(*)
  Value(std::string value) : data_(std::move(value)) {}    // NOLINT(*)
  Value(List value) : data_(std::move(value)) {}           // NOLINT(*)
  Value(Dict value) : data_(std::move(value)) {}           // NOLINT(*)
  Value(const std::vector<int64_t>& values);               // NOLINT(*)
  Value(const std::pair<int64_t, int64_t>& values);        // NOLINT(*)

  /*! What TVM holds as a plain value; constants of the IR are what they are constants of. */
  static Value Of(const Any& value);
  /*! This for TVM: dicts are Maps, lists Arrays. */
  Any ToAny() const;

  bool IsNone() const { return std::holds_alternative<std::monostate>(data_); }
  bool IsBool() const { return std::holds_alternative<bool>(data_); }
  /*! Whether it is an integer, and no truth value. */
  bool IsInt() const { return std::holds_alternative<int64_t>(data_); }
  bool IsFloat() const { return std::holds_alternative<double>(data_); }
  bool IsText() const { return std::holds_alternative<std::string>(data_); }
  bool IsList() const { return std::holds_alternative<List>(data_); }
  bool IsDict() const { return std::holds_alternative<Dict>(data_); }

  // Each throws std::bad_variant_access where this is something else.
  bool Bool() const { return std::get<bool>(data_); }
  int64_t Int() const { return std::get<int64_t>(data_); }
  /*! A number as floating point, be it an integer. */
  double Number() const { return IsInt() ? static_cast<double>(Int()) : std::get<double>(data_); }
  const std::string& Text() const { return std::get<std::string>(data_); }
  const List& Items() const { return std::get<List>(data_); }
  const Dict& Entries() const { return std::get<Dict>(data_); }
  std::vector<int64_t> Ints() const;

  /*! Whether a dict has `key`. */
  bool Has(const std::string& key) const { return Find(key) != nullptr; }
  /*! The value of `key` in a dict, nullptr where it has none. */
  const Value* Find(const std::string& key) const;
  /*! The value of `key` in a dict; std::out_of_range where it has none. */
  const Value& operator[](const std::string& key) const;
  const Value& operator[](size_t position) const { return Items().at(position); }
  /*! Set `key` of a dict: in its place if it is there, else at the end. None becomes a dict. */
  void Set(const std::string& key, Value value);
  void Erase(const std::string& key);
  void Append(Value value);

  /*! As Python compares them: 1 == 1.0 == True. */
  bool operator==(const Value& other) const;
  bool operator!=(const Value& other) const { return !(*this == other); }

  /*! As Python's `repr`. */
  std::string Repr() const;
  /*! As Python's `str`: text as it is, all else as `Repr`. */
  std::string Str() const;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, List, Dict, Any> data_;
};

}  // namespace ttgen
