#include "analysis/orders.h"

#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "analysis/axes.h"

namespace ttgen {
namespace {

using Order = std::vector<int64_t>;

/*! The axes that the value of `expr` moves with. */
AxisSet MovingAxes(const Expr& expr) {
  if (Is(expr, Kind::kLoad)) return expr->access.Axes();
  AxisSet axes;
  if (Is(expr, Kind::kTriangle)) {
    for (const auto& [axis, step] : expr->difference.terms) axes.insert(axis);
  }
  for (const Expr& operand : expr->operands) axes.merge(MovingAxes(operand));
  return Is(expr, Kind::kReduce) ? Difference(axes, AxesOf(expr->dims)) : axes;
}

/*! Add what the last two dimensions of `access` are visited by, in the source's order. */
void AddLastTwo(const Access& access, AxisSet* axes) {
  size_t count = access.indices.size();
  for (size_t n = count - std::min<size_t>(count, 2); n < count; ++n) {
    for (const auto& [axis, step] : access.indices[n].terms) axes->insert(axis);
  }
}

/*! Whether a tensor that `loads` read has a dimension of extent 1. */
bool HasSingle(const std::vector<Expr>& loads) {
  return std::any_of(loads.begin(), loads.end(), [](const Expr& load) {
    const std::vector<int64_t> shape = ShapeOf(load->access.buffer);
    return std::find(shape.begin(), shape.end(), 1) != shape.end();
  });
}

/*! A matrix product: its factors, what each has alone, and what is summed over. */
struct Product {
  Expr factors[2];
  AxisSet own[2];
  AxisSet summed;
};

/*!
 * The matrix product that the sum of `value` over `reduced` is. A factor may have nothing alone but
 * a dimension of extent 1: a matrix of one row. Of what a factor has alone, the rest is a batch
 * where both have something of `around`. Nothing where no part of the product makes tiles in the
 * order that the tensors have: it is a sum of products of whole tiles then.
 */
std::optional<Product> ProductOf(const Expr& value, const AxisSet& reduced, const AxisSet& around) {
  if (!Is(value, Kind::kBinary) || value->op != "mul") return std::nullopt;
  const Expr &a = value->operands[0], &b = value->operands[1];
  const AxisSet first = MovingAxes(a), second = MovingAxes(b);
  AxisSet summed = Intersection(Intersection(first, second), reduced);
  AxisSet a_own = Difference(first, second), b_own = Difference(second, first);
  if (Meet(a_own, around) && Meet(b_own, around)) {
    a_own = Intersection(a_own, around);
    b_own = Intersection(b_own, around);
  }
  const std::vector<Expr> a_loads = PartsOf(a, Kind::kLoad), b_loads = PartsOf(b, Kind::kLoad);
  AxisSet tiled;
  for (const Expr& load : a_loads) AddLastTwo(load->access, &tiled);
  for (const Expr& load : b_loads) AddLastTwo(load->access, &tiled);
  if (summed.empty() || (a_own.empty() && b_own.empty())) return std::nullopt;
  if (!Meet(tiled, summed) && !Meet(tiled, a_own) && !Meet(tiled, b_own)) return std::nullopt;
  if (a_own.empty() && !HasSingle(a_loads)) return std::nullopt;
  if (b_own.empty() && !HasSingle(b_loads)) return std::nullopt;
  return Product{{a, b}, {std::move(a_own), std::move(b_own)}, std::move(summed)};
}

/*!
 * What is worked out element by element: the tensors read, and what their tiles are made of.
 * `around` is what makes tiles of what the level is worked out for, as far as that is known.
 */
struct Level {
  AxisSet around;
  std::vector<const Access*> reads = {};
  std::set<AxisSet> tiled = {};
};

/*! Collects which orders tensors are asked for in. */
class Demands {
 public:
  void Add(const Access& target, const Expr& value) {
    Level level;
    AddLastTwo(target, &level.around);
    level.reads.push_back(&target);
    Enter(value, &level);
    Ask(level);
  }

  /*! What is asked of tensors with one mind, where it is not their own order. */
  Orders Agreed() const {
    Orders orders;
    for (const auto& [name, wanted] : wanted_) {
      if (wanted.orders.size() == 1 && *wanted.orders.begin() != wanted.plain) {
        orders[name] = *wanted.orders.begin();
      }
    }
    return orders;
  }

 private:
  struct Wanted {
    std::set<Order> orders;
    Order plain;
  };

  /*! Enter `expr` into the level that it is in; what levels inside of it ask for is asked. */
  void Enter(const Expr& expr, Level* level) {
    if (Is(expr, Kind::kLoad)) {
      level->reads.push_back(&expr->access);
    } else if (Is(expr, Kind::kReduce)) {
      EnterReduce(expr, level);
    } else {
      for (const Expr& operand : expr->operands) Enter(operand, level);
    }
  }

  void EnterReduce(const Expr& expr, Level* level) {
    const Expr& value = expr->operands[0];
    AxisSet reduced = AxesOf(expr->dims);
    std::optional<Product> product;
    if (expr->op == "add") product = ProductOf(value, reduced, level->around);
    if (!product) return EnterInside(value, {Union(std::move(reduced), level->around)});
    level->tiled.insert(Union(product->own[0], product->own[1]));
    for (int n : {0, 1}) {
      AxisSet axes = Union(product->own[n], product->summed);
      EnterInside(product->factors[n], {axes, {}, {axes}});
    }
  }

  void EnterInside(const Expr& expr, Level level) {
    Enter(expr, &level);
    Ask(level);
  }

  /*! What a level asks of each tensor; nothing where products are not of one mind. */
  void Ask(const Level& level) {
    if (level.tiled.size() != 1) return;
    for (const Access* access : level.reads) {
      auto order = WithLast(*access, *level.tiled.begin());
      if (!order) continue;
      Wanted& wanted = wanted_[NameOf(access->buffer)];
      wanted.orders.insert(std::move(*order));
      wanted.plain = PlainOrder(*access);
    }
  }

  std::map<std::string, Wanted> wanted_;
};

}  // namespace

std::vector<int64_t> PlainOrder(const Access& access) {
  Order order(access.indices.size());
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Orders Deduced(const std::vector<Part>& parts) {
  Demands demands;
  for (const Part& part : parts) demands.Add(part.output, part.value);
  return demands.Agreed();
}

std::optional<std::vector<int64_t>> WithLast(const Access& access, const AxisSet& tiled) {
  std::set<int64_t> last;
  for (size_t n = 0; n < access.indices.size(); ++n) {
    if (MovesWith(access.indices[n], tiled)) last.insert(n);
  }
  if (last.size() == 1) {
    const std::vector<int64_t> shape = ShapeOf(access.buffer);
    auto single = std::find(shape.rbegin(), shape.rend(), 1);
    if (single != shape.rend()) last.insert(shape.rend() - single - 1);
  }
  if (last.size() != 2) return std::nullopt;
  Order order = PlainOrder(access);
  std::stable_partition(order.begin(), order.end(), [&](int64_t n) { return !last.count(n); });
  return order;
}

}  // namespace ttgen
