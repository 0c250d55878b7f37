#include "tiling/factors.h"

namespace ttgen {
namespace {

bool IsNumber(const Expr& expr) { return Is(expr, Kind::kConst); }

}  // namespace

Expr WithFactorsOutside(const Expr& expr) {
  Expr within = WithOperands(expr, WithFactorsOutside);
  if (!Is(expr, Kind::kReduce) || expr->op != "add") return within;
  const auto [rest, numbers] = TakenApart(within->operands[0], IsNumber);
  double factor = 1.0;
  for (const Expr& number : numbers) factor *= number->value;
  if (rest == nullptr || factor == 1.0) return within;
  const Expr sum = MakeReduce(expr->op, expr->dims, rest, expr->at);
  return MakeBinary("mul", sum, MakeConst(factor), expr->at);
}

std::pair<Expr, std::vector<Expr>> TakenApart(const Expr& expr,
                                              const std::function<bool(const Expr&)>& is_taken) {
  if (!Is(expr, Kind::kBinary) || expr->op != "mul") {
    if (is_taken(expr)) return {nullptr, {expr}};
    return {expr, {}};
  }
  auto [left, taken] = TakenApart(expr->operands[0], is_taken);
  const auto [right, more] = TakenApart(expr->operands[1], is_taken);
  taken.insert(taken.end(), more.begin(), more.end());
  if (left == nullptr || right == nullptr) return {left == nullptr ? right : left, taken};
  return {MakeBinary("mul", left, right, expr->at), taken};
}

Expr Product(const std::vector<Expr>& factors, const Location& at) {
  Expr product = factors.front();
  for (size_t n = 1; n < factors.size(); ++n) product = MakeBinary("mul", product, factors[n], at);
  return product;
}

}  // namespace ttgen
