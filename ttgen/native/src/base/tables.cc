#include "base/tables.h"

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"

namespace ttgen {
namespace {

/*! What an argument is called, and the words that it may be. */
struct KindRow {
  std::string text;
  std::vector<std::string> words;
};
using Words = std::pair<std::string, std::string>;

#include "gen/tables.inc"

template <class Row>
const Row* Find(const std::vector<Row>& table, const std::string& name) {
  static const auto index = [](const std::vector<Row>& rows) {
    std::unordered_map<std::string, const Row*> by_name;
    for (const Row& row : rows) by_name[row.name] = &row;
    return by_name;
  }(table);
  auto found = index.find(name);
  return found == index.end() ? nullptr : found->second;
}

std::string Lookup(const std::vector<Words>& table, const std::string& name) {
  for (const auto& [key, value] : table) {
    if (key == name) return value;
  }
  return "";
}

using Numbers = std::vector<double>;

/*! A function of one number that has no value where the C library says so, as Python's `math`. */
std::function<double(const Numbers&)> Math(double (*function)(double)) {
  return [function](const Numbers& v) {
    double result = function(v[0]);
    bool is_undefined = std::isnan(result) && !std::isnan(v[0]);
    bool is_overflow = std::isinf(result) && !std::isinf(v[0]);
    if (is_undefined || is_overflow) throw std::domain_error("math");
    return result;
  };
}

/*! As `Math`, for what Python rounds to an integer. */
std::function<double(const Numbers&)> Rounding(double (*function)(double)) {
  return [function](const Numbers& v) {
    if (!std::isfinite(v[0])) throw std::domain_error("math");
    return function(v[0]) + 0.0;  // an integer has no negative zero
  };
}

double Inverse(double value) {
  if (value == 0) throw std::domain_error("division by zero");
  return 1 / value;
}

double Power(double base, double exponent) {
  double result = std::pow(base, exponent);
  bool is_finite = std::isfinite(base) && std::isfinite(exponent);
  if (is_finite && !std::isfinite(result)) throw std::domain_error("math");
  return result;
}

double Where(double condition, double if_true, double if_false) {
  bool is_zero = condition == 0 && !std::signbit(condition);
  return is_zero ? if_false : if_true;
}

/*! What the operations of the vector unit make of numbers (`of` in ttgen/vector.py). */
const std::map<std::string, std::function<double(const Numbers&)>>& Meanings() {
  static const std::map<std::string, std::function<double(const Numbers&)>> meanings = [] {
    std::map<std::string, std::function<double(const Numbers&)>> made = {
        {"relu", [](const Numbers& v) { return 0.0 > v[0] ? 0.0 : v[0]; }},
        {"abs", [](const Numbers& v) { return std::fabs(v[0]); }},
        {"exp", Math(std::exp)},
        {"log", Math(std::log)},
        {"log1p", Math(std::log1p)},
        {"sqrt", Math(std::sqrt)},
        {"rsqrt", [](const Numbers& v) { return Inverse(Math(std::sqrt)(v)); }},
        {"recip", [](const Numbers& v) { return Inverse(v[0]); }},
        {"sigmoid", [](const Numbers& v) { return v[0] > -700 ? 1 / (1 + std::exp(-v[0])) : 0.0; }},
        {"tanh", Math(std::tanh)},
        {"erf", Math(std::erf)},
        {"sin", Math(std::sin)},
        {"cos", Math(std::cos)},
        {"floor", Rounding(std::floor)},
        {"ceil", Rounding(std::ceil)},
        {"max", [](const Numbers& v) { return v[1] > v[0] ? v[1] : v[0]; }},
        {"min", [](const Numbers& v) { return v[1] < v[0] ? v[1] : v[0]; }},
        {"where", [](const Numbers& v) { return Where(v[0], v[1], v[2]); }},
        {"pow", [](const Numbers& v) { return Power(v[0], v[1]); }},
    };
    const std::map<std::string, std::function<bool(double, double)>> comparisons = {
        {"lt", std::less<double>()},     {"le", std::less_equal<double>()},
        {"gt", std::greater<double>()},  {"ge", std::greater_equal<double>()},
        {"eq", std::equal_to<double>()}, {"ne", std::not_equal_to<double>()},
    };
    for (const auto& [name, holds] : comparisons) {
      made[name] = [holds = holds](const Numbers& v) { return holds(v[0], v[1]) ? 1.0 : 0.0; };
      made[name + "z"] = [holds = holds](const Numbers& v) { return holds(v[0], 0) ? 1.0 : 0.0; };
    }
    return made;
  }();
  return meanings;
}

}  // namespace

const int64_t kMaxCircularBuffers = kCircularBuffers;

std::optional<double> VectorOp::Folded(const std::vector<double>& values) const {
  try {
    return Meanings().at(name)(values);
  } catch (const std::domain_error&) {
    return std::nullopt;
  }
}

const VectorOp& VectorRow(const std::string& name) {
  const VectorOp* row = Find(kVector, name);
  if (!row) throw std::out_of_range(name);
  return *row;
}

const std::vector<VectorOp>& VectorRows() { return kVector; }

const VectorOp* VectorCall(const std::string& source) {
  auto is_it = [&](const VectorOp& row) { return !source.empty() && row.source == source; };
  auto found = std::find_if(kVector.begin(), kVector.end(), is_it);
  return found == kVector.end() ? nullptr : &*found;
}

std::string Exchanged(const std::string& name) { return Lookup(kExchanged, name); }

bool IsTruth(const std::string& name) {
  return std::binary_search(kTruths.begin(), kTruths.end(), name);
}

bool IsAttribute(const std::string& key) {
  return std::binary_search(kAttributes.begin(), kAttributes.end(), key);
}

std::string NearestOp(const std::string& name) { return Lookup(kNearest, name); }

std::string ArgKindText(ArgKind kind) { return kKinds.at(static_cast<size_t>(kind)).text; }

const std::vector<std::string>& WordsOf(ArgKind kind) {
  return kKinds.at(static_cast<size_t>(kind)).words;
}

const TileOp* FindTileOp(const std::string& name) { return Find(kTileOps, name); }

const std::vector<TileOp>& TileOps() { return kTileOps; }

const std::vector<std::string>& ProgramNames() { return kPrograms; }

const TileMath* FindTileMath(const std::string& name) { return Find(kTileMath, name); }

const std::vector<std::string>& TileMathNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> listed;
    for (const TileMath& row : kTileMath) listed.push_back(row.name);
    return listed;
  }();
  return names;
}

const std::vector<Format>& Formats() { return kFormats; }

const Format* FindFormat(const std::string& name) { return Find(kFormats, name); }

const Format* FormatOfDtype(const std::string& dtype) {
  auto is_it = [&](const Format& row) { return !dtype.empty() && row.source_dtype == dtype; };
  auto found = std::find_if(kFormats.begin(), kFormats.end(), is_it);
  return found == kFormats.end() ? nullptr : &*found;
}

const Format& WorkingFormat(const std::vector<std::string>& names) {
  bool is_wide = false;
  for (const std::string& name : names) {
    const Format* format = FindFormat(name);
    if (!format) throw std::out_of_range(name);
    if (format->kind == "integer") return *format;
    is_wide = is_wide || format->is_wide;
  }
  return *FindFormat(is_wide ? "fp32" : "bf16");
}

double NearestBf16(double value) {
  float narrow = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &narrow, sizeof(bits));
  bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000;
  std::memcpy(&narrow, &bits, sizeof(bits));
  return narrow;
}

const std::vector<Architecture>& Architectures() { return kArchitectures; }

const Architecture* FindArchitecture(const std::string& name) { return Find(kArchitectures, name); }

const Architecture& ArchitectureOf(const std::string& name) {
  if (const Architecture* found = FindArchitecture(name)) return *found;
  std::string refused = Lookup(kRefusedArchitectures, name);
  if (!refused.empty()) throw TTError("architecture '" + name + "': " + refused);
  std::vector<std::string> known;
  for (const Architecture& row : kArchitectures) known.push_back(row.name);
  std::sort(known.begin(), known.end());
  throw TTError("unknown architecture '" + name + "'; known: " + Join(known, ", "));
}

}  // namespace ttgen
