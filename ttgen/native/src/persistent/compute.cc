#include "persistent/compute.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/tables.h"

namespace ttgen {
namespace {

/*! The DST register `number` of those that the block's result `slot` has. */
ExprRef Register(const Stage& stage, const ExprRef& slot, int64_t number) {
  int64_t registers = stage.Registers();
  if (registers == 1) return slot;
  return Plus(Times(slot, Int(registers)), Int(number));
}

}  // namespace

ComputeEmitter::Place ComputeEmitter::Place::Within(const ForRef& loop, const VarRef& along,
                                                    const ExprRef& slot) const {
  Place place = *this;
  place.inner[loop->loop_var] = slot;
  place.values[loop->loop_var] = Plus(along, slot);
  return place;
}

ComputeEmitter::ComputeEmitter(const Emitted& emitted, const StageRefs& stages)
    : ProgramEmitter(emitted) {
  size_t steps = 0;
  for (const StageRef& stage : stages) steps += stage->steps.size();
  has_several_ = steps > 1;
  LookAtFormats(stages);
  LookAtRuns();
}

void ComputeEmitter::LookAtFormats(const StageRefs& stages) {
  std::set<std::string> sources, targets;
  int64_t widest = 0;
  for (const StageRef& stage : stages) {
    targets.insert(FormatOf(stage->target->buffer));
    for (const Step& step : stage->steps) {
      for (const OperandRef& operand : step.operands) {
        const std::string& format = FormatOf(operand->buffer);
        sources.insert(format);
        int64_t bytes = FindFormat(format)->tile_bytes;
        if (bytes <= widest) continue;
        widest = bytes;
        widest_ = operand->buffer;
      }
    }
  }
  has_mixed_sources_ = sources.size() > 1;
  has_mixed_targets_ = targets.size() > 1;
}

void ComputeEmitter::LookAtRuns() {
  Operands read;
  for (const StageRef& stage : nest().OfBlocks()) {
    Operands temporaries = stage->Temporaries();
    read.insert(read.end(), temporaries.begin(), temporaries.end());
  }
  for (const OperandRef& temporary : OnePerBuffer(read)) {
    if (nest().Maker(*temporary).scope != StageScope::kRun) continue;
    kept_for_run_.push_back(temporary);
    kept_buffers_.insert(temporary->buffer);
  }
}

Body ComputeEmitter::Opening(const Operands& constants) const {
  const Stage& stage = *nest().stages.front();
  const Step& first = stage.steps.front();
  std::vector<Any> buffers;
  for (const OperandRef& operand : first.operands) buffers.emplace_back(String(operand->buffer));
  if (buffers.size() == 1) buffers.push_back(buffers.front());
  if (first.IsRowSum()) std::reverse(buffers.begin(), buffers.end());
  buffers.emplace_back(String(stage.target->buffer));
  Body body{Op(first.math->startup, buffers)};
  if (!has_several_) Extend(&body, Init(first, stage));
  Extend(&body, OnConstants("cb_wait_front", constants));
  return body;
}

Body ComputeEmitter::Tiles() const {
  StageRefs stages = nest().OfBlocks();
  return {OverOutput(
      [&](const VarRef& block, const ExprRef& tiles) { return OfStages(stages, block, tiles); })};
}

Body ComputeEmitter::Closing(const Operands& constants) const {
  Body body;
  if (!has_several_) body = Uninit(nest().stages.front()->steps.front());
  Extend(&body, OnConstants("cb_pop_front", constants));
  return body;
}

ExprRef ComputeEmitter::FirstTile() const {
  Operands uses = nest().ConstantUses();
  bool is_needed = std::any_of(uses.begin(), uses.end(),
                               [this](const OperandRef& use) { return MovesWithTiles(*use); });
  return is_needed ? ExprRef(start()) : Int(0);
}

Body ComputeEmitter::BeforeTiles(const Run& run) const {
  return OfStages(nest().OfRuns(), run.start, Int(1));
}

Body ComputeEmitter::AfterTiles() const { return PopTemporaries(kept_for_run_); }

Body ComputeEmitter::OfStages(const StageRefs& stages, const VarRef& block,
                              const ExprRef& tiles) const {
  Body body;
  for (const auto& [stream, group] : ByStream(stages)) {
    Body made = OfGroup(group, block, tiles);
    if (!stream) {
      Extend(&body, std::move(made));
      continue;
    }
    Operands done = NotKept(nest().LastUsedByStream(group));
    body.push_back(OverChunks(stream, made));
    Extend(&body, WaitTemporaries(done));
    Extend(&body, PopTemporaries(done));
  }
  return body;
}

Body ComputeEmitter::OfGroup(const StageRefs& group, const VarRef& block,
                             const ExprRef& tiles) const {
  Body made;
  for (const StageRef& stage : group) {
    Extend(&made, OfStage(*stage, block, tiles));
    Extend(&made, PopTemporaries(NotKept(nest().LastUsedBy(*stage))));
  }
  return made;
}

Operands ComputeEmitter::NotKept(const Operands& temporaries) const {
  Operands found;
  for (const OperandRef& temporary : temporaries) {
    if (!kept_buffers_.count(temporary->buffer)) found.push_back(temporary);
  }
  return found;
}

Body ComputeEmitter::WaitTemporaries(const Operands& temporaries) const {
  return OnTemporaries("cb_wait_front", temporaries);
}

Body ComputeEmitter::PopTemporaries(const Operands& temporaries) const {
  return OnTemporaries("cb_pop_front", temporaries);
}

Body ComputeEmitter::OfStage(const Stage& stage, const VarRef& block, const ExprRef& tiles) const {
  Body body = WaitTemporaries(stage.Temporaries());
  if (!stage.maps.empty()) {
    Extend(&body, OfMap(stage, block));
    return body;
  }
  auto at_slot = [&](const ExprRef& slot) { return Place{block, slot, {}, {}}; };
  Operands still = stage.AtLevel(nullptr, stage.Streams());
  ExprRef wanted = stage.IsPerTile() ? tiles : Int(1);
  Extend(&body, Results({stage, still, blocks().AtOnce(stage), wanted, at_slot}));
  return body;
}

Body ComputeEmitter::OfMap(const Stage& stage, const VarRef& block) const {
  const ForRef& innermost = stage.maps.back();
  Operands streams = stage.Streams();
  Operands still = stage.AtLevel(nullptr, streams);
  Operands moving = stage.AtLevel(innermost, streams);
  Body body = OnBuffers("cb_wait_front", still, 1);
  body.push_back(Over(stage.maps, [&](const VarRef& along, const ExprRef& tiles) {
    Place start{block, Int(0), {}, {}};
    auto here = [&](const ExprRef& slot) { return start.Within(innermost, along, slot); };
    return Results({stage, moving, blocks().Size(innermost), tiles, here});
  }));
  Extend(&body, OnBuffers("cb_pop_front", still, 1));
  return body;
}

Body ComputeEmitter::Results(const ResultBlock& results) const {
  return results.stage.reduces.empty() ? Together(results) : OneByOne(results);
}

Body ComputeEmitter::Together(const ResultBlock& results) const {
  const auto& [stage, operands, size, tiles, place_at] = results;
  String target = stage.target->buffer;
  Body body = OnBuffers("cb_wait_front", operands, size);
  body.push_back(Op("tile_regs_acquire", {}));
  for (const Step& step : stage.steps) {
    Extend(&body, SetUp(step, stage));
    body.push_back(Slots(tiles, [&](const ExprRef& slot) {
      return Math(results.stage, step, results.place_at(slot), slot);
    }));
  }
  body.push_back(Op("tile_regs_commit", {}));
  Extend(&body, OnBuffers("cb_pop_front", operands, size));
  body.push_back(Op("cb_reserve_back", {target, size}));
  Extend(&body, Packer(stage));
  body.push_back(Op("tile_regs_wait", {}));
  body.push_back(Slots(tiles, [&](const ExprRef& slot) {
    return Body{Op("pack_tile", {Register(results.stage, slot, 0), target, slot})};
  }));
  body.push_back(Op("tile_regs_release", {}));
  body.push_back(Op("cb_push_back", {target, size}));
  return body;
}

Body ComputeEmitter::OneByOne(const ResultBlock& results) const {
  const auto& [stage, operands, size, tiles, place_at] = results;
  String target = stage.target->buffer;
  Body body = OnBuffers("cb_wait_front", operands, size);
  body.push_back(Op("cb_reserve_back", {target, size}));
  Extend(&body, Packer(stage));
  body.push_back(Slots(tiles, [&](const ExprRef& slot) {
    return Reduced(results.stage, results.place_at(slot), slot);
  }));
  body.push_back(Op("cb_push_back", {target, size}));
  Extend(&body, OnBuffers("cb_pop_front", operands, size));
  return body;
}

Body ComputeEmitter::Reduced(const Stage& stage, const Place& place, const ExprRef& slot) const {
  const Step& reducing = stage.steps.front();
  Body body = SetUp(reducing, stage);
  body.push_back(Op("tile_regs_acquire", {}));
  body.push_back(Reduction(stage, place));
  for (size_t number = stage.reducing; number < stage.steps.size(); ++number) {
    Extend(&body, SetUp(stage.steps[number], stage));
    Extend(&body, Math(stage, stage.steps[number], place, Int(0)));
  }
  body.push_back(Op("tile_regs_commit", {}));
  body.push_back(Op("tile_regs_wait", {}));
  body.push_back(Op("pack_tile", {0, String(stage.target->buffer), slot}));
  body.push_back(Op("tile_regs_release", {}));
  if (has_several_) Extend(&body, Uninit(reducing));
  return body;
}

StmtRef ComputeEmitter::Reduction(const Stage& stage, const Place& place) const {
  const ForRef& innermost = stage.reduces.back();
  Operands operands = stage.AtLevel(innermost, stage.Streams());
  int64_t size = blocks().Size(innermost);
  return Over(stage.reduces, [&](const VarRef& block, const ExprRef& tiles) {
    auto add = [&](const ExprRef& slot) {
      Place here = place.Within(innermost, block, slot);
      Body added;
      for (size_t number = 0; number < stage.reducing; ++number) {
        Extend(&added, Math(stage, stage.steps[number], here, Int(0)));
      }
      return added;
    };
    Body body = OnBuffers("cb_wait_front", operands, size);
    body.push_back(Slots(tiles, add, "inner"));
    Extend(&body, OnBuffers("cb_pop_front", operands, size));
    return body;
  });
}

// Parts ------------------------------------------------------------------------------------------

Body ComputeEmitter::OnTemporaries(const std::string& name, const Operands& temporaries) const {
  Body body;
  for (const OperandRef& temporary : temporaries) {
    int64_t pages = blocks().MadeBy(nest().Maker(*temporary));
    body.push_back(Op(name, {String(temporary->buffer), pages}));
  }
  return body;
}

Body ComputeEmitter::OnConstants(const std::string& name, const Operands& constants) const {
  Body body;
  for (const OperandRef& constant : constants) {
    auto pages = static_cast<int64_t>(nest().const_tiles.at(constant->buffer).size());
    body.push_back(Op(name, {String(constant->buffer), pages}));
  }
  return body;
}

Body ComputeEmitter::SetUp(const Step& step, const Stage& stage) const {
  if (!has_several_) return {};
  Body body = Reconfigured(step);
  Extend(&body, Init(step, stage));
  return body;
}

Body ComputeEmitter::Reconfigured(const Step& step) const {
  std::vector<std::string> names = step.Sources();
  if (!has_mixed_sources_ || names.empty()) return {};
  Arguments available = step.ToArguments();
  available["dst"] = widest_;
  std::vector<Any> sources;
  for (const std::string& name : names) sources.push_back(available.at(name));
  return {Op(sources.size() == 2 ? "reconfig_sources" : "reconfig_source_a", sources)};
}

Body ComputeEmitter::Packer(const Stage& stage) const {
  if (!has_mixed_targets_) return {};
  return {Op("reconfig_pack", {String(stage.target->buffer)})};
}

Body ComputeEmitter::Init(const Step& step, const Stage& stage) const {
  Arguments available = step.ToArguments();
  available["out"] = String(stage.target->buffer);
  return {OpOf(step.math->init, available)};
}

Body ComputeEmitter::Uninit(const Step& step) const {
  if (!step.math->uninit) return {};
  return {OpOf(*step.math->uninit, step.ToArguments())};
}

Body ComputeEmitter::Math(const Stage& stage, const Step& step, const Place& around,
                          const ExprRef& slot) const {
  Place place = around;
  Body body = BindCoordinates(step, &place);
  Arguments available = step.ToArguments();
  available["dst"] = Register(stage, slot, step.dst);
  for (size_t number = 0; number < step.registers.size(); ++number) {
    std::string name = std::string("dst_") + "abc"[number];
    available[name] = Register(stage, slot, step.registers[number]);
  }
  for (size_t number = 0; number < step.operands.size(); ++number) {
    available["tile" + std::to_string(number)] = TileOf(stage, *step.operands[number], place);
  }
  body.push_back(OpOf(step.math->device, available));
  return body;
}

Body ComputeEmitter::BindCoordinates(const Step& step, Place* place) const {
  std::vector<ExprRef> pages;
  for (const OperandRef& operand : step.operands) {
    if (MovesWithTiles(*operand)) pages.push_back(operand->page);
  }
  if (pages.empty()) return {};
  VarRef number = MakeVar("tile");
  auto [bindings, fresh] = coordinates().Bind(number, pages);
  for (const auto& [var, value] : fresh) place->values[var] = value;
  Body body{MakeBind(number, Plus(place->block, place->output))};
  Extend(&body, std::move(bindings));
  return body;
}

bool ComputeEmitter::MovesWithTiles(const Operand& operand) const {
  return operand.kind == OperandKind::kConstant && operand.MovesWith(nest().Loops());
}

ExprRef ComputeEmitter::TileOf(const Stage& stage, const Operand& operand,
                               const Place& place) const {
  if (operand.kind == OperandKind::kConstant) return Substitute(operand.page, place.values);
  if (operand.kind == OperandKind::kTemporary) {
    const Stage& maker = nest().Maker(operand);
    if (!maker.maps.empty()) return Substitute(operand.page, place.values);
    return maker.IsPerTile() ? place.output : Int(0);
  }
  ForRef loop = stage.Innermost(operand);
  return loop ? place.inner.at(loop->loop_var) : place.output;
}

StmtRef ComputeEmitter::OpOf(const std::string& name, const Arguments& available) const {
  std::vector<Any> args;
  for (const auto& [param, kind] : FindTileOp(name)->params) args.push_back(available.at(param));
  return Op(name, args);
}

}  // namespace ttgen
