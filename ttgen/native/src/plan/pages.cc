#include "plan/pages.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "plan/trace.h"

// An operation's page is an expression of loop variables. Instead of walking the loops of every
// core, their iterations are rows of a table, a loop makes more rows of it, and the expression is
// evaluated on whole columns. The table holds only the variables that the page depends on, so that
// a tile that a thousand iterations read again is one row.

namespace ttgen::plan {
namespace {

using Column = std::vector<int64_t>;

// Columns ----------------------------------------------------------------------------------------

template <class Function>
void ForEach(Column* left, const Column& right, Function function) {
  for (size_t row = 0; row < right.size(); ++row) {
    (*left)[row] = function((*left)[row], right[row]);
  }
}

/*! Divisors; ZeroDivision, in NumPy's words, where one is 0. */
const Column& NotZero(const Column& divisors, const char* problem) {
  const bool has_zero = std::find(divisors.begin(), divisors.end(), 0) != divisors.end();
  if (has_zero) throw ZeroDivision{problem};
  return divisors;
}

/*! The operator on each row of `left` and `right`; `left` becomes the result. */
template <Expr::Kind kind>
void ApplyTo(Column* left, const Column& right) {
  ForEach(left, right, [](int64_t a, int64_t b) { return Apply(kind, a, b); });
}

void ApplyTo(Expr::Kind kind, Column* left, const Column& right) {
  switch (kind) {
    case Expr::Kind::kAdd:
      return ApplyTo<Expr::Kind::kAdd>(left, right);
    case Expr::Kind::kSub:
      return ApplyTo<Expr::Kind::kSub>(left, right);
    case Expr::Kind::kMul:
      return ApplyTo<Expr::Kind::kMul>(left, right);
    case Expr::Kind::kFloorDiv:
      return ApplyTo<Expr::Kind::kFloorDiv>(
          left, NotZero(right, "divide by zero encountered in floor_divide"));
    case Expr::Kind::kFloorMod:
      return ApplyTo<Expr::Kind::kFloorMod>(
          left, NotZero(right, "divide by zero encountered in remainder"));
    case Expr::Kind::kMin:
      return ApplyTo<Expr::Kind::kMin>(left, right);
    default:
      return ApplyTo<Expr::Kind::kMax>(left, right);
  }
}

/*! Columns of variables; a row is an iteration of the loops so far, on some core. */
class Table {
 public:
  /*! A row for each core, with those of its variables that are `needed`. */
  Table(const Program& program, const SlotSet& needed) : rows_(program.arguments.size()) {
    std::vector<Column> values;
    for (size_t core = 0; core < rows_; ++core) values.push_back(FirstValues(program, core));
    for (int slot : needed) {
      Column& column = Add(slot);
      for (const Column& of_core : values) column.push_back(of_core[slot]);
    }
  }

  /*! The values of `expr` in all rows; ZeroDivision. */
  Column Evaluated(const Expr& expr) const {
    if (expr.kind == Expr::Kind::kNumber) return Column(rows_, expr.value);
    if (expr.kind == Expr::Kind::kVariable) return ColumnOf(static_cast<int>(expr.value));
    Column result = Evaluated(expr.operands[0]);
    ApplyTo(expr.kind, &result, Evaluated(expr.operands[1]));
    return result;
  }

  void Bind(const Let& let) {
    Column values = Evaluated(let.value);
    Add(let.var.slot) = std::move(values);
  }

  /*! Drop the columns that are not `needed`. */
  void Keep(const SlotSet& needed) {
    auto is_done = [&](const auto& one) { return !needed.count(one.first); };
    columns_.erase(std::remove_if(columns_.begin(), columns_.end(), is_done), columns_.end());
  }

  /*! Keep one of each of the rows that are equal. */
  void MakeDistinct() {
    std::vector<uint32_t> chosen = DistinctRows();
    if (chosen.size() == rows_) return;
    for (auto& [slot, column] : columns_) column = Chosen(column, chosen);
    rows_ = chosen.size();
  }

  /*!
   * A row for each iteration; where the loop's variable is not needed `later`, one for all of them
   * where there are any, if `is_distinct`.
   */
  void Loop(const For& loop, const SlotSet& later, bool is_distinct) {
    const Column start = Evaluated(loop.start), stop = Evaluated(loop.stop);
    const int64_t most = is_distinct && !later.count(loop.var.slot) ? 1 : INT64_MAX;
    std::vector<uint32_t> rows;
    Column values;
    for (size_t row = 0; row < rows_; ++row) {
      const int64_t trips = std::min(most, Trips(start[row], stop[row], loop.step));
      rows.insert(rows.end(), trips, static_cast<uint32_t>(row));
      for (int64_t i = 0; i < trips; ++i) values.push_back(start[row] + i * loop.step);
    }
    for (auto& [slot, column] : columns_) column = Chosen(column, rows);
    rows_ = rows.size();
    Add(loop.var.slot) = std::move(values);
  }

 private:
  Column& Add(int slot) { return columns_.emplace_back(slot, Column()).second; }

  const Column& ColumnOf(int slot) const {
    auto is_it = [&](const auto& one) { return one.first == slot; };
    auto found = std::find_if(columns_.begin(), columns_.end(), is_it);
    TVM_FFI_ICHECK(found != columns_.end()) << "a column that was needed";
    return found->second;
  }

  static Column Chosen(const Column& column, const std::vector<uint32_t>& rows) {
    Column chosen(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) chosen[i] = column[rows[i]];
    return chosen;
  }

  /*! Of the rows that are equal, the first ones. */
  std::vector<uint32_t> DistinctRows() const {
    constexpr uint32_t kFree = UINT32_MAX;
    size_t places = 16;
    while (places < 2 * rows_) places *= 2;
    std::vector<uint32_t> taken(places, kFree), chosen;
    for (size_t row = 0; row < rows_; ++row) {
      size_t place = Hash(row) & (places - 1);
      while (taken[place] != kFree && !IsSame(taken[place], row)) {
        place = (place + 1) & (places - 1);
      }
      if (taken[place] != kFree) continue;
      taken[place] = static_cast<uint32_t>(row);
      chosen.push_back(static_cast<uint32_t>(row));
    }
    return chosen;
  }

  size_t Hash(size_t row) const {
    constexpr uint64_t kFactor = 0x9E3779B97F4A7C15;
    uint64_t hash = 0;
    for (const auto& [slot, column] : columns_) {
      hash = (hash ^ static_cast<uint64_t>(column[row])) * kFactor;
      hash ^= hash >> 32;
    }
    return hash;
  }

  bool IsSame(size_t row, size_t other) const {
    return std::all_of(columns_.begin(), columns_.end(),
                       [&](const auto& one) { return one.second[row] == one.second[other]; });
  }

  size_t rows_;
  std::vector<std::pair<int, Column>> columns_;
};

// Accesses ---------------------------------------------------------------------------------------

/*! A binding or a loop around an operation. */
using Around = std::variant<const Let*, const For*>;

/*! An operation on a page, with the bindings and loops around it, outermost first. */
struct Access {
  const Op* op;
  std::vector<Around> around;

  bool IsWrite() const { return op->row->transfer == "write"; }
  const std::string& TensorName() const { return (*op)["tensor"].name; }
};

/*! Adds the operations of `body` that name a page of a tensor. */
void AddAccesses(const Body& body, std::vector<Around> around, std::vector<Access>* accesses) {
  for (const Statement& statement : body) {
    if (auto let = std::get_if<Let>(&statement.node)) {
      around.push_back(let);
    } else if (auto loop = std::get_if<For>(&statement.node)) {
      around.push_back(loop);
      AddAccesses(loop->body, around, accesses);
      around.pop_back();
    } else if (auto op = std::get_if<Op>(&statement.node); !op->row->transfer.empty()) {
      accesses->push_back({op, around});
    }
  }
}

/*!
 * The variables that the page of `access` depends on: before all of what is around it, and after
 * each of that.
 */
std::vector<SlotSet> NeededOf(const Access& access) {
  SlotSet needed;
  AddVariables((*access.op)["page"].expr, &needed);
  std::vector<SlotSet> result = {needed};
  for (auto one = access.around.rbegin(); one != access.around.rend(); ++one) {
    if (auto let = std::get_if<const Let*>(&*one)) {
      if (needed.erase((*let)->var.slot)) AddVariables((*let)->value, &needed);
    } else {
      const For& loop = *std::get<const For*>(*one);
      needed.erase(loop.var.slot);
      AddVariables(loop.start, &needed);
      AddVariables(loop.stop, &needed);
    }
    result.push_back(needed);
  }
  std::reverse(result.begin(), result.end());
  return result;
}

/*! The pages, over all cores: of every write each execution's, of a read with few repeats. */
Column PagesOf(const Access& access, const Program& program) {
  const std::vector<SlotSet> needed = NeededOf(access);
  Table table(program, needed.front());
  for (size_t i = 0; i < access.around.size(); ++i) {
    const SlotSet& later = needed[i + 1];
    if (auto loop = std::get_if<const For*>(&access.around[i])) {
      if (!access.IsWrite()) table.MakeDistinct();
      table.Loop(**loop, later, !access.IsWrite());
    } else if (const Let& let = *std::get<const Let*>(access.around[i]);
               later.count(let.var.slot)) {
      table.Bind(let);
    }
    table.Keep(later);
  }
  return table.Evaluated((*access.op)["page"].expr);
}

// The rule ---------------------------------------------------------------------------------------

/*! How often each page of the outputs is written. */
using Written = std::map<std::string, std::vector<int64_t>>;

Verdict Outside(const Tensor& tensor, const Column& touched, const Op& op,
                const std::string& path) {
  if (touched.empty()) return std::nullopt;
  const auto [least, most] = std::minmax_element(touched.begin(), touched.end());
  for (int64_t page : {*least, *most}) {
    if (0 <= page && page < tensor.Tiles()) continue;
    const char* done = op.row->transfer == "write" ? " is written" : " is read";
    return Violation{path,
                     "page " + std::to_string(page) + " of '" + tensor.name + "'" + done +
                         "; it has " + std::to_string(tensor.Tiles()),
                     op.At()};
  }
  return std::nullopt;
}

/*! Checks the pages of `access`, and counts them where it is a write. */
Verdict Checked(const Plan& plan, const Program& program, const Access& access, Written* written) {
  const std::string path = "programs." + program.name + ".body";
  const Op& op = *access.op;
  const std::string& name = access.TensorName();
  auto output = written->find(name);
  if (access.IsWrite() != (output != written->end())) {
    const bool is_write = access.IsWrite();
    const char* what = is_write ? "written, but it is an input" : "read, but it is an output";
    return Violation{path, "'" + name + "' is " + what, op.At()};
  }
  Column touched;
  try {
    touched = PagesOf(access, program);
  } catch (const ZeroDivision& error) {
    return Violation{path, "the page of " + op.row->name + " cannot be evaluated: " + error.problem,
                     op.At()};
  }
  if (Verdict outside = Outside(*plan.FindTensor(name), touched, op, path)) return outside;
  if (access.IsWrite()) {
    for (int64_t page : touched) ++output->second[page];
  }
  return std::nullopt;
}

Verdict Once(const std::string& tensor, const std::vector<int64_t>& counts) {
  const std::string path = "programs.writer.body";
  auto text = [&](auto found) {
    return "page " + std::to_string(found - counts.begin()) + " of '" + tensor + "' is ";
  };
  auto missing = std::find(counts.begin(), counts.end(), 0);
  if (missing != counts.end()) return Violation{path, text(missing) + "never written"};
  auto repeated = std::find_if(counts.begin(), counts.end(), [](int64_t n) { return n > 1; });
  if (repeated == counts.end()) return std::nullopt;
  return Violation{path, text(repeated) + "written " + std::to_string(*repeated) + " times"};
}

}  // namespace

Verdict PagesTouched(const Plan& plan) {
  Written written;
  for (const Tensor& tensor : plan.tensors) {
    if (tensor.role == "output") written[tensor.name].resize(tensor.Tiles());
  }
  for (const Program& program : plan.programs) {
    std::vector<Access> accesses;
    AddAccesses(program.body, {}, &accesses);
    for (const Access& access : accesses) {
      if (Verdict broken = Checked(plan, program, access, &written)) return broken;
    }
  }
  for (const Tensor& tensor : plan.tensors) {
    if (tensor.role != "output") continue;
    if (Verdict broken = Once(tensor.name, written.at(tensor.name))) return broken;
  }
  return std::nullopt;
}

}  // namespace ttgen::plan
