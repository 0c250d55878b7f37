#include "persistent/ir.h"

#include <tvm/ffi/extra/structural_visit.h>

#include <iterator>

#include "base/tables.h"

namespace ttgen {
namespace {

ExprRef End(const ExprRef& start, const ExprRef& extent) {
  return IsInt(start, 0) ? extent : Plus(start, extent);
}

}  // namespace

void Extend(Body* body, Body more) {
  body->insert(body->end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
}

StmtRef Operation(const std::string& name, const std::vector<Any>& args, const SpanRef& span) {
  const TileOp* row = FindTileOp(name);
  TVM_FFI_ICHECK(row && args.size() == row->params.size()) << name;
  return InsertIntrinsicCall(name, args, span);
}

StmtRef MakeBlocks(const std::string& name, const ExprRef& start, const ExprRef& extent,
                   int64_t size, bool is_even, const BlockBody& body, const ExprRef& there) {
  VarRef block = MakeVar(name.empty() ? "block" : name + "_block");
  Body inside;
  ExprRef tiles = Int(size);
  if (there != nullptr || !is_even) {
    VarRef here = MakeVar(name.empty() ? "tiles" : name + "_tiles");
    ExprRef left = there == nullptr ? End(start, extent) : Maximum(there, block);
    inside.push_back(MakeBind(here, Minimum(Minus(left, block), tiles)));
    tiles = here;
  }
  Extend(&inside, body(block, tiles));
  return Loop(block, start, extent, inside, size);
}

StmtRef Slots(const ExprRef& extent, const SlotBody& body, const std::string& name) {
  if (IsOne(extent)) return SequenceOf(body(Int(0)));
  VarRef slot = MakeVar(name);
  return Loop(slot, Int(0), extent, body(slot));
}

StmtRef Loop(const VarRef& var, const ExprRef& start, const ExprRef& extent, const Body& body,
             int64_t step) {
  return MakeFor(var, start, extent, SequenceOf(body), step == 1 ? nullptr : Int(step));
}

StmtRef OverChunks(const ForRef& stream, const Body& body) {
  return Loop(stream->loop_var, Int(0), stream->extent, body);
}

StmtRef SequenceOf(const Body& body) {
  Body flat;
  flat.reserve(body.size());
  for (const StmtRef& stmt : body) {
    if (auto sequence = As<tir::SeqStmt>(stmt)) {
      Extend(&flat, Items<tir::Stmt>(sequence->seq));
    } else {
      flat.push_back(stmt);
    }
  }
  return flat.size() == 1 ? flat.front() : MakeSeq(flat);
}

bool Divides(const ExprRef& expr) {
  using Found = ffi::Expected<ffi::WalkResult>;
  auto at_quotient = [](ffi::Arc<tir::FloorDiv>) -> Found { return ffi::WalkResult::Interrupt(); };
  auto at_remainder = [](ffi::Arc<tir::FloorMod>) -> Found { return ffi::WalkResult::Interrupt(); };
  return ffi::StructuralWalk<ffi::WalkOrder::kPreOrder>(Any(expr), at_quotient, at_remainder)
      .has_value();
}

}  // namespace ttgen
