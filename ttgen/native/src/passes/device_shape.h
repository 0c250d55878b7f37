// How a tensor's dimensions lie on the device, where the last two make tiles
// (ttgen/passes/device_shape.py).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "analysis/computation.h"
#include "analysis/expr.h"
#include "base/tables.h"

namespace ttgen {

/*! A dimension of extent 1, added so that there are two. */
inline const Dim kOne;

/*!
 * What a tensor's last dimensions are on the device. A result keeps there, with extent 1, what has
 * been reduced away: kColumn has lost the columns of its tiles, kRow the rows, and kPoint both.
 * kTiles has lost none, or all there was.
 */
enum class Form { kTiles, kColumn, kRow, kPoint };

/*! As messages call it: "columns of tiles". */
std::string FormText(Form form);

/*! `items`, one for each dimension, with `one` for each that is added. */
template <class T>
std::vector<T> WithOnes(Form form, std::vector<T> items, const T& one) {
  switch (form) {
    case Form::kColumn:
      items.push_back(one);
      break;
    case Form::kRow:
      items.insert(items.end() - 1, one);
      break;
    case Form::kPoint:
      items.insert(items.end(), 2, one);
      break;
    case Form::kTiles:
      if (items.size() < 2) items.insert(items.begin(), 2 - items.size(), one);
      break;
  }
  return items;
}

/*! The form of the output; LoweringError where its parts differ in theirs. */
Form OutputForm(const Computation& computation);
/*! How a tensor is visited on the device, where it has at least two dimensions. */
std::vector<Index> DeviceView(const Access& access, Form form = Form::kTiles);
/*! A tensor's extents on the device, of which there are at least two. */
std::vector<int64_t> DeviceShape(const std::vector<int64_t>& shape, Form form = Form::kTiles);
/*! `shape`, of at least two extents, in whole tiles. */
std::vector<int64_t> Padded(std::vector<int64_t> shape);
/*! The dimensions of a tensor on the device, which has at least two. */
std::vector<Dim> AsTiles(std::vector<Dim> dims);
/*! The last two of a tensor's dimensions on the device. */
std::pair<Dim, Dim> RowsAndColumns(const Access& access);
/*! The dimensions that make tiles of what is in `expr`, in the order of its loads, each once. */
std::vector<Dim> TileDims(const Expr& expr);
/*! Tiles that cover a dimension of `extent` elements, the last one perhaps in part. */
int64_t TilesAlong(int64_t extent);
/*! The dimensions that the value depends on. */
DimSet FreeDims(const Expr& expr);
/*! Whether `dim` is one of them. */
bool DependsOn(const Expr& expr, const Dim& dim);
/*!
 * Tiles that the longest reduction in `expr` adds up for one tile of the value. `around`: the trips
 * of the loops around it. A reduction inside another one is made in each of the iterations that it
 * depends on.
 */
int64_t Steps(const Expr& expr, const DimMap<int64_t>& around = {});

}  // namespace ttgen
