#include "persistent/reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/tables.h"

namespace ttgen {
namespace {

bool AnyReads(const StageRefs& stages) {
  return std::any_of(stages.begin(), stages.end(),
                     [](const StageRef& stage) { return !stage->Streams().empty(); });
}

/*! `at`, with the tile at `slot` of `block` along `loop`. */
VarValues Within(const VarValues& at, const ForRef& loop, const VarRef& block,
                 const ExprRef& slot) {
  VarValues values = at;
  values[loop->loop_var] = Plus(block, slot);
  return values;
}

ExprRef Word(uint32_t value) {
  constexpr DLDataType kUInt32{kDLUInt, 32, 1};
  static const ffi::Function& maker = Global("ir.IntImm");
  return To<tir::Expr>(maker(kUInt32, int64_t{value}, nullptr));
}

}  // namespace

Body ReaderEmitter::Opening(const Operands& constants) const {
  Body body;
  for (const OperandRef& constant : constants) Extend(&body, Fill(*constant));
  return body;
}

Body ReaderEmitter::Tiles() const {
  if (!AnyReads(nest().stages)) return {};
  if (StageRef flat = nest().HasRuns() ? nullptr : FlatStage()) {
    VarRef tile = MakeVar("tile");
    return {Loop(tile, start(), count(), ReadLoops(*flat, tile))};
  }
  StageRefs stages = nest().OfBlocks();
  return {OverOutput(
      [&](const VarRef& block, const ExprRef& tiles) { return ReadStages(stages, block, tiles); })};
}

bool ReaderEmitter::HasTiles() const { return AnyReads(nest().OfBlocks()); }

Body ReaderEmitter::BeforeTiles(const Run& run) const {
  return ReadStages(nest().OfRuns(), run.start, Int(1));
}

StageRef ReaderEmitter::FlatStage() const {
  StageRef reading;
  for (const StageRef& stage : nest().stages) {
    if (stage->Streams().empty()) continue;
    if (reading) return nullptr;
    reading = stage;
  }
  bool is_flat =
      reading && !reading->stream && reading->AtLevel(nullptr, reading->Streams()).empty();
  return is_flat ? reading : nullptr;
}

Body ReaderEmitter::Fill(const Operand& constant) const {
  String buffer = constant.buffer;
  Body body;
  for (const ConstantPage& page : nest().const_tiles.at(constant.buffer)) {
    body.push_back(Op("cb_reserve_back", {buffer, 1}));
    Extend(&body, FillPage(constant, page));
    body.push_back(Op("cb_push_back", {buffer, 1}));
  }
  return body;
}

Body ReaderEmitter::FillPage(const Operand& constant, const ConstantPage& page) const {
  String name = constant.buffer;
  const std::string& format = FormatOf(constant.buffer);
  ExprRef value = Word(FillWord(page.value, format));
  if (page.IsUniform()) return {Op("fill_page", {name, value})};
  StmtRef rest = Op("fill_page", {name, Word(FillWord(page.beyond, format))});
  if (page.diagonal) return {rest, Op("fill_triangle", {name, kTile + *page.diagonal, value})};
  return {rest, Op("fill_corner", {name, page.rows, page.columns, value})};
}

Body ReaderEmitter::ReadStages(const StageRefs& stages, const VarRef& block,
                               const ExprRef& tiles) const {
  Body body;
  for (const auto& [stream, group] : ByStream(stages)) {
    Body reads;
    for (const StageRef& stage : group) Extend(&reads, ReadStage(*stage, block, tiles));
    if (stream && !reads.empty()) reads = {OverChunks(stream, reads)};
    Extend(&body, std::move(reads));
  }
  return body;
}

Body ReaderEmitter::ReadStage(const Stage& stage, const VarRef& block,
                              const ExprRef& all_tiles) const {
  ExprRef tiles = stage.IsPerTile() ? all_tiles : Int(1);
  Operands streams = stage.Streams();
  Operands still = stage.AtLevel(nullptr, streams);
  auto read = [&](const ExprRef& slot) {
    std::vector<PageUse> uses;
    for (const OperandRef& operand : still) {
      uses.emplace_back(operand->page, [this, operand, slot](const ExprRef& page) {
        return Read(*operand, page, slot);
      });
    }
    return coordinates().AtTile(Plus(block, slot), uses);
  };
  auto read_loops = [&](const ExprRef& slot) {
    VarRef tile = MakeVar("tile");
    Body loops{MakeBind(tile, Plus(block, slot))};
    Extend(&loops, ReadLoops(stage, tile));
    return loops;
  };
  Body body;
  if (!still.empty()) body = Reading(still, blocks().AtOnce(stage), Slots(tiles, read));
  if (still.size() < streams.size()) body.push_back(Slots(tiles, read_loops));
  return body;
}

Body ReaderEmitter::ReadLoops(const Stage& stage, const VarRef& tile) const {
  std::vector<ExprRef> pages;
  for (const OperandRef& operand : stage.Streams()) pages.push_back(operand->page);
  auto [body, at] = coordinates().Bind(tile, pages);
  Extend(&body, stage.maps.empty() ? ReadReduced(stage, at) : ReadMap(stage, at));
  return body;
}

Body ReaderEmitter::ReadMap(const Stage& stage, const VarValues& at) const {
  const ForRef& around = stage.maps.back();
  Operands streams = stage.Streams();
  Operands operands = stage.AtLevel(around, streams);
  bool has_inner = !stage.reduces.empty() && !stage.AtLevel(stage.reduces.back(), streams).empty();
  return {Over(stage.maps, [&](const VarRef& block, const ExprRef& tiles) {
    auto here = [&](const ExprRef& slot) { return Within(at, around, block, slot); };
    auto read_inner = [&](const ExprRef& slot) { return ReadReduced(stage, here(slot)); };
    Body body;
    if (!operands.empty()) body = ReadBlock(operands, around, tiles, here);
    if (has_inner) body.push_back(Slots(tiles, read_inner));
    return body;
  })};
}

Body ReaderEmitter::ReadReduced(const Stage& stage, const VarValues& at) const {
  const ForRef& innermost = stage.reduces.back();
  Operands operands = stage.AtLevel(innermost, stage.Streams());
  return {Over(stage.reduces, [&](const VarRef& block, const ExprRef& tiles) {
    auto here = [&](const ExprRef& slot) { return Within(at, innermost, block, slot); };
    return ReadBlock(operands, innermost, tiles, here);
  })};
}

Body ReaderEmitter::ReadBlock(const Operands& operands, const ForRef& along, const ExprRef& tiles,
                              const ValuesAt& values_at) const {
  auto read = [&](const ExprRef& slot) {
    VarValues values = values_at(slot);
    Body body;
    for (const OperandRef& operand : operands) {
      body.push_back(Read(*operand, Substitute(operand->page, values), slot));
    }
    return body;
  };
  return Reading(operands, blocks().Size(along), Slots(tiles, read));
}

Body ReaderEmitter::Reading(const Operands& operands, int64_t size, const StmtRef& reads) const {
  Body body = OnBuffers("cb_reserve_back", operands, size);
  body.push_back(reads);
  body.push_back(Op("read_barrier", {}));
  Extend(&body, OnBuffers("cb_push_back", operands, size));
  return body;
}

StmtRef ReaderEmitter::Read(const Operand& operand, const ExprRef& page,
                            const ExprRef& slot) const {
  std::vector<Any> args{operand.tensor, page, String(operand.buffer), slot};
  const std::string* rows = ScratchOf(scratch(), operand.Name());
  if (!rows) return Op("read_page", args);
  args.emplace_back(String(*rows));
  return Op("read_rows", args);
}

}  // namespace ttgen
