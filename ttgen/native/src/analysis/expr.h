// Expression trees over tensor accesses: what the right-hand side of a store means
// (ttgen/analysis/expr.py; reading TVM's expressions into trees is in analysis/reading.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "analysis/index.h"

namespace ttgen {

/*!
 * A buffer at `indices`. `view` is how the dimensions of the computation visit it on the device,
 * outermost first; the last two make tiles. `order` says which of the buffer's dimensions comes
 * where in it.
 */
struct Access {
  VarRef buffer;
  std::vector<Affine> indices;
  std::vector<Index> view;
  std::vector<int64_t> order;
  /*! How many outer parts of the columns stand before the rows in the view. */
  size_t beside = 0;

  /*! The buffer's extents in the order that it has in the view. */
  std::vector<int64_t> Shape() const;
  /*! The dimensions of `view`. */
  std::vector<Dim> Dims() const;
  /*! The loops that it moves with. */
  AxisSet Axes() const;
  /*! Where `dim` stands in the view. */
  std::optional<Index> IndexOver(const Dim& dim) const;
  std::string Str() const;
  bool operator==(const Access& other) const;
  bool operator!=(const Access& other) const { return !(*this == other); }
  size_t Hash() const;
};

struct Node;
/*! A tree; never nullptr but where it is said. Trees are shared, and never changed. */
using Expr = std::shared_ptr<const Node>;

enum class Kind { kLoad, kConst, kBinary, kVector, kReduce, kMask, kTriangle, kHeld };

/*! A node of a tree. Equality and hash ignore `at`. The hash is worked out once. */
struct Node {
  Kind kind;
  /*! kBinary: add, sub, mul; kVector: a row of the vector unit's table; kReduce: add, max. */
  std::string op;
  /*! kBinary: two; kVector: one to three; kReduce: one. */
  std::vector<Expr> operands;
  /*! kLoad. */
  Access access;
  /*! kConst: the number; kMask: what is inside. */
  double value = 0;
  /*! kMask: what is outside, in the padding of the last tile. */
  double outside = 0;
  /*! kReduce: what it runs over; kMask: one; kTriangle: none, or the one that adds to the
   *  difference and the one that takes from it; kHeld: rows and columns. */
  std::vector<Dim> dims;
  /*! kTriangle: 1 where this is not negative, else 0. */
  Affine difference;
  /*! kHeld. */
  VarRef buffer;
  /*! kBinary, kVector, kReduce, kTriangle: where it stands in the source; path "" if unknown. */
  Location at;
  size_t hash = 0;

  /*! As the Python twin's `str`. */
  std::string Str() const;
};

bool operator==(const Node& a, const Node& b);
/*! Whether two trees are equal, wherever they stand in the source. */
bool Equal(const Expr& a, const Expr& b);

struct ExprHash {
  size_t operator()(const Expr& expr) const { return expr->hash; }
};
struct ExprEqual {
  bool operator()(const Expr& a, const Expr& b) const { return Equal(a, b); }
};
using ExprSet = std::unordered_set<Expr, ExprHash, ExprEqual>;
template <class T>
using ExprMap = std::unordered_map<Expr, T, ExprHash, ExprEqual>;

// Nodes as they are; nothing is computed.
Expr MakeLoad(Access access);
Expr MakeConst(double value);
Expr MakeBinary(std::string op, Expr a, Expr b, Location at);
Expr MakeVector(std::string op, std::vector<Expr> operands, Location at);
Expr MakeReduce(std::string op, std::vector<Dim> dims, Expr value, Location at);
Expr MakeMask(Dim dim, double inside, double outside);
Expr MakeTriangle(Affine difference, std::vector<Dim> dims, Location at);
Expr MakeHeld(VarRef buffer, Dim rows, Dim columns);

inline bool Is(const Expr& expr, Kind kind) { return expr->kind == kind; }
inline bool IsConst(const Expr& expr, double value) {
  return expr->kind == Kind::kConst && expr->value == value;
}
/*! Load, Const, Mask, Triangle or Held: what has no operands. */
bool IsLeaf(const Expr& expr);

/*! `expr` of what `change` makes of its operands; nothing is computed here. */
Expr WithOperands(const Expr& expr, const std::function<Expr(const Expr&)>& change);

/*! `expr` and all that it is made of: each before its operands, these left to right. */
std::vector<Expr> PartsOf(const Expr& expr);
/*! Those parts that are of `kind`, in the same order, repeated ones included. */
std::vector<Expr> PartsOf(const Expr& expr, Kind kind);
/*! Every access that `expr` reads, left to right, repeated ones included. */
std::vector<Access> LoadsOf(const Expr& expr);

/*!
 * `expr` with `value_of(leaf)` in the place of every leaf; what numbers make is folded. `dims_of`,
 * if given: the dimensions of a reduction that is of a new value.
 */
Expr Rebuilt(const Expr& expr, const std::function<Expr(const Expr& leaf)>& value_of,
             const std::function<std::vector<Dim>(const Expr& reduce, const Expr& value)>& dims_of =
                 nullptr);
/*! `expr` with `value_of(access)` in the place of every load. */
Expr Replaced(const Expr& expr, const std::function<Expr(const Access&)>& value_of);
/*! `expr` with other indices in the place of some axes. */
Expr Moved(const Expr& expr, const AxisValues& values);

/*!
 * Whether `value` is not negative: a number, or a triangle where it is a difference. Restart asks
 * for loops in which it is always the same, if it is none or not `may_change`.
 */
Expr NotNegative(const Affine& value, const Location& at, bool may_change = true);
/*! The operation, computed here if both operands are numbers. */
Expr Binary(const std::string& op, const Expr& a, const Expr& b, const Location& at);
/*! The operation, computed here if its operands are numbers; in a simpler form if it has one. */
Expr Vector(const std::string& op, const std::vector<Expr>& operands, const Location& at);
/*! a / b: a product with 1 / b. */
Expr Quotient(const Expr& a, const Expr& b, const Location& at);
/*! a to the power of b: roots and products where b is a number that allows for that. */
Expr Power(const Expr& a, const Expr& b, const Location& at);

}  // namespace ttgen
