// Small pieces of TIR that the programs are put together from (ttgen/passes/persistent/ir.py).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/ir.h"

namespace ttgen {

/*! The pass that all of this is for, as its messages call it. */
inline constexpr char kGridToPersistent[] = "GridToPersistentTT";

using Body = std::vector<StmtRef>;
/*! The body of a loop over blocks: from the first tile of a block and how many it holds. */
using BlockBody = std::function<Body(const VarRef& block, const ExprRef& tiles)>;
/*! The statements for one slot of a block. */
using SlotBody = std::function<Body(const ExprRef& slot)>;

/*! `more` at the end of `body`. */
void Extend(Body* body, Body more);

/*! The device operation `name` of the table of operations. */
StmtRef Operation(const std::string& name, const std::vector<Any>& args, const SpanRef& span);

/*!
 * `for <name>_block in range(start, start + extent, size)`; the last block may be partial, unless
 * they are all full (`is_even`).
 *
 * `there`, if given: how many of `extent` tiles from 0 there are, where they may be fewer. Blocks
 * behind these are empty then, but as many as ever.
 */
StmtRef MakeBlocks(const std::string& name, const ExprRef& start, const ExprRef& extent,
                   int64_t size, bool is_even, const BlockBody& body,
                   const ExprRef& there = nullptr);

/*! `body` for each tile of a block; no loop around a block of one tile. */
StmtRef Slots(const ExprRef& extent, const SlotBody& body, const std::string& name = "slot");

/*! A serial loop of `extent` from `start`. */
StmtRef Loop(const VarRef& var, const ExprRef& start, const ExprRef& extent, const Body& body,
             int64_t step = 1);

/*! The loop `stream` around `body`. */
StmtRef OverChunks(const ForRef& stream, const Body& body);

/*! The statements as one, without sequences in sequences. */
StmtRef SequenceOf(const Body& body);

/*! Whether the value of `expr` takes a division. */
bool Divides(const ExprRef& expr);

/*! Whether `value` is the number 1. */
inline bool IsOne(const ExprRef& value) { return IsInt(value, 1); }

}  // namespace ttgen
