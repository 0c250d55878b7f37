#include "persistent/program.h"

#include "base/text.h"

namespace ttgen {

StmtRef ProgramEmitter::Op(const std::string& name, const std::vector<Any>& args) const {
  return Operation(name, args, nest().span);
}

Body ProgramEmitter::OnBuffers(const std::string& name, const Operands& operands,
                               int64_t pages) const {
  Body body;
  for (const OperandRef& operand : operands) {
    body.push_back(Op(name, {String(operand->buffer), pages}));
  }
  return body;
}

StmtRef ProgramEmitter::OverOutput(const BlockBody& of_block) const {
  if (!nest().HasRuns()) return InBlocks(FirstTile(), count(), of_block);
  return OverRuns(start(), count(), nest().columns->extent, [&](const Run& run) {
    Body body = BeforeTiles(run);
    if (HasTiles()) body.push_back(InBlocks(run.start, run.count, of_block));
    Extend(&body, AfterTiles());
    return body;
  });
}

StmtRef ProgramEmitter::InBlocks(const ExprRef& start, const ExprRef& count,
                                 const BlockBody& body) const {
  return MakeBlocks("", start, count, blocks().output, blocks().output_is_even, body);
}

StmtRef ProgramEmitter::Along(const ForRef& inner, const BlockBody& body) const {
  std::string name = RemoveSuffix(NameOf(inner->loop_var), "_tile");
  ExprRef extent = Longest(inner);
  ExprRef there = extent == inner->extent ? nullptr : inner->extent;
  return MakeBlocks(name, Int(0), extent, blocks().Size(inner), blocks().IsEven(inner), body,
                    there);
}

StmtRef ProgramEmitter::Over(const std::vector<ForRef>& loops, const BlockBody& body) const {
  StmtRef result = Along(loops.back(), body);
  for (auto outer = loops.rbegin() + 1; outer != loops.rend(); ++outer) {
    result = Loop((*outer)->loop_var, Int(0), (*outer)->extent, {result});
  }
  return result;
}

}  // namespace ttgen
