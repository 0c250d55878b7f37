#include "analysis/stores.h"

#include <utility>

#include "analysis/axes.h"
#include "analysis/reading.h"

namespace ttgen {
namespace {

/*! Buffers with the loops that each of them gets as further indices. */
using Extras = std::vector<std::pair<VarRef, std::vector<Axis>>>;

/*! The loops around all users of `buffer` that its elements do not move with. */
std::vector<Axis> PrivateAxes(const VarRef& buffer, const std::vector<Store>& stores) {
  StoreRefs users;
  for (const Store& store : stores) {
    if (store.Uses(buffer)) users.push_back(&store);
  }
  auto is_private = [&](const Axis& axis) {
    return std::all_of(users.begin(), users.end(), [&](const Store* store) {
      bool moves = store->target.buffer == buffer && MovesWith(store->target, axis);
      return !moves && Contains(store->Axes(), axis);
    });
  };
  std::vector<Axis> found;
  const std::vector<Axis>& axes = users.front()->Axes();
  std::copy_if(axes.begin(), axes.end(), std::back_inserter(found), is_private);
  return found;
}

/*! What each intermediate buffer gets, for those that get something. */
Extras ExtrasOf(const std::vector<Store>& stores, const FuncRef& func) {
  VarSet seen;
  for (const VarRef& param : Items<tir::Var>(func->params)) seen.insert(param);
  Extras extras;
  for (const Store& store : stores) {
    const VarRef& buffer = store.target.buffer;
    if (!seen.insert(buffer).second) continue;
    std::vector<Axis> axes = PrivateAxes(buffer, stores);
    if (!axes.empty()) extras.emplace_back(buffer, std::move(axes));
  }
  return extras;
}

Access WithIndices(const Access& access, const Extras& extras) {
  for (const auto& [buffer, axes] : extras) {
    if (buffer != access.buffer) continue;
    Access made{buffer, {}, {}, {}};
    made.indices.reserve(axes.size() + access.indices.size());
    for (const Axis& axis : axes)
      made.indices.emplace_back(std::vector<Affine::Term>{{axis, 1}}, 0);
    made.indices.insert(made.indices.end(), access.indices.begin(), access.indices.end());
    return made;
  }
  return access;
}

}  // namespace

AxisSet Store::FreeAxes() const {
  AxisSet free;
  for (const Axis& axis : Axes()) {
    if (!MovesWith(target, axis)) free.insert(axis);
  }
  return free;
}

bool Store::Uses(const VarRef& buffer) const {
  if (target.buffer == buffer) return true;
  std::vector<Expr> loads = PartsOf(value, Kind::kLoad);
  return std::any_of(loads.begin(), loads.end(),
                     [&](const Expr& load) { return load->access.buffer == buffer; });
}

Store Resolve(const Statement& statement) {
  const Ptr<tir::BufferStore>& store = statement.store;
  Access target = ToAccess(store->buffer, store->indices, statement.scope, statement.at);
  CheckIndependent(target, statement.at);
  Expr value = ToExpression(store->value, statement.scope, statement.at);
  return {&statement, std::move(target), std::move(value)};
}

void CheckIndependent(const Access& target, const Location& at) {
  std::vector<int64_t> seen;
  for (const Affine& index : target.indices) {
    for (const auto& [axis, step] : index.terms) {
      if (std::find(seen.begin(), seen.end(), axis.serial) != seen.end()) {
        throw LoweringError("loop " + axis.name + " runs over two dimensions of " +
                                NameOf(target.buffer) +
                                ": that is a diagonal, not all of its elements",
                            at, "every index needs loops of its own");
      }
      seen.push_back(axis.serial);
    }
  }
}

std::vector<Store> Privatised(std::vector<Store> stores, const FuncRef& func) {
  const Extras extras = ExtrasOf(stores, func);
  if (extras.empty()) return stores;
  for (Store& store : stores) {
    store.target = WithIndices(store.target, extras);
    store.value = Replaced(store.value,
                           [&](const Access& read) { return MakeLoad(WithIndices(read, extras)); });
  }
  return stores;
}

}  // namespace ttgen
