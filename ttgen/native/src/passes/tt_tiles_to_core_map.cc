// TTTilesToCoreMap: which core computes which output tiles
// (ttgen/passes/tt_tiles_to_core_map.py).
#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "analysis/computation.h"
#include "base/attrs.h"
#include "base/text.h"
#include "base/utilities.h"
#include "passes/device_shape.h"
#include "passes/infer_tt_layout.h"
#include "passes/layouts.h"
#include "passes/partition.h"
#include "passes/pass.h"
#include "passes/work.h"

namespace ttgen {
namespace {

constexpr char kCoreMap[] = "tir.tenstorrent.TTTilesToCoreMap";
constexpr char kGlobal[] = "global";
constexpr char kLocalShard[] = "local_shard";

/*! Which order of tiles, and who takes which, as the options say. */
struct Wish {
  std::optional<std::string> partition;
  /*! global or local_shard. */
  std::string mode;

  bool IsLocal() const { return mode == kLocalShard; }
  /*! Whether anything is asked for. */
  bool IsGiven() const { return partition || mode != kGlobal; }
};

/*! A logical grid (columns, rows), the cores' rectangles, and who does what. */
struct Deal {
  Grid grid;
  std::vector<CoreRange> ranges;
  Dealt dealt;
};

/*! LoweringError at rectangles that overlap or leave the chip. */
void CheckInside(const std::vector<CoreRange>& ranges, const Architecture& arch) {
  if (auto problem = RangeProblem(ranges, arch.grid)) {
    throw Unplaced("core ranges: " + *problem + " (" + arch.name + ")");
  }
}

/*! Columns and rows of cores; LoweringError where `asked` is none of it. */
Grid CoreGrid(const Value& asked) {
  const bool is_pair = asked.IsList() && asked.Items().size() == 2;
  const auto is_positive = [](const Value& value) { return value.IsInt() && value.Int() > 0; };
  if (!is_pair || !std::all_of(asked.Items().begin(), asked.Items().end(), is_positive)) {
    const auto text = [](const Value& value) { return value.Str(); };
    throw Unplaced(
        "the core grid is " + (is_pair ? JoinMap(asked.Items(), "x", text) : asked.Repr()),
        "give columns and rows of cores, for example [4, 2]");
  }
  const std::vector<int64_t> values = asked.Ints();
  return {values[0], values[1]};
}

/*! What options and the kernel's own attributes ask for. */
struct Asked {
  const Architecture& arch;
  std::optional<Grid> logical;
  std::optional<std::vector<CoreRange>> ranges;
  std::optional<Work> work;

  /*! Whether anybody has said which cores take part. */
  bool IsGiven() const { return logical || ranges; }
  /*! The logical grid, and the cores that take part: by default, those of `shards`. */
  std::pair<Grid, std::vector<CoreRange>> Cores(int64_t output_tiles, const NdShard* shards) const;
};

std::pair<Grid, std::vector<CoreRange>> Asked::Cores(int64_t output_tiles,
                                                     const NdShard* shards) const {
  if (ranges) {
    CheckInside(*ranges, arch);
    const int64_t total = CountCores(*ranges);
    if (logical && Product(*logical) != total) {
      throw Unplaced("the core grid is " + ByText(*logical) + ", the core ranges have " +
                     std::to_string(total) + " cores");
    }
    return {logical.value_or(arch.grid), *ranges};
  }
  if (!logical) {
    if (shards) return {arch.grid, shards->cores};
    return {arch.grid, FirstCores(std::min(output_tiles, Product(arch.grid)), arch.grid)};
  }
  if (logical->first > arch.grid.first || logical->second > arch.grid.second) {
    throw Unplaced("the core grid is " + ByText(*logical) + "; " + arch.name + " has " +
                       std::to_string(arch.grid.first) + " columns and " +
                       std::to_string(arch.grid.second) + " rows",
                   "give `grid: [columns, rows]` within that");
  }
  return {*logical, FirstCores(Product(*logical), *logical)};
}

/*! Options first; attributes only where they are not this pass's own. */
Asked AskedOf(const Options& options, const FuncRef& func) {
  const bool is_source = attrs::Optional(func, attrs::kPartition).IsNone();
  const auto own = [&](const char* key) {
    return is_source ? attrs::Optional(func, key) : Value();
  };
  Value grid = options["grid"], ranges = options["core_ranges"];
  if (grid.IsNone() && ranges.IsNone()) {
    grid = own(attrs::kCoreGrid);
    ranges = own(attrs::kCoreRanges);
  }
  const Value work = own(attrs::kWorkPartition);
  const Architecture& arch = ArchitectureOf(attrs::Require(func, attrs::kArch, kCoreMap).Text());
  Asked asked{arch, std::nullopt, std::nullopt, std::nullopt};
  if (!grid.IsNone()) asked.logical = CoreGrid(grid);
  if (!ranges.IsNone()) asked.ranges = CoreRanges(ranges, "core_ranges");
  if (!work.IsNone()) asked.work = ReadWork(work);
  return asked;
}

/*! LoweringError at a word that none of the `known` ones is. */
void CheckWord(const std::string& what, const std::string& word,
               const std::vector<std::string>& known, const FuncRef& func) {
  if (std::find(known.begin(), known.end(), word) != known.end()) return;
  const std::string near = NearestWord(word, known);
  throw LoweringError(
      "unknown " + what + " '" + word + "'; known: " + Join(known, ", "), attrs::KernelPlace(func),
      near.empty() ? std::nullopt : std::make_optional("did you mean '" + near + "'?"));
}

Wish WishOf(const Options& options, const FuncRef& func) {
  Wish wish;
  const Value& partition = options["partition"];
  if (!partition.IsNone()) {
    wish.partition = partition.Text();
    CheckWord("partition", *wish.partition, Strategies(), func);
  }
  wish.mode = options["partition_mode"].Text();
  CheckWord("partition_mode", wish.mode, {kGlobal, kLocalShard}, func);
  return wish;
}

/*! Whether the output's columns are blocks side by side, whose tiles are numbered one by one. */
bool IsBeside(const Computation& computation) {
  const auto is_beside = [](const Part& part) { return part.output.beside > 0; };
  return std::any_of(computation.parts.begin(), computation.parts.end(), is_beside);
}

/*!
 * Tiles are numbered part by part, which no shard and no list of tiles is. So they are block by
 * block, where columns are blocks side by side.
 */
void CheckParts(const Computation& computation, const Wish& wish, const Asked& asked) {
  const size_t parts = computation.parts.size();
  const bool is_beside = IsBeside(computation);
  std::string what;
  if (asked.work) {
    what = "a work partition";
  } else if (wish.IsLocal()) {
    what = "partition_mode local_shard";
  } else if (wish.partition == "match_shard" && is_beside) {
    what = "partition match_shard";
  } else {
    return;
  }
  what += " says which core makes what";
  if (parts > 1) {
    throw Unplaced("the output is stored in " + std::to_string(parts) + " parts, and " + what,
                   "parts are dealt one after the other: leave it out");
  }
  if (is_beside) {
    throw Unplaced("the output's columns are several dimensions, and " + what,
                   "blocks of columns are dealt one after the other: leave it out");
  }
}

/*!
 * Rows and columns of output tiles as they are numbered: columns are those of one block where
 * blocks lie side by side.
 */
Grid GridOfTiles(const Computation& computation, const Value& output) {
  const Grid whole = Tiles(output);
  if (computation.parts.size() > 1 || !IsBeside(computation)) return whole;
  const int64_t columns = TilesAlong(computation.parts.front().output.view.back().extent);
  return {Product(whole) / columns, columns};
}

/*! The tile order; `local_shard` has but one. */
std::string TileOrderOf(const Wish& wish, bool has_shards) {
  const std::string order = wish.partition.value_or(wish.IsLocal() ? "match_shard" : "row_major");
  if (wish.IsLocal() && order != "match_shard") {
    throw Unplaced("partition_mode is local_shard, and partition is " + order,
                   "cores take the tiles of their own shards: leave out partition");
  }
  if (order == "match_shard" && !has_shards) {
    const std::string what =
        wish.IsLocal() ? "partition_mode local_shard" : "partition match_shard";
    throw Unplaced(what + " follows the shards of the output, which is interleaved",
                   "give the output a layout with nd_shard");
  }
  return order;
}

/*! `shares` of `total` things among `cores`, each worth `tiles` output tiles. */
std::vector<Share> Dealing(const std::vector<Grid>& cores, int64_t total, int64_t tiles) {
  std::vector<Share> shares;
  const auto runs = Balanced(total, cores.size());
  for (size_t core = 0; core < cores.size(); ++core) {
    shares.push_back({cores[core], runs[core].first * tiles, runs[core].second * tiles});
  }
  return shares;
}

/*! Every core computes the shard that it holds; cores without one are idle. */
Deal OwnShards(const Asked& asked, const NdShard& shards, const Grid& shard, const Grid& tiles) {
  const std::vector<Grid> held = CoresOf(shards);
  const auto runs = ShardShares(tiles, shard);
  TVM_FFI_ICHECK_EQ(held.size(), runs.size());
  std::vector<Share> shares;
  for (size_t number = 0; number < held.size(); ++number) {
    shares.push_back({held[number], runs[number].first, runs[number].second});
  }
  auto [grid, ranges] = asked.Cores(shares.size(), &shards);
  const std::vector<Grid> cores = CoresIn(ranges);
  const std::set<Grid> taking_part(cores.begin(), cores.end());
  for (const Grid& core : held) {
    if (!taking_part.count(core)) {
      throw Unplaced("core " + TupleText(core) + " holds a shard of the output and takes no part",
                     "let `grid` or `core_ranges` cover the shards, or leave it out");
    }
  }
  const std::set<Grid> holding(held.begin(), held.end());
  for (const Grid& core : cores) {
    if (!holding.count(core)) shares.push_back({core, 0, 0});
  }
  return {grid, ranges, {"match_shard", shard, shares}};
}

/*! The cores of a work partition, and the grid that they are in. */
Deal CoresOfWork(const Asked& asked, const Grid& tiles) {
  if (asked.IsGiven()) {
    auto [grid, ranges] = asked.Cores(Product(tiles), nullptr);
    const std::vector<Grid> cores = CoresIn(ranges);
    for (const auto& entry : *asked.work) {
      if (std::find(cores.begin(), cores.end(), entry.first) == cores.end()) {
        throw Unplaced("the work partition has core " + TupleText(entry.first) +
                       ", the grid has not");
      }
    }
    return {grid, ranges, {}};
  }
  std::vector<Grid> cores;
  for (const auto& entry : *asked.work) cores.push_back(entry.first);
  const std::vector<CoreRange> ranges = RangesOf(cores);
  CheckInside(ranges, asked.arch);
  return {asked.arch.grid, ranges, {}};
}

/*! The work that the kernel itself deals out. */
Deal GivenWork(const Asked& asked, const Wish& wish, const Grid& tiles, int64_t len_k,
               const std::optional<Grid>& shard) {
  if (wish.IsGiven()) {
    throw Unplaced("the kernel has a work partition, and the spec asks for another",
                   "leave out partition and partition_mode, or tt.work_partition");
  }
  CheckCover(*asked.work, tiles, len_k);
  Deal deal = CoresOfWork(asked, tiles);
  deal.dealt = DealtOf(*asked.work, tiles, shard);
  if (!asked.IsGiven()) return deal;
  // Cores stand in the order of the grid, those without work as well.
  std::vector<Share> listed;
  for (const Grid& core : CoresIn(deal.ranges)) {
    const auto& shares = deal.dealt.shares;
    auto found = std::find_if(shares.begin(), shares.end(),
                              [&core](const Share& share) { return share.core == core; });
    listed.push_back(found == shares.end() ? Share{core, 0, 0} : *found);
  }
  deal.dealt.shares = listed;
  return deal;
}

Deal DealOf(const Asked& asked, const Wish& wish, const Value& output, const Grid& tiles,
            int64_t len_k) {
  const std::optional<NdShard> shards = NdShardOf(output);
  std::optional<Grid> shard;
  if (shards) shard = ShardTiles(Planned(output));
  if (asked.work) return GivenWork(asked, wish, tiles, len_k, shard);
  const std::string order = TileOrderOf(wish, shards.has_value());
  if (wish.IsLocal()) return OwnShards(asked, *shards, *shard, tiles);
  const bool is_sharded = order == "match_shard";
  auto [grid, ranges] = asked.Cores(Product(tiles), is_sharded ? &*shards : nullptr);
  const std::vector<Grid> cores =
      is_sharded && !asked.IsGiven() ? CoresOf(*shards) : CoresIn(ranges);
  std::optional<Grid> block;
  if (is_sharded) block = shard;
  if (order == "block") {
    block = Grid{BlockRows(tiles, cores.size(), asked.logical), tiles.second};
  }
  return {grid, ranges, {order, block, Dealing(cores, Product(tiles), 1)}};
}

// The kernel's own grid ------------------------------------------------------------------------

constexpr char kNameAnOrder[] = "name an order of tiles: `partition` in the spec";

LoweringError GridError(const std::string& problem, const std::string& advice) {
  return Unplaced("the blocks of the grid are " + problem, advice + "; or " + kNameAnOrder);
}

/*! The blocks of a kernel's own grid: how many, their size (elements) and their order. */
struct AuthorGrid {
  int64_t blocks;
  Grid block;
  /*! row_major, column_major, or nothing where they follow each other in neither. */
  std::optional<std::string> order;
};

AuthorGrid AuthorGridOf(const Value& held) {
  AuthorGrid grid;
  grid.blocks = held["blocks"].Int();
  const std::vector<int64_t> sides = held["block"].Ints();
  grid.block = {sides.at(0), sides.at(1)};
  if (!held["order"].IsNone()) grid.order = held["order"].Text();
  return grid;
}

Grid TileOf(const Value& output) {
  const std::vector<int64_t> sides = output["tile_shape"].Ints();
  return {sides.at(0), sides.at(1)};
}

/*! A tensor's extents, of which there are at least two. */
std::vector<int64_t> MatrixShape(const Value& output) {
  std::vector<int64_t> shape = output["shape"].Ints();
  shape.insert(shape.begin(), 1);
  return shape;
}

/*! Rows and columns of tiles of a tensor whose last two dimensions make them. */
Grid MatrixTiles(const Value& output) {
  const std::vector<int64_t> shape = MatrixShape(output);
  const Grid tile = TileOf(output);
  const auto matrix = shape.end() - 2;
  const int64_t leading = Product(std::vector<int64_t>(shape.begin(), matrix));
  return {leading * CeilDiv(matrix[0], tile.first), CeilDiv(matrix[1], tile.second)};
}

/*! Rows and columns in tiles; a dimension may end within a tile where the tensor does. */
std::optional<Grid> BlockTiles(const Grid& block, const Value& output) {
  const std::vector<int64_t> shape = MatrixShape(output);
  const Grid extents = {shape[shape.size() - 2], shape.back()}, tile = TileOf(output);
  const bool is_whole = (block.first % tile.first == 0 || block.first == extents.first) &&
                        (block.second % tile.second == 0 || block.second == extents.second);
  if (!is_whole) return std::nullopt;
  return Grid{CeilDiv(block.first, tile.first), CeilDiv(block.second, tile.second)};
}

/*! The simplest order of tiles in which blocks follow each other in `order`. */
std::pair<std::string, std::optional<Grid>> OrderOfBlocks(const std::string& order,
                                                          const Grid& block, const Grid& extents) {
  const bool is_row_major = order == "row_major";
  if (block.second == extents.second || (is_row_major && block.first == 1)) {
    return {"row_major", std::nullopt};
  }
  if (block.first == extents.first || (!is_row_major && block.second == 1)) {
    return {"column_major", std::nullopt};
  }
  return {is_row_major ? "match_shard" : "column_blocks", block};
}

/*! LoweringError at blocks that do not follow each other in the output. */
void CheckAuthorGrid(const AuthorGrid& grid, const Value& output, const Computation& computation) {
  const Value* order = output.Find("order");
  const std::vector<int64_t> lies = order ? order->Ints() : std::vector<int64_t>();
  if (!std::is_sorted(lies.begin(), lies.end())) {
    throw Unplaced("the blocks of the grid are of an output whose dimensions lie in the order " +
                       ListText(lies),
                   kNameAnOrder);
  }
  if (!grid.order || computation.parts.size() > 1 || IsBeside(computation)) {
    throw GridError("no equal parts of the output, one after the other",
                    "let each block store its own, row by row or column by column of blocks");
  }
}

/*! Rows and columns of tiles of the grid's blocks; LoweringError where they are no whole ones. */
Grid WholeBlock(const AuthorGrid& grid, const Value& output) {
  const auto block = BlockTiles(grid.block, output);
  if (!block) {
    throw GridError(ByText(grid.block) + " elements, no whole tiles",
                    "use multiples of " + output["tile_shape"].Str());
  }
  // A result of fewer dimensions may lie as columns: a run of its elements is one of tiles then.
  const Grid extents = Tiles(output);
  const bool is_run = grid.order == "row_major" && grid.block.first == 1 &&
                      grid.blocks * Product(*block) == Product(extents);
  if (MatrixTiles(output) != extents && !is_run) {
    throw GridError("no runs of the " + ByText(extents) + " output tiles",
                    "one element of a dropped dimension has a tile of its own");
  }
  return *block;
}

/*!
 * The blocks of the kernel's own grid, each whole on a core, dealt in their order. Within a block
 * tiles have no order of the author's.
 */
Deal KeptGrid(const Asked& asked, const AuthorGrid& author, const Value& output,
              const Computation& computation) {
  CheckAuthorGrid(author, output, computation);
  const Grid block = WholeBlock(author, output);
  const auto [order, block_of_order] = OrderOfBlocks(*author.order, block, Tiles(output));
  auto [grid, ranges] = asked.Cores(author.blocks, nullptr);
  return {grid,
          ranges,
          {order, block_of_order, Dealing(CoresIn(ranges), author.blocks, Product(block))}};
}

/*! Tiles that one output tile is reduced over, 1 where there is no reduction. */
int64_t ReductionTiles(const Computation& computation) {
  int64_t most = 1;
  for (const Part& part : computation.parts) most = std::max(most, Steps(part.value));
  return most;
}

AttrMap AttributesOf(const Deal& deal, const std::string& mode, const Grid& tiles, int64_t len_k) {
  Value::List ranges, work;
  for (const CoreRange& range : deal.ranges) {
    ranges.push_back(std::vector<int64_t>{range.start.first, range.start.second, range.extent.first,
                                          range.extent.second});
  }
  for (const Share& share : deal.dealt.shares) {
    work.push_back(
        std::vector<int64_t>{share.core.first, share.core.second, share.start, share.count});
  }
  const auto& block = deal.dealt.block;
  const Value partition(Value::Dict{
      {"mode", mode},
      {"tile_order", deal.dealt.tile_order},
      {"tiles", tiles},
      {"block", block ? Value(*block) : Value()},
      {"len_k", len_k},
  });
  return {{attrs::kCoreGrid, Value(deal.grid).ToAny()},
          {attrs::kCoreRanges, Value(ranges).ToAny()},
          {attrs::kPartition, partition.ToAny()},
          {attrs::kWorkPartition, Value(work).ToAny()}};
}

/*! Who does what; LoweringError without a place. */
Deal Decide(const Options& options, const FuncRef& func, const Wish& wish, const Value& output,
            const Computation& computation, const Grid& tiles, int64_t len_k) {
  const Asked asked = AskedOf(options, func);
  CheckParts(computation, wish, asked);
  const Value author = attrs::Optional(func, attrs::kAuthorGrid);
  // The kernel's own grid decides where nothing else is asked for.
  if (!author.IsNone() && !wish.IsGiven() && !(asked.work && !asked.work->empty())) {
    return KeptGrid(asked, AuthorGridOf(author), output, computation);
  }
  return DealOf(asked, wish, output, tiles, len_k);
}

}  // namespace

FuncRef TTTilesToCoreMap(const FuncRef& func, const Options& options) {
  const Wish wish = WishOf(options, func);
  const ComputationRef computation = Meaning(func);
  attrs::CheckPresent(func, attrs::kRoles, kCoreMap);
  const Value output = LayoutOf(func, NameOf(computation->Output()), kCoreMap);
  const int64_t len_k = ReductionTiles(*computation);
  const Grid tiles = GridOfTiles(*computation, output);
  try {
    const Deal deal = Decide(options, func, wish, output, *computation, tiles, len_k);
    return WithAttrs(func, AttributesOf(deal, wish.mode, tiles, len_k));
  } catch (const LoweringError& error) {
    throw LoweringError(error.message, attrs::KernelPlace(func), error.hint);
  }
}

}  // namespace ttgen
