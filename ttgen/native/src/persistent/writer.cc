#include "persistent/writer.h"

namespace ttgen {

Body WriterEmitter::Tiles() const {
  return {OverOutput(
      [this](const VarRef& block, const ExprRef& tiles) { return WriteBlock(block, tiles); })};
}

Body WriterEmitter::WriteBlock(const VarRef& block, const ExprRef& tiles) const {
  const Operand& output = *nest().Output();
  String buffer = output.buffer;
  const char* operation = ScratchOf(scratch(), output.Name()) ? "write_rows" : "write_page";
  auto write = [&](const ExprRef& slot) {
    auto emit = [&](const ExprRef& page) {
      return Op(operation, {output.tensor, page, buffer, slot});
    };
    return coordinates().AtTile(Plus(block, slot), {{output.page, emit}});
  };
  int64_t size = blocks().output;
  return {
      Op("cb_wait_front", {buffer, size}),
      Slots(tiles, write),
      Op("write_barrier", {}),
      Op("cb_pop_front", {buffer, size}),
  };
}

}  // namespace ttgen
