#include "persistent/stages.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/attrs.h"
#include "base/error.h"
#include "base/text.h"

namespace ttgen {
namespace {

constexpr char kPack[] = "pack";

/*! What the words of an operation are called; of the others the dimension of a broadcast is one. */
const std::vector<std::string>& WordsOf(const TileMath& math) {
  static const std::unordered_map<std::string, std::vector<std::string>> words = {
      {"matmul", {"transpose"}}, {"reduce", {"pool", "dim"}}, {"unary", {"function"}},
      {"binary", {"function"}},  {"ternary", {"function"}},
  };
  static const std::vector<std::string> dim = {"dim"}, none;
  auto found = words.find(math.name);
  if (found != words.end()) return found->second;
  return math.words ? dim : none;
}

template <class Keep>
StageRefs Filtered(const StageRefs& stages, Keep keep) {
  StageRefs kept;
  for (const StageRef& stage : stages) {
    if (keep(*stage)) kept.push_back(stage);
  }
  return kept;
}

Operands OperandsOf(const Stage& stage, OperandKind kind) {
  Operands found;
  for (const Step& step : stage.steps) {
    for (const OperandRef& operand : step.operands) {
      if (operand->kind == kind) found.push_back(operand);
    }
  }
  return OnePerBuffer(found);
}

bool Reads(const Stage& stage, const std::string& buffer) {
  auto is_it = [&](const OperandRef& operand) {
    return operand->kind == OperandKind::kTemporary && operand->buffer == buffer;
  };
  return std::any_of(stage.steps.begin(), stage.steps.end(), [&](const Step& step) {
    return std::any_of(step.operands.begin(), step.operands.end(), is_it);
  });
}

bool IsRead(const std::string& buffer, const StageRefs& stages) {
  return std::any_of(stages.begin(), stages.end(),
                     [&](const StageRef& stage) { return Reads(*stage, buffer); });
}

StageRefs After(const Nest& nest, const Stage& stage) {
  auto at = std::find_if(nest.stages.begin(), nest.stages.end(),
                         [&](const StageRef& one) { return one.get() == &stage; });
  TVM_FFI_ICHECK(at != nest.stages.end()) << "a stage of another nest";
  return StageRefs(at + 1, nest.stages.end());
}

/*! Whether the tile is there from before the stream `chunks` on. */
bool Outlives(const Nest& nest, const std::string& buffer, const tir::Var* chunks) {
  return std::any_of(nest.stages.begin(), nest.stages.end(), [&](const StageRef& stage) {
    return stage->target->buffer == buffer && stage->Chunks() != chunks;
  });
}

bool IsReadAfter(const Nest& nest, const Stage& stage, const std::string& buffer) {
  StageRefs later = After(nest, stage);
  if (const tir::Var* chunks = stage.Chunks()) {
    later = Filtered(later, [&](const Stage& one) { return one.Chunks() == chunks; });
    if (Outlives(nest, buffer, chunks)) {
      auto again = std::find_if(later.begin(), later.end(),
                                [&](const StageRef& one) { return one->target->buffer == buffer; });
      if (again == later.end()) return true;  // in the next chunk, or behind the stream
      later.erase(again + 1, later.end());
    }
  }
  return IsRead(buffer, later);
}

using Stmts = std::vector<StmtRef>;

Stmts PartsOf(const StmtRef& node) {
  auto sequence = As<tir::SeqStmt>(node);
  return sequence ? Items<tir::Stmt>(sequence->seq) : Stmts{node};
}

/*! `node` as a loop that is marked by `mark` and nothing else; nullptr if it is none. */
ForRef Annotated(const StmtRef& node, const AttrMap& mark) {
  auto loop = As<tir::For>(node);
  if (!loop || loop->annotations.size() != 1) return nullptr;
  const auto& [key, value] = *loop->annotations.begin();
  auto found_key = key.as<String>();
  Value found = Value::Of(value);
  const auto& [wanted_key, wanted] = *mark.begin();
  bool is_it = found_key && *found_key == wanted_key && found == Value::Of(wanted);
  return is_it ? Hold(loop) : nullptr;
}

/*! A `tt.*` operation on tiles: its name without the prefix, and what it is called with. */
struct TileCall {
  std::string name;
  Array<Any> args;
};

class Parser {
 public:
  explicit Parser(const FuncRef& func) : func_(func) {
    for (const VarRef& param : Items<tir::Var>(func->params)) {
      params_.insert(param);
      taken_.insert(NameOf(param));
    }
  }

  /*! One for each part of the output, which ends with its loops or with a pack into it. */
  std::vector<Nest> Nests() {
    std::vector<Nest> nests;
    Stmts pending;
    for (const StmtRef& part : PartsOf(func_->body)) {
      if (As<tir::AllocBuffer>(part)) continue;
      pending.push_back(part);
      if (Annotated(part, Parallel()) || IsPackIntoOutput(part)) {
        nests.push_back(OneNest(std::move(pending)));
        pending.clear();
      }
    }
    CheckDone(pending, nests.empty());
    return nests;
  }

 private:
  Nest OneNest(Stmts body) {
    names_.clear();
    std::vector<ForRef> loops;
    while (body.size() == 1) {
      ForRef loop = Annotated(body.front(), Parallel());
      if (!loop) break;
      loops.push_back(loop);
      body = PartsOf(loop->body);
    }
    Nest nest;
    nest.stages = StagesOf(body);
    if (!loops.empty() && IsOverColumns(loops.back())) {
      nest.columns = loops.back();
      loops.pop_back();
    }
    nest.rows = std::move(loops);
    Value tiles = attrs::Require(func_, attrs::kConstTiles, kGridToPersistent);
    for (const auto& [name, pages] : tiles.Entries()) {
      std::vector<ConstantPage>& found = nest.const_tiles[name];
      for (const Value& page : pages.Items()) found.push_back(ConstantPage::OfAttribute(page));
    }
    nest.span = body.back()->span;
    return nest;
  }

  StageRefs StagesOf(const Stmts& body) {
    StageRefs stages;
    Stmts pending;
    for (const StmtRef& part : body) {
      ForRef stream = pending.empty() ? Annotated(part, StreamMark()) : nullptr;
      if (stream) {
        AddStream(stream, &stages);
      } else if (ForRef around = Annotated(part, MapMark())) {
        std::vector<ForRef> maps = NestedLoops(around, MapMark());
        stages.push_back(OneStage(PartsOf(maps.back()->body), maps));
      } else {
        pending.push_back(part);
        if (!IsPack(part)) continue;
        stages.push_back(OneStage(pending, {}));
        pending.clear();
      }
    }
    CheckDone(pending, stages.empty());
    return stages;
  }

  void AddStream(const ForRef& stream, StageRefs* stages) {
    StageRefs inner = StagesOf(PartsOf(stream->body));
    for (const StageRef& stage : inner) {
      if (stage->stream) throw Unexpected(stream, "no stream inside of another one");
    }
    for (const StageRef& stage : inner) {
      auto streamed = std::make_shared<Stage>(*stage);
      streamed->stream = stream;
      stages->push_back(std::move(streamed));
    }
  }

  /*! `outermost` and the loops directly inside of it that have the same mark. */
  static std::vector<ForRef> NestedLoops(const ForRef& outermost, const AttrMap& mark) {
    std::vector<ForRef> loops;
    for (ForRef loop = outermost; loop; loop = Annotated(loop->body, mark)) loops.push_back(loop);
    return loops;
  }

  StageRef OneStage(const Stmts& parts, std::vector<ForRef> maps) {
    auto stage = std::make_shared<Stage>();
    stage->maps = std::move(maps);
    for (size_t i = 0; i + 1 < parts.size(); ++i) AddSteps(parts[i], stage.get());
    TileCall pack = CallOf(parts.back());
    if (stage->steps.empty() || pack.name != kPack || pack.args.size() != 3) {
      throw Unexpected(parts.back(), "tile operations and a tt.pack(dst, tensor, page)");
    }
    VarRef target = To<tir::Var>(pack.args[1]);
    auto kind = params_.count(target) ? OperandKind::kTensor : OperandKind::kTemporary;
    stage->target = MakeOperand(target, To<tir::Expr>(pack.args[2]), NameOf(target), kind);
    return stage;
  }

  void AddSteps(const StmtRef& part, Stage* stage) {
    ForRef reduced = Annotated(part, ReduceMark());
    if (!reduced) return AddPlainSteps(part, stage);
    if (!stage->steps.empty()) {
      throw Unexpected(part, "a reduction as the first operation of its stage");
    }
    stage->reduces = NestedLoops(reduced, ReduceMark());
    AddPlainSteps(stage->reduces.back()->body, stage);
    stage->reducing = stage->steps.size();
  }

  void AddPlainSteps(const StmtRef& part, Stage* stage) {
    for (const StmtRef& node : PartsOf(part)) stage->steps.push_back(OneStep(node));
  }

  Step OneStep(const StmtRef& node) {
    auto [name, args] = CallOf(node);
    const TileMath* math = FindTileMath(name);
    size_t first_word = math ? 1 + math->registers + 2 * math->operands : 0;
    if (!math || args.size() != first_word + math->words) {
      throw Unexpected(node, "one of tt." + Join(TileMathNames(), ", tt."));
    }
    Step step;
    step.math = math;
    step.dst = NumberOf(args[0]);
    size_t next = 1;
    for (int i = 0; i < math->registers; ++i) step.registers.push_back(NumberOf(args[next++]));
    for (; next < first_word; next += 2) {
      step.operands.push_back(OperandOf(To<tir::Var>(args[next]), To<tir::Expr>(args[next + 1])));
    }
    for (; next < args.size(); ++next) step.words.push_back(Word(args[next]));
    return step;
  }

  static int64_t NumberOf(const Any& node) { return IntValue(To<tir::Expr>(node)).value(); }

  static Any Word(const Any& node) {
    auto text = TextValue(node);
    return text ? Any(String(*text)) : node;
  }

  /*! One circular buffer per distinct tile; a tensor read at two places has two of them. */
  OperandRef OperandOf(const VarRef& tensor, const ExprRef& page) {
    std::string own = NameOf(tensor);
    if (!params_.count(tensor)) {
      bool is_constant = BufferTypeOf(tensor)->storage_scope == kConstant;
      auto kind = is_constant ? OperandKind::kConstant : OperandKind::kTemporary;
      return MakeOperand(tensor, page, own, kind);
    }
    auto& known = names_[own];
    for (const auto& [seen, buffer] : known) {
      if (StructuralEqual(seen, page)) {
        return MakeOperand(tensor, page, buffer, OperandKind::kTensor);
      }
    }
    std::string name = own;
    for (int number = 2; read_.count(own) && taken_.count(name); ++number) {
      name = own + "_" + std::to_string(number);
    }
    taken_.insert(name);
    read_.insert(own);
    known.emplace_back(page, name);
    return MakeOperand(tensor, page, name, OperandKind::kTensor);
  }

  bool IsPack(const StmtRef& node) const {
    return As<tir::Evaluate>(node) && CallOf(node).name == kPack;
  }

  bool IsPackIntoOutput(const StmtRef& node) const {
    if (!As<tir::Evaluate>(node)) return false;
    auto [name, args] = CallOf(node);
    if (name != kPack || args.size() < 2) return false;
    auto target = As<tir::Var>(args[1]);
    return target && params_.count(Hold(target));
  }

  TileCall CallOf(const StmtRef& node) const {
    auto evaluate = As<tir::Evaluate>(node);
    auto call = evaluate ? As<tir::Call>(evaluate->value) : nullptr;
    if (call && !call->args.empty()) {
      std::string name = CalleeOf(call);
      if (StartsWith(name, "tt.")) return {RemovePrefix(name, "tt."), call->args};
    }
    throw Unexpected(node, "a tt.* operation on tiles");
  }

  /*! LoweringError where statements are left over, or where nothing was found in all of them. */
  void CheckDone(const Stmts& pending, bool is_nothing) const {
    if (pending.empty() && !is_nothing) return;
    throw Unexpected(pending.empty() ? nullptr : pending.back(), "a tt.pack at the end");
  }

  LoweringError Unexpected(const StmtRef& node, const std::string& wanted) const {
    std::string found = node ? Strip(LastLine(Strip(Script(node)))) : "nothing";
    return LoweringError("GridToPersistentTT wants " + wanted + ", found '" + found + "'",
                         attrs::KernelPlace(func_), "run LowerTTTileIntrinsics first");
  }

  /*! Whether the extent of `loop` is called Nt, or Nt_1. */
  static bool IsOverColumns(const ForRef& loop) {
    auto extent = As<tir::Var>(loop->extent);
    return extent && BeforeFirst(extent->name, '_') == "Nt";
  }

  const FuncRef func_;
  VarSet params_;
  /*! By the tensor's name: the pages of a nest that are read, and the buffers they go through. */
  std::unordered_map<std::string, std::vector<std::pair<ExprRef, std::string>>> names_;
  /*! The names of the tensors that have been read, and of all buffers. */
  std::set<std::string> read_;
  std::set<std::string> taken_;
};

}  // namespace

bool Operand::MovesWith(const ForRef& loop) const { return page_variables.count(loop->loop_var); }

bool Operand::MovesWith(const std::vector<ForRef>& loops) const {
  return std::any_of(loops.begin(), loops.end(),
                     [&](const ForRef& loop) { return MovesWith(loop); });
}

OperandRef MakeOperand(VarRef tensor, ExprRef page, std::string buffer, OperandKind kind) {
  std::vector<VarRef> variables = Variables(page);
  return std::make_shared<Operand>(Operand{std::move(tensor), std::move(page), std::move(buffer),
                                           kind, VarSet(variables.begin(), variables.end())});
}

Operands OnePerBuffer(const Operands& operands) {
  Operands found;
  for (const OperandRef& operand : operands) {
    auto same = std::find_if(found.begin(), found.end(),
                             [&](const OperandRef& one) { return one->buffer == operand->buffer; });
    if (same == found.end()) {
      found.push_back(operand);
    } else {
      *same = operand;
    }
  }
  return found;
}

bool Step::IsRowSum() const {
  if (math->name != "reduce" || words.size() != 2) return false;
  auto pool = words[0].as<String>(), dim = words[1].as<String>();
  return pool && dim && *pool == "SUM" && *dim == "REDUCE_ROW";
}

std::vector<std::string> Step::Sources() const {
  return IsRowSum() ? std::vector<std::string>{"in1", "in0"} : math->sources;
}

Arguments Step::ToArguments() const {
  Arguments named;
  for (size_t i = 0; i < operands.size(); ++i) {
    named["in" + std::to_string(i)] = String(operands[i]->buffer);
  }
  const std::vector<std::string>& names = WordsOf(*math);
  TVM_FFI_ICHECK_EQ(names.size(), words.size()) << math->name;
  for (size_t i = 0; i < names.size(); ++i) named[names[i]] = words[i];
  return named;
}

int64_t Stage::Registers() const {
  int64_t last = 0;
  for (const Step& step : steps) {
    last = std::max(last, step.dst);
    for (int64_t number : step.registers) last = std::max(last, number);
  }
  return 1 + last;
}

Operands Stage::Streams() const { return OperandsOf(*this, OperandKind::kTensor); }

Operands Stage::Temporaries() const { return OperandsOf(*this, OperandKind::kTemporary); }

ForRef Stage::Innermost(const Operand& operand) const {
  if (operand.MovesWith(reduces)) return reduces.back();
  if (operand.MovesWith(maps)) return maps.back();
  return nullptr;
}

Operands Stage::AtLevel(const ForRef& loop, const Operands& operands) const {
  Operands found;
  for (const OperandRef& operand : operands) {
    if (Innermost(*operand) == loop) found.push_back(operand);
  }
  return found;
}

StageRefs Nest::OfRuns() const {
  return Filtered(stages, [](const Stage& stage) { return stage.scope == StageScope::kRun; });
}

StageRefs Nest::OfBlocks() const {
  return Filtered(stages, [](const Stage& stage) { return stage.scope != StageScope::kRun; });
}

StageRefs Nest::OfTiles() const {
  return Filtered(stages, [](const Stage& stage) { return stage.IsPerTile(); });
}

bool Nest::HasRuns() const {
  return std::any_of(stages.begin(), stages.end(),
                     [](const StageRef& stage) { return !stage->IsPerTile(); });
}

std::vector<ForRef> Nest::Loops() const {
  std::vector<ForRef> loops = rows;
  if (columns) loops.push_back(columns);
  return loops;
}

Operands Nest::ConstantUses() const {
  Operands found;
  for (const StageRef& stage : stages) {
    for (const Step& step : stage->steps) {
      for (const OperandRef& operand : step.operands) {
        if (operand->kind == OperandKind::kConstant) found.push_back(operand);
      }
    }
  }
  return found;
}

const Stage& Nest::Maker(const Operand& temporary) const {
  auto made = std::find_if(stages.begin(), stages.end(), [&](const StageRef& stage) {
    return stage->target->buffer == temporary.buffer;
  });
  TVM_FFI_ICHECK(made != stages.end()) << temporary.buffer << " is made by no stage";
  return **made;
}

Operands Nest::LastUsedBy(const Stage& stage) const {
  Operands last;
  for (const OperandRef& one : stage.Temporaries()) {
    if (!IsReadAfter(*this, stage, one->buffer)) last.push_back(one);
  }
  return last;
}

Operands Nest::LastUsedByStream(const StageRefs& group) const {
  Operands used;
  for (const StageRef& stage : group) {
    for (const OperandRef& one : stage->Temporaries()) used.push_back(one);
    if (stage->target->kind == OperandKind::kTemporary) used.push_back(stage->target);
  }
  const Stage& end = *group.back();
  StageRefs later = After(*this, end);
  Operands last;
  for (const OperandRef& one : OnePerBuffer(used)) {
    if (Outlives(*this, one->buffer, end.Chunks()) && !IsRead(one->buffer, later)) {
      last.push_back(one);
    }
  }
  return last;
}

VarRef Longest(const ForRef& loop) {
  auto shorter = As<tir::Min>(loop->extent);
  return To<tir::Var>(shorter ? shorter->a : loop->extent);
}

int64_t ExtentOf(const ForRef& loop, const Value& constants) {
  return constants[NameOf(Longest(loop))].Int();
}

std::vector<std::pair<ForRef, StageRefs>> ByStream(const StageRefs& stages) {
  std::vector<std::pair<ForRef, StageRefs>> groups;
  const tir::Var* chunks = nullptr;
  for (const StageRef& stage : stages) {
    if (groups.empty() || stage->Chunks() != chunks) groups.push_back({stage->stream, {}});
    groups.back().second.push_back(stage);
    chunks = stage->Chunks();
  }
  return groups;
}

std::vector<Nest> Parse(const FuncRef& func) { return Parser(func).Nests(); }

}  // namespace ttgen
