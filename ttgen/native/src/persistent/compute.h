// The compute program: circular buffers through DST to circular buffers, stage by stage
// (ttgen/passes/persistent/compute.py).
#pragma once

#include <functional>
#include <set>
#include <string>

#include "persistent/program.h"

namespace ttgen {

/*! Builds the compute program's body. */
class ComputeEmitter : public ProgramEmitter {
 public:
  /*! `stages`: those of all parts of the output. */
  ComputeEmitter(const Emitted& emitted, const StageRefs& stages);

  /*! Set-up; constant tiles are there throughout. */
  Body Opening(const Operands& constants) const;
  /*! Every block of output tiles. */
  Body Tiles() const;
  /*! The units and the constant tiles are left as they were found. */
  Body Closing(const Operands& constants) const;

 protected:
  /*! Which tiles they are makes a difference only where a constant tile depends on it. */
  ExprRef FirstTile() const override;
  /*! The stages of runs. */
  Body BeforeTiles(const Run& run) const override;
  /*! What those have made for all tiles of a run is done with. */
  Body AfterTiles() const override;

 private:
  /*!
   * Where the emitter stands: slots in the blocks around it, and the values of loop variables.
   * `output` counts in `block`, a block of output tiles, `inner` in the blocks along loops, by
   * their variables.
   */
  struct Place {
    VarRef block;
    ExprRef output;
    VarValues inner;
    VarValues values;

    /*! This place, at `slot` of a block along `loop`. */
    Place Within(const ForRef& loop, const VarRef& along, const ExprRef& slot) const;
  };
  /*! From a slot of a block to the place that it stands for. */
  using PlaceAt = std::function<Place(const ExprRef& slot)>;
  /*! A block of `size` results of `stage`, of which `tiles` are wanted, from one of operands. */
  struct ResultBlock {
    const Stage& stage;
    Operands operands;
    int64_t size;
    ExprRef tiles;
    PlaceAt place_at;
  };

  Body OfStages(const StageRefs& stages, const VarRef& block, const ExprRef& tiles) const;
  /*! The stages of `group` one after the other; what they are done with is popped. */
  Body OfGroup(const StageRefs& group, const VarRef& block, const ExprRef& tiles) const;
  Body OfStage(const Stage& stage, const VarRef& block, const ExprRef& tiles) const;
  /*! A stage with loops around all of it. */
  Body OfMap(const Stage& stage, const VarRef& block) const;
  /*! Those of `temporaries` that are not kept until the run ends. */
  Operands NotKept(const Operands& temporaries) const;
  Body WaitTemporaries(const Operands& temporaries) const;
  Body PopTemporaries(const Operands& temporaries) const;
  Body Results(const ResultBlock& results) const;
  /*! Independent results: all of the block is in DST at once. */
  Body Together(const ResultBlock& results) const;
  /*! Reductions, one after the other: each stays in DST until it is complete. */
  Body OneByOne(const ResultBlock& results) const;
  /*! One of them, into `slot` of the target. */
  Body Reduced(const Stage& stage, const Place& place, const ExprRef& slot) const;
  StmtRef Reduction(const Stage& stage, const Place& place) const;

  /*! The operation `name` on all tiles of each of `temporaries`. */
  Body OnTemporaries(const std::string& name, const Operands& temporaries) const;
  /*! The operation `name` on all tiles of each of `constants`. */
  Body OnConstants(const std::string& name, const Operands& constants) const;
  Body SetUp(const Step& step, const Stage& stage) const;
  /*!
   * Tells unpackers and FPU the formats of what `step` reads, where steps differ in them. What
   * comes from DST has no format of its own: it loses the bits that the format which its source is
   * set to has not, so that is set to the widest there is.
   */
  Body Reconfigured(const Step& step) const;
  /*! Tells the packer the format of this stage's results, where stages differ in it. */
  Body Packer(const Stage& stage) const;
  Body Init(const Step& step, const Stage& stage) const;
  Body Uninit(const Step& step) const;
  /*! `step` in the registers of the block's result `slot`. */
  Body Math(const Stage& stage, const Step& step, const Place& place, const ExprRef& slot) const;
  /*! Bindings of the output tile's coordinates, as far as constant tiles depend on them; `place`
   *  has their values from then on. */
  Body BindCoordinates(const Step& step, Place* place) const;
  /*! Whether it is another constant tile for another output tile. */
  bool MovesWithTiles(const Operand& operand) const;
  /*! The page from the read pointer that `operand` is on. */
  ExprRef TileOf(const Stage& stage, const Operand& operand, const Place& place) const;
  /*! The operation `name`, with those of `available` that it takes. */
  StmtRef OpOf(const std::string& name, const Arguments& available) const;

  void LookAtFormats(const StageRefs& stages);
  void LookAtRuns();

  /*! Whether the units have to be set up anew for every step. */
  bool has_several_ = false;
  /*! Whether what is unpacked has several formats, and whether what is packed has. */
  bool has_mixed_sources_ = false;
  bool has_mixed_targets_ = false;
  /*! A circular buffer of the widest format that is unpacked. */
  String widest_;
  /*! The temporaries of runs that stages of tiles and blocks read, and their buffers' names. */
  Operands kept_for_run_;
  std::set<std::string> kept_buffers_;
};

}  // namespace ttgen
