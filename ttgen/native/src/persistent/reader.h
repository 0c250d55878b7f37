// The reader: tiles from DRAM into circular buffers, in the order in which compute uses them
// (ttgen/passes/persistent/reader.py).
#pragma once

#include <functional>

#include "persistent/program.h"
#include "tiling/marks.h"

namespace ttgen {

/*! Builds the reader's body. */
class ReaderEmitter : public ProgramEmitter {
 public:
  using ProgramEmitter::ProgramEmitter;

  /*! The constant tiles of all parts, made once. */
  Body Opening(const Operands& constants) const;
  /*! For each block of output tiles, what its stages read. */
  Body Tiles() const;

 protected:
  /*! Whether more is read than what stages of runs need. */
  bool HasTiles() const override;
  /*! What the stages of runs read. */
  Body BeforeTiles(const Run& run) const override;

 private:
  /*! From a slot of a block to the values there. */
  using ValuesAt = std::function<VarValues(const ExprRef& slot)>;

  /*! The only stage that reads, if all it reads moves with its loops: no blocks of output tiles
   *  are needed then. Else nullptr. */
  StageRef FlatStage() const;
  Body Fill(const Operand& constant) const;
  Body FillPage(const Operand& constant, const ConstantPage& page) const;
  Body ReadStages(const StageRefs& stages, const VarRef& block, const ExprRef& tiles) const;
  Body ReadStage(const Stage& stage, const VarRef& block, const ExprRef& tiles) const;
  /*! What moves with the loops of a stage, for one output tile. */
  Body ReadLoops(const Stage& stage, const VarRef& tile) const;
  Body ReadMap(const Stage& stage, const VarValues& at) const;
  Body ReadReduced(const Stage& stage, const VarValues& at) const;
  /*! One block of each of `operands` along a loop; `values_at` gives a slot's coordinates. */
  Body ReadBlock(const Operands& operands, const ForRef& along, const ExprRef& tiles,
                 const ValuesAt& values_at) const;
  Body Reading(const Operands& operands, int64_t size, const StmtRef& reads) const;
  StmtRef Read(const Operand& operand, const ExprRef& page, const ExprRef& slot) const;
};

}  // namespace ttgen
