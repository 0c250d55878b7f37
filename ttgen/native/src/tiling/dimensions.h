// Dimensions as loops over tiles: their variables, their extents, and the pages that they mean
// (ttgen/passes/tiling/dimensions.py).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "analysis/expr.h"
#include "base/ir.h"
#include "tiling/meanwhile.h"

namespace ttgen {

/*! Names for new variables: identifiers made from the source's, none used twice. */
class Names {
 public:
  explicit Names(std::unordered_set<std::string> taken) : taken_(std::move(taken)) {}
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  /*! `wish` as an identifier, with a number where it is taken. */
  std::string Fresh(const std::string& wish);

 private:
  std::unordered_set<std::string> taken_;
};

/*! The dimensions that the rows and columns of a tile run over. */
struct Frame {
  Dim rows;
  Dim columns;

  /*! The frame in which `expr` has its values: without the dimensions it does not use. */
  Frame Narrowed(const Expr& expr) const;
  /*! How a tile in `inner` becomes one in this frame: ROW, COL, SCALAR; "" if it is one already. */
  std::string BroadcastOf(const Frame& inner) const;
  bool operator==(const Frame& other) const {
    return rows == other.rows && columns == other.columns;
  }
  bool operator!=(const Frame& other) const { return !(*this == other); }
};

/*!
 * The loops over tiles of one kernel.
 *
 * The rows and columns of the output, and what it is reduced over, are counted in tiles (Mt, Nt,
 * Kt, and `suffix`), batch dimensions in elements. Loops over a dimension in chunks run over the
 * current one. Dimensions that are asked about have been declared.
 */
class Dimensions {
  /*! The parameter that holds a size, and its value. */
  struct Size {
    VarRef var;
    int64_t value = 0;
  };
  /*! `extent`: iterations, tiles or elements. */
  struct Declared {
    Dim dim;
    VarRef var;
    Size extent;
  };
  /*! `dim` in `count` chunks of `tiles`. */
  struct ChunkSizes {
    Dim dim;
    Size tiles;
    Size count;
  };
  /*! The dimension that is in chunks; `at` is the number of the current one. */
  struct Chunks {
    VarRef at;
    ChunkSizes sizes;
  };

 public:
  /*! `names` outlives this. */
  explicit Dimensions(Names& names, std::string suffix = "")
      : names(names), suffix_(std::move(suffix)) {}
  Dimensions(const Dimensions&) = delete;
  Dimensions& operator=(const Dimensions&) = delete;

  Names& names;
  /*! Those that make tiles. */
  DimSet tiled;
  /*! Those that a reduction has a loop over. */
  DimSet reduced;

  /*! Whether `dim` has a loop. */
  bool Has(const Dim& dim) const { return Find(dim) != nullptr; }
  /*! The extents of all loops, as parameters. */
  std::vector<VarRef> Symbols() const;
  /*! Their names and values, in the same order. */
  std::vector<std::pair<std::string, int64_t>> Constants() const;

  /*! The dimensions of the output; `rows` and `columns` name the extents of these. */
  void DeclareOutput(const std::vector<Dim>& batch, const Frame& frame,
                     const std::string& rows = "Mt", const std::string& columns = "Nt");
  /*! The dimensions of a reduction, of which those `in_tiles` make tiles of its tensors. */
  void DeclareReduced(const Expr& reduce, const DimSet& in_tiles);

  /*! The loop over `dim` around `body`. */
  ForRef Loop(const Dim& dim, const StmtRef& body, const AttrMap& annotations) const;
  /*! The loop over `dim` with a new variable. */
  ForRef WithOwnVariable(const ForRef& loop, const Dim& dim);

  /*! While it lives, a dimension is in chunks, or none is. */
  using Divided = Meanwhile<std::optional<Chunks>>;
  struct ChunkLoop {
    const Chunks chunks;
    Divided divided;

    /*! The loop over the chunks around `body`. */
    ForRef Around(const StmtRef& body) const;
  };
  /*! `dim` is run over in chunks of `tiles` meanwhile; the last one may have fewer. */
  [[nodiscard]] ChunkLoop InChunks(const Dim& dim, int64_t tiles);
  /*! No dimension is in chunks meanwhile. */
  [[nodiscard]] Divided Undivided() { return {&chunks_, std::nullopt}; }

  /*!
   * The page of the tile at the current coordinates, in a tensor that is seen as `view`.
   *
   * `beside`: how many dimensions before the rows are outer parts of the columns.
   */
  ExprRef Page(std::vector<Index> view, size_t beside = 0) const;
  /*! The running number of the current iteration of the loops over `dims`, outermost first. */
  ExprRef Number(const std::vector<Dim>& dims) const;
  /*!
   * Pages of a buffer whose last one is for the last tile along `dim`, and the current one. One
   * page that all other tiles share comes first; there is none where there is but one tile.
   */
  std::pair<int64_t, ExprRef> LastPage(const Dim& dim) const;
  /*!
   * Pages of a buffer for the tiles of `frame` along a diagonal, and the current one. The diagonal
   * is where a row's number, less a column's, plus `offset` is zero. Each page is told by the
   * diagonal of its own rows and columns; all tiles that the diagonal is far from share one page on
   * either side of it.
   */
  std::pair<std::vector<int64_t>, ExprRef> AcrossDiagonal(const Frame& frame, int64_t offset) const;
  /*! Whether loops over `dim` may have fewer iterations in the last chunk. */
  bool IsUneven(const Dim& dim) const;

 private:
  const Declared* Find(const Dim& dim) const;
  const Declared& At(const Dim& dim) const;
  const Chunks* ChunksOf(const Dim& dim) const;
  void Declare(const Dim& dim, const std::string& extent_name, int64_t extent,
               const std::string& variable);
  const ChunkSizes& SizesOf(const Dim& dim, int64_t tiles);
  template <class Visit>
  void EachSize(const Visit& visit) const;
  ExprRef Along(const Index& index, int64_t start) const;
  ExprRef SizeOrName(const Dim& dim, int64_t size) const;
  const Size& MostTrips(const Dim& dim) const;
  ExprRef Trips(const Dim& dim) const;
  ExprRef Place(const Dim& dim) const;

  const std::string suffix_;
  /*! Few: they are looked for one by one. */
  std::vector<Declared> declared_;
  std::vector<ChunkSizes> chunk_sizes_;
  std::optional<Chunks> chunks_;
};

}  // namespace ttgen
