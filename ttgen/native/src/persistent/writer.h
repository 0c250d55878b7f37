// The writer: the output's circular buffer to DRAM (ttgen/passes/persistent/writer.py).
#pragma once

#include "persistent/program.h"

namespace ttgen {

/*! Builds the writer's body. */
class WriterEmitter : public ProgramEmitter {
 public:
  using ProgramEmitter::ProgramEmitter;

  /*! Every block of output tiles, as compute pushes them. */
  Body Tiles() const;

 private:
  Body WriteBlock(const VarRef& block, const ExprRef& tiles) const;
};

}  // namespace ttgen
