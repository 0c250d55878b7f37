#include "plan/typed.h"

#include <algorithm>
#include <stdexcept>

#include "base/text.h"

namespace ttgen::plan {
namespace {

const char kIdentifier[] = "^[A-Za-z_][A-Za-z0-9_]*$";
const char kKernelName[] = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$";

bool IsDigit(char c) { return '0' <= c && c <= '9'; }
bool IsLetter(char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '_'; }

/*!
 * Whether `text` begins with what `is_first` says, goes on as `is_next` says, and ends, perhaps
 * with a new line: `$` of Python's regular expressions comes before the last one, too.
 */
template <class First, class Next>
bool Matches(const std::string& text, First is_first, Next is_next) {
  const std::string line = RemoveSuffix(text, "\n");
  return !line.empty() && is_first(line[0]) && std::all_of(line.begin() + 1, line.end(), is_next);
}

/*! What msgspec calls the type of a value. */
std::string TypeText(const Value& value) {
  if (value.IsNone()) return "null";
  if (value.IsBool()) return "bool";
  if (value.IsInt()) return "int";
  if (value.IsFloat()) return "float";
  if (value.IsText()) return "str";
  if (value.IsList()) return "array";
  if (value.IsDict()) return "object";
  throw std::invalid_argument("a plan cannot hold " + value.Repr());
}

void CheckType(const Place& place, const Value& value, bool is_it, const std::string& wanted) {
  if (!is_it) place.Refuse("Expected `" + wanted + "`, got `" + TypeText(value) + "`");
}

void CheckPattern(const Place& place, bool matches, const std::string& pattern) {
  if (!matches) place.Refuse("Expected `str` matching regex '" + pattern + "'");
}

}  // namespace

void Place::Refuse(const std::string& problem) const {
  throw LoweringError(Text() + ": " + problem, kernel_);
}

std::string Place::Text() const {
  const std::string around = around_ ? around_->Text() : "";
  const std::string own = field_ ? field_ : around_ ? std::to_string(position_) : "";
  return around.empty() ? own : around + "." + own;
}

int64_t IntAt(const Place& place, const Value& value, int64_t least) {
  CheckType(place, value, value.IsInt(), "int");
  if (value.Int() < least) place.Refuse("Expected `int` >= " + std::to_string(least));
  return value.Int();
}

bool TruthAt(const Place& place, const Value& value) {
  CheckType(place, value, value.IsBool(), "bool");
  return value.Bool();
}

std::string TextAt(const Place& place, const Value& value) {
  CheckType(place, value, value.IsText(), "str");
  return value.Text();
}

std::string IdentifierAt(const Place& place, const Value& value) {
  const std::string text = TextAt(place, value);
  auto is_next = [](char c) { return IsLetter(c) || IsDigit(c); };
  CheckPattern(place, Matches(text, IsLetter, is_next), kIdentifier);
  return text;
}

std::optional<std::string> IdentifierOrNoneAt(const Place& place, const Value& value) {
  if (value.IsNone()) return std::nullopt;
  CheckType(place, value, value.IsText(), "str | null");
  return IdentifierAt(place, value);
}

std::string KernelNameAt(const Place& place, const std::string& name) {
  auto is_first = [](char c) { return IsLetter(c) || IsDigit(c); };
  auto is_next = [&](char c) { return is_first(c) || c == '.' || c == '+' || c == '-'; };
  CheckPattern(place, Matches(name, is_first, is_next), kKernelName);
  return name;
}

std::string WordAt(const Place& place, const Value& value, const std::vector<std::string>& words) {
  const std::string text = TextAt(place, value);
  const bool is_known = std::find(words.begin(), words.end(), text) != words.end();
  if (!is_known) place.Refuse("Invalid enum value " + Repr(text));
  return text;
}

std::vector<int64_t> IntsAt(const Place& place, const Value& value, int64_t least) {
  std::vector<int64_t> values;
  for (const Value& element : ElementsOf(value)) {
    values.push_back(IntAt(place[values.size()], element, least));
  }
  return values;
}

Grid PairAt(const Place& place, const Value& value, int64_t least) {
  const size_t size = ElementsOf(value).size();
  if (size != 2) place.Refuse("Expected `array` of length 2, got " + std::to_string(size));
  const std::vector<int64_t> values = IntsAt(place, value, least);
  return {values[0], values[1]};
}

Value::List ElementsOf(const Value& value) {
  if (value.IsList()) return value.Items();
  Value::List elements;
  if (value.IsText()) {
    for (char c : value.Text()) elements.push_back(std::string(1, c));
  } else {
    for (const auto& [key, held] : value.Entries()) elements.push_back(key);
  }
  return elements;
}

}  // namespace ttgen::plan
