// Axes of iteration and affine index arithmetic over them (ttgen/analysis/index.py).
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ir.h"

namespace ttgen {

/*! One loop: `extent` iterations from 0. `serial` tells apart loops of the same name. */
struct Axis {
  std::string name;
  int64_t extent = 0;
  int64_t serial = 0;

  bool operator==(const Axis& other) const {
    return serial == other.serial && extent == other.extent && name == other.name;
  }
  bool operator!=(const Axis& other) const { return !(*this == other); }
  bool operator<(const Axis& other) const { return serial < other.serial; }
};

struct AxisHash {
  size_t operator()(const Axis& axis) const { return std::hash<int64_t>()(axis.serial); }
};
/*! Axes in the order of the program. */
using AxisSet = std::set<Axis>;

/*!
 * One logical dimension: a loop, or several that an author split it into, outermost first. Two
 * accesses that use the same dimension move together, whatever buffers and loops are called.
 */
struct Dim {
  std::vector<Axis> axes;

  /*! Elements. */
  int64_t Extent() const;
  /*! The outermost loop's name; "one" for a dimension of extent 1. */
  std::string Name() const;
  bool operator==(const Dim& other) const { return axes == other.axes; }
  bool operator!=(const Dim& other) const { return axes != other.axes; }
};

struct DimHash {
  size_t operator()(const Dim& dim) const;
};
using DimSet = std::unordered_set<Dim, DimHash>;
template <class T>
using DimMap = std::unordered_map<Dim, T, DimHash>;

/*! An index as a dimension visits it: `start + step * n` for the n-th of `dim`. */
struct Index {
  Dim dim;
  /*! That of the tensor's own dimension: the elements that there are. */
  int64_t extent = 0;
  int64_t start = 0;
  int64_t step = 1;

  /*! Whether the last element visited is the tensor's last one. */
  bool ReachesEnd() const;
  std::string Str() const;
  bool operator==(const Index& other) const {
    return dim == other.dim && extent == other.extent && start == other.start && step == other.step;
  }
  bool operator!=(const Index& other) const { return !(*this == other); }
};

/*! `sum(coefficient * axis) + offset`; terms in the order of Python's dict, none of them zero. */
class Affine {
 public:
  using Term = std::pair<Axis, int64_t>;
  std::vector<Term> terms;
  int64_t offset = 0;

  Affine() = default;
  explicit Affine(int64_t offset) : offset(offset) {}
  Affine(std::vector<Term> terms, int64_t offset) : terms(std::move(terms)), offset(offset) {}

  /*! The coefficient of `axis`, 0 if it is in no term. */
  int64_t Coefficient(const Axis& axis) const;
  bool Has(const Axis& axis) const { return Coefficient(axis) != 0; }
  Affine operator+(const Affine& other) const;
  Affine operator-(const Affine& other) const;
  Affine Scaled(int64_t factor) const;
  /*! This with values in the place of some axes. */
  Affine Of(const std::vector<std::pair<Axis, Affine>>& values) const;
  /*! The smallest and the largest value. */
  std::pair<int64_t, int64_t> Bounds() const;
  /*! Equal whatever the order of their terms. */
  bool operator==(const Affine& other) const;
  bool operator!=(const Affine& other) const { return !(*this == other); }
  size_t Hash() const;
};

/*! Values of axes; as Python's dict, in the order of insertion. */
using AxisValues = std::vector<std::pair<Axis, Affine>>;

/*!
 * The analysis begins again, with `axis` in two: as outer and inner loop of `inner` iterations, or,
 * where `at` is given, before and from that iteration.
 */
struct Restart : std::exception {
  explicit Restart(Axis axis, int64_t inner = 0, int64_t at = 0)
      : axis(std::move(axis)), inner(inner), at(at) {}

  Axis axis;
  int64_t inner;
  int64_t at;
};

/*! What each variable in scope stands for. Scopes share what is outside of them. */
class Scope {
 public:
  const Affine* Find(const VarRef& var) const;
  Scope With(const VarRef& var, const Affine& value) const;
  /*! Every value with others in the place of some axes. */
  Scope Of(const AxisValues& values) const;

 private:
  std::shared_ptr<const VarMap<Affine>> values_ = std::make_shared<VarMap<Affine>>();
};

/*!
 * `index` as an affine expression of axes; LoweringError where it is not one. Restart asks for a
 * loop to be taken apart where a quotient or a remainder is affine then.
 */
Affine ToAffine(const ExprRef& index, const Scope& scope, const Location& at);

/*! Quotient and remainder, if they are affine; Restart if they are once a loop is in two. */
std::optional<std::pair<Affine, Affine>> Divided(const Affine& value, int64_t divisor);

/*!
 * How `index` visits a dimension of `extent` elements, if it visits none of them twice: its axes
 * form a positional number system.
 */
std::optional<Index> Dimension(const Affine& index, int64_t extent);

}  // namespace ttgen
