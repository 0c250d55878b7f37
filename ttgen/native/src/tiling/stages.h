// The stages of an output tile, in the order in which they run, and the tiles between them
// (ttgen/passes/tiling/stages.py).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "analysis/expr.h"
#include "base/ir.h"
#include "base/tables.h"
#include "tiling/dimensions.h"
#include "tiling/marks.h"
#include "tiling/meanwhile.h"

namespace ttgen {

/*! The formats of a kernel's tensors, by name. */
using TensorFormats = std::vector<std::pair<std::string, std::string>>;
/*! The buffers that hold constant pages, in the order in which they were made. */
using ConstTiles = std::vector<std::pair<std::vector<ConstantPage>, VarRef>>;

/*! The format of temporary and constant tiles of a kernel with tensors of these formats. */
const Format& WorkingFormat(const TensorFormats& formats);

/*! A tile in memory: page `page` of `buffer`, in `frame`. */
struct Tile {
  VarRef buffer;
  ExprRef page;
  Frame frame;
};

/*! The statements, of which there is one at least, as one. */
StmtRef Sequence(const std::vector<StmtRef>& body);

/*! What has been emitted so far. */
class Stages {
 public:
  /*!
   * `output`: the type of the output, which others follow. `buffers` and `const_tiles`: what parts
   * of an output share, to which this adds. All of them outlive this.
   */
  Stages(Dimensions& dims, const tir::BufferType* output, const TensorFormats& formats,
         std::vector<VarRef>& buffers, ConstTiles& const_tiles);
  Stages(const Stages&) = delete;
  Stages& operator=(const Stages&) = delete;

  /*!
   * The loops of the reductions whose operands are being made, outermost first: a temporary tile
   * that moves with some of them is made in each of their iterations.
   */
  std::vector<Dim> loops;

  /*! The stages; while a stream is made, those of a chunk. */
  const std::vector<StmtRef>& Parts() const { return *parts_; }

  /*! The format of temporary and constant tiles. */
  const Format& Working() const { return working_; }
  /*! The format that the tile is kept in. */
  const Format& FormatOf(const Tile& tile) const;

  /*! What keeps something as it says while it lives. */
  using InLoops = Meanwhile<std::vector<Dim>>;
  struct OutsideStream {
    Meanwhile<std::vector<StmtRef>*> parts;
    Dimensions::Divided divided;
  };

  /*! While what this gives lives, what is added is made for each iteration of `around`. */
  [[nodiscard]] InLoops Inside(std::vector<Dim> around) { return {&loops, std::move(around)}; }
  /*! While what this gives lives, what is added is made once, before the current stream. */
  [[nodiscard]] OutsideStream BeforeStream() { return {{&parts_, before_}, dims_.Undivided()}; }
  /*! What `make()` adds is made for each chunk of `tiles` along `dim`. */
  template <class Make>
  void Streaming(const Dim& dim, int64_t tiles, const Make& make);

  /*!
   * The current loops over any of `dims`. One of which the last chunk has fewer is innermost:
   * elsewhere it leaves pages in between.
   */
  std::vector<Dim> MovingWith(const DimSet& dims) const;
  /*! The page of a temporary tile that moves with the current loops. */
  ExprRef Page() const { return dims_.Number(loops); }
  /*! Operations and a pack; in loops of their own where they make a tile per iteration. */
  void Add(std::vector<StmtRef> operations, const VarRef& target, const ExprRef& page,
           const Location& at);

  /*! A buffer for tiles that one stage makes and another reads. */
  VarRef Temporary() { return NewBuffer("tmp", kTemporary); }
  /*! A buffer of tiles that hold one number everywhere, a tile for each of `values`. */
  VarRef Constant(const std::vector<double>& values);
  /*! A tile of a mask: it has a page of its own for the last tile along the dimension. */
  Tile MaskTile(const Expr& mask, const Frame& frame);
  /*!
   * A tile of a triangle: its pages are for tiles beside the diagonal and across it. LoweringError
   * where the triangle is not one of the rows and columns of `frame`.
   */
  Tile TriangleTile(const Expr& triangle, const Frame& frame);

 private:
  VarRef ConstantBuffer(const std::string& wish, std::vector<ConstantPage> pages);
  VarRef NewBuffer(const std::string& wish, const std::string& scope);

  Dimensions& dims_;
  const tir::BufferType* const output_;
  const TensorFormats& formats_;
  const Format& working_;
  std::vector<VarRef>& buffers_;
  ConstTiles& const_tiles_;
  std::vector<StmtRef> outermost_;
  /*! Where stages are added. */
  std::vector<StmtRef>* parts_ = &outermost_;
  /*! While a stream is made, the stages before it. */
  std::vector<StmtRef>* before_ = nullptr;
};

template <class Make>
void Stages::Streaming(const Dim& dim, int64_t tiles, const Make& make) {
  std::vector<StmtRef> chunk;
  const Meanwhile before(&before_, parts_);
  const Meanwhile parts(&parts_, &chunk);
  const Dimensions::ChunkLoop loop = dims_.InChunks(dim, tiles);
  const InLoops inside = Inside({});
  make();
  before_->push_back(loop.Around(Sequence(chunk)));
}

}  // namespace ttgen
