// Expressions to stages: elementwise operations, broadcasts and transpositions
// (ttgen/passes/tiling/expressions.py).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tiling/dimensions.h"
#include "tiling/reductions.h"
#include "tiling/stages.h"
#include "tiling/streaming.h"

namespace ttgen {

/*!
 * Lowers expressions of one kernel.
 *
 * A value is left in a DST register. What is worked out for it meanwhile is in registers behind
 * that one. Register 0 is the first that a stage uses, and zero until then: there a reduction may
 * be added up. Others may hold what an earlier operand has left there.
 */
class Expressions : private TileMaker {
 public:
  /*!
   * `frame`: the output's; `dst_tiles`: the registers. `shared` are values that are used more than
   * once: they are tiles in memory, made once. So are the sums of `streams`.
   */
  Expressions(Dimensions& dims, Stages& stages, Frame frame, ExprSet shared, int64_t dst_tiles,
              const std::vector<Stream>& streams)
      : dims_(dims),
        stages_(stages),
        frame_(std::move(frame)),
        shared_(std::move(shared)),
        dst_tiles_(dst_tiles),
        streams_(streams),
        reductions_(dims, stages, *this) {}
  Expressions(const Expressions&) = delete;
  Expressions& operator=(const Expressions&) = delete;

  /*! A stage that computes `expr` in `frame` and packs it into a page of `target`. */
  void Finish(const Expr& expr, const Frame& frame, const VarRef& target, const ExprRef& page,
              const Location& at);

 private:
  using Operations = std::vector<StmtRef>;

  /*! What a temporary tile holds: a value, in a frame, for each iteration of some loops. */
  struct Key {
    Expr expr;
    Frame frame;
    std::vector<Dim> loops;

    bool operator==(const Key& other) const {
      return Equal(expr, other.expr) && frame == other.frame && loops == other.loops;
    }
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return key.expr->hash; }
  };

  /*!
   * The chunks of `dim`, which are worked on with what is in `held`. What depends on neither is
   * made before them, by `around`.
   */
  struct Scope {
    const Dim& dim;
    ExprSet held;
    Expressions& around;

    /*! Whether `expr` has another value in another chunk. */
    bool Has(const Expr& expr) const;
  };

  Tile TileOf(const Expr& expr, const Frame& frame, const Location& at) override;
  Operations IntoDst(const Expr& expr, const Frame& frame, const Location& at, int64_t dst);
  bool Fits(const Expr& expr, const Frame& frame, int64_t dst) const;
  std::optional<std::pair<Expr, double>> ScaledSum(const Expr& expr, const Frame& frame) const;
  Operations Computed(const Expr& expr, const Frame& frame, const Location& at, int64_t dst);
  bool InMemory(const Expr& expr, const Frame& frame) const;
  Tile Temporary(const Expr& expr, const Frame& frame, const Location& at);
  template <class Make>
  Tile Once(const Expr& expr, const Frame& frame, const Make& operations, const Location& at);
  bool IsOutsideScope(const Expr& expr) const { return scope_ && !scope_->Has(expr); }
  Key KeyOf(const Expr& expr, const Frame& frame) const;

  const Stream* StreamOf(const Expr& expr) const;
  void MakeStream(const Stream& stream, const Location& at);
  Expr Start(const Expr& expr, double value, const Location& at);

  Operations LoadTile(const Tile& tile, const Frame& frame, const Location& at, int64_t dst);
  Operations VectorInto(const Expr& expr, const Frame& frame, const Location& at, int64_t dst);
  int Work(const Expr& expr, const Frame& frame) const;
  Operations BinaryInto(const Expr& expr, const Frame& frame, const Location& at, int64_t dst);
  Operations WithTile(const std::string& name, const Expr& first, const Expr& other,
                      const Frame& frame, const Location& at, int64_t dst);
  Operations OfTiles(const std::string& op, Expr a, Expr b, const Frame& frame, const Location& at,
                     int64_t dst);
  bool IsBetterSecond(const Tile& left, const Tile& right, const Frame& frame) const;
  Tile Plain(const Expr& expr, const Frame& frame, const Location& at);

  Tile Loaded(const Access& access, const Frame& frame, const Location& at);
  void CheckBatch(const Access& access, const std::vector<Dim>& dims, const Frame& frame,
                  const Location& at) const;

  Dimensions& dims_;
  Stages& stages_;
  const Frame frame_;
  const ExprSet shared_;
  const int64_t dst_tiles_;
  const std::vector<Stream>& streams_;
  std::optional<Scope> scope_;
  std::unordered_map<Key, Tile, KeyHash> made_;
  Reductions reductions_;
};

}  // namespace ttgen
