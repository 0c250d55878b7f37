#include "plan/from_ir.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <stdexcept>

#include "base/attrs.h"
#include "base/text.h"
#include "base/value.h"
#include "passes/layouts.h"
#include "plan/typed.h"

namespace ttgen::plan {
namespace {

const char kAskedBy[] = "the plan";
const std::vector<std::string> kRoles = {"input", "output"};
const std::vector<std::string> kBufferRoles = {"input", "output", "intermediate"};
const std::vector<std::string> kMemories = {"DRAM", "L1"};
const std::vector<std::string> kLayouts = {"interleaved", "sharded"};
const std::vector<std::string> kPages = {"tile", "row"};
const std::vector<std::string> kModes = {"global", "local_shard"};
const std::vector<std::string> kTileOrders = {"row_major", "column_major", "block",
                                              "z_order",   "match_shard",  "column_blocks"};
const std::vector<std::string> kFidelities = {"LoFi", "HiFi2", "HiFi3", "HiFi4"};

// Attributes -------------------------------------------------------------------------------------

/*! Of a list of so many `elements`, which Python takes apart, each. */
std::vector<Value> Unpacked(const Value& list, size_t elements) {
  std::vector<Value> found = ElementsOf(list);
  if (found.size() != elements) throw std::length_error(list.Repr());
  return found;
}

/*! A dict that is handed to the fields of a plan has no others. */
void CheckFields(const Value& desc, size_t fields) {
  TVM_FFI_ICHECK_EQ(desc.Entries().size(), fields) << "fields of a plan: " << desc.Repr();
}

/*! The order of a layout, where it has one that moves anything. */
std::optional<std::vector<int64_t>> OrderOf(const Place& place, const Value& desc) {
  const Value* order = desc.Find("order");
  if (!order) return std::nullopt;
  std::vector<int64_t> positions = IntsAt(place["order"], *order, 0);
  std::vector<int64_t> plain(positions.size());
  std::iota(plain.begin(), plain.end(), 0);
  if (positions == plain) return std::nullopt;
  return positions;
}

void CheckShard(const Place& place, const Value& shard) {
  CheckFields(shard, 5);
  const Place axes = place["axes"], cores = place["cores"];
  for (size_t i = 0; i < shard["axes"].Items().size(); ++i) TextAt(axes[i], shard["axes"][i]);
  IntsAt(place["grid"], shard["grid"], 1);
  IntsAt(place["shard_shape"], shard["shard_shape"], 1);
  WordAt(place["order"], shard["order"], CoreOrders());
  for (size_t i = 0; i < shard["cores"].Items().size(); ++i) {
    const Place core = cores[i];
    PairAt(core["start"], shard["cores"][i]["start"], 0);
    PairAt(core["extent"], shard["cores"][i]["extent"], 1);
  }
}

Layout LayoutOf(const Place& place, const Value& desc) {
  const Value tile_shape(Unpacked(desc["tile_shape"], 2));
  WordAt(place["memory"], desc["memory"], kMemories);
  WordAt(place["layout"], desc["layout"], kLayouts);
  PairAt(place["tile_shape"], tile_shape, 1);
  TextAt(place["dtype"], desc["dtype"]);
  const Value* shard = desc.Find("nd_shard");
  if (shard && !shard->IsNone()) CheckShard(place["nd_shard"], *shard);
  WordAt(place["page"], desc["page"], kPages);
  auto order = OrderOf(place, desc);
  Layout made = Planned(desc);
  made.order = std::move(order);
  return made;
}

Tensor TensorOf(const Place& place, const KernelTensor& tensor, const Value& role,
                const Value& desc) {
  Tensor made;
  made.name = IdentifierAt(place["name"], tensor.name);
  made.role = WordAt(place["role"], role, kRoles);
  made.shape = IntsAt(place["shape"], desc["shape"], 1);
  made.device_shape = IntsAt(place["device_shape"], desc["device_shape"], 1);
  made.padded_shape = IntsAt(place["padded_shape"], desc["padded_shape"], 1);
  made.layout = LayoutOf(place["layout"], desc);
  made.page_bytes = IntAt(place["page_bytes"], desc["page_bytes"], 1);
  made.pages = IntAt(place["pages"], desc["pages"], 1);
  made.at = tensor.at;
  return made;
}

CircularBuffer BufferOf(const Place& place, const Value& desc) {
  CheckFields(desc, 7);
  CircularBuffer made;
  made.name = IdentifierAt(place["name"], desc["name"]);
  made.tensor = IdentifierOrNoneAt(place["tensor"], desc["tensor"]);
  made.role = WordAt(place["role"], desc["role"], kBufferRoles);
  made.dtype = TextAt(place["dtype"], desc["dtype"]);
  made.page_bytes = IntAt(place["page_bytes"], desc["page_bytes"], 1);
  made.pages = IntAt(place["pages"], desc["pages"], 1);
  TruthAt(place["unpack_to_dst"], desc["unpack_to_dst"]);
  return made;
}

/*! The sum of numbers, as Python's: truth values count, and with a fraction it is one. */
Value SumOf(const std::vector<Value>& numbers) {
  int64_t sum = 0;
  double fraction = 0;
  bool is_fraction = false;
  for (const Value& number : numbers) {
    if (number.IsFloat()) {
      is_fraction = true;
      fraction += number.Number();
    } else {
      sum += number.IsBool() ? number.Bool() : number.Int();
    }
  }
  return is_fraction ? Value(fraction + sum) : Value(sum);
}

CoreRange RangeOf(const Place& place, const Value& rectangle) {
  const std::vector<Value> values = Unpacked(rectangle, 4);
  return {PairAt(place["start"], Value::List{values[0], values[1]}, 0),
          PairAt(place["extent"], Value::List{values[2], values[3]}, 1)};
}

CoreWork WorkOf(const Place& place, const Value& share) {
  const std::vector<Value> values = Unpacked(share, 4);
  return {PairAt(place["core"], Value::List{values[0], values[1]}, 0),
          IntAt(place["start"], values[2], 0), IntAt(place["count"], values[3], 0)};
}

Partition PartitionOf(const Place& place, const Value& desc, const Value& work) {
  Partition made;
  made.mode = WordAt(place["mode"], desc["mode"], kModes);
  made.tile_order = WordAt(place["tile_order"], desc["tile_order"], kTileOrders);
  made.tiles = PairAt(place["tiles"], desc["tiles"], 1);
  made.len_k = IntAt(place["len_k"], desc["len_k"], 1);
  const Place cores = place["cores"];
  for (const Value& share : ElementsOf(work)) {
    made.cores.push_back(WorkOf(cores[made.cores.size()], share));
  }
  if (!desc["block"].IsNone()) made.block = PairAt(place["block"], desc["block"], 1);
  return made;
}

/*! Tiles of DST in the compute configuration `config`. */
int64_t DstTilesOf(const Place& place, const Value& config, const Architecture& arch) {
  CheckFields(config, 4);
  WordAt(place["fidelity"], config["fidelity"], kFidelities);
  const bool fp32_dest_acc = TruthAt(place["fp32_dest_acc"], config["fp32_dest_acc"]);
  TruthAt(place["math_approx"], config["math_approx"]);
  const bool dst_full_sync = TruthAt(place["dst_full_sync"], config["dst_full_sync"]);
  return arch.DstTiles(fp32_dest_acc, dst_full_sync);
}

// Programs ---------------------------------------------------------------------------------------

/*! The value of a core's argument. */
using RuntimeArg = int64_t (*)(const Partition& partition, const CoreWork& work);

Grid OwnShard(const Partition& partition, const CoreWork& work) {
  return ShardAt(partition.tiles, partition.block.value(), work.start, work.count);
}

/*! The runtime arguments that the passes may ask for, and where a core's value comes from. */
const std::map<std::string, RuntimeArg>& RuntimeArgs() {
  static const std::map<std::string, RuntimeArg> arguments = {
      {"start", [](const Partition&, const CoreWork& work) { return work.start; }},
      {"count", [](const Partition&, const CoreWork& work) { return work.count; }},
      {"sy", [](const Partition& all, const CoreWork& work) { return OwnShard(all, work).first; }},
      {"sx", [](const Partition& all, const CoreWork& work) { return OwnShard(all, work).second; }},
  };
  return arguments;
}

/*! Makes the body of a program. */
class BodyMaker {
 public:
  explicit BodyMaker(const std::vector<const tir::Var*>& scalars) {
    for (const tir::Var* scalar : scalars) Bind(scalar, scalar->name);
  }

  Body BodyOf(const Place& place, const tir::Stmt* node) {
    Body made;
    const size_t outside = scope_.size();
    if (auto seq = As<tir::SeqStmt>(node)) {
      made.reserve(seq->seq.size());
      for (const Any& part : seq->seq) {
        made.push_back(StatementOf(place[made.size()], As<tir::Stmt>(part)));
      }
    } else {
      made.push_back(StatementOf(place[made.size()], node));
    }
    scope_.resize(outside);
    return made;
  }

  /*! How many slots the variables have taken. */
  int slots() const { return slots_; }

 private:
  Statement StatementOf(const Place& place, const tir::Stmt* node) {
    if (auto evaluate = As<tir::Evaluate>(node)) {
      if (auto call = As<tir::Call>(evaluate->value)) return {OpOf(call)};
    } else if (auto loop = As<tir::For>(node)) {
      return {LoopOf(place, loop)};
    } else if (auto bind = As<tir::Bind>(node)) {
      return {LetOf(place, bind)};
    }
    throw LoweringError("a plan cannot hold '" + Script(Any(Hold(node))) + "'");
  }

  For LoopOf(const Place& place, const tir::For* node) {
    For made;
    made.start = ExprOf(node->min.get());
    made.stop = Stop(made.start, ExprOf(node->extent.get()));
    made.var = BindFresh(place, node->loop_var.get());
    if (node->step != nullptr) made.step = IntAt(place["step"], IntValue(node->step).value(), 1);
    made.body = BodyOf(place["body"], node->body.get());
    scope_.pop_back();
    return made;
  }

  Let LetOf(const Place& place, const tir::Bind* node) {
    Let made;
    made.value = ExprOf(node->value.get());
    made.var = BindFresh(place, node->var.get());
    return made;
  }

  static Expr Stop(const Expr& start, Expr extent) {
    const bool is_number = start.kind == Expr::Kind::kNumber;
    if (is_number && start.value == 0) return extent;
    if (!is_number || extent.kind != Expr::Kind::kNumber) {
      return {Expr::Kind::kAdd, 0, {start, std::move(extent)}};
    }
    extent.value += start.value;
    return extent;
  }

  Op OpOf(const tir::Call* call) {
    Op made;
    made.row = FindTileOp(RemovePrefix(CalleeOf(call), "tt."));
    TVM_FFI_ICHECK(made.row && call->span != nullptr) << "an operation has a name and a place";
    made.span = call->span;
    made.args.reserve(call->args.size());
    for (size_t i = 0; i < call->args.size(); ++i) {
      made.args.push_back(ArgumentOf(made.row->params.at(i).second, call->args[i]));
    }
    return made;
  }

  Argument ArgumentOf(ArgKind kind, const Any& arg) {
    switch (kind) {
      case ArgKind::kExpr:
        return {"", ExprOf(As<tir::Expr>(arg))};
      case ArgKind::kTensor:
        return {As<tir::Var>(arg)->name, {}};
      default:
        return {As<tir::StringImm>(arg)->value, {}};
    }
  }

  Expr ExprOf(const tir::Expr* node) const {
    if (auto var = As<tir::Var>(node)) return {Expr::Kind::kVariable, LatestOf(var).as.slot, {}};
    if (auto found = OperatorOf(node)) {
      return {found->kind, 0, {ExprOf(found->left), ExprOf(found->right)}};
    }
    if (auto number = IntValue(Hold(node))) return {Expr::Kind::kNumber, *number, {}};
    throw LoweringError("a plan cannot hold the expression '" + Script(Any(Hold(node))) + "'");
  }

  /*!
   * `var` in what follows. C++ has one name space where TVM has objects: a variable whose name is
   * taken in its scope gets a number.
   */
  Variable BindFresh(const Place& place, const tir::Var* var) {
    std::string name = var->name;
    for (int number = 2; IsTaken(name); ++number) {
      name = std::string(var->name) + "_" + std::to_string(number);
    }
    return Bind(var, IdentifierAt(place["var"], name));
  }

  Variable Bind(const tir::Var* var, const std::string& name) {
    scope_.push_back({var, {name, slots_++}});
    return scope_.back().as;
  }

  /*! Whether a variable is called so now: what is bound again gives its first name free. */
  bool IsTaken(const std::string& name) const {
    return std::any_of(scope_.begin(), scope_.end(), [&](const Binding& one) {
      return one.as.name == name && &LatestOf(one.var) == &one;
    });
  }

  struct Binding {
    const tir::Var* var;
    Variable as;
  };

  const Binding& LatestOf(const tir::Var* var) const {
    for (auto bound = scope_.rbegin(); bound != scope_.rend(); ++bound) {
      if (bound->var == var) return *bound;
    }
    throw std::out_of_range(var->name);
  }

  std::vector<Binding> scope_;
  int slots_ = 0;
};

Program ProgramOf(const Place& place, const std::string& name, const FuncRef& func,
                  const Partition& partition) {
  const Value constants = attrs::Require(func, attrs::kConstants, kAskedBy);
  Program made;
  made.name = name;
  std::vector<const tir::Var*> constant_vars, argument_vars;
  for (const VarRef& param : Items<tir::Var>(func->params)) {
    if (BufferTypeOf(param)) {
      made.tensors.push_back(IdentifierAt(place["tensors"][made.tensors.size()], NameOf(param)));
    } else {
      (constants.Has(NameOf(param)) ? constant_vars : argument_vars).push_back(param.get());
    }
  }
  for (const tir::Var* var : constant_vars) {
    const Place list = place["constants"], item = list[made.constants.size()];
    std::string named = IdentifierAt(item["name"], std::string(var->name));
    const int64_t value = IntAt(item["value"], constants[named], 0);
    made.constants.emplace_back(std::move(named), value);
  }
  std::vector<RuntimeArg> arguments;
  for (const tir::Var* var : argument_vars) {
    made.argument_names.push_back(var->name);
    arguments.push_back(RuntimeArgs().at(var->name));
  }
  for (const CoreWork& work : partition.cores) {
    std::vector<int64_t>& row = made.arguments.emplace_back();
    for (RuntimeArg argument : arguments) row.push_back(argument(partition, work));
  }
  constant_vars.insert(constant_vars.end(), argument_vars.begin(), argument_vars.end());
  BodyMaker maker(constant_vars);
  made.body = maker.BodyOf(place["body"], func->body.get());
  made.slots = maker.slots();
  return made;
}

// Operators --------------------------------------------------------------------------------------

/*! An operator of TVM's expressions that a plan can hold. */
struct OperatorRow {
  int32_t type_index;
  OperatorNode (*node)(const tir::Expr* expr);
};

template <class Node, Expr::Kind kind>
OperatorRow Row() {
  return {Node::RuntimeTypeIndex(), [](const tir::Expr* expr) {
            auto node = static_cast<const Node*>(expr);
            return OperatorNode{kind, node->a.get(), node->b.get()};
          }};
}

}  // namespace

const FuncRef& FuncOf(const ProgramFuncs& programs, const std::string& name) {
  auto found = std::find_if(programs.begin(), programs.end(),
                            [&](const auto& program) { return program.first == name; });
  if (found == programs.end()) throw std::out_of_range(name);
  return found->second;
}

Plan PlanFromPrograms(const ProgramFuncs& programs, const KernelFacts& kernel) {
  auto read = [&](const char* key) {
    return attrs::Require(FuncOf(programs, "reader"), key, kAskedBy);
  };
  const Place place(kernel.at);
  Plan plan;
  plan.arch = &ArchitectureOf(read(attrs::kArch).Str());
  KernelNameAt(place["kernel"], kernel.name);
  plan.source = kernel.at.path;
  IdentifierAt(place["source"]["function"], kernel.name);

  const Value layouts = read(attrs::kLayoutDesc), roles = read(attrs::kRoles);
  const Place tensors = place["tensors"];
  for (const KernelTensor& tensor : kernel.tensors) {
    plan.tensors.push_back(
        TensorOf(tensors[plan.tensors.size()], tensor, roles[tensor.name], layouts[tensor.name]));
  }

  const Place buffers = place["circular_buffers"];
  for (const Value& desc : ElementsOf(read(attrs::kCbDesc))) {
    plan.circular_buffers.push_back(BufferOf(buffers[plan.circular_buffers.size()], desc));
  }

  std::vector<Value> sizes;
  for (const auto& [name, layout] : layouts.Entries()) sizes.push_back(layout["l1_bytes"]);
  const Value tensor_bytes = SumOf(sizes);
  int64_t buffer_bytes = 0;
  for (const CircularBuffer& cb : plan.circular_buffers) buffer_bytes += cb.page_bytes * cb.pages;
  plan.l1_used_bytes =
      IntAt(place["l1"]["used_bytes"], SumOf({tensor_bytes, Value(buffer_bytes)}), 0);
  plan.l1_tensor_bytes = IntAt(place["l1"]["tensor_bytes"], tensor_bytes, 0);

  const Place ranges = place["core_ranges"];
  for (const Value& rectangle : ElementsOf(read(attrs::kCoreRanges))) {
    plan.core_ranges.push_back(RangeOf(ranges[plan.core_ranges.size()], rectangle));
  }
  plan.partition =
      PartitionOf(place["partition"], read(attrs::kPartition), read(attrs::kWorkPartition));
  plan.dst_tiles = DstTilesOf(place["compute"], read(attrs::kComputeConfig), *plan.arch);

  for (size_t i = 0; i < plan.programs.size(); ++i) {
    const std::string& name = ProgramNames().at(i);
    plan.programs[i] =
        ProgramOf(place["programs"][name.c_str()], name, FuncOf(programs, name), plan.partition);
  }
  return plan;
}

bool IsRuntimeArg(const std::string& name) { return RuntimeArgs().count(name) != 0; }

std::optional<OperatorNode> OperatorOf(const tir::Expr* expr) {
  static const std::array<OperatorRow, 7> operators = {
      Row<tir::Add, Expr::Kind::kAdd>(),           Row<tir::Sub, Expr::Kind::kSub>(),
      Row<tir::Mul, Expr::Kind::kMul>(),           Row<tir::FloorDiv, Expr::Kind::kFloorDiv>(),
      Row<tir::FloorMod, Expr::Kind::kFloorMod>(), Row<tir::Min, Expr::Kind::kMin>(),
      Row<tir::Max, Expr::Kind::kMax>(),
  };
  for (const OperatorRow& row : operators) {
    if (row.type_index == expr->type_index()) return row.node(expr);
  }
  return std::nullopt;
}

}  // namespace ttgen::plan
