#include "base/value.h"

#include <stdexcept>

#include "base/text.h"

namespace ttgen {
namespace {

Value OfObject(const Any& value) {
  if (auto array = value.as<Array<Any>>()) {
    Value::List items;
    items.reserve(array->size());
    for (const Any& item : *array) items.push_back(Value::Of(item));
    return items;
  }
  if (auto map = value.as<Map<Any, Any>>()) {
    Value::Dict entries;
    entries.reserve(map->size());
    for (const auto& entry : *map) {
      auto key = entry.first.as<String>();
      entries.emplace_back(key ? std::string(*key) : Value::Of(entry.first).Str(),
                           Value::Of(entry.second));
    }
    return entries;
  }
  if (auto node = As<tir::IntImm>(value)) {
    // One beyond 64 bits stays the node that it is.
    if (auto number = node->value.as<int64_t>()) return *number;
  }
  if (auto node = As<tir::FloatImm>(value)) return node->value;
  if (auto node = As<tir::StringImm>(value)) return std::string(node->value);
  return nullptr;
}

}  // namespace

Value::Value(const std::vector<int64_t>& values) : data_(List(values.begin(), values.end())) {}

Value::Value(const std::pair<int64_t, int64_t>& values)
    : data_(List{values.first, values.second}) {}

Value Value::Of(const Any& value) {
  switch (value.type_index()) {
    case ffi::TypeIndex::kTVMFFINone:
      return nullptr;
    case ffi::TypeIndex::kTVMFFIBool:
      return value.cast<bool>();
    case ffi::TypeIndex::kTVMFFIInt:
      return value.cast<int64_t>();
    case ffi::TypeIndex::kTVMFFIFloat:
      return value.cast<double>();
  }
  if (auto text = value.as<String>()) return std::string(*text);
  Value made = OfObject(value);
  if (made.IsNone()) made.data_ = value;
  return made;
}

Any Value::ToAny() const {
  struct Visitor {
    Any operator()(std::monostate) const { return nullptr; }
    Any operator()(bool value) const { return value; }
    Any operator()(int64_t value) const { return value; }
    Any operator()(double value) const { return value; }
    Any operator()(const std::string& value) const { return String(value); }
    Any operator()(const List& items) const {
      Array<Any> array;
      array.reserve(items.size());
      for (const Value& item : items) array.push_back(item.ToAny());
      return array;
    }
    Any operator()(const Dict& entries) const {
      Map<String, Any> map;
      for (const auto& [key, value] : entries) map.Set(key, value.ToAny());
      return map;
    }
    Any operator()(const Any& value) const { return value; }
  };
  return std::visit(Visitor(), data_);
}

std::vector<int64_t> Value::Ints() const {
  std::vector<int64_t> values;
  for (const Value& item : Items()) values.push_back(item.Int());
  return values;
}

const Value* Value::Find(const std::string& key) const {
  if (!IsDict()) return nullptr;
  for (const auto& entry : Entries()) {
    if (entry.first == key) return &entry.second;
  }
  return nullptr;
}

const Value& Value::operator[](const std::string& key) const {
  const Value* found = Find(key);
  if (!found) throw std::out_of_range(key);
  return *found;
}

void Value::Set(const std::string& key, Value value) {
  if (IsNone()) data_ = Dict();
  Dict& entries = std::get<Dict>(data_);
  for (auto& entry : entries) {
    if (entry.first == key) {
      entry.second = std::move(value);
      return;
    }
  }
  entries.emplace_back(key, std::move(value));
}

void Value::Erase(const std::string& key) {
  Dict& entries = std::get<Dict>(data_);
  for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
    if (entry->first == key) {
      entries.erase(entry);
      return;
    }
  }
}

void Value::Append(Value value) {
  if (IsNone()) data_ = List();
  std::get<List>(data_).push_back(std::move(value));
}

bool Value::operator==(const Value& other) const {
  auto is_number = [](const Value& one) { return one.IsBool() || one.IsInt() || one.IsFloat(); };
  auto number = [](const Value& one) {
    return one.IsBool() ? (one.Bool() ? 1.0 : 0.0) : one.Number();
  };
  if (is_number(*this) && is_number(other)) return number(*this) == number(other);
  if (data_.index() != other.data_.index()) return false;
  if (IsDict()) {
    if (Entries().size() != other.Entries().size()) return false;
    for (const auto& [key, value] : Entries()) {
      const Value* found = other.Find(key);
      if (!found || *found != value) return false;
    }
    return true;
  }
  if (IsList()) return Items() == other.Items();
  if (IsText()) return Text() == other.Text();
  return IsNone() || StructuralEqual(ToAny(), other.ToAny());
}

std::string Value::Repr() const {
  struct Visitor {
    std::string operator()(std::monostate) const { return "None"; }
    std::string operator()(bool value) const { return value ? "True" : "False"; }
    std::string operator()(int64_t value) const { return std::to_string(value); }
    std::string operator()(double value) const { return ttgen::Repr(value); }
    std::string operator()(const std::string& value) const { return ttgen::Repr(value); }
    std::string operator()(const List& items) const {
      return "[" + JoinMap(items, ", ", [](const Value& item) { return item.Repr(); }) + "]";
    }
    std::string operator()(const Dict& entries) const {
      auto text = [](const auto& entry) {
        return ttgen::Repr(entry.first) + ": " + entry.second.Repr();
      };
      return "{" + JoinMap(entries, ", ", text) + "}";
    }
    std::string operator()(const Any& value) const { return Script(value); }
  };
  return std::visit(Visitor(), data_);
}

std::string Value::Str() const { return IsText() ? Text() : Repr(); }

}  // namespace ttgen
