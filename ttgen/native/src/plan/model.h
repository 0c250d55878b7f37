// A plan in memory, as far as its rules read it (ttgen/plan/model.py).
//
// Units: `*_bytes` bytes, `pages` circular-buffer or tensor pages (one tile each), `shape`
// elements, grid coordinates are logical worker cores (x, y).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/ir.h"
#include "base/tables.h"
#include "plan/shards.h"

namespace ttgen::plan {

/*! A number, a variable, or an operator on two expressions; quotients are rounded down. */
struct Expr {
  enum class Kind : uint8_t {
    kNumber,
    kVariable,
    kAdd,
    kSub,
    kMul,
    kFloorDiv,
    kFloorMod,
    kMin,
    kMax,
  };

  Kind kind = Kind::kNumber;
  /*! kNumber: it; kVariable: the slot of the variable, of which every binding has its own. */
  int64_t value = 0;
  /*! Of an operator: left and right. */
  std::vector<Expr> operands;
};

/*! A variable where it is bound. Names are said to be distinct in their scope; slots are. */
struct Variable {
  std::string name;
  int slot = 0;
};

/*! An immutable value, in scope until its enclosing body ends. */
struct Let {
  Variable var;
  Expr value;
};

/*! What an operation is given: an expression, or the name of a buffer, a tensor or a word. */
struct Argument {
  std::string name;
  Expr expr;
};

/*! One tile operation; `args` are in the order of the parameters. */
struct Op {
  const TileOp* row = nullptr;
  std::vector<Argument> args;
  SpanRef span;

  /*! The argument for the parameter called `param`. */
  const Argument& operator[](const std::string& param) const;
  /*! Where it stands in the kernel source. */
  Location At() const;
  /*! The same as plans write it: "path:line:column". */
  std::string AtText() const;
};

struct Statement;

/*! `for (var = start; var < stop; var += step) body`. */
struct For {
  Variable var;
  Expr start;
  Expr stop;
  int64_t step = 1;
  std::vector<Statement> body;
};

struct Statement {
  std::variant<Let, For, Op> node;
};
using Body = std::vector<Statement>;

/*! A kernel parameter; shapes as the source has it, on the device, and there in whole tiles. */
struct Tensor {
  std::string name;
  /*! input or output. */
  std::string role;
  std::vector<int64_t> shape;
  std::vector<int64_t> device_shape;
  std::vector<int64_t> padded_shape;
  Layout layout;
  int64_t page_bytes = 0;
  int64_t pages = 0;
  Location at;

  /*! Which of the dimensions of `shape` comes where on the device, outermost first. */
  std::vector<int64_t> Order() const;
  /*! How many tiles it is computed with, whatever its pages are. */
  int64_t Tiles() const;
};

/*! A queue of tiles in L1 between two of a core's programs. */
struct CircularBuffer {
  std::string name;
  std::optional<std::string> tensor;
  /*! input, output or intermediate. */
  std::string role;
  std::string dtype;
  int64_t page_bytes = 0;
  int64_t pages = 0;
};

/*! The work of one core: `count` output tiles, from `start` on, in the tile order. */
struct CoreWork {
  Grid core;
  int64_t start = 0;
  int64_t count = 0;
};

/*! How the output tiles are dealt to cores. */
struct Partition {
  /*! global or local_shard. */
  std::string mode;
  std::string tile_order;
  /*! Rows and columns of output tiles. */
  Grid tiles;
  /*! The tiles that each of them is reduced over. */
  int64_t len_k = 1;
  std::vector<CoreWork> cores;
  /*! Rows and columns of the tiles that the order takes together, where it does. */
  std::optional<Grid> block;
};

/*! One of the three programs of a core. */
struct Program {
  std::string name;
  /*! The tensors that it reaches. */
  std::vector<std::string> tensors;
  /*! Compile-time arguments; their slots are the first ones. */
  std::vector<std::pair<std::string, int64_t>> constants;
  /*! Arguments of each core; their slots come behind those of the constants. */
  std::vector<std::string> argument_names;
  /*! `arguments[i]` for `partition.cores[i]`, in the order of the names. */
  std::vector<std::vector<int64_t>> arguments;
  Body body;
  /*! How many slots there are. */
  int slots = 0;
};

struct Plan {
  /*! The kernel source's file. */
  std::string source;
  const Architecture* arch = nullptr;
  std::vector<Tensor> tensors;
  /*! In the order of their indices. */
  std::vector<CircularBuffer> circular_buffers;
  /*! Bytes of L1 on each core for circular buffers and tensors, and for tensors alone. */
  int64_t l1_used_bytes = 0;
  int64_t l1_tensor_bytes = 0;
  std::vector<CoreRange> core_ranges;
  Partition partition;
  /*! Tiles that one side of DST holds. */
  int64_t dst_tiles = 0;
  /*! reader, compute and writer. */
  std::array<Program, 3> programs;

  /*! The tensor called `name`, nullptr where there is none. */
  const Tensor* FindTensor(const std::string& name) const;
};

/*! At most so many circular buffers has a plan: their indices are 0 to 31. */
inline constexpr size_t kBuffers = 32;

}  // namespace ttgen::plan
