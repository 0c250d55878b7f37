#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

namespace ttgen {
namespace {

/*! What Python calls a number that is none. */
std::string SpecialNumber(double value) {
  if (std::isnan(value)) return "nan";
  return value < 0 ? "-inf" : "inf";
}

/*! Where the longest equal run of two words begins in each, and its length; the earliest such. */
struct Match {
  size_t a = 0;
  size_t b = 0;
  size_t size = 0;
};

Match LongestMatch(const std::string& a, const std::string& b, const Match& window_begin,
                   const Match& window_end) {
  Match best{window_begin.a, window_begin.b, 0};
  std::map<size_t, size_t> lengths;  // of the runs that end at a position of b
  for (size_t i = window_begin.a; i < window_end.a; ++i) {
    std::map<size_t, size_t> next;
    for (size_t j = window_begin.b; j < window_end.b; ++j) {
      if (a[i] != b[j]) continue;
      auto before = j > 0 ? lengths.find(j - 1) : lengths.end();
      size_t length = (before == lengths.end() ? 0 : before->second) + 1;
      next[j] = length;
      if (length > best.size) best = {i + 1 - length, j + 1 - length, length};
    }
    lengths = std::move(next);
  }
  return best;
}

/*! Characters that two words have in common, in order, by their longest runs. */
size_t Matching(const std::string& a, const std::string& b, const Match& begin, const Match& end) {
  Match found = LongestMatch(a, b, begin, end);
  if (found.size == 0) return 0;
  return found.size + Matching(a, b, begin, {found.a, found.b, 0}) +
         Matching(a, b, {found.a + found.size, found.b + found.size, 0}, end);
}

/*! Python's `SequenceMatcher(None, known, word).ratio()`. */
double Likeness(const std::string& known, const std::string& word) {
  size_t length = known.size() + word.size();
  if (length == 0) return 1.0;
  return 2.0 * Matching(known, word, {}, {known.size(), word.size(), 0}) / length;
}

}  // namespace

std::string Join(const std::vector<std::string>& parts, const std::string& separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) text += (i ? separator : "") + parts[i];
  return text;
}

std::string General(double value) {
  if (!std::isfinite(value)) return SpecialNumber(value);
  char text[64];
  std::snprintf(text, sizeof(text), "%g", value);
  return text;
}

std::string Repr(double value) {
  if (!std::isfinite(value)) return SpecialNumber(value);
  char digits[64];
  auto end = std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::scientific);
  std::string shortest(digits, end.ptr);
  // Python writes exponents from -4 to 15 without one.
  int exponent = std::atoi(shortest.substr(shortest.find('e') + 1).c_str());
  if (exponent < -4 || exponent >= 16) return shortest;
  end = std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::fixed);
  std::string fixed(digits, end.ptr);
  return fixed.find('.') == std::string::npos ? fixed + ".0" : fixed;
}

std::string Repr(const std::string& text) {
  bool is_double = text.find('\'') != std::string::npos && text.find('"') == std::string::npos;
  char quote = is_double ? '"' : '\'';
  std::string result(1, quote);
  for (char c : text) {
    static const std::map<char, std::string> kEscapes = {
        {'\\', "\\\\"}, {'\n', "\\n"}, {'\t', "\\t"}, {'\r', "\\r"}};
    auto escape = kEscapes.find(c);
    if (escape != kEscapes.end()) {
      result += escape->second;
    } else if (c == quote) {
      result += std::string("\\") + c;
    } else {
      result += c;
    }
  }
  return result + quote;
}

std::string ListText(const std::vector<int64_t>& values) {
  return "[" + JoinMap(values, ", ", [](int64_t value) { return std::to_string(value); }) + "]";
}

std::string TupleText(const std::pair<int64_t, int64_t>& values) {
  return "(" + std::to_string(values.first) + ", " + std::to_string(values.second) + ")";
}

bool StartsWith(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

bool EndsWith(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

std::string RemovePrefix(const std::string& text, const std::string& prefix) {
  return StartsWith(text, prefix) ? text.substr(prefix.size()) : text;
}

std::string RemoveSuffix(const std::string& text, const std::string& suffix) {
  return EndsWith(text, suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

std::string AfterLast(const std::string& text, char separator) {
  size_t at = text.rfind(separator);
  return at == std::string::npos ? text : text.substr(at + 1);
}

std::string BeforeFirst(const std::string& text, char separator) {
  return text.substr(0, text.find(separator));
}

std::string Strip(const std::string& text) {
  static const char kSpace[] = " \t\n\r\f\v";
  size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string LastLine(const std::string& text) {
  return AfterLast(EndsWith(text, "\n") ? text.substr(0, text.size() - 1) : text, '\n');
}

std::string NearestWord(const std::string& word, const std::vector<std::string>& known) {
  constexpr double kCutoff = 0.6;
  std::pair<double, std::string> best{0, ""};
  for (const std::string& candidate : known) {
    double likeness = Likeness(candidate, word);
    if (likeness >= kCutoff) best = std::max(best, {likeness, candidate});
  }
  return best.second;
}

int64_t FloorDiv(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

int64_t FloorMod(int64_t a, int64_t b) { return a - FloorDiv(a, b) * b; }

int64_t CeilDiv(int64_t a, int64_t b) { return -FloorDiv(-a, b); }

}  // namespace ttgen
