// The circular buffers of a nest: what each holds, and whether they fit into L1
// (ttgen/passes/persistent/buffers.py).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ir.h"
#include "base/value.h"
#include "persistent/blocks.h"
#include "persistent/stages.h"

namespace ttgen {

struct CircularBuffer {
  std::string name;
  /*! What it holds tiles of, where that is a tensor. */
  std::optional<std::string> tensor;
  /*! "input", "output" or "intermediate". */
  std::string role;
  /*! The name of a format. */
  std::string dtype;
  int64_t page_bytes = 0;
  int64_t pages = 0;
  /*! Whether values go to DST as they are, with all of their 32 bits. */
  bool unpack_to_dst = false;

  /*! An item of `tt.cb_desc`. */
  Value ToValue() const;
};

/*! For each tensor whose pages are rows: the buffer that rows pass on their way to a tile. */
using ScratchNames = std::vector<std::pair<std::string, std::string>>;

/*! Those of `layouts`, the attribute `tt.layout_desc`. */
ScratchNames ScratchBuffers(const Value& layouts);
/*! The scratch buffer of `tensor`, nullptr where it needs none. */
const std::string* ScratchOf(const ScratchNames& scratch, const std::string& tensor);

/*! A part of the output, and how many tiles move at a time there. */
using BlockedNest = std::pair<const Nest*, const Blocks*>;

/*!
 * One per operand, temporary, constant and output, in the order in which they are used.
 * LoweringError naming them where they do not fit into L1.
 */
std::vector<CircularBuffer> CircularBuffers(const FuncRef& func,
                                            const std::vector<BlockedNest>& parts,
                                            const ScratchNames& scratch);

/*! 32 bits of a page that holds `value` everywhere, in the format `dtype`. */
uint32_t FillWord(double value, const std::string& dtype);

}  // namespace ttgen
