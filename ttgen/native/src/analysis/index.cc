#include "analysis/index.h"

#include <algorithm>
#include <cstdlib>

#include "analysis/hash.h"
#include "base/text.h"

namespace ttgen {
namespace {

const Affine* ValueOf(const AxisValues& values, const Axis& axis) {
  for (const auto& [other, value] : values) {
    if (other == axis) return &value;
  }
  return nullptr;
}

/*! `index` as a product of which one factor is a number; nothing if it is none. */
std::optional<Affine> Multiplied(const Affine& a, const Affine& b) {
  if (a.terms.empty()) return b.Scaled(a.offset);
  if (b.terms.empty()) return a.Scaled(b.offset);
  return std::nullopt;
}

/*! Quotient and remainder by a positive number; nothing if the divisor is none. */
template <class Division>
std::optional<std::pair<Affine, Affine>> DividedBy(const Division& division, const Scope& scope,
                                                   const Location& at) {
  const std::optional<int64_t> divisor = IntValue(division.b);
  if (!divisor || *divisor <= 0) return std::nullopt;
  return Divided(ToAffine(division.a, scope, at), *divisor);
}

/*! `index` as an affine expression, nothing if it is none. */
std::optional<Affine> FindAffine(const ExprRef& index, const Scope& scope, const Location& at) {
  if (const std::optional<int64_t> value = IntValue(index)) return Affine(*value);
  if (const auto* var = As<tir::Var>(index)) {
    const Affine* value = scope.Find(Hold(var));
    return value ? std::optional(*value) : std::nullopt;
  }
  if (const auto* sum = As<tir::Add>(index)) {
    const Affine a = ToAffine(sum->a, scope, at);
    return a + ToAffine(sum->b, scope, at);
  }
  if (const auto* difference = As<tir::Sub>(index)) {
    const Affine a = ToAffine(difference->a, scope, at);
    return a - ToAffine(difference->b, scope, at);
  }
  if (const auto* product = As<tir::Mul>(index)) {
    const Affine a = ToAffine(product->a, scope, at);
    return Multiplied(a, ToAffine(product->b, scope, at));
  }
  if (const auto* division = As<tir::FloorDiv>(index)) {
    const auto parts = DividedBy(*division, scope, at);
    return parts ? std::optional(parts->first) : std::nullopt;
  }
  if (const auto* division = As<tir::FloorMod>(index)) {
    const auto parts = DividedBy(*division, scope, at);
    return parts ? std::optional(parts->second) : std::nullopt;
  }
  if (const auto* cast = As<tir::Cast>(index)) return ToAffine(cast->value, scope, at);
  return std::nullopt;
}

}  // namespace

int64_t Dim::Extent() const {
  int64_t extent = 1;
  for (const Axis& axis : axes) extent *= axis.extent;
  return extent;
}

std::string Dim::Name() const { return axes.empty() ? "one" : axes.front().name; }

size_t DimHash::operator()(const Dim& dim) const { return MixedAll(0, dim.axes, AxisHash()); }

bool Index::ReachesEnd() const { return start + step * (dim.Extent() - 1) == extent - 1; }

std::string Index::Str() const {
  if (dim.axes.empty()) return std::to_string(start);
  const std::string factor = step == 1 ? "" : std::to_string(step) + " * ";
  const std::string offset = start == 0 ? "" : " + " + std::to_string(start);
  return factor + dim.Name() + offset;
}

int64_t Affine::Coefficient(const Axis& axis) const {
  for (const auto& [other, coefficient] : terms) {
    if (other == axis) return coefficient;
  }
  return 0;
}

Affine Affine::operator+(const Affine& other) const {
  Affine sum(terms, offset + other.offset);
  for (const Term& term : other.terms) {
    const auto found = std::find_if(sum.terms.begin(), sum.terms.end(),
                                    [&](const Term& own) { return own.first == term.first; });
    if (found == sum.terms.end()) {
      sum.terms.push_back(term);
    } else {
      found->second += term.second;
    }
  }
  const auto is_zero = [](const Term& term) { return term.second == 0; };
  sum.terms.erase(std::remove_if(sum.terms.begin(), sum.terms.end(), is_zero), sum.terms.end());
  return sum;
}

Affine Affine::operator-(const Affine& other) const { return *this + other.Scaled(-1); }

Affine Affine::Scaled(int64_t factor) const {
  if (factor == 0) return Affine();
  Affine scaled(terms, offset * factor);
  for (Term& term : scaled.terms) term.second *= factor;
  return scaled;
}

Affine Affine::Of(const AxisValues& values) const {
  Affine result(offset);
  for (const Term& term : terms) {
    if (!ValueOf(values, term.first)) result.terms.push_back(term);
  }
  for (const auto& [axis, coefficient] : terms) {
    if (const Affine* value = ValueOf(values, axis)) result = result + value->Scaled(coefficient);
  }
  return result;
}

std::pair<int64_t, int64_t> Affine::Bounds() const {
  int64_t low = offset, high = offset;
  for (const auto& [axis, coefficient] : terms) {
    const int64_t reach = coefficient * (axis.extent - 1);
    (reach < 0 ? low : high) += reach;
  }
  return {low, high};
}

bool Affine::operator==(const Affine& other) const {
  const auto is_in_other = [&](const Term& term) {
    return other.Coefficient(term.first) == term.second;
  };
  return offset == other.offset && terms.size() == other.terms.size() &&
         std::all_of(terms.begin(), terms.end(), is_in_other);
}

size_t Affine::Hash() const {
  size_t of_terms = 0;  // a sum, since their order does not matter
  for (const auto& [axis, coefficient] : terms) {
    of_terms += Mixed(AxisHash()(axis), static_cast<size_t>(coefficient));
  }
  return Mixed(of_terms, static_cast<size_t>(offset));
}

const Affine* Scope::Find(const VarRef& var) const {
  const auto found = values_->find(var);
  return found == values_->end() ? nullptr : &found->second;
}

Scope Scope::With(const VarRef& var, const Affine& value) const {
  auto values = std::make_shared<VarMap<Affine>>(*values_);
  (*values)[var] = value;
  Scope scope;
  scope.values_ = std::move(values);
  return scope;
}

Scope Scope::Of(const AxisValues& values) const {
  auto changed = std::make_shared<VarMap<Affine>>();
  changed->reserve(values_->size());
  for (const auto& [var, value] : *values_) changed->emplace(var, value.Of(values));
  Scope scope;
  scope.values_ = std::move(changed);
  return scope;
}

Affine ToAffine(const ExprRef& index, const Scope& scope, const Location& at) {
  if (std::optional<Affine> found = FindAffine(index, scope, at)) return *std::move(found);
  throw LoweringError("index '" + Script(index) + "' is not affine", at,
                      "use sums of loop variables times constants");
}

std::optional<std::pair<Affine, Affine>> Divided(const Affine& value, int64_t divisor) {
  Affine whole, rest(value.offset);
  for (const auto& [axis, coefficient] : value.terms) {
    if (FloorMod(coefficient, divisor) == 0) {
      whole.terms.emplace_back(axis, FloorDiv(coefficient, divisor));
    } else {
      rest.terms.emplace_back(axis, coefficient);
    }
  }
  const auto [lowest, highest] = rest.Bounds();
  const int64_t low = FloorDiv(lowest, divisor);
  if (low == FloorDiv(highest, divisor)) {
    whole.offset = low;
    rest.offset -= low * divisor;
    return std::pair(std::move(whole), std::move(rest));
  }
  for (const auto& [axis, coefficient] : rest.terms) {
    const int64_t inner = coefficient > 0 ? divisor / coefficient : 0;
    if (inner * coefficient == divisor && axis.extent % inner == 0 && inner < axis.extent) {
      throw Restart(axis, inner, 0);
    }
  }
  return std::nullopt;
}

std::optional<Index> Dimension(const Affine& index, int64_t extent) {
  std::vector<Affine::Term> terms = index.terms;
  std::stable_sort(terms.begin(), terms.end(), [](const Affine::Term& a, const Affine::Term& b) {
    return std::abs(a.second) < std::abs(b.second);
  });
  const int64_t step = terms.empty() ? 1 : terms.front().second;
  int64_t weight = step;
  Dim dim;
  for (auto& [axis, coefficient] : terms) {
    if (coefficient != weight) return std::nullopt;
    weight *= axis.extent;
    dim.axes.push_back(std::move(axis));
  }
  std::reverse(dim.axes.begin(), dim.axes.end());
  return Index{std::move(dim), extent, index.offset, step};
}

}  // namespace ttgen
