#include "tiling/sharing.h"

namespace ttgen {
namespace {

void Visit(const Expr& part, ExprSet& once, ExprSet& again) {
  if (IsLeaf(part)) return;
  if (!once.insert(part).second) {
    again.insert(part);
    return;
  }
  for (const Expr& operand : part->operands) Visit(operand, once, again);
}

}  // namespace

ExprSet UsedAgain(const Expr& expr) {
  ExprSet once, again;
  Visit(expr, once, again);
  return again;
}

}  // namespace ttgen
