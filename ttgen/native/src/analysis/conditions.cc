#include "analysis/conditions.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace ttgen {
namespace {

/*! The operands of a comparison. */
struct Compared {
  const ExprRef* a = nullptr;
  const ExprRef* b = nullptr;
  explicit operator bool() const { return a != nullptr; }
};

template <class... Comparisons>
Compared FindCompared(const ExprRef& node) {
  Compared found;
  const auto look = [&](const auto* comparison) {
    if (comparison) found = {&comparison->a, &comparison->b};
  };
  (look(As<Comparisons>(node)), ...);
  return found;
}

/*! The operands of `node`, none if it is no comparison. */
Compared ComparedBy(const ExprRef& node) {
  return FindCompared<tir::LT, tir::LE, tir::GT, tir::GE, tir::EQ, tir::NE>(node);
}

bool IsValue(const ExprRef& operand) {
  const tir::Expr* inner = operand.get();
  while (const auto* cast = As<tir::Cast>(inner)) inner = cast->value.get();
  const std::string dtype = DtypeName(inner->ty);
  return dtype.find("float") != std::string::npos || dtype == "bool";
}

/*! What is negative where `condition` compares `a` and `b` and holds; for != where not. */
std::vector<Affine> Excesses(const ExprRef& condition, const Affine& a, const Affine& b) {
  const Affine one(1);
  if (As<tir::LE>(condition)) return {a - b - one};
  if (As<tir::LT>(condition)) return {a - b};
  if (As<tir::GE>(condition)) return {b - a - one};
  if (As<tir::GT>(condition)) return {b - a};
  return {a - b - one, b - a - one};
}

/*! Whether `value` is below 0, everywhere or nowhere; Restart if it changes its sign. */
bool IsNegative(const Affine& value) {
  const auto [low, high] = value.Bounds();
  if (high < 0) return true;
  if (low >= 0) return false;
  // The axis with the longest steps is cut; what shorter steps add decides where.
  const auto is_shorter = [](const Affine::Term& a, const Affine::Term& b) {
    return std::abs(a.second) < std::abs(b.second);
  };
  const auto longest = std::max_element(value.terms.begin(), value.terms.end(), is_shorter);
  const auto& [axis, step] = *longest;
  Affine rest = value;
  rest.terms.erase(rest.terms.begin() + (longest - value.terms.begin()));
  const auto [rest_low, rest_high] = rest.Bounds();
  // Negative everywhere while step * n + rest_high < 0, nowhere while step * n + rest_low >= 0.
  const int64_t cut = step > 0 ? -FloorDiv(rest_high, step) : FloorDiv(rest_low, -step) + 1;
  throw Restart(axis, 0, std::min(std::max(cut, int64_t{1}), axis.extent - 1));
}

bool Holds(const ExprRef& condition, const Affine& a, const Affine& b) {
  const std::vector<Affine> excesses = Excesses(condition, a, b);
  const bool holds = std::all_of(excesses.begin(), excesses.end(), IsNegative);
  return As<tir::NE>(condition) ? !holds : holds;
}

}  // namespace

bool IsOnValues(const ExprRef& condition) {
  const Compared compared = ComparedBy(condition);
  return compared && (IsValue(*compared.a) || IsValue(*compared.b));
}

bool Truth(const ExprRef& condition, const Scope& scope, const Location& at) {
  if (const std::optional<int64_t> value = IntValue(condition)) return *value != 0;
  if (const auto* opposite = As<tir::Not>(condition)) return !Truth(opposite->a, scope, at);
  if (const auto* both = As<tir::And>(condition)) {
    return Truth(both->a, scope, at) && Truth(both->b, scope, at);
  }
  if (const auto* either = As<tir::Or>(condition)) {
    return Truth(either->a, scope, at) || Truth(either->b, scope, at);
  }
  if (const auto* cast = As<tir::Cast>(condition)) return Truth(cast->value, scope, at);
  const Compared compared = ComparedBy(condition);
  if (compared && !IsOnValues(condition)) {
    const Affine a = ToAffine(*compared.a, scope, at);
    return Holds(condition, a, ToAffine(*compared.b, scope, at));
  }
  throw LoweringError("the condition '" + ScriptLine(condition) + "' does not lower yet", at,
                      "what a statement runs under compares indices; a choice between values is "
                      "T.if_then_else or T.Select, which compare values, too");
}

std::vector<Affine> OrderOf(const ExprRef& condition, const Scope& scope, const Location& at) {
  const Compared compared = ComparedBy(condition);
  if (!compared || IsOnValues(condition)) return {};
  const Affine a = ToAffine(*compared.a, scope, at);
  const Affine b = ToAffine(*compared.b, scope, at);
  if (!IsDifference(a - b)) return {};
  std::vector<Affine> differences;
  for (const Affine& excess : Excesses(condition, a, b)) differences.push_back(Affine(-1) - excess);
  return differences;
}

bool IsDifference(const Affine& value) {
  const auto is_index = [](const Affine& side) {
    const std::optional<Index> index = Dimension(side, 1);
    return index && !index->dim.axes.empty() && index->step == 1;
  };
  const auto [more, less] = Sides(value);
  return is_index(more) && is_index(less);
}

std::pair<Affine, Affine> Sides(const Affine& value) {
  Affine more, less;
  for (const auto& [axis, step] : value.terms) {
    (step > 0 ? more : less).terms.emplace_back(axis, std::abs(step));
  }
  return {std::move(more), std::move(less)};
}

bool IsBelow(const Affine& index, int64_t element) { return IsNegative(index - Affine(element)); }

}  // namespace ttgen
