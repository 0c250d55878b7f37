#include "analysis/expr.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/conditions.h"
#include "analysis/hash.h"
#include "base/tables.h"
#include "base/text.h"

namespace ttgen {
namespace {

std::string Name(const Dim& dim) { return dim.Name(); }

// Text of indices -------------------------------------------------------------------------------

std::string IndexText(const Index& index) { return index == Index{Dim(), 1} ? "one" : index.Str(); }

std::string IndexText(const Affine& index) {
  std::vector<std::pair<bool, std::string>> parts;  // whether it is taken away, and its magnitude
  for (const auto& [axis, step] : index.terms) {
    const int64_t size = std::abs(step);
    const std::string factor = size == 1 ? "" : std::to_string(size) + " * ";
    parts.emplace_back(step < 0, factor + axis.name);
  }
  if (index.offset != 0 || parts.empty()) {
    parts.emplace_back(index.offset < 0, std::to_string(std::abs(index.offset)));
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text = parts.front().first ? "-" : "";
  text += parts.front().second;
  for (size_t i = 1; i < parts.size(); ++i) {
    text += (parts[i].first ? " - " : " + ") + parts[i].second;
  }
  return text;
}

std::string IndexTexts(const Access& access, bool by_view) {
  const auto text = [](const auto& index) { return IndexText(index); };
  return by_view ? JoinMap(access.view, ", ", text) : JoinMap(access.indices, ", ", text);
}

// Nodes -----------------------------------------------------------------------------------------

/*! `node` with its hash. */
Expr Made(Node node) {
  size_t hash = Mixed(static_cast<size_t>(node.kind), std::hash<std::string>()(node.op));
  hash = MixedAll(hash, node.operands, ExprHash());
  hash = Mixed(hash, std::hash<double>()(node.value));
  hash = Mixed(hash, std::hash<double>()(node.outside));
  hash = MixedAll(hash, node.dims, DimHash());
  hash = Mixed(hash, PtrHash()(node.buffer));
  if (node.kind == Kind::kLoad) hash = Mixed(hash, node.access.Hash());
  if (node.kind == Kind::kTriangle) hash = Mixed(hash, node.difference.Hash());
  node.hash = hash;
  return std::make_shared<const Node>(std::move(node));
}

/*! A node of `operands`, or of none. */
Expr MadeOf(Kind kind, std::string op, std::vector<Expr> operands, std::vector<Dim> dims,
            Location at) {
  Node node;
  node.kind = kind;
  node.op = std::move(op);
  node.operands = std::move(operands);
  node.dims = std::move(dims);
  node.at = std::move(at);
  return Made(std::move(node));
}

Expr TakenAs(const Expr& expr, std::vector<Expr> operands) {
  return MadeOf(expr->kind, expr->op, std::move(operands), expr->dims, expr->at);
}

// Operations in simpler forms -------------------------------------------------------------------

/*! The meaning of a binary operation on numbers. */
double FoldedBinary(const std::string& op, double a, double b) {
  return op == "add" ? a + b : op == "sub" ? a - b : a * b;
}

bool IsTruthVector(const Expr& expr) { return Is(expr, Kind::kVector) && IsTruth(expr->op); }

/*! The same of one operand in a simpler form; nullptr if there is none. So are those below. */
Expr SimplerUnary(const std::string& op, const Expr& a) {
  return (op == "gtz" || op == "nez") && IsTruthVector(a) ? a : nullptr;
}

Expr SimplerBinary(const std::string& op, const Expr& a, const Expr& b, const Location& at) {
  if (op == "max" && IsConst(a, 0.0)) return MakeVector("relu", {b}, at);
  if (op == "max" && IsConst(b, 0.0)) return MakeVector("relu", {a}, at);
  const std::string exchanged = Exchanged(op);
  if (exchanged.empty()) return nullptr;
  if (Is(a, Kind::kConst)) return Vector(exchanged, {b, a}, at);
  return IsConst(b, 0.0) ? Vector(op + "z", {a}, at) : nullptr;
}

Expr SimplerChoice(const Expr& condition, const Expr& a, const Expr& b) {
  if (Is(condition, Kind::kConst)) return condition->value != 0.0 ? a : b;
  const bool is_itself = IsTruthVector(condition) && IsConst(a, 1.0) && IsConst(b, 0.0);
  return is_itself ? condition : nullptr;
}

Expr Simpler(const std::string& op, const std::vector<Expr>& operands, const Location& at) {
  if (operands.size() == 1) return SimplerUnary(op, operands[0]);
  if (operands.size() == 2) return SimplerBinary(op, operands[0], operands[1], at);
  return op == "where" ? SimplerChoice(operands[0], operands[1], operands[2]) : nullptr;
}

/*! What an operation of the vector unit makes of numbers; nothing if not all are numbers. */
std::optional<double> Folded(const std::string& op, const std::vector<Expr>& operands) {
  std::vector<double> numbers;
  for (const Expr& operand : operands) {
    if (!Is(operand, Kind::kConst)) return std::nullopt;
    numbers.push_back(operand->value);
  }
  return VectorRow(op).Folded(numbers);
}

/*! Exponents that have an operation of their own. */
const std::map<double, std::string> kPowers = {{0.5, "sqrt"}, {-0.5, "rsqrt"}, {-1.0, "recip"}};
/*! The largest exponent that becomes products. */
constexpr double kMostFactors = 8;

/*! `a` multiplied `factors` times, by squares. */
Expr Multiplied(const Expr& a, int factors, const Location& at) {
  if (factors == 0) return MakeConst(1.0);
  const Expr half = Multiplied(a, factors / 2, at);
  const Expr square = IsConst(half, 1.0) ? half : Binary("mul", half, half, at);
  if (factors % 2 == 0) return square;
  return IsConst(square, 1.0) ? a : Binary("mul", square, a, at);
}

/*! Every operand as `change` makes it, from left to right. */
template <class Change>
std::vector<Expr> Changed(const std::vector<Expr>& operands, const Change& change) {
  std::vector<Expr> changed;
  changed.reserve(operands.size());
  for (const Expr& operand : operands) changed.push_back(change(operand));
  return changed;
}

/*! An operation as it is of new operands, computed where they are numbers. */
Expr Recomputed(const Expr& expr, const std::vector<Expr>& operands) {
  if (Is(expr, Kind::kVector)) return Vector(expr->op, operands, expr->at);
  return Binary(expr->op, operands[0], operands[1], expr->at);
}

}  // namespace

// Accesses --------------------------------------------------------------------------------------

std::vector<int64_t> Access::Shape() const {
  const std::vector<int64_t> extents = ShapeOf(buffer);
  std::vector<int64_t> shape;
  for (int64_t position : order) shape.push_back(extents.at(position));
  return shape;
}

std::vector<Dim> Access::Dims() const {
  std::vector<Dim> dims;
  for (const Index& index : view) dims.push_back(index.dim);
  return dims;
}

AxisSet Access::Axes() const {
  AxisSet axes;
  for (const Affine& index : indices) {
    for (const Affine::Term& term : index.terms) axes.insert(term.first);
  }
  return axes;
}

std::optional<Index> Access::IndexOver(const Dim& dim) const {
  for (const Index& index : view) {
    if (index.dim == dim) return index;
  }
  return std::nullopt;
}

std::string Access::Str() const {
  bool is_plain = order.size() == indices.size() && !beside;
  for (size_t i = 0; is_plain && i < order.size(); ++i) {
    is_plain = order[i] == static_cast<int64_t>(i);
  }
  return NameOf(buffer) + "[" + IndexTexts(*this, !view.empty() && is_plain) + "]";
}

bool Access::operator==(const Access& other) const {
  return buffer == other.buffer && indices == other.indices && view == other.view &&
         order == other.order && beside == other.beside;
}

size_t Access::Hash() const {
  const auto of_index = [](const Index& index) {
    const size_t hash = Mixed(DimHash()(index.dim), static_cast<size_t>(index.extent));
    return Mixed(Mixed(hash, static_cast<size_t>(index.start)), static_cast<size_t>(index.step));
  };
  size_t hash = PtrHash()(buffer);
  hash = MixedAll(hash, indices, [](const Affine& index) { return index.Hash(); });
  hash = MixedAll(hash, view, of_index);
  return MixedAll(hash, order, std::hash<int64_t>());
}

// Trees -----------------------------------------------------------------------------------------

std::string Node::Str() const {
  const auto text = [](const Expr& operand) { return operand->Str(); };
  switch (kind) {
    case Kind::kLoad:
      return access.Str();
    case Kind::kConst:
      return General(value);
    case Kind::kBinary:
    case Kind::kVector:
      return op + "(" + JoinMap(operands, ", ", text) + ")";
    case Kind::kReduce:
      return op + " over " + JoinMap(dims, ", ", Name) + " of " + operands.front()->Str();
    case Kind::kMask:
      return General(value) + " up to " + dims.front().Name() + ", then " + General(outside);
    case Kind::kTriangle:
      if (dims.empty()) return IndexText(difference) + " >= 0";
      return dims[0].Name() + " - " + dims[1].Name() + " + " + std::to_string(difference.offset) +
             " >= 0";
    case Kind::kHeld:
      return NameOf(buffer) + "[" + JoinMap(dims, ", ", Name) + "]";
  }
  return "";
}

bool operator==(const Node& a, const Node& b) {
  return a.hash == b.hash && a.kind == b.kind && a.op == b.op && a.value == b.value &&
         a.outside == b.outside && a.dims == b.dims && a.buffer == b.buffer &&
         a.access == b.access && a.difference == b.difference &&
         std::equal(a.operands.begin(), a.operands.end(), b.operands.begin(), b.operands.end(),
                    Equal);
}

bool Equal(const Expr& a, const Expr& b) { return a == b || *a == *b; }

Expr MakeLoad(Access access) {
  Node node;
  node.kind = Kind::kLoad;
  node.access = std::move(access);
  return Made(std::move(node));
}

Expr MakeConst(double value) {
  Node node;
  node.kind = Kind::kConst;
  node.value = value;
  return Made(std::move(node));
}

Expr MakeBinary(std::string op, Expr a, Expr b, Location at) {
  return MadeOf(Kind::kBinary, std::move(op), {std::move(a), std::move(b)}, {}, std::move(at));
}

Expr MakeVector(std::string op, std::vector<Expr> operands, Location at) {
  return MadeOf(Kind::kVector, std::move(op), std::move(operands), {}, std::move(at));
}

Expr MakeReduce(std::string op, std::vector<Dim> dims, Expr value, Location at) {
  return MadeOf(Kind::kReduce, std::move(op), {std::move(value)}, std::move(dims), std::move(at));
}

Expr MakeMask(Dim dim, double inside, double outside) {
  Node node;
  node.kind = Kind::kMask;
  node.dims = {std::move(dim)};
  node.value = inside;
  node.outside = outside;
  return Made(std::move(node));
}

Expr MakeTriangle(Affine difference, std::vector<Dim> dims, Location at) {
  Node node;
  node.kind = Kind::kTriangle;
  node.difference = std::move(difference);
  node.dims = std::move(dims);
  node.at = std::move(at);
  return Made(std::move(node));
}

Expr MakeHeld(VarRef buffer, Dim rows, Dim columns) {
  Node node;
  node.kind = Kind::kHeld;
  node.buffer = std::move(buffer);
  node.dims = {std::move(rows), std::move(columns)};
  return Made(std::move(node));
}

bool IsLeaf(const Expr& expr) { return expr->operands.empty(); }

Expr WithOperands(const Expr& expr, const std::function<Expr(const Expr&)>& change) {
  return IsLeaf(expr) ? expr : TakenAs(expr, Changed(expr->operands, change));
}

std::vector<Expr> PartsOf(const Expr& expr) {
  std::vector<Expr> parts, pending = {expr};
  while (!pending.empty()) {
    parts.push_back(std::move(pending.back()));
    pending.pop_back();
    const std::vector<Expr>& operands = parts.back()->operands;
    pending.insert(pending.end(), operands.rbegin(), operands.rend());
  }
  return parts;
}

std::vector<Expr> PartsOf(const Expr& expr, Kind kind) {
  std::vector<Expr> parts = PartsOf(expr);
  const auto is_other = [&](const Expr& part) { return part->kind != kind; };
  parts.erase(std::remove_if(parts.begin(), parts.end(), is_other), parts.end());
  return parts;
}

std::vector<Access> LoadsOf(const Expr& expr) {
  std::vector<Access> loads;
  for (const Expr& load : PartsOf(expr, Kind::kLoad)) loads.push_back(load->access);
  return loads;
}

Expr Rebuilt(
    const Expr& expr, const std::function<Expr(const Expr&)>& value_of,
    const std::function<std::vector<Dim>(const Expr& reduce, const Expr& value)>& dims_of) {
  if (IsLeaf(expr)) return value_of(expr);
  const auto visit = [&](const Expr& part) { return Rebuilt(part, value_of, dims_of); };
  std::vector<Expr> operands = Changed(expr->operands, visit);
  if (!Is(expr, Kind::kReduce)) return Recomputed(expr, operands);
  std::vector<Dim> dims = dims_of ? dims_of(expr, operands.front()) : expr->dims;
  return MakeReduce(expr->op, std::move(dims), std::move(operands.front()), expr->at);
}

Expr Replaced(const Expr& expr, const std::function<Expr(const Access&)>& value_of) {
  return Rebuilt(expr, [&](const Expr& leaf) {
    return Is(leaf, Kind::kLoad) ? value_of(leaf->access) : leaf;
  });
}

Expr Moved(const Expr& expr, const AxisValues& values) {
  return Rebuilt(expr, [&](const Expr& leaf) {
    if (Is(leaf, Kind::kTriangle)) return NotNegative(leaf->difference.Of(values), leaf->at);
    if (!Is(leaf, Kind::kLoad)) return leaf;
    Access access{leaf->access.buffer, {}, {}, {}};
    for (const Affine& index : leaf->access.indices) access.indices.push_back(index.Of(values));
    return MakeLoad(std::move(access));
  });
}

// Operations ------------------------------------------------------------------------------------

Expr NotNegative(const Affine& value, const Location& at, bool may_change) {
  const auto [low, high] = value.Bounds();
  if (may_change && low < 0 && high >= 0 && IsDifference(value)) return MakeTriangle(value, {}, at);
  return MakeConst(IsBelow(value, 0) ? 0.0 : 1.0);
}

Expr Binary(const std::string& op, const Expr& a, const Expr& b, const Location& at) {
  if (Is(a, Kind::kConst) && Is(b, Kind::kConst)) {
    return MakeConst(FoldedBinary(op, a->value, b->value));
  }
  return MakeBinary(op, a, b, at);
}

Expr Vector(const std::string& op, const std::vector<Expr>& operands, const Location& at) {
  if (const std::optional<double> folded = Folded(op, operands)) return MakeConst(*folded);
  Expr simpler = Simpler(op, operands, at);
  return simpler ? simpler : MakeVector(op, operands, at);
}

Expr Quotient(const Expr& a, const Expr& b, const Location& at) {
  const Expr inverse = Vector("recip", {b}, at);
  return IsConst(a, 1.0) ? inverse : Binary("mul", a, inverse, at);
}

Expr Power(const Expr& a, const Expr& b, const Location& at) {
  if (!Is(b, Kind::kConst) || Is(a, Kind::kConst)) return Vector("pow", {a, b}, at);
  const double exponent = b->value;
  const auto power = kPowers.find(exponent);
  if (power != kPowers.end()) return Vector(power->second, {a}, at);
  if (exponent != std::trunc(exponent) || std::abs(exponent) > kMostFactors) {
    return Vector("pow", {a, b}, at);
  }
  const Expr product = Multiplied(a, static_cast<int>(std::abs(exponent)), at);
  return exponent < 0 ? Vector("recip", {product}, at) : product;
}

}  // namespace ttgen
