#include "plan/trace.h"

namespace ttgen::plan {

void AddVariables(const Expr& expr, SlotSet* variables) {
  if (expr.kind == Expr::Kind::kVariable) variables->insert(static_cast<int>(expr.value));
  for (const Expr& operand : expr.operands) AddVariables(operand, variables);
}

std::vector<int64_t> FirstValues(const Program& program, size_t core) {
  std::vector<int64_t> values;
  values.reserve(program.slots);
  for (const auto& [name, value] : program.constants) values.push_back(value);
  const auto& arguments = program.arguments[core];
  values.insert(values.end(), arguments.begin(), arguments.end());
  values.resize(program.slots);
  return values;
}

Trace::Trace(const Program& program, const std::vector<std::string>& ignored)
    : program_(program), ignored_(ignored), steps_(Prepared(program.body)) {}

std::vector<Trace::Step> Trace::Prepared(const Body& body) {
  std::vector<Step> steps;
  steps.reserve(body.size());
  for (const Statement& statement : body) {
    steps.push_back(
        std::visit([this](const auto& node) { return Prepared(node); }, statement.node));
  }
  return steps;
}

Trace::Step Trace::Prepared(const Let& let) {
  Step step(Step::Kind::kLet);
  step.let = &let;
  return step;
}

Trace::Step Trace::Prepared(const For& loop) {
  Step step(Step::Kind::kFor);
  step.loop = &loop;
  step.body = Prepared(loop.body);
  step.read = Used(step.body, 0);
  step.is_uniform = !step.read.erase(loop.var.slot);
  AddVariables(loop.start, &step.read);
  AddVariables(loop.stop, &step.read);
  auto is_let = [](const Step& one) { return one.kind == Step::Kind::kLet; };
  const size_t first =
      std::find_if_not(step.body.begin(), step.body.end(), is_let) - step.body.begin();
  const SlotSet behind = Used(step.body, first);
  if (behind.count(loop.var.slot)) return step;
  step.bindings = first;
  for (size_t i = 0; i < first; ++i) {
    const int slot = step.body[i].let->var.slot;
    if (behind.count(slot)) step.deciding.push_back(slot);
  }
  return step;
}

Trace::Step Trace::Prepared(const Op& op) {
  Step step(Step::Kind::kOp);
  step.op = ops_.size();
  TracedOp traced{&op, {}, {}};
  for (size_t i = 0; i < op.args.size(); ++i) {
    const auto& [param, kind] = op.row->params[i];
    const bool is_ignored = std::find(ignored_.begin(), ignored_.end(), param) != ignored_.end();
    if (kind != ArgKind::kExpr || is_ignored) continue;
    traced.params.push_back(param);
    traced.exprs.push_back(&op.args[i].expr);
    AddVariables(op.args[i].expr, &step.read);
  }
  TVM_FFI_ICHECK_LE(traced.exprs.size(), kMostArguments);
  ops_.push_back(std::move(traced));
  return step;
}

SlotSet Trace::Used(const std::vector<Step>& steps, size_t first) {
  SlotSet used;
  for (size_t i = steps.size(); i-- > first;) {
    const Step& step = steps[i];
    if (step.kind != Step::Kind::kLet) {
      used.insert(step.read.begin(), step.read.end());
    } else if (used.erase(step.let->var.slot)) {
      AddVariables(step.let->value, &used);
    }
  }
  return used;
}

}  // namespace ttgen::plan
