// How many tiles move at a time: one barrier, one push and one pop for a block of them
// (ttgen/passes/persistent/blocks.py).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/value.h"
#include "persistent/stages.h"

namespace ttgen {

/*! Tiles per block: of the output, and along each loop inside an output tile, by its variable. */
struct Blocks {
  int64_t output;
  bool output_is_even;
  std::map<std::string, int64_t> along;
  /*! The tiles along those loops, at most. */
  std::map<std::string, int64_t> extents;
  /*! How many blocks a circular buffer holds between two programs. */
  int64_t buffering;

  /*! Tiles per block along `loop`. */
  int64_t Size(const ForRef& loop) const;
  /*! Whether every block along `loop` is full. */
  bool IsEven(const ForRef& loop) const;
  /*! Tiles of `operand` that move at a time. */
  int64_t Of(const Stage& stage, const Operand& operand) const;
  /*! Results of `stage` that are made together, loops of its own apart. */
  int64_t AtOnce(const Stage& stage) const { return stage.IsPerTile() ? output : 1; }
  /*! Tiles that `stage` leaves for others before they use the first one. */
  int64_t MadeBy(const Stage& stage) const;
};

/*! What blocks may be at most, tiles. */
struct BlockLimits {
  /*! Tiles that are in DST together. */
  int64_t dst_tiles;
  /*! Tiles that share a barrier. */
  int64_t block_tiles;
  /*! Blocks that a circular buffer holds. */
  int64_t buffering;
  /*! Tiles of a block of the output. */
  int64_t most_output;
};

/*!
 * Blocks for cores that have `counts` output tiles each; `constants` are the extents of loops.
 *
 * Results that are in DST together are a block: it takes no more than that holds, with the
 * registers that each of them needs. With stages that are done once per run, `counts` are the
 * lengths of runs.
 */
Blocks ChooseBlocks(const Nest& nest, const Value& constants, const std::vector<int64_t>& counts,
                    const BlockLimits& limits);

}  // namespace ttgen
