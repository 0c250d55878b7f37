#include "tiling/marks.h"

#include <cmath>
#include <string>

namespace ttgen {
namespace {

AttrMap MarkOf(const char* kind) { return {{String("tt.axis"), String(kind)}}; }

Value AsValue(double number) {
  if (!std::isinf(number)) return number;
  return number < 0 ? "-inf" : "inf";
}

double NumberOf(const Value& value) {
  return value.IsText() ? std::stod(value.Text()) : value.Number();
}

}  // namespace

const AttrMap& Parallel() {
  static const AttrMap mark = MarkOf("parallel");
  return mark;
}

const AttrMap& ReduceMark() {
  static const AttrMap mark = MarkOf("reduce");
  return mark;
}

const AttrMap& MapMark() {
  static const AttrMap mark = MarkOf("map");
  return mark;
}

const AttrMap& StreamMark() {
  static const AttrMap mark = MarkOf("stream");
  return mark;
}

Value ConstantPage::AsAttribute() const {
  return Value::Dict{{"value", AsValue(value)},
                     {"beyond", AsValue(beyond)},
                     {"rows", rows},
                     {"columns", columns},
                     {"diagonal", diagonal ? Value(*diagonal) : Value()}};
}

ConstantPage ConstantPage::OfAttribute(const Value& page) {
  ConstantPage made{NumberOf(page["value"]), NumberOf(page["beyond"])};
  if (const Value* rows = page.Find("rows")) made.rows = rows->Int();
  if (const Value* columns = page.Find("columns")) made.columns = columns->Int();
  const Value* diagonal = page.Find("diagonal");
  if (diagonal && !diagonal->IsNone()) made.diagonal = diagonal->Int();
  return made;
}

}  // namespace ttgen
