// The tables of operations, formats and architectures. Their rows are generated from the Python
// tables (ttgen/native/tables.py), so that an addition is made in one place.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ttgen {

/*! Columns and rows, or rows and columns, as the context says. */
using Grid = std::pair<int64_t, int64_t>;

/*! A row of ttgen/vector.py. */
struct VectorOp {
  std::string name;
  int operands;
  bool is_finite;
  bool needs_fp32;
  std::vector<int> chooses;
  /*! How TVM calls it, "" if it is no call there. */
  std::string source;
  /*! What the tile operations of so many operands are called: unary, binary, ternary. */
  std::string form;
  /*! Whether zeros give zero: padding need not be masked. */
  bool keeps_zero;

  /*! What it makes of numbers; nothing where that is none. */
  std::optional<double> Folded(const std::vector<double>& values) const;
};

/*! The row called `name`; std::out_of_range where there is none. */
const VectorOp& VectorRow(const std::string& name);
/*! Every row, in the order of the table. */
const std::vector<VectorOp>& VectorRows();
/*! The row that TVM calls `source`, nullptr where there is none. */
const VectorOp* VectorCall(const std::string& source);
/*! The comparison that is `name` with its operands exchanged, "" where `name` is none. */
std::string Exchanged(const std::string& name);
/*! Whether `name` gives 1 or 0. */
bool IsTruth(const std::string& name);
/*! What comes near to an operation that has no device form, "" if nothing does. */
std::string NearestOp(const std::string& name);

/*! What an argument of an operation is, in the order of ttgen.ops.Kind. */
enum class ArgKind {
  kCb,
  kTensor,
  kExpr,
  kBroadcast,
  kPool,
  kReduceDim,
  kUnary,
  kBinary,
  kTernary
};
/*! As messages call it: "circular buffer". */
std::string ArgKindText(ArgKind kind);
/*! The words that an argument may be; none for buffers, tensors and expressions. */
const std::vector<std::string>& WordsOf(ArgKind kind);

/*! A row of ttgen/ops.py. */
struct TileOp {
  std::string name;
  std::vector<std::string> programs;
  std::vector<std::pair<std::string, ArgKind>> params;
  /*! The parameters that index DST registers. */
  std::vector<std::string> dst;
  /*! "read", "write" or "". */
  std::string transfer;
};

/*! The operation called `name`, nullptr where there is none. */
const TileOp* FindTileOp(const std::string& name);
/*! Every operation, in the order of the table. */
const std::vector<TileOp>& TileOps();
/*! reader, compute, writer. */
const std::vector<std::string>& ProgramNames();

/*! A row of `TILE_MATH` (ttgen/passes/intrin.py). */
struct TileMath {
  std::string name;
  int operands;
  std::string device;
  std::string init;
  int words;
  std::string startup;
  std::optional<std::string> uninit;
  std::vector<std::string> sources;
  int registers;
};

/*! The operation called `name`, nullptr where there is none. */
const TileMath* FindTileMath(const std::string& name);
/*! The names of all of them, in the order of the table. */
const std::vector<std::string>& TileMathNames();

/*! A row of ttgen/formats.py. */
struct Format {
  std::string name;
  int64_t tile_bytes;
  /*! The TVM dtype that it is the default for, "" if none. */
  std::string source_dtype;
  /*! "float", "block" or "integer". */
  std::string kind;
  /*! Bytes of one value; 0 in blocks, where values have none of their own. */
  int64_t value_bytes;
  bool is_wide;
  /*! What no finite value is less than. */
  double lowest;
};

const std::vector<Format>& Formats();
/*! The row called `name`, nullptr where there is none. */
const Format* FindFormat(const std::string& name);
/*! The format that a TVM dtype has by default, nullptr where there is none. */
const Format* FormatOfDtype(const std::string& dtype);
/*! What temporary and constant tiles of a kernel with tensors of these formats are kept in. */
const Format& WorkingFormat(const std::vector<std::string>& names);
/*! `value` rounded to bf16, halves to even. */
double NearestBf16(double value);

/*! A row of ttgen/arch.py. */
struct Architecture {
  std::string name;
  Grid grid;
  int64_t l1_bytes;
  bool fp32_sums;
  int64_t dram_alignment;
  int64_t l1_alignment;
  /*! Tiles of DST that a program may hold at once, by [fp32_dest_acc][dst_full_sync]. */
  std::array<std::array<int64_t, 2>, 2> dst;

  int64_t Alignment(const std::string& memory) const {
    return memory == "DRAM" ? dram_alignment : l1_alignment;
  }
  int64_t DstTiles(bool fp32_dest_acc, bool dst_full_sync) const {
    return dst[fp32_dest_acc][dst_full_sync];
  }
};

const std::vector<Architecture>& Architectures();
/*! The row called `name`, nullptr where there is none. */
const Architecture* FindArchitecture(const std::string& name);
/*! The row called `name`; TTError naming the known ones. */
const Architecture& ArchitectureOf(const std::string& name);

/*! Whether `key` is one of the attributes of ttgen/passes/attrs.py. */
bool IsAttribute(const std::string& key);

/*! Circular buffers per core. */
extern const int64_t kMaxCircularBuffers;
/*! Rows and columns of a tile, elements. */
inline constexpr int64_t kTile = 32;

}  // namespace ttgen
