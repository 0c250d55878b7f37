#include "persistent/coordinates.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>

#include "base/tables.h"
#include "passes/partition.h"
#include "plan/shards.h"

namespace ttgen {
namespace {

/*! Variables and their values, in order. */
using Bindings = std::vector<std::pair<VarRef, ExprRef>>;

/*! Each coordinate of an output tile, outermost first, and what is worked out on the way there. */
struct Worked {
  Bindings values;
  Bindings steps;
};

std::optional<Grid> GridOf(const Value& value) {
  if (value.IsNone()) return std::nullopt;
  return Grid(value[0].Int(), value[1].Int());
}

Let LetIn(Bindings* steps) {
  return [steps](const std::string& name, const ExprRef& value) -> ExprRef {
    if (IntValue(value)) return value;
    return steps->emplace_back(MakeVar(name), value).first;
  };
}

void AddVariables(const ExprRef& value, VarSet* found) {
  std::vector<VarRef> variables = Variables(value);
  found->insert(variables.begin(), variables.end());
}

/*! The steps that `values` need, in order. */
Bindings UsedBy(const Bindings& values, const Bindings& steps) {
  VarSet needed;
  for (const auto& [var, value] : values) AddVariables(value, &needed);
  Bindings kept;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (!needed.count(step->first)) continue;
    kept.push_back(*step);
    AddVariables(step->second, &needed);
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

/*! The grid of output tiles, in blocks that constants say where there are some. */
TileGrid GridOfTiles(const Coordinates& at, const ExprRef& rows, const ExprRef& columns) {
  BlockFacts facts = BlockFactsOf(*GridOf(at.partition["tiles"]), GridOf(at.partition["block"]));
  std::vector<ExprRef> own;
  for (const auto& [var, value] : at.constants) own.push_back(var);
  own.push_back(Int(facts.block.first));
  own.push_back(Int(facts.block.second));
  return {rows, columns, {own[0], own[1]}, facts.is_even, facts.halvings};
}

/*! A tile of the core's own shard: what comes before it is known. */
std::pair<ExprRef, ExprRef> InShard(const Coordinates& at, const ExprRef& tile,
                                    const TileGrid& grid, const Let& let) {
  const auto& [height, full_width] = grid.block;
  ExprRef top = Times(at.shard.first, height), left = Times(at.shard.second, full_width);
  ExprRef width = full_width;
  if (!grid.is_even.second) width = let("width", Minimum(width, Minus(grid.columns, left)));
  ExprRef inside = let("inside", Minus(tile, at.start));
  return {Plus(top, FloorDivide(inside, width)), Plus(left, FloorRemainder(inside, width))};
}

std::pair<ExprRef, ExprRef> PlaceOf(const Coordinates& at, const ExprRef& tile, const ExprRef& rows,
                                    Bindings* steps) {
  TileGrid grid = GridOfTiles(at, rows, at.nest.columns->extent);
  Let let = LetIn(steps);
  bool is_local = at.partition["mode"].Text() == "local_shard";
  auto [row, column] = is_local ? InShard(at, tile, grid, let)
                                : TilePlace(at.partition["tile_order"].Text(), tile, grid, let);
  if (at.nest.rows.size() > 1 && !steps->empty()) row = let("row", row);
  return {row, column};
}

Worked WorkOut(const Coordinates& at, const ExprRef& tile) {
  const Nest& nest = at.nest;
  Worked worked;
  ExprRef row = tile, column = tile;  // every order of a single row or column is this one
  if (nest.columns && !nest.rows.empty()) {
    ExprRef rows = Int(1);
    for (const ForRef& loop : nest.rows) {
      rows = IsOne(rows) ? loop->extent : Times(rows, loop->extent);
    }
    std::tie(row, column) = PlaceOf(at, tile, rows, &worked.steps);
  }
  if (nest.columns) worked.values.emplace_back(nest.columns->loop_var, column);
  for (auto loop = nest.rows.rbegin(); loop != nest.rows.rend(); ++loop) {
    bool is_outermost = loop + 1 == nest.rows.rend();
    const ExprRef& extent = (*loop)->extent;
    worked.values.emplace_back((*loop)->loop_var, is_outermost ? row : FloorRemainder(row, extent));
    if (!is_outermost) row = FloorDivide(row, extent);
  }
  std::reverse(worked.values.begin(), worked.values.end());
  return worked;
}

ExprRef Simplified(const ExprRef& expr) {
  constexpr int kSteps = 2;
  static const ffi::Function& analyzer = Global("sym.Analyzer");
  static const ffi::Function& simplify = Global("sym.AnalyzerSimplify");
  return To<tir::Expr>(simplify(analyzer(), expr, kSteps));
}

/*! Each of the pages without the tile's coordinates; none where that takes steps or a division. */
std::vector<ExprRef> SimplePages(const Coordinates& at, const ExprRef& tile,
                                 const std::vector<PageUse>& uses) {
  Worked worked = WorkOut(at, tile);
  if (!worked.steps.empty()) return {};
  VarValues values(worked.values.begin(), worked.values.end());
  std::vector<ExprRef> pages;
  for (const auto& [page, emit] : uses) {
    ExprRef simple = Simplified(Substitute(page, values));
    if (Divides(simple)) return {};
    pages.push_back(simple);
  }
  return pages;
}

}  // namespace

VarConstants PartitionConstants(const Value& partition) {
  std::optional<Grid> block = GridOf(partition["block"]);
  const std::string& order = partition["tile_order"].Text();
  VarConstants constants;
  if (order == "block") {
    constants.emplace_back(MakeVar("band_rows"), block.value().first);
  } else if (order == "match_shard" || order == "column_blocks") {
    constants.emplace_back(MakeVar("Sm"), block.value().first);
    constants.emplace_back(MakeVar("Sn"), block.value().second);
  }
  if (partition["mode"].Text() == "local_shard") {
    Grid shards = ShardCount(*GridOf(partition["tiles"]), block.value());
    constants.emplace_back(MakeVar("Gy"), shards.first);
    constants.emplace_back(MakeVar("Gx"), shards.second);
  }
  return constants;
}

Body Coordinates::AtTile(const ExprRef& tile, const std::vector<PageUse>& uses) const {
  Body statements;
  std::vector<ExprRef> simple = SimplePages(*this, tile, uses);
  if (simple.size() == uses.size()) {
    for (size_t i = 0; i < uses.size(); ++i) statements.push_back(uses[i].second(simple[i]));
    return statements;
  }
  VarRef number = MakeVar("tile");
  std::vector<ExprRef> pages;
  for (const auto& [page, emit] : uses) pages.push_back(page);
  auto [bindings, fresh] = Bind(number, pages);
  statements.push_back(MakeBind(number, tile));
  Extend(&statements, std::move(bindings));
  for (const auto& [page, emit] : uses) statements.push_back(emit(Substitute(page, fresh)));
  return statements;
}

std::pair<Body, VarValues> Coordinates::Bind(const VarRef& tile,
                                             const std::vector<ExprRef>& pages) const {
  VarSet used;
  for (const ExprRef& page : pages) AddVariables(page, &used);
  Worked worked = WorkOut(*this, tile);
  Bindings wanted;
  for (const auto& [var, value] : worked.values) {
    if (used.count(var)) wanted.emplace_back(var, value);
  }
  Body bindings;
  for (const auto& [var, value] : UsedBy(wanted, worked.steps)) {
    bindings.push_back(MakeBind(var, value));
  }
  VarValues fresh;
  for (const auto& [var, value] : wanted) {
    VarRef own = MakeVar(NameOf(var));
    bindings.push_back(MakeBind(own, value));
    fresh[var] = own;
  }
  return {std::move(bindings), std::move(fresh)};
}

}  // namespace ttgen
