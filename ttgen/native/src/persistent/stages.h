// A lowered function taken apart: loops over output tiles, and the stages that make one tile
// (ttgen/passes/persistent/stages.py).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/ir.h"
#include "base/tables.h"
#include "base/value.h"
#include "tiling/marks.h"

namespace ttgen {

enum class OperandKind { kTensor, kTemporary, kConstant };
/*! For what a stage is done once: an output tile, a block of neighbours in a row, or all of a run
 *  of them (see persistent/runs.h). */
enum class StageScope { kTile, kBlock, kRun };

/*! A tile that a step reads or a stage makes: page `page` of `tensor`, through the circular buffer
 *  called `buffer`. */
struct Operand {
  VarRef tensor;
  ExprRef page;
  std::string buffer;
  OperandKind kind;
  /*! Those that `page` depends on. */
  VarSet page_variables;

  /*! The tensor's name. */
  std::string Name() const { return NameOf(tensor); }
  /*! Whether another tile is meant in another iteration of `loop`, or of any of `loops`. */
  bool MovesWith(const ForRef& loop) const;
  bool MovesWith(const std::vector<ForRef>& loops) const;
};
/*! Operands are held, not copied. */
using OperandRef = std::shared_ptr<const Operand>;
using Operands = std::vector<OperandRef>;

OperandRef MakeOperand(VarRef tensor, ExprRef page, std::string buffer, OperandKind kind);

/*! One operand for each circular buffer: the last one, in the place of the first. */
Operands OnePerBuffer(const Operands& operands);

/*! What a device operation is called with, by the names of its parameters. */
using Arguments = std::map<std::string, Any>;

/*! One tile operation of a stage, into the DST register `dst`. */
struct Step {
  const TileMath* math;
  Operands operands;
  /*! Text (String) and numbers (nodes). */
  std::vector<Any> words;
  int64_t dst = 0;
  /*! Those that it reads, where these are more than `dst`. */
  std::vector<int64_t> registers;

  /*! A sum along rows is a product with a column: its tile is in source B, the scale in A. */
  bool IsRowSum() const;
  /*! The parameters that go to sources A and B of the FPU, as in TileMath. */
  std::vector<std::string> Sources() const;
  /*! Buffers (String) and words by the names of the device operation's parameters. */
  Arguments ToArguments() const;
};

/*! Steps in DST, then a pack of its register 0 into `target`. */
struct Stage {
  std::vector<Step> steps;
  OperandRef target;
  /*! The loops around all of it, outermost first: a tile for each iteration. */
  std::vector<ForRef> maps;
  /*! The loops that the first `reducing` steps add up over, outermost first. */
  std::vector<ForRef> reduces;
  size_t reducing = 0;
  /*! The loop over chunks around it and its neighbours, in which it may go on from what has been
   *  packed before; nullptr if there is none. */
  ForRef stream;
  StageScope scope = StageScope::kTile;

  /*! Whether it is done for each output tile. */
  bool IsPerTile() const { return scope == StageScope::kTile; }
  /*! What tells its stream from others; nullptr where it has none. */
  const tir::Var* Chunks() const { return stream ? stream->loop_var.get() : nullptr; }
  /*! DST registers that one result takes. */
  int64_t Registers() const;
  /*! The operands that come from DRAM, one per circular buffer. */
  Operands Streams() const;
  /*! The operands that earlier stages have made, one per circular buffer. */
  Operands Temporaries() const;
  /*! The innermost of the blocked loops that `operand` moves with; nullptr: with none. */
  ForRef Innermost(const Operand& operand) const;
  /*! Those of `operands` that move with `loop` (nullptr: with none), and with none inside it. */
  Operands AtLevel(const ForRef& loop, const Operands& operands) const;
};
/*! Stages are held, not copied: which one it is tells them apart. */
using StageRef = std::shared_ptr<const Stage>;
using StageRefs = std::vector<StageRef>;

/*! A lowered function, or the part of it that makes a part of the output. */
struct Nest {
  /*! The loops above the columns, outermost first. */
  std::vector<ForRef> rows;
  /*! nullptr where there is none. */
  ForRef columns;
  StageRefs stages;
  /*! The pages of each constant buffer. */
  std::map<std::string, std::vector<ConstantPage>> const_tiles;
  SpanRef span;

  /*! The tile that the last stage makes. */
  const OperandRef& Output() const { return stages.back()->target; }
  /*! The stages that are done once per run. */
  StageRefs OfRuns() const;
  /*! The stages that are done for each block of output tiles, or each tile of it. */
  StageRefs OfBlocks() const;
  /*! The stages that are done for each output tile. */
  StageRefs OfTiles() const;
  /*! Whether anything is done once for several output tiles. */
  bool HasRuns() const;
  /*! The loops over output tiles, outermost first. */
  std::vector<ForRef> Loops() const;
  /*! The constant tiles, wherever they are read. */
  Operands ConstantUses() const;
  /*! The constant buffers, one operand each. */
  Operands Constants() const { return OnePerBuffer(ConstantUses()); }
  /*! The stage that makes `temporary`. */
  const Stage& Maker(const Operand& temporary) const;
  /*!
   * The temporaries that no stage after `stage`, one of `stages`, reads before they are made anew.
   * In a stream those of a chunk, and of what it goes on from those of the chunk before.
   */
  Operands LastUsedBy(const Stage& stage) const;
  /*! The temporaries of more than a chunk that no stage after the stream `group` reads. */
  Operands LastUsedByStream(const StageRefs& group) const;
};

/*! The parameter that holds the iterations of `loop`; in a last chunk there may be fewer. */
VarRef Longest(const ForRef& loop);
/*! The iterations of `loop`, of which a last chunk may have fewer, by the parameter's name. */
int64_t ExtentOf(const ForRef& loop, const Value& constants);

/*! The stages in order, those of a stream together with the loop over its chunks (or nullptr). */
std::vector<std::pair<ForRef, StageRefs>> ByStream(const StageRefs& stages);

/*! Take `func` apart; LoweringError at what LowerTTTileIntrinsics does not make. */
std::vector<Nest> Parse(const FuncRef& func);

}  // namespace ttgen
