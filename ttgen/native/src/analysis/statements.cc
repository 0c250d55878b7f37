#include "analysis/statements.h"

#include <algorithm>
#include <set>
#include <string>

#include "analysis/conditions.h"
#include "base/text.h"

namespace ttgen {
namespace {

// TVM's kinds of loops (tirx.ForKind) and of block axes (tirx.IterVar).
constexpr int kSerial = 0, kParallel = 1, kUnrolled = 3, kThreadBinding = 4;
constexpr int kCommReduce = 2;

bool IsPlain(int kind) { return kind == kSerial || kind == kParallel || kind == kUnrolled; }

int64_t Integer(const ExprRef& value, const Location& at) {
  if (const std::optional<int64_t> number = IntValue(value)) return *number;
  throw LoweringError("'" + Script(value) + "' must be a number when the kernel is lowered", at);
}

/*! What surrounds a statement; `at` is the nearest enclosing place in the source. */
struct Context {
  Location at;
  std::vector<Axis> axes;
  Scope scope;
  std::set<std::string> threads;
  std::vector<Guard> guards;

  Context Near(const SpanRef& span) const {
    Context inner = *this;
    inner.at = LocationOf(span, at);
    return inner;
  }

  Context Bound(const VarRef& var, const Affine& value) const {
    Context inner = *this;
    inner.scope = scope.With(var, value);
    return inner;
  }

  /*! Where `condition` is `wanted`. */
  Context Under(const ExprRef& condition, bool wanted) const {
    Context inner = *this;
    inner.guards.push_back({condition, scope, wanted});
    return inner;
  }

  /*! Inside a loop that is bound to the thread axis `tag`. */
  Context Thread(const std::string& tag) const {
    Context inner = *this;
    if (!inner.threads.insert(tag).second) {
      throw LoweringError("'" + tag + "' is bound twice, so that both loops run in step", at,
                          "give each loop a thread axis of its own");
    }
    return inner;
  }
};

/*! A block's init runs where its reduction axes are at their start, which must come first. */
void CheckCountsUp(const tir::IterVar& axis, const Affine& value, const Location& at) {
  const bool starts = value.offset == Integer(axis.dom->min, at);
  const auto falls = [](const Affine::Term& term) { return term.second < 0; };
  if (starts && std::none_of(value.terms.begin(), value.terms.end(), falls)) return;
  throw LoweringError(
      "the reduction axis '" + NameOf(axis.var) + "' does not count up from its start", at,
      "T.init() would come too late; bind the axis to a loop that counts from 0");
}

class Walker {
 public:
  void Walk(const StmtRef& node, const Context& context) {
    if (const auto* store = As<tir::BufferStore>(node)) return Take(*store, context);
    if (const auto* choice = As<tir::IfThenElse>(node)) return Take(*choice, context);
    if (const auto* sequence = As<tir::SeqStmt>(node)) return Take(*sequence, context);
    if (const auto* loop = As<tir::For>(node)) return Take(*loop, context);
    if (const auto* attribute = As<tir::AttrStmt>(node)) return Take(*attribute, context);
    if (const auto* block = As<tir::SBlockRealize>(node)) return Take(*block, context);
    if (As<tir::AllocBuffer>(node) || As<tir::DeclBuffer>(node)) return;
    throw LoweringError(AfterLast(node->GetTypeKey(), '.') + " is not supported in a kernel",
                        LocationOf(node->span, context.at),
                        "kernels are loops and blocks around stores to tensors");
  }

  std::vector<Statement> statements;

 private:
  void Take(const tir::BufferStore& node, const Context& context) {
    statements.push_back({Hold(&node), context.axes, context.scope,
                          LocationOf(node.span, context.at), context.guards});
  }

  void Take(const tir::IfThenElse& node, const Context& around) {
    const Context context = around.Near(node.span);
    Walk(node.then_case, context.Under(node.condition, true));
    if (node.else_case != nullptr) Walk(node.else_case, context.Under(node.condition, false));
  }

  void Take(const tir::SeqStmt& node, Context context) {
    for (const StmtRef& part : Items<tir::Stmt>(node.seq)) {
      if (const auto* bind = As<tir::Bind>(part)) {
        const Location at = LocationOf(bind->span, context.at);
        context = context.Bound(bind->var, ToAffine(bind->value, context.scope, at));
      } else {
        Walk(part, context);
      }
    }
  }

  void Take(const tir::For& node, const Context& around) {
    Context context = around.Near(node.span);
    const bool is_thread = node.kind == kThreadBinding;
    if (!is_thread && !IsPlain(node.kind)) {
      throw LoweringError("this kind of loop is not supported", context.at);
    }
    if (node.step != nullptr && Integer(node.step, context.at) != 1) {
      throw LoweringError("loops must count in steps of 1", context.at);
    }
    if (is_thread) context = context.Thread(node.thread_binding->thread_tag);
    const Affine start = ToAffine(node.min, context.scope, context.at);
    Loop(node.loop_var, start, node.extent, node.body, context);
  }

  void Take(const tir::AttrStmt& node, const Context& around) {
    Context context = around.Near(node.span);
    if (node.attr_key != "thread_extent") {
      throw LoweringError("attribute '" + std::string(node.attr_key) + "' is not supported",
                          context.at);
    }
    const auto axis = To<tir::IterVar>(node.node);
    Loop(axis->var, Affine(), node.value, node.body, context.Thread(axis->thread_tag));
  }

  void Take(const tir::SBlockRealize& node, const Context& around) {
    Context context = around.Near(node.span);
    if (!IsInt(node.predicate, 1)) context = context.Under(node.predicate, true);
    const tir::SBlock& block = *node.block;
    if (!block.match_buffers.empty()) {
      throw LoweringError("match_buffer in a block is not supported", context.at);
    }
    AxisSet reduced;
    const auto values = Items<tir::Expr>(node.iter_values);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto axis = To<tir::IterVar>(block.iter_vars[static_cast<int64_t>(i)]);
      const Affine value = ToAffine(values[i], context.scope, context.at);
      context = context.Bound(axis->var, value);
      if (axis->iter_type != kCommReduce) continue;
      CheckCountsUp(*axis, value, context.at);
      for (const Affine::Term& term : value.terms) reduced.insert(term.first);
    }
    if (block.init != nullptr) Walk(block.init, Without(reduced, context));
    Walk(block.body, context);
  }

  static Context Without(const AxisSet& reduced, Context context) {
    const auto is_reduced = [&](const Axis& axis) { return reduced.count(axis) > 0; };
    auto& axes = context.axes;
    axes.erase(std::remove_if(axes.begin(), axes.end(), is_reduced), axes.end());
    return context;
  }

  void Loop(const VarRef& var, const Affine& start, const ExprRef& extent, const StmtRef& body,
            const Context& around) {
    const int64_t trips = Integer(extent, around.at);
    if (trips == 1) return Walk(body, around.Bound(var, start));  // one iteration is no axis
    std::vector<Axis> parts = {NewAxis(var, trips)};
    while (!WalkIn(parts, var, start, body, around)) continue;
  }

  /*! Walk a loop that is `parts`, outermost first; if these have to be others, they are then. */
  bool WalkIn(std::vector<Axis>& parts, const VarRef& var, const Affine& start, const StmtRef& body,
              const Context& around) {
    Affine value = start;
    int64_t weight = 1;
    for (auto part = parts.rbegin(); part != parts.rend(); weight *= (part++)->extent) {
      value = value + Affine({{*part, weight}}, 0);
    }
    Context context = around.Bound(var, value);
    context.axes.insert(context.axes.end(), parts.begin(), parts.end());
    const auto before = static_cast<std::ptrdiff_t>(statements.size());
    try {
      Walk(body, context);
      return true;
    } catch (const Restart& request) {
      const auto part = std::find(parts.begin(), parts.end(), request.axis);
      if (part == parts.end()) throw;
      statements.erase(statements.begin() + before, statements.end());
      *part = NewAxis(var, request.axis.extent / request.inner);
      parts.insert(part + 1, NewAxis(var, request.inner));
      return false;
    }
  }

  Axis NewAxis(const VarRef& var, int64_t extent) { return {NameOf(var), extent, serial_++}; }

  int64_t serial_ = 0;
};

}  // namespace

Guard Guard::WithValues(const AxisValues& values) const {
  return {condition, scope.Of(values), wanted};
}

bool Statement::Runs() const {
  return std::all_of(guards.begin(), guards.end(), [&](const Guard& guard) {
    return Truth(guard.condition, guard.scope, at) == guard.wanted;
  });
}

Statement Statement::WithAxis(const Axis& axis, const Affine& value,
                              const std::vector<Axis>& parts) const {
  const AxisValues values = {{axis, value}};
  Statement changed{store, {}, scope.Of(values), at, {}};
  for (const Axis& one : axes) {
    if (one == axis) {
      changed.axes.insert(changed.axes.end(), parts.begin(), parts.end());
    } else {
      changed.axes.push_back(one);
    }
  }
  for (const Guard& guard : guards) changed.guards.push_back(guard.WithValues(values));
  return changed;
}

std::vector<Statement> Statements(const FuncRef& func, const Location& at) {
  Walker walker;
  walker.Walk(func->body, Context{at, {}, {}, {}, {}});
  return std::move(walker.statements);
}

}  // namespace ttgen
