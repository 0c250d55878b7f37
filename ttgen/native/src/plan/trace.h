// Walking a program's body with the arguments of one core, without running anything
// (ttgen/plan/trace.py).
//
// A trace has each operation with its arguments worked out and how often it is executed. Iterations
// of a loop that do the same are walked once, with a multiplicity, so that a trace costs about as
// much as the body is long, not as much as the kernel runs.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "plan/model.h"

namespace ttgen::plan {

/*! A division by zero, in Python's words. */
struct ZeroDivision {
  const char* problem;
};

/*! The slots of variables. */
using SlotSet = std::set<int>;
/*! Adds the variables that `expr` reads. */
void AddVariables(const Expr& expr, SlotSet* variables);

/*! The value of an operator on two numbers, which wraps around as NumPy's do; ZeroDivision. */
inline int64_t Apply(Expr::Kind kind, int64_t left, int64_t right) {
  const uint64_t a = static_cast<uint64_t>(left), b = static_cast<uint64_t>(right);
  switch (kind) {
    case Expr::Kind::kAdd:
      return static_cast<int64_t>(a + b);
    case Expr::Kind::kSub:
      return static_cast<int64_t>(a - b);
    case Expr::Kind::kMul:
      return static_cast<int64_t>(a * b);
    case Expr::Kind::kFloorDiv:
      if (right == 0) throw ZeroDivision{"integer division or modulo by zero"};
      return FloorDiv(left, right);
    case Expr::Kind::kFloorMod:
      if (right == 0) throw ZeroDivision{"integer modulo by zero"};
      return FloorMod(left, right);
    case Expr::Kind::kMin:
      return std::min(left, right);
    default:
      return std::max(left, right);
  }
}
/*! The value of `expr` where variables have `values`, by their slots; ZeroDivision. */
inline int64_t Evaluate(const Expr& expr, const int64_t* values) {
  if (expr.kind == Expr::Kind::kNumber) return expr.value;
  if (expr.kind == Expr::Kind::kVariable) return values[expr.value];
  const int64_t left = Evaluate(expr.operands[0], values);
  return Apply(expr.kind, left, Evaluate(expr.operands[1], values));
}

/*! What variables are before the body of `program` runs on a core, and space for the others. */
std::vector<int64_t> FirstValues(const Program& program, size_t core);
/*! How often a loop from `start` to `stop` runs. */
inline int64_t Trips(int64_t start, int64_t stop, int64_t step) {
  return stop <= start ? 0 : (stop - start - 1) / step + 1;
}

/*! An operation of a program, and which of its arguments a trace works out. */
struct TracedOp {
  const Op* op;
  std::vector<std::string> params;
  std::vector<const Expr*> exprs;
};

/*! A program made ready to be walked, on one core after the other. */
class Trace {
 public:
  /*! Arguments named in `ignored` are left out, and loops are not walked for them. */
  Trace(const Program& program, const std::vector<std::string>& ignored);

  /*! The operations of the body, in its order. */
  const std::vector<TracedOp>& ops() const { return ops_; }

  /*!
   * Takes the operations that the core at index `core` of the partition executes, in order, to
   * `consumer`, as `consumer.Take(number, values, times)`: the number of the operation among
   * `ops`, and the values of its `params`. Take says whether to go on; so does this. ZeroDivision.
   *
   * The consumer's judgement may depend on what it has taken before: `consumer.Known()` is all of
   * it that counts. Iterations that do the same are walked again, with 0 `times`, until that
   * changes nothing any more: it would not in any further iteration.
   */
  template <class Consumer>
  bool Walk(size_t core, Consumer* consumer) const {
    Walker<Consumer> walker{*this, consumer, FirstValues(program_, core)};
    return walker.Run(steps_, 1);
  }

 private:
  /*! A statement, and what is known of it whatever the core. */
  struct Step {
    enum class Kind { kLet, kFor, kOp };
    explicit Step(Kind kind) : kind(kind) {}

    Kind kind;
    /*! kOp: its number. */
    size_t op = 0;
    /*! kLet: the statement. */
    const Let* let = nullptr;
    /*! kFor: the statement. */
    const For* loop = nullptr;
    std::vector<Step> body;
    /*! kFor: whether all iterations do the same. */
    bool is_uniform = false;
    /*! kFor: the bindings that its body begins with, if the loop's variable decides nothing but
     *  them; else none. */
    size_t bindings = 0;
    /*! The slots of those of them that what follows depends on. */
    std::vector<int> deciding;
    /*! kFor, kOp: the variables from outside that decide what is executed. */
    SlotSet read;
  };

  template <class Consumer>
  struct Walker {
    const Trace& trace;
    Consumer* consumer;
    std::vector<int64_t> values;

    bool Run(const std::vector<Step>& steps, int64_t times) {
      for (const Step& step : steps) {
        if (step.kind == Step::Kind::kLet) {
          values[step.let->var.slot] = Evaluate(step.let->value, values.data());
        } else if (step.kind == Step::Kind::kOp ? !Execute(step.op, times) : !Loop(step, times)) {
          return false;
        }
      }
      return true;
    }

    bool Execute(size_t number, int64_t times) {
      std::array<int64_t, kMostArguments> arguments;
      const auto& exprs = trace.ops_[number].exprs;
      for (size_t i = 0; i < exprs.size(); ++i) arguments[i] = Evaluate(*exprs[i], values.data());
      return consumer->Take(number, arguments.data(), times);
    }

    bool Loop(const Step& step, int64_t times) {
      const int64_t start = Evaluate(step.loop->start, values.data());
      const int64_t trips = Trips(start, Evaluate(step.loop->stop, values.data()), step.loop->step);
      for (int64_t first = 0; first < trips;) {
        const int64_t same = step.is_uniform ? trips : Same(step, start, first, trips);
        values[step.loop->var.slot] = start + first * step.loop->step;
        if (!Repeated(step.body, times, same)) return false;
        first += same;
      }
      return true;
    }

    /*!
     * How many iterations, from number `first` on, do the same. In most loops all but the last do:
     * the variable decides the values of a few bindings at the beginning of the body.
     */
    int64_t Same(const Step& step, int64_t start, int64_t first, int64_t trips) {
      if (!step.bindings) return 1;
      Decide(step, start + first * step.loop->step);
      const std::vector<int64_t> decided = Decided(step);
      for (int64_t next = first + 1; next < trips; ++next) {
        Decide(step, start + next * step.loop->step);
        for (size_t i = 0; i < decided.size(); ++i) {
          if (values[step.deciding[i]] != decided[i]) return next - first;
        }
      }
      return trips - first;
    }

    void Decide(const Step& step, int64_t value) {
      values[step.loop->var.slot] = value;
      for (size_t i = 0; i < step.bindings; ++i) {
        const Let& let = *step.body[i].let;
        values[let.var.slot] = Evaluate(let.value, values.data());
      }
    }

    std::vector<int64_t> Decided(const Step& step) const {
      std::vector<int64_t> decided;
      for (int slot : step.deciding) decided.push_back(values[slot]);
      return decided;
    }

    /*! `steps`, executed `trips` times in a row. */
    bool Repeated(const std::vector<Step>& steps, int64_t times, int64_t trips) {
      if (!Run(steps, times * trips)) return false;
      for (int64_t i = 1; i < trips; ++i) {
        const auto known = consumer->Known();
        if (!Run(steps, 0)) return false;
        if (consumer->Known() == known) break;
      }
      return true;
    }
  };

  /*! Expressions among the arguments of an operation. */
  static constexpr size_t kMostArguments = 8;

  std::vector<Step> Prepared(const Body& body);
  Step Prepared(const Let& let);
  Step Prepared(const For& loop);
  Step Prepared(const Op& op);
  /*! The variables from outside that decide what `steps` execute, from number `first` on. */
  static SlotSet Used(const std::vector<Step>& steps, size_t first);

  const Program& program_;
  const std::vector<std::string> ignored_;
  std::vector<TracedOp> ops_;
  std::vector<Step> steps_;
};

}  // namespace ttgen::plan
