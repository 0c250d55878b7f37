#include "persistent/runs.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/text.h"

namespace ttgen {
namespace {

/*! The order of tiles in which those of a row are neighbours. */
constexpr char kOrder[] = "row_major";

/*! Names of circular buffers. */
using BufferNames = std::set<std::string>;

bool MovesWith(const Stage& stage, const ForRef& columns) {
  auto moves = [&](const OperandRef& operand) { return operand->MovesWith(columns); };
  return moves(stage.target) ||
         std::any_of(stage.steps.begin(), stage.steps.end(), [&](const Step& step) {
           return std::any_of(step.operands.begin(), step.operands.end(), moves);
         });
}

/*! `reached`, and the buffers that are made of those, all that it takes. */
BufferNames Reached(const StageRefs& stages, BufferNames reached) {
  auto is_reached = [&](const OperandRef& operand) { return reached.count(operand->buffer) > 0; };
  for (bool is_growing = true; is_growing;) {
    is_growing = false;
    for (const StageRef& stage : stages) {
      Operands made_of = stage->Temporaries();
      if (std::any_of(made_of.begin(), made_of.end(), is_reached)) {
        is_growing |= reached.insert(stage->target->buffer).second;
      }
    }
  }
  return reached;
}

/*! The buffers that the stages for which `is_first` make, and those that are made of them. */
template <class IsFirst>
BufferNames ReachedFrom(const StageRefs& stages, IsFirst is_first) {
  BufferNames first;
  for (const StageRef& stage : stages) {
    if (is_first(*stage)) first.insert(stage->target->buffer);
  }
  return Reached(stages, std::move(first));
}

/*!
 * The buffers of `found`, of streams that make any of them, and what is made of those. Such a
 * stream goes on from tiles of several columns, of which a block is held.
 */
BufferNames WithStreams(const StageRefs& stages, BufferNames found) {
  while (true) {
    std::set<const tir::Var*> streams;
    for (const StageRef& stage : stages) {
      if (stage->stream && found.count(stage->target->buffer)) streams.insert(stage->Chunks());
    }
    BufferNames more = ReachedFrom(stages, [&](const Stage& stage) {
      return streams.count(stage.Chunks()) || found.count(stage.target->buffer);
    });
    if (more == found) return found;
    found = std::move(more);
  }
}

StageScope ScopeOf(const std::string& made, const BufferNames& per_tile,
                   const BufferNames& per_block) {
  if (per_tile.count(made)) return StageScope::kTile;
  return per_block.count(made) ? StageScope::kBlock : StageScope::kRun;
}

}  // namespace

Nest WithRuns(Nest nest, const Value& partition, const Value& constants) {
  bool is_by_rows =
      partition["tile_order"].Text() == kOrder && partition["mode"].Text() == "global";
  if (!is_by_rows || !nest.columns || ExtentOf(nest.columns, constants) == 1) return nest;
  BufferNames per_tile =
      ReachedFrom(nest.stages, [&](const Stage& stage) { return MovesWith(stage, nest.columns); });
  BufferNames per_block = WithStreams(nest.stages, per_tile);
  for (StageRef& stage : nest.stages) {
    auto scoped = std::make_shared<Stage>(*stage);
    scoped->scope = ScopeOf(stage->target->buffer, per_tile, per_block);
    stage = std::move(scoped);
  }
  std::stable_partition(nest.stages.begin(), nest.stages.end(),
                        [](const StageRef& stage) { return stage->scope == StageScope::kRun; });
  return nest;
}

std::vector<int64_t> RunsOf(int64_t start, int64_t count, int64_t columns) {
  int64_t end = start + count;
  std::vector<int64_t> runs;
  for (int64_t row = start / columns; row < CeilDiv(end, columns); ++row) {
    runs.push_back(std::min(end, (row + 1) * columns) - std::max(start, row * columns));
  }
  return runs;
}

StmtRef OverRuns(const VarRef& start, const VarRef& count, const ExprRef& columns,
                 const std::function<Body(const Run&)>& body) {
  VarRef number = MakeVar("run"), row = MakeVar("row");
  Run run{MakeVar("run_start"), MakeVar("run_count")};
  ExprRef first = FloorDivide(start, columns), end = Plus(start, count);
  ExprRef row_start = Times(row, columns);
  Body inside = {
      MakeBind(row, Plus(first, number)),
      MakeBind(run.start, Maximum(start, row_start)),
      MakeBind(run.count, Minus(Minimum(end, Plus(row_start, columns)), run.start)),
  };
  Extend(&inside, body(run));
  ExprRef last = FloorDivide(Minus(Plus(end, columns), Int(1)), columns);
  return Loop(number, Int(0), Minus(last, first), inside);
}

}  // namespace ttgen
