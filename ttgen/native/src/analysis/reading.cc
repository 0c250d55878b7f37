#include "analysis/reading.h"

#include <set>

#include "analysis/conditions.h"
#include "base/tables.h"
#include "base/text.h"

namespace ttgen {
namespace {

/*! An operation on two operands; `op` is nullptr where a node is none. */
struct Operation {
  const char* op = nullptr;
  ExprRef a;
  ExprRef b;
  explicit operator bool() const { return op != nullptr; }
};

template <class Node>
void Match(const ExprRef& value, const char* op, Operation* found) {
  if (const auto* node = As<Node>(value)) *found = {op, node->a, node->b};
}

/*! TVM's expression nodes that the FPU has an operation for. */
Operation FpuOperation(const ExprRef& value) {
  Operation found;
  Match<tir::Add>(value, "add", &found);
  Match<tir::Sub>(value, "sub", &found);
  Match<tir::Mul>(value, "mul", &found);
  return found;
}

/*! Those of the vector unit. */
Operation VectorOperation(const ExprRef& value) {
  Operation found;
  Match<tir::Max>(value, "max", &found);
  Match<tir::Min>(value, "min", &found);
  return found;
}

Operation Comparison(const ExprRef& value) {
  Operation found;
  Match<tir::LT>(value, "lt", &found);
  Match<tir::LE>(value, "le", &found);
  Match<tir::GT>(value, "gt", &found);
  Match<tir::GE>(value, "ge", &found);
  Match<tir::EQ>(value, "eq", &found);
  Match<tir::NE>(value, "ne", &found);
  return found;
}

/*! Condition, value and other value of a choice between two values; no condition if none. */
struct Choice {
  ExprRef condition;
  ExprRef if_true;
  ExprRef if_false;
  explicit operator bool() const { return condition != nullptr; }
};

Choice ChoiceOf(const ExprRef& value) {
  if (const auto* select = As<tir::Select>(value)) {
    return {select->condition, select->true_value, select->false_value};
  }
  const auto* call = As<tir::Call>(value);
  if (!call || !EndsWith(CalleeOf(call), ".if_then_else")) return {};
  return {To<tir::Expr>(call->args[0]), To<tir::Expr>(call->args[1]), To<tir::Expr>(call->args[2])};
}

bool IsFloat(const ExprRef& value) {
  const std::string dtype = DtypeName(value);
  return dtype == "float16" || dtype == "bfloat16" || dtype == "float32" || dtype == "float64";
}

bool IsBool(const ExprRef& value) { return DtypeName(value) == "bool"; }

/*! The condition that `value` is 1 or 0 for, nullptr if it is none. */
ExprRef AsCondition(ExprRef value) {
  while (const auto* cast = As<tir::Cast>(value)) {
    value = ExprRef(cast->value);
    if (IsBool(value)) return value;
  }
  return nullptr;
}

/*! The name of what is called, without that of the dialect which it is from. */
std::string FunctionOf(const tir::Call* call) { return AfterLast(CalleeOf(call), '.'); }

/*! The value as TVMScript, without the declarations that TVM prints above it, on one line. */
std::string Shortened(const ExprRef& value) {
  constexpr size_t kLimit = 60;  // characters, of one to four bytes each
  const std::string text = ScriptLine(value);
  const auto begins = [](char byte) { return (byte & 0xC0) != 0x80; };
  size_t characters = 0, cut = text.size();
  for (size_t i = 0; i < text.size(); ++i) {
    if (!begins(text[i])) continue;
    if (characters == kLimit - 1) cut = i;
    ++characters;
  }
  return characters <= kLimit ? text : text.substr(0, cut) + "…";
}

/*! What lowers today, as the hint of an error. */
std::string KnownOperations() {
  std::set<std::string> known = {"add", "sub", "mul", "max", "min", "pow"};
  for (const VectorOp& row : VectorRows()) {
    if (!row.source.empty()) known.insert(row.source);
  }
  return "operations that lower today: " + Join({known.begin(), known.end()}, ", ") +
         ", division, comparisons, choices, float casts";
}

std::string HintAbout(const ExprRef& value) {
  const auto* call = As<tir::Call>(value);
  const std::string nearest = call ? NearestOp(FunctionOf(call)) : "";
  if (!nearest.empty()) return "it has no device form; the nearest that has one is " + nearest;
  if (!IsFloat(value)) return "integers can be moved, but the FPU does not compute with them";
  return KnownOperations();
}

LoweringError Unsupported(const ExprRef& value, const Location& at) {
  return LoweringError("'" + Shortened(value) + "' is not supported", at, HintAbout(value));
}

/*! Two truth values by `op`, which is `decides` where one of them is. */
Expr Combined(const char* op, double decides, const Expr& a, const Expr& b, const Location& at) {
  if (IsConst(a, decides) || IsConst(b, decides)) return MakeConst(decides);
  if (Is(a, Kind::kConst)) return b;
  if (Is(b, Kind::kConst)) return a;
  return Vector(op, {a, b}, at);
}

/*! Reads the expressions of one statement. */
class Reader {
 public:
  Reader(const Scope& scope, const Location& at) : scope_(scope), at_(at) {}

  Expr Value(const ExprRef& value) const {
    if (const auto* load = As<tir::TensorLoad>(value)) {
      const auto buffer = Hold(As<tir::Var>(load->source));
      return MakeLoad(ToAccess(buffer, load->indices, scope_, at_));
    }
    if (const std::optional<double> number = NumberValue(value)) return MakeConst(*number);
    if (const auto* cast = As<tir::Cast>(value)) return OfCast(value, cast->value);
    if (IsFloat(value)) {
      if (Expr found = Arithmetic(value)) return found;
    }
    if (const auto* call = As<tir::Call>(value)) {
      if (Expr found = OfCall(value, call)) return found;
    }
    if (const Choice choice = ChoiceOf(value)) return Chosen(choice);
    if (IsBool(value)) return Truth(value);
    throw Unsupported(value, at_);
  }

  Expr Truth(const ExprRef& condition) const {
    if (As<tir::TensorLoad>(condition)) return Value(condition);
    if (const auto* opposite = As<tir::Not>(condition)) {
      return Vector("eqz", {Truth(opposite->a)}, at_);
    }
    if (const auto* both = As<tir::And>(condition)) return Joined("min", 0.0, both->a, both->b);
    if (const auto* any = As<tir::Or>(condition)) return Joined("max", 1.0, any->a, any->b);
    if (const Choice choice = ChoiceOf(condition)) return Chosen(choice);
    if (As<tir::Call>(condition)) throw Unsupported(condition, at_);
    if (const ExprRef inner = AsCondition(condition)) return Truth(inner);
    if (IsOnValues(condition)) {
      const Operation comparison = Comparison(condition);
      const Expr a = Compared(comparison.a);
      return Vector(comparison.op, {a, Compared(comparison.b)}, at_);
    }
    const std::vector<Affine> differences = OrderOf(condition, scope_, at_);
    if (!differences.empty()) return OfIndices(condition, differences);
    return MakeConst(ttgen::Truth(condition, scope_, at_) ? 1.0 : 0.0);
  }

 private:
  Expr OfCast(const ExprRef& cast, const ExprRef& inner) const {
    if (IsFloat(cast) && IsFloat(inner)) return Value(inner);
    if (const ExprRef condition = AsCondition(cast)) return Truth(condition);
    throw LoweringError(
        "a cast from " + DtypeName(inner) + " to " + DtypeName(cast) + " does not lower yet", at_,
        "casts between float types do, and those of a condition to a float type");
  }

  /*! An operation on floats; nullptr where `value` is none. */
  Expr Arithmetic(const ExprRef& value) const {
    if (const auto* division = As<tir::Div>(value)) {
      const Expr a = Value(division->a);
      return Quotient(a, Value(division->b), at_);
    }
    if (const Operation operation = FpuOperation(value)) {
      const Expr a = Value(operation.a);
      return Binary(operation.op, a, Value(operation.b), at_);
    }
    if (const Operation operation = VectorOperation(value)) {
      const Expr a = Value(operation.a);
      return Vector(operation.op, {a, Value(operation.b)}, at_);
    }
    return nullptr;
  }

  /*! An operation that TVM writes as a call; nullptr where `call` is of another function. */
  Expr OfCall(const ExprRef& value, const tir::Call* call) const {
    const std::string function = FunctionOf(call);
    const VectorOp* row = VectorCall(function);
    const bool is_power = !row && function == "pow" && IsFloat(value);
    if (!row && !is_power) return nullptr;
    std::vector<Expr> operands;
    for (const ExprRef& operand : Items<tir::Expr>(call->args)) operands.push_back(Value(operand));
    return is_power ? Power(operands[0], operands[1], at_) : Vector(row->name, operands, at_);
  }

  /*! A choice; what is never chosen is not even looked at. */
  Expr Chosen(const Choice& choice) const {
    const Expr chosen = Truth(choice.condition);
    if (Is(chosen, Kind::kConst)) {
      return Value(chosen->value != 0.0 ? choice.if_true : choice.if_false);
    }
    if (!IsFloat(choice.if_true) && !IsBool(choice.if_true)) {
      throw Unsupported(choice.if_true, at_);
    }
    const Expr a = Value(choice.if_true);
    return Vector("where", {chosen, a, Value(choice.if_false)}, at_);
  }

  /*! Two conditions by `op`; where the first one is `decides`, it is that alone. */
  Expr Joined(const char* op, double decides, const ExprRef& first, const ExprRef& second) const {
    const Expr a = Truth(first);
    if (IsConst(a, decides)) return a;
    return Combined(op, decides, a, Truth(second), at_);
  }

  /*! A comparison of indices: whether none of `differences` is negative, for != the opposite. */
  Expr OfIndices(const ExprRef& condition, const std::vector<Affine>& differences) const {
    std::vector<Expr> hold;
    for (const Affine& difference : differences) hold.push_back(NotNegative(difference, at_));
    Expr all = hold.front();
    for (size_t i = 1; i < hold.size(); ++i) all = Combined("min", 0.0, all, hold[i], at_);
    return As<tir::NE>(condition) ? Vector("eqz", {all}, at_) : all;
  }

  /*! An operand of a comparison: a float, or a condition, which TVM may make an integer of. */
  Expr Compared(const ExprRef& value) const {
    if (const ExprRef condition = AsCondition(value)) return Truth(condition);
    if (IsBool(value)) return Truth(value);
    if (IntValue(value) || IsFloat(value)) return Value(value);
    throw Unsupported(value, at_);
  }

  const Scope& scope_;
  const Location& at_;
};

}  // namespace

Access ToAccess(const VarRef& buffer, const Array<Any>& indices, const Scope& scope,
                const Location& at) {
  Access access;
  access.buffer = buffer;
  for (const Any& index : indices) {
    access.indices.push_back(ToAffine(To<tir::Expr>(index), scope, at));
  }
  const Array<Any>& shape = BufferTypeOf(buffer)->shape;
  for (size_t i = 0; i < access.indices.size(); ++i) {
    const auto position = static_cast<int64_t>(i);
    const int64_t size = StaticExtent(shape[position], buffer, at);
    const auto [low, high] = access.indices[i].Bounds();
    if (low >= 0 && high < size) continue;
    throw LoweringError("index " + std::to_string(i) + " of " + NameOf(buffer) + ", '" +
                            Script(indices[position]) + "', runs from " + std::to_string(low) +
                            " to " + std::to_string(high) + ", outside of its " +
                            std::to_string(size) + " elements",
                        at);
  }
  return access;
}

int64_t StaticExtent(const Any& extent, const VarRef& buffer, const Location& at) {
  if (const std::optional<int64_t> size = IntValue(To<tir::Expr>(extent))) return *size;
  throw LoweringError(NameOf(buffer) + " has the symbolic extent '" + Script(extent) + "'", at,
                      "give it a value: `parameters:` in the spec, or --set on the command line");
}

Expr ToExpression(const ExprRef& value, const Scope& scope, const Location& at) {
  return Reader(scope, at).Value(value);
}

Expr TruthValue(const ExprRef& condition, const Scope& scope, const Location& at) {
  return Reader(scope, at).Truth(condition);
}

}  // namespace ttgen
