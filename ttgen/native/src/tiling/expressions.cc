#include "tiling/expressions.h"

#include <algorithm>
#include <numeric>

#include "analysis/orders.h"
#include "base/tables.h"
#include "base/text.h"
#include "passes/device_shape.h"

namespace ttgen {
namespace {

bool Commutes(const std::string& op) { return op == "add" || op == "mul"; }

/*! Where `expr` stands in the source; `at` if that is not known. */
const Location& PlaceOf(const Expr& expr, const Location& at) {
  return expr->at.path.empty() ? at : expr->at;
}

/*! How a layout would have the dimensions last that make tiles, if it can. */
std::string OrderHint(const Access& access, const Frame& frame) {
  AxisSet tiled(frame.rows.axes.begin(), frame.rows.axes.end());
  tiled.insert(frame.columns.axes.begin(), frame.columns.axes.end());
  const auto order = WithLast(access, tiled);
  if (!order || *order == access.order) return "";
  return "; `layouts: {" + NameOf(access.buffer) + ": {order: " + ListText(*order) +
         "}}` puts others there";
}

}  // namespace

bool Expressions::Scope::Has(const Expr& expr) const {
  if (DependsOn(expr, dim)) return true;
  const std::vector<Expr> found = PartsOf(expr, Kind::kHeld);
  return std::any_of(found.begin(), found.end(),
                     [&](const Expr& one) { return held.count(one) > 0; });
}

void Expressions::Finish(const Expr& expr, const Frame& frame, const VarRef& target,
                         const ExprRef& page, const Location& at) {
  stages_.Add(IntoDst(expr, frame, at, 0), target, page, at);
}

Tile Expressions::TileOf(const Expr& expr, const Frame& frame, const Location& at) {
  switch (expr->kind) {
    case Kind::kConst:
      return {stages_.Constant({expr->value}), Int(0), frame};
    case Kind::kMask:
      return stages_.MaskTile(expr, frame);
    case Kind::kTriangle:
      return stages_.TriangleTile(expr, frame);
    case Kind::kHeld:
      return {expr->buffer, Int(0), {expr->dims[0], expr->dims[1]}};
    case Kind::kLoad:
      return Loaded(expr->access, frame, at);
    default:
      return Temporary(expr, frame.Narrowed(expr), at);
  }
}

/*! Operations that leave `expr` in `dst`; earlier stages are added as it needs them. */
Expressions::Operations Expressions::IntoDst(const Expr& expr, const Frame& frame,
                                             const Location& at, int64_t dst) {
  if (InMemory(expr, frame) || !Fits(expr, frame, dst)) {
    return LoadTile(TileOf(expr, frame, at), frame, at, dst);
  }
  return Computed(expr, frame, at, dst);
}

/*! Whether there are registers for it: a reduction is made in register 0 alone. */
bool Expressions::Fits(const Expr& expr, const Frame& frame, int64_t dst) const {
  const int64_t operands = expr->operands.size();
  switch (expr->kind) {
    case Kind::kVector:
      return operands == 1 || dst + operands <= dst_tiles_;
    case Kind::kReduce:
      return dst == 0;
    case Kind::kBinary:
      return expr->op != "mul" || dst == 0 || !ScaledSum(expr, frame);
    default:
      return true;
  }
}

/*! A sum, and the number that it is multiplied by while it is made. */
std::optional<std::pair<Expr, double>> Expressions::ScaledSum(const Expr& expr,
                                                              const Frame& frame) const {
  if (!Is(expr, Kind::kBinary) || expr->op != "mul") return std::nullopt;
  const bool is_first = Is(expr->operands[0], Kind::kReduce);
  const Expr &total = expr->operands[is_first ? 0 : 1], &scale = expr->operands[is_first ? 1 : 0];
  if (!Is(total, Kind::kReduce) || !Is(scale, Kind::kConst)) return std::nullopt;
  if (InMemory(total, frame) || !reductions_.Scales(total, frame)) return std::nullopt;
  return std::make_pair(total, scale->value);
}

/*! `expr` by its own operation. */
Expressions::Operations Expressions::Computed(const Expr& expr, const Frame& frame,
                                              const Location& at, int64_t dst) {
  switch (expr->kind) {
    case Kind::kBinary:
      if (const auto scaled = ScaledSum(expr, frame)) {
        return reductions_.IntoDst(scaled->first, frame, scaled->second);
      }
      return BinaryInto(expr, frame, at, dst);
    case Kind::kVector:
      return VectorInto(expr, frame, at, dst);
    case Kind::kReduce:
      return reductions_.IntoDst(expr, frame);
    default:
      return LoadTile(TileOf(expr, frame, at), frame, at, dst);
  }
}

/*! Whether the value is a tile in memory in any case: as it is, or to be broadcast. */
bool Expressions::InMemory(const Expr& expr, const Frame& frame) const {
  return IsLeaf(expr) || shared_.count(expr) || StreamOf(expr) || frame.Narrowed(expr) != frame;
}

/*! A tile of its own for `expr`, made by an earlier stage. */
Tile Expressions::Temporary(const Expr& expr, const Frame& frame, const Location& at) {
  if (IsOutsideScope(expr)) {
    const auto before = stages_.BeforeStream();
    return scope_->around.Temporary(expr, frame, at);
  }
  const Stream* stream = StreamOf(expr);
  if (stream && frame == frame_.Narrowed(expr) && !made_.count(KeyOf(expr, frame))) {
    MakeStream(*stream, at);
  }
  return Once(expr, frame, [&] { return Computed(expr, frame, at, 0); }, at);
}

/*!
 * A temporary tile of `expr` in `frame`, made by `operations` the first time. It moves with no more
 * loops than it has to.
 */
template <class Make>
Tile Expressions::Once(const Expr& expr, const Frame& frame, const Make& operations,
                       const Location& at) {
  if (IsOutsideScope(expr)) {
    const auto before = stages_.BeforeStream();
    return scope_->around.Once(expr, frame, operations, at);
  }
  const Key key = KeyOf(expr, frame);
  const auto known = made_.find(key);
  if (known != made_.end()) return known->second;
  const VarRef buffer = stages_.Temporary();
  const auto inside = stages_.Inside(key.loops);
  const Tile tile{buffer, stages_.Page(), frame};
  stages_.Add(operations(), buffer, tile.page, at);
  made_.emplace(key, tile);
  return tile;
}

Expressions::Key Expressions::KeyOf(const Expr& expr, const Frame& frame) const {
  return {expr, frame, stages_.MovingWith(FreeDims(expr))};
}

// Streams -----------------------------------------------------------------------------------------

/*! The stream that `expr` is a sum of, nullptr if it is of none. */
const Stream* Expressions::StreamOf(const Expr& expr) const {
  for (const Stream& stream : streams_) {
    for (const Expr& total : stream.sums) {
      if (Equal(total, expr)) return &stream;
    }
  }
  return nullptr;
}

/*!
 * Makes the sums of `stream`, in one loop over its chunks. From one chunk to the next it holds the
 * largest value so far, and the sums below that. The largest is the least finite number at first:
 * minus infinity, less itself, is none.
 */
void Expressions::MakeStream(const Stream& stream, const Location& at) {
  const Expr& peak = stream.peak;
  const std::vector<Dim> tiled = TileDims(peak->operands[0]);
  dims_.DeclareReduced(peak, DimSet(tiled.begin(), tiled.end()));
  const Expr largest = Start(peak, stages_.Working().lowest, at);
  const Expr grown = MakeVector("max", {peak, largest}, peak->at);
  std::vector<Expr> held, factors;
  for (const Expr& total : stream.sums) {
    held.push_back(Start(total, 0.0, at));
    factors.push_back(Rescaling(Weights(total, peak).front(), peak, largest, grown));
  }
  ExprSet shared(factors.begin(), factors.end());
  shared.insert(grown);
  const ExprSet sums(stream.sums.begin(), stream.sums.end());
  for (const Expr& one : shared_) {
    if (!Equal(one, peak) && !sums.count(one)) shared.insert(Replaced(one, peak, grown));
  }
  Expressions inside(dims_, stages_, frame_, std::move(shared), dst_tiles_, streams_);
  inside.scope_.emplace(Scope{stream.Along(), ExprSet(held.begin(), held.end()), *this});
  inside.scope_->held.insert(largest);
  const auto finish = [&](const Expr& value, const Expr& into) {
    inside.Finish(value, {into->dims[0], into->dims[1]}, into->buffer, Int(0), at);
  };
  stages_.Streaming(stream.Along(), stream.tiles, [&] {
    for (size_t n = 0; n < held.size(); ++n) {
      const Expr& total = stream.sums[n];
      const Expr before = MakeBinary("mul", held[n], factors[n], total->at);
      finish(MakeBinary("add", Replaced(total, peak, grown), before, total->at), held[n]);
    }
    finish(grown, largest);
  });
  for (size_t n = 0; n < held.size(); ++n) {
    const Frame frame{held[n]->dims[0], held[n]->dims[1]};
    made_.insert_or_assign(KeyOf(stream.sums[n], frame), Tile{held[n]->buffer, Int(0), frame});
  }
}

/*! A tile for `expr` that is `value` everywhere, to be gone on with. */
Expr Expressions::Start(const Expr& expr, double value, const Location& at) {
  const Frame frame = frame_.Narrowed(expr);
  const VarRef buffer = stages_.Temporary();
  const auto inside = stages_.Inside({});
  const Tile first{stages_.Constant({value}), Int(0), frame};
  stages_.Add(LoadTile(first, frame, at, 0), buffer, Int(0), at);
  return MakeHeld(buffer, frame.rows, frame.columns);
}

// Elementwise operations --------------------------------------------------------------------------

Expressions::Operations Expressions::LoadTile(const Tile& tile, const Frame& frame,
                                              const Location& at, int64_t dst) {
  const std::string word = frame.BroadcastOf(tile.frame);
  if (word.empty())
    return {InsertIntrinsicCall("copy", {Int(dst), tile.buffer, tile.page}, SpanOf(at))};
  // Not the unit's own copy with broadcast: into fp32 DST it fills no more than 8 rows.
  const VarRef zero = stages_.Constant({0.0});
  return {InsertIntrinsicCall(
      "add_bcast", {Int(dst), zero, Int(0), tile.buffer, tile.page, Text(word)}, SpanOf(at))};
}

/*!
 * Each operand in a register of its own, from `dst` on; the result is in `dst`. The one that takes
 * most work comes first, while most registers are free.
 */
Expressions::Operations Expressions::VectorInto(const Expr& expr, const Frame& frame,
                                                const Location& at, int64_t dst) {
  const Location& here = PlaceOf(expr, at);
  const std::vector<Expr>& operands = expr->operands;
  std::vector<int> work;
  for (const Expr& operand : operands) work.push_back(Work(operand, frame));
  std::vector<size_t> order(operands.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return work[a] > work[b]; });
  std::vector<int64_t> registers(operands.size());
  Operations operations;
  for (size_t place = 0; place < order.size(); ++place) {
    const size_t n = order[place];
    registers[n] = dst + place;
    for (StmtRef& one : IntoDst(operands[n], frame, here, registers[n])) {
      operations.push_back(std::move(one));
    }
  }
  std::vector<Any> args{Int(dst)};
  if (operands.size() > 1) {
    for (int64_t found : registers) args.push_back(Int(found));
  }
  args.push_back(Text(expr->op));
  operations.push_back(InsertIntrinsicCall(VectorRow(expr->op).form, args, SpanOf(here)));
  return operations;
}

/*! How much is to be done for it in DST: nothing for a tile, most for a reduction. */
int Expressions::Work(const Expr& expr, const Frame& frame) const {
  if (InMemory(expr, frame)) return 0;
  return PartsOf(expr, Kind::kReduce).empty() ? 1 : 2;
}

Expressions::Operations Expressions::BinaryInto(const Expr& expr, const Frame& frame,
                                                const Location& at, int64_t dst) {
  const Location& here = PlaceOf(expr, at);
  const Expr &a = expr->operands[0], &b = expr->operands[1];
  if (!InMemory(a, frame)) return WithTile(expr->op + "_dst", a, b, frame, here, dst);
  if (InMemory(b, frame)) return OfTiles(expr->op, a, b, frame, here, dst);
  const std::string name = Commutes(expr->op) ? expr->op : "r" + expr->op;
  return WithTile(name + "_dst", b, a, frame, here, dst);  // the work is in b
}

/*! `first` in DST, and then the operation with a tile of `other`. */
Expressions::Operations Expressions::WithTile(const std::string& name, const Expr& first,
                                              const Expr& other, const Frame& frame,
                                              const Location& at, int64_t dst) {
  const Tile tile = Plain(other, frame, at);
  Operations operations = IntoDst(first, frame, at, dst);
  operations.push_back(InsertIntrinsicCall(name, {Int(dst), tile.buffer, tile.page}, SpanOf(at)));
  return operations;
}

/*! Both operands are tiles in memory; the unit broadcasts the second of two. */
Expressions::Operations Expressions::OfTiles(const std::string& op, Expr a, Expr b,
                                             const Frame& frame, const Location& at, int64_t dst) {
  Tile left = TileOf(a, frame, at), right = TileOf(b, frame, at);
  if (Commutes(op) && IsBetterSecond(left, right, frame)) {
    std::swap(left, right);
    std::swap(a, b);
  }
  if (op == "mul" && dst) {  // the multiplier adds to what a register holds
    return WithTile("mul_dst", b, a, frame, at, dst);
  }
  if (!frame.BroadcastOf(left.frame).empty()) left = Plain(a, frame, at);
  std::vector<Any> args{Int(dst), left.buffer, left.page, right.buffer, right.page};
  const std::string word = frame.BroadcastOf(right.frame);
  if (word.empty()) return {InsertIntrinsicCall(op, args, SpanOf(at))};
  args.push_back(Text(word));
  return {InsertIntrinsicCall(op + "_bcast", args, SpanOf(at))};
}

/*!
 * Whether `left` is to be broadcast, or narrower than `right`. The unit reads both operands in the
 * format of the first.
 */
bool Expressions::IsBetterSecond(const Tile& left, const Tile& right, const Frame& frame) const {
  const bool is_broadcast = !frame.BroadcastOf(left.frame).empty();
  if (is_broadcast || !frame.BroadcastOf(right.frame).empty()) return is_broadcast;
  return stages_.FormatOf(right).is_wide && !stages_.FormatOf(left).is_wide;
}

/*! `expr` as a tile in memory that needs no broadcast. */
Tile Expressions::Plain(const Expr& expr, const Frame& frame, const Location& at) {
  const Tile tile = TileOf(expr, frame, at);
  if (frame.BroadcastOf(tile.frame).empty()) return tile;
  return Once(expr, frame, [&] { return LoadTile(tile, frame, at, 0); }, at);
}

// Tensors -----------------------------------------------------------------------------------------

Tile Expressions::Loaded(const Access& access, const Frame& frame, const Location& at) {
  const std::vector<Dim> dims = AsTiles(access.Dims());
  const Dim &rows = dims[dims.size() - 2], &columns = dims.back();
  CheckBatch(access, dims, frame, at);
  const Tile tile{access.buffer, dims_.Page(DeviceView(access), access.beside), {rows, columns}};
  const auto lines_up = [](const Dim& dim, const Dim& with) { return dim == with || dim == kOne; };
  if (lines_up(rows, frame.rows) && lines_up(columns, frame.columns)) return tile;
  if (lines_up(rows, frame.columns) && lines_up(columns, frame.rows)) {
    const StmtRef turn =
        InsertIntrinsicCall("transpose", {Int(0), tile.buffer, tile.page}, SpanOf(at));
    return Once(MakeLoad(access), {columns, rows}, [&] { return Operations{turn}; }, at);
  }
  throw LoweringError(access.Str() + " does not line up with tiles over " + frame.rows.Name() +
                          " and " + frame.columns.Name(),
                      at,
                      "the last two dimensions of a tensor make its tiles; they may be "
                      "transposed, but not mixed with others" +
                          OrderHint(access, frame));
}

void Expressions::CheckBatch(const Access& access, const std::vector<Dim>& dims, const Frame& frame,
                             const Location& at) const {
  for (auto dim = dims.begin(); dim != dims.end() - 2; ++dim) {
    if (dim->axes.empty() || !dims_.tiled.count(*dim)) continue;
    const bool is_output = *dim == frame_.rows || *dim == frame_.columns;
    const std::string where = is_output ? "the output" : "others";
    throw LoweringError(
        access.Str() + ": dimension " + dim->Name() + " makes tiles of " + where + ", but not of " +
            NameOf(access.buffer),
        at, "only the last two dimensions of a tensor make tiles" + OrderHint(access, frame));
  }
}

}  // namespace ttgen
