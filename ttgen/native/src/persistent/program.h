// What the emitters of all three programs share: loops over blocks of tiles
// (ttgen/passes/persistent/program.py).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/ir.h"
#include "persistent/blocks.h"
#include "persistent/buffers.h"
#include "persistent/coordinates.h"
#include "persistent/ir.h"
#include "persistent/runs.h"
#include "persistent/stages.h"

namespace ttgen {

/*! By the name of a circular buffer, the format of its tiles. */
using BufferFormats = std::map<std::string, std::string>;

/*!
 * A nest that becomes programs; `start` and `count` are its core's output tiles. What it refers to
 * outlives the emitters.
 */
struct Emitted {
  const Nest& nest;
  const Blocks& blocks;
  const Coordinates& coordinates;
  VarRef start;
  VarRef count;
  const BufferFormats& formats;
  const ScratchNames& scratch;
};

/*! A nest that becomes a program. */
class ProgramEmitter {
 public:
  explicit ProgramEmitter(const Emitted& emitted) : emitted_(emitted) {}
  virtual ~ProgramEmitter() = default;

 protected:
  const Nest& nest() const { return emitted_.nest; }
  const Blocks& blocks() const { return emitted_.blocks; }
  const Coordinates& coordinates() const { return emitted_.coordinates; }
  const VarRef& start() const { return emitted_.start; }
  const VarRef& count() const { return emitted_.count; }
  const ScratchNames& scratch() const { return emitted_.scratch; }
  /*! The format of the circular buffer called `buffer`. */
  const std::string& FormatOf(const std::string& buffer) const {
    return emitted_.formats.at(buffer);
  }

  /*! A device operation, standing where the kernel's store does. */
  StmtRef Op(const std::string& name, const std::vector<Any>& args) const;
  /*! The operation `name` on so many pages of the circular buffer of each operand. */
  Body OnBuffers(const std::string& name, const Operands& operands, int64_t pages) const;

  /*!
   * Loops over this core's output tiles in blocks, numbered as in the nest. Where the nest has
   * runs, around each of them what is done once for it.
   */
  StmtRef OverOutput(const BlockBody& of_block) const;
  /*! `inner` in blocks. */
  StmtRef Along(const ForRef& inner, const BlockBody& body) const;
  /*! Nested loops, the innermost one in blocks. */
  StmtRef Over(const std::vector<ForRef>& loops, const BlockBody& body) const;

  /*! From where on tiles are numbered in a nest without runs. */
  virtual ExprRef FirstTile() const { return start(); }
  /*! Whether there is anything to be done for each tile of a run. */
  virtual bool HasTiles() const { return true; }
  /*! What is done once for a run, before its tiles. */
  virtual Body BeforeTiles(const Run&) const { return {}; }
  /*! What is done once for a run, behind its tiles. */
  virtual Body AfterTiles() const { return {}; }

 private:
  StmtRef InBlocks(const ExprRef& start, const ExprRef& count, const BlockBody& body) const;

  const Emitted emitted_;
};

}  // namespace ttgen
