// Text as Python writes it, so that messages are those of the Python passes to the letter.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ttgen {

/*! `parts` with `separator` between them, as `separator.join(parts)`. */
std::string Join(const std::vector<std::string>& parts, const std::string& separator);

/*! `Join` of what `text` makes of each item. */
template <class Items, class Text>
std::string JoinMap(const Items& items, const std::string& separator, Text text) {
  std::vector<std::string> parts;
  for (const auto& item : items) parts.push_back(text(item));
  return Join(parts, separator);
}

/*! A number as Python's `f"{value:g}"`. */
std::string General(double value);
/*! A number as Python's `repr(float)`: the shortest text that reads back as `value`. */
std::string Repr(double value);
/*! Text as Python's `repr(str)`: in single quotes, unless it has single and no double ones. */
std::string Repr(const std::string& text);
/*! Numbers as Python's `str(list)`: "[1, 2]". */
std::string ListText(const std::vector<int64_t>& values);
/*! Two numbers as Python's `str(tuple)`: "(1, 2)". */
std::string TupleText(const std::pair<int64_t, int64_t>& values);

bool StartsWith(const std::string& text, const std::string& prefix);
bool EndsWith(const std::string& text, const std::string& suffix);
/*! `text` without `prefix`, if it has it. */
std::string RemovePrefix(const std::string& text, const std::string& prefix);
/*! `text` without `suffix`, if it has it. */
std::string RemoveSuffix(const std::string& text, const std::string& suffix);
/*! What follows the last `separator`, or all of it, as Python's `rpartition(separator)[2]`. */
std::string AfterLast(const std::string& text, char separator);
/*! What comes before the first `separator`, or all of it, as Python's `partition(separator)[0]`. */
std::string BeforeFirst(const std::string& text, char separator);
/*! `text` without white space at both ends. */
std::string Strip(const std::string& text);
/*! The last line of `text`, as Python's `splitlines()[-1]`. */
std::string LastLine(const std::string& text);

/*!
 * The word of `known` that is nearest to `word`, or "" if none is near: as Python's
 * `difflib.get_close_matches(word, known, n=1)` finds it.
 */
std::string NearestWord(const std::string& word, const std::vector<std::string>& known);

/*! Quotient and remainder as Python's: towards minus infinity. */
int64_t FloorDiv(int64_t a, int64_t b);
int64_t FloorMod(int64_t a, int64_t b);
/*! The quotient towards plus infinity. */
int64_t CeilDiv(int64_t a, int64_t b);

}  // namespace ttgen
