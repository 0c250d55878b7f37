// The tile loops of one computation (ttgen/passes/tiling/emitter.py).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "analysis/computation.h"
#include "tiling/stages.h"

namespace ttgen {

/*! A lowered body, and what it stands on. */
struct TileLoops {
  StmtRef body;
  /*! The extents that it uses, as parameters. */
  std::vector<VarRef> symbols;
  /*! Their values, by name: a dict. */
  Value constants = Value::Dict();
  /*! The pages of each constant buffer, by its name. */
  std::vector<std::pair<std::string, std::vector<ConstantPage>>> const_tiles;
};

/*!
 * The loops over output tiles, around the stages that make one, for each part of the output.
 * `formats`: those of the kernel's tensors, whose names no new variable may have. `dst_tiles`: how
 * many DST holds. `stream_tiles`: how many of what is streamed are made at a time, at most.
 * LoweringError at an expression that has no tile operation yet, and at parts that are no whole
 * tiles.
 */
TileLoops MakeTileLoops(const Computation& computation, const TensorFormats& formats,
                        int64_t dst_tiles, int64_t stream_tiles);

}  // namespace ttgen
