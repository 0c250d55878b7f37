// Boxes: the part of a tensor that a store fills (ttgen/analysis/boxes.py).
#pragma once

#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "analysis/stores.h"

namespace ttgen {

/*! `count` elements along a dimension, from `start` in steps of `step`, which is positive. */
struct Side {
  int64_t start = 0;
  int64_t count = 0;
  int64_t step = 1;

  /*! The element after the last one. */
  int64_t Stop() const { return start + step * (count - 1) + 1; }
  /*! Whether there may be an element in both. */
  bool Meets(const Side& other) const;
  bool operator==(const Side& other) const { return Key() == other.Key(); }
  bool operator<(const Side& other) const { return Key() < other.Key(); }

 private:
  std::tuple<int64_t, int64_t, int64_t> Key() const { return {start, count, step}; }
};

/*! One side for each index of a buffer. */
struct Box {
  std::vector<Side> sides;

  /*! How many elements there are. */
  int64_t Elements() const;
  /*! Whether the boxes overlap. */
  bool Meets(const Box& other) const;
  /*! Whether all of `read` is inside, or nothing; Restart where a part of it is. */
  bool Holds(const Access& read) const;
  bool operator==(const Box& other) const { return sides == other.sides; }
};

/*! What a store fills; LoweringError where that is no box. */
Box BoxOf(const Access& target, const Location& at);

/*! What is stored to each box, in order; Restart where two boxes overlap in part. */
std::vector<std::pair<Box, StoreRefs>> Separate(const StoreRefs& stores);

/*! The boxes, which do not overlap, leave no element of `buffer` out. */
void CheckCovers(const VarRef& buffer, const std::vector<Box>& boxes, const Location& at);

}  // namespace ttgen
