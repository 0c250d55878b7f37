#include "analysis/computation.h"

#include <array>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "analysis/axes.h"
#include "analysis/boxes.h"
#include "analysis/inlining.h"
#include "analysis/loops.h"
#include "analysis/orders.h"
#include "analysis/stores.h"
#include "analysis/views.h"
#include "base/attrs.h"
#include "base/text.h"

namespace ttgen {
namespace {

/*! Whether the reduction `op` starts from `value` as if from nothing. */
using IsNeutral = bool (*)(double value);
constexpr std::array<std::pair<const char*, IsNeutral>, 3> kNeutral{{
    {"add", [](double value) { return value == 0.0; }},
    {"max", [](double value) { return value <= -3.0e38; }},
    {"min", [](double value) { return value >= 3.0e38; }},
}};

/*! When a value is neutral for `op`; nullptr where that is no reduction. */
IsNeutral NeutralOf(const std::string& op) {
  for (const auto& [name, is_neutral] : kNeutral) {
    if (op == name) return is_neutral;
  }
  return nullptr;
}

/*! Whether `value` reads an element of `buffer`. */
bool Reads(const Expr& value, const VarRef& buffer) {
  const std::vector<Expr> loads = PartsOf(value, Kind::kLoad);
  return std::any_of(loads.begin(), loads.end(),
                     [&](const Expr& load) { return load->access.buffer == buffer; });
}

bool ReadsItself(const Store& store) { return Reads(store.value, store.target.buffer); }

// Which elements are stored and read in one iteration ---------------------------------------------

/*! The loops around both. */
AxisSet SharedAxes(const Store& a, const Store& b) {
  AxisSet shared;
  for (const Axis& axis : a.Axes()) {
    if (Contains(b.Axes(), axis)) shared.insert(axis);
  }
  return shared;
}

/*! Whether each index moves as far with an iteration of `axis` in both, which are of one buffer. */
bool StepAlike(const Access& a, const Access& b, const Axis& axis) {
  return std::equal(a.indices.begin(), a.indices.end(), b.indices.begin(), b.indices.end(),
                    [&](const Affine& one, const Affine& other) {
                      return one.Coefficient(axis) == other.Coefficient(axis);
                    });
}

/*! The smallest and largest element that `index` visits in one iteration of the shared loops. */
std::pair<int64_t, int64_t> Within(const Affine& index, const AxisSet& shared) {
  Affine own(index.offset);
  for (const Affine::Term& term : index.terms) {
    if (!shared.count(term.first)) own.terms.push_back(term);
  }
  return own.Bounds();
}

/*! Whether what `stores` visit in an iteration of the shared loops holds what `read` visits. */
bool HoldWithin(const StoreRefs& stores, const Access& read, const AxisSet& shared) {
  if (stores.empty()) return false;
  for (size_t n = 0; n < read.indices.size(); ++n) {
    auto [low, high] = Within(stores.front()->target.indices[n], shared);
    for (const Store* store : stores) {
      auto [one_low, one_high] = Within(store->target.indices[n], shared);
      low = std::min(low, one_low);
      high = std::max(high, one_high);
    }
    auto [read_low, read_high] = Within(read.indices[n], shared);
    if (read_low < low || read_high > high) return false;
  }
  return true;
}

/*! The loops around stores and reader whose iterations mean different elements in the two. */
AxisSet MovingApart(const StoreRefs& stores, const Store& reader, const Access& read) {
  AxisSet apart, shared;
  for (const Store* store : stores) {
    for (const Axis& axis : SharedAxes(*store, reader)) {
      if (!StepAlike(store->target, read, axis)) apart.insert(axis);
      shared.insert(axis);
    }
  }
  if (!apart.empty()) return apart;
  AxisSet moving = Intersection(shared, read.Axes());
  if (moving.empty()) return {};
  StoreRefs beside;
  for (const Store* store : stores) {
    bool is_beside = std::all_of(shared.begin(), shared.end(),
                                 [&](const Axis& axis) { return Contains(store->Axes(), axis); });
    if (is_beside) beside.push_back(store);
  }
  return HoldWithin(beside, read, shared) ? AxisSet{} : moving;
}

// What stores have to be like ---------------------------------------------------------------------

/*! For an update that reads more of its own buffer than the element that it stores. */
[[noreturn]] void RefuseOwnValues(const Store& store) {
  throw LoweringError(store.target.Str() + " is computed from its own earlier values", store.At(),
                      "a sum must first set its target to a constant; other in-place updates do "
                      "not lower");
}

void CheckSetOnce(const Store& first, const Store& update) {
  AxisSet again;
  for (const Axis& axis : update.FreeAxes()) {
    if (Contains(first.Axes(), axis)) again.insert(axis);
  }
  if (again.empty()) return;
  throw LoweringError(first.target.Str() + " is set to " + first.value->Str() +
                          " again in every iteration of " + NamesOf(again),
                      first.At(),
                      "set it before that loop; a Tx.gemm that adds to what is there has beta=1.0");
}

/*! The first store sets every element, and in loops of both just the one that is updated. */
void CheckFollows(const Store& first, const Store& update) {
  CheckSetOnce(first, update);
  AxisSet missing = first.target.Axes();
  for (const Axis& axis : first.Axes()) missing.erase(axis);
  if (!missing.empty()) {
    throw LoweringError(
        first.target.Str() + " is set only in the first iteration of " + NamesOf(missing),
        first.At(), "a block's reduction axes are those that its target does not use");
  }
  AxisSet elsewhere = MovingApart({&first}, update, update.target);
  if (elsewhere.empty()) return;
  throw LoweringError(
      "in an iteration of " + NamesOf(elsewhere) + ", " + first.target.Str() + " is set and " +
          update.target.Str() + " is added to: these are not the same elements",
      first.At(), "set the target to 0 before these loops, or with the same indices");
}

/*! In loops around both, what is read has been stored in the same iteration, and completely. */
void CheckComplete(const StoreRefs& stores, const Store& reader, const Access& read) {
  AxisSet unfinished;
  for (const Store* store : stores) {
    for (const Axis& axis : store->FreeAxes()) {
      if (Contains(reader.Axes(), axis)) unfinished.insert(axis);
    }
  }
  if (!unfinished.empty()) {
    throw LoweringError(read.Str() + " is read inside of the loop " + NamesOf(unfinished) +
                            ", which still adds to it",
                        reader.At(), "read a sum when it is complete");
  }
  AxisSet elsewhere = MovingApart(stores, reader, read);
  if (elsewhere.empty()) return;
  throw LoweringError("in an iteration of " + NamesOf(elsewhere) + ", " +
                          stores.front()->target.Str() + " is stored and " + read.Str() +
                          " is read: these are not the same elements",
                      reader.At(), "store the whole tensor before it is read");
}

/*! What an update does: `target = op(target, added)`. */
struct Update {
  std::string op;
  Expr added;
};

Update UpdateOf(const Store& store) {
  auto is_target = [&](const Expr& expr) {
    return Is(expr, Kind::kLoad) && expr->access == store.target;
  };
  const Expr& value = store.value;
  bool has_two =
      (Is(value, Kind::kBinary) || Is(value, Kind::kVector)) && value->operands.size() == 2;
  if (has_two && NeutralOf(value->op)) {
    if (is_target(value->operands[0])) return {value->op, value->operands[1]};
    if (is_target(value->operands[1])) return {value->op, value->operands[0]};
  }
  throw LoweringError(
      store.target.Str() + " is stored twice, and the second store is no reduction into it",
      store.At(),
      "a reduction is written target = target + value, or target = max(target, value), or with "
      "min");
}

/*! The reduction of `value`; the smallest is the largest of negatives, without its sign. */
Expr Reduced(const std::string& op, std::vector<Dim> dims, const Expr& value, const Location& at) {
  if (op != "min") return MakeReduce(op, std::move(dims), value, at);
  Expr zero = MakeConst(0.0);
  Expr largest = MakeReduce("max", std::move(dims), Binary("sub", zero, value, at), at);
  return Binary("sub", zero, largest, at);
}

/*! `0 + x` is `x`: a sum that starts from a number starts from nothing. */
const Expr& WithoutNeutral(const Expr& value) {
  if (!Is(value, Kind::kBinary) || value->op != "add") return value;
  if (IsConst(value->operands[0], 0.0)) return value->operands[1];
  return IsConst(value->operands[1], 0.0) ? value->operands[0] : value;
}

/*! The stores of one buffer, in program order. */
using Group = std::pair<VarRef, StoreRefs>;

template <class Buffers>
auto FindBuffer(Buffers& buffers, const VarRef& buffer) {
  return std::find_if(buffers.begin(), buffers.end(),
                      [&](const auto& one) { return one.first == buffer; });
}

/*!
 * The stores of each buffer; the buffer that is complete first comes first. LoweringError at a
 * buffer that is stored again after another has been computed from it.
 */
std::vector<Group> ByBuffer(const std::vector<Store>& stores) {
  std::vector<Group> groups;
  VarMap<const Store*> readers;
  for (const Store& store : stores) {
    const VarRef& target = store.target.buffer;
    auto known = FindBuffer(groups, target);
    auto reader = readers.find(target);
    if (reader != readers.end()) {
      if (known == groups.end()) {
        throw LoweringError("'" + NameOf(target) + "' is read before it is stored",
                            reader->second->At());
      }
      throw LoweringError(store.target.Str() + " is stored again after it was read", store.At(),
                          "complete a tensor before it is read");
    }
    for (const Expr& load : PartsOf(store.value, Kind::kLoad)) {
      if (load->access.buffer != target) readers.emplace(load->access.buffer, &store);
    }
    if (known == groups.end()) {
      groups.push_back({target, {}});
    } else {
      std::rotate(known, std::next(known), groups.end());
    }
    groups.back().second.push_back(&store);
  }
  return groups;
}

/*! What stores to one box of a buffer add up to. */
struct Stored {
  Part part;
  Box box;
};

/*! A buffer that is complete. */
struct Complete {
  StoreRefs stores;
  std::vector<Stored> parts;
};

/*! One attempt: ends with the computation, or with the request to take a loop apart. */
class Analysis {
 public:
  Analysis(const FuncRef& func, const Location& at)
      : params_(Items<tir::Var>(func->params)), func_(func), at_(at) {}

  Computation Run(const Loops& loops, const Orders& orders) {
    std::vector<Store> stores;
    for (const Statement& statement : loops.statements) {
      if (statement.Runs()) stores.push_back(Resolve(statement));
    }
    if (stores.empty()) throw LoweringError("the kernel stores nothing", at_);
    stores = Privatised(std::move(stores), func_);
    for (auto& [buffer, group] : ByBuffer(stores)) {
      CheckReads(group);
      std::vector<Stored> parts;
      for (auto& [box, same] : Separate(group)) parts.push_back({Combined(same), std::move(box)});
      complete_.push_back({buffer, {std::move(group), std::move(parts)}});
    }
    return Finished(orders);
  }

 private:
  Computation Finished(const Orders& orders) const {
    std::vector<Part> parts;
    std::vector<Box> boxes;
    for (const Stored& stored : Output()) {
      parts.push_back(stored.part);
      boxes.push_back(stored.box);
    }
    CheckCovers(parts.front().output.buffer, boxes, parts.front().at);
    Computation made{{}, orders};
    made.orders.merge(Deduced(parts));
    for (const Part& part : parts) made.parts.push_back(Settled(part, made.orders));
    return made;
  }

  /*! What is stored to the output; LoweringError if there is not just one. */
  const std::vector<Stored>& Output() const {
    const std::vector<Stored>* output = nullptr;
    for (const auto& [buffer, complete] : complete_) {
      if (!IsParam(buffer)) continue;
      if (output) {
        throw LoweringError(
            "a second output, '" + NameOf(buffer) + "': a kernel computes one tensor",
            complete.parts.front().part.at);
      }
      output = &complete.parts;
    }
    if (!output) throw LoweringError("the kernel stores to no parameter", at_);
    for (const VarRef& param : params_) {
      if (BufferTypeOf(param)) continue;
      throw LoweringError("parameter '" + NameOf(param) + "' is no tensor", at_,
                          "give it a value instead");
    }
    return *output;
  }

  bool IsParam(const VarRef& buffer) const {
    return std::find(params_.begin(), params_.end(), buffer) != params_.end();
  }

  const Complete* CompleteOf(const VarRef& buffer) const {
    auto found = FindBuffer(complete_, buffer);
    return found == complete_.end() ? nullptr : &found->second;
  }

  void CheckReads(const StoreRefs& group) const {
    for (const Store* store : group) {
      for (const Expr& load : PartsOf(store->value, Kind::kLoad)) {
        const Access& read = load->access;
        if (const Complete* complete = CompleteOf(read.buffer)) {
          CheckComplete(complete->stores, *store, read);
        } else if (read.buffer != store->target.buffer && !IsParam(read.buffer)) {
          throw LoweringError("'" + NameOf(read.buffer) + "' is read before it is stored",
                              store->At());
        }
      }
    }
  }

  // One box of a buffer ----------------------------------------------------------------------

  /*! What the stores to a box leave there, one after the other. */
  Part Combined(const StoreRefs& stores) const {
    const Store& first = *stores.front();
    CheckFirst(first, stores);
    Part current{first.target, Expanded(first.value, first.At()), first.At()};
    for (size_t n = 1; n < stores.size(); ++n) {
      for (size_t earlier = 0; earlier < n; ++earlier) CheckFollows(*stores[earlier], *stores[n]);
      current = Updated(current, *stores[n]);
    }
    return current;
  }

  static void CheckFirst(const Store& first, const StoreRefs& stores) {
    if (ReadsItself(first)) {
      throw LoweringError(
          first.target.Str() + " is computed from its own earlier values", first.At(),
          "a sum must first set its target to a constant; in-place updates do not lower");
    }
    AxisSet free = first.FreeAxes();
    if (free.empty()) return;
    for (size_t n = 1; n < stores.size(); ++n) CheckSetOnce(first, *stores[n]);
    throw LoweringError(
        first.target.Str() + " is overwritten in every iteration of " + NamesOf(free), first.At(),
        "a sum adds to the target after setting it to 0");
  }

  /*! `current` after one more store to its elements. */
  Part Updated(const Part& current, const Store& store) const {
    Expr before = Moved(current.value, Solved(current.output, store.target, store.At()));
    AxisSet reduced = store.FreeAxes();
    if (!reduced.empty()) {
      return {store.target, Reduction(before, reduced, store), store.At()};
    }
    if (!ReadsItself(store)) {
      throw LoweringError(store.target.Str() + " is stored again, whatever it held", store.At(),
                          "store it once, or update it: target = target + value");
    }
    for (const Expr& load : PartsOf(store.value, Kind::kLoad)) {
      const Access& read = load->access;
      if (read.buffer == store.target.buffer && read != store.target) RefuseOwnValues(store);
    }
    Expr value = Rebuilt(store.value, [&](const Expr& leaf) {
      return Is(leaf, Kind::kLoad) && leaf->access == store.target ? before : leaf;
    });
    return {store.target, Expanded(WithoutNeutral(value), store.At()), store.At()};
  }

  Expr Reduction(const Expr& before, const AxisSet& reduced, const Store& store) const {
    auto [op, update] = UpdateOf(store);
    if (Reads(update, store.target.buffer)) RefuseOwnValues(store);
    Expr added = Expanded(update, store.At());
    AxisSet unused = reduced;
    for (const Expr& load : PartsOf(added, Kind::kLoad)) {
      for (const Axis& axis : load->access.Axes()) unused.erase(axis);
    }
    if (!unused.empty()) {
      throw LoweringError(
          "no tensor is read along " + NamesOf(unused) + ", so the same value is added again",
          store.At());
    }
    std::vector<Dim> dims;
    for (const Axis& axis : store.Axes()) {
      if (reduced.count(axis)) dims.push_back({{axis}});
    }
    Expr reduce = Reduced(op, std::move(dims), added, store.At());
    if (Is(before, Kind::kConst) && NeutralOf(op)(before->value)) return reduce;
    if (op == "add") return Binary(op, before, reduce, store.At());
    return Vector(op, {before, reduce}, store.At());
  }

  // Intermediate buffers ---------------------------------------------------------------------

  /*! `value` with the meaning of earlier buffers in the place of their loads. */
  Expr Expanded(const Expr& value, const Location& at) const {
    return Rebuilt(value, [&](const Expr& leaf) {
      if (!Is(leaf, Kind::kLoad)) return leaf;
      const Complete* complete = CompleteOf(leaf->access.buffer);
      if (!complete) return leaf;
      const Part& stored = PartHolding(complete->parts, leaf->access, at);
      return Moved(stored.value, Solved(stored.output, leaf->access, at));
    });
  }

  /*! The part that all of `load` lies in; Restart where it lies in several. */
  static const Part& PartHolding(const std::vector<Stored>& parts, const Access& load,
                                 const Location& at) {
    for (const Stored& stored : parts) {
      if (stored.box.Holds(load)) return stored.part;
    }
    throw LoweringError(load.Str() + " is read, but not all of it has been stored", at);
  }

  const std::vector<VarRef> params_;
  const FuncRef func_;
  const Location at_;
  /*! In the order in which they are complete. */
  std::vector<std::pair<VarRef, Complete>> complete_;
};

Computation AnalyseAnew(const FuncRef& func, const Location& at, const Orders& orders) {
  Loops loops(Statements(func, at));
  while (true) {
    try {
      return Analysis(func, at).Run(loops, orders);
    } catch (const Restart& request) {
      loops.Apply(request);
    }
  }
}

// One analysis for the several passes that look at the same kernel --------------------------------

/*!
 * A function that has been analysed for `orders`, and what it means. A pass that only sets
 * attributes leaves body and parameters as they are, the very same objects; TVM never changes a
 * node that somebody else holds, and what is kept here is held.
 */
struct Analysed {
  StmtRef body;
  std::vector<VarRef> params;
  Location at;
  Orders orders;
  ComputationRef meaning;

  bool IsOf(const FuncRef& func, const Location& place, const Orders& wanted) const {
    return body == func->body && at == place && (wanted == orders || wanted == meaning->orders) &&
           params == Items<tir::Var>(func->params);
  }
};

/*! The last few kernels: a module may hold several functions, and each pass goes over all. */
class Recent {
 public:
  ComputationRef Find(const FuncRef& func, const Location& at, const Orders& orders) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const Analysed& known : known_) {
      if (!known.IsOf(func, at, orders)) continue;
      ++calls_.shared;
      return known.meaning;
    }
    return nullptr;
  }

  void Add(Analysed analysed) {
    std::lock_guard<std::mutex> lock(mutex_);
    ++calls_.made;
    known_.push_back(std::move(analysed));
    if (known_.size() > kMost) known_.pop_front();
  }

  AnalysisCalls Calls() {
    std::lock_guard<std::mutex> lock(mutex_);
    return calls_;
  }

 private:
  static constexpr size_t kMost = 8;
  std::mutex mutex_;
  AnalysisCalls calls_;
  std::deque<Analysed> known_;
};

Recent& RecentAnalyses() {
  static Recent recent;
  return recent;
}

}  // namespace

AnalysisCalls CallsOfAnalyse() { return RecentAnalyses().Calls(); }

std::vector<VarRef> Computation::Inputs() const {
  std::vector<VarRef> found;
  for (const Part& part : parts) {
    for (const Expr& load : PartsOf(part.value, Kind::kLoad)) {
      const VarRef& buffer = load->access.buffer;
      if (std::find(found.begin(), found.end(), buffer) == found.end()) found.push_back(buffer);
    }
  }
  return found;
}

std::vector<Expr> Computation::Reductions() const {
  std::vector<Expr> found;
  for (const Part& part : parts) {
    std::vector<Expr> reductions = PartsOf(part.value, Kind::kReduce);
    found.insert(found.end(), reductions.begin(), reductions.end());
  }
  return found;
}

ComputationRef Analyse(const FuncRef& func, const Location& at, const Orders& orders) {
  Recent& recent = RecentAnalyses();
  if (ComputationRef known = recent.Find(func, at, orders)) return known;
  auto meaning = std::make_shared<const Computation>(AnalyseAnew(func, at, orders));
  recent.Add({func->body, Items<tir::Var>(func->params), at, orders, meaning});
  return meaning;
}

ComputationRef Meaning(const FuncRef& func) {
  Orders orders;
  Value layouts = attrs::Optional(func, attrs::kLayoutDesc);
  if (layouts.IsDict()) {
    for (const auto& [name, desc] : layouts.Entries()) {
      if (const Value* order = desc.Find("order")) orders[name] = order->Ints();
    }
  }
  return Analyse(func, attrs::KernelPlace(func), orders);
}

std::string NamesOf(const AxisSet& axes) {
  return JoinMap(axes, ", ", [](const Axis& axis) { return axis.name; });
}

}  // namespace ttgen
