#include "passes/layouts.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/text.h"

namespace ttgen {
namespace {

/*! Values of some axes, by their names. */
using ByAxis = std::map<std::string, int64_t>;

const std::vector<std::string>& Keys() {
  static const std::vector<std::string> keys = {"memory",   "layout", "tile_shape", "dtype",
                                                "nd_shard", "page",   "order"};
  return keys;
}

const std::vector<std::string>& ShardKeys() {
  static const std::vector<std::string> keys = {"axes", "grid", "shard_shape", "order", "cores"};
  return keys;
}

/*! Keys that users may know from elsewhere, and why they are refused. */
const std::map<std::string, std::string>& Refused() {
  static const std::map<std::string, std::string> reasons = {
      {"halo", "halos are not supported: every tile belongs to one shard"},
  };
  return reasons;
}

const Value& Defaults() {
  static const Value defaults(Value::Dict{
      {"memory", "DRAM"},
      {"layout", "interleaved"},
      {"tile_shape", Value::List{kTile, kTile}},
      {"page", "tile"},
  });
  return defaults;
}

constexpr char kExample[] =
    "for example nd_shard: {grid: [4, 1]}, which cuts the rows into four shards";
constexpr char kAxes[] = "axes are [M, N] (rows and columns), [M], [N], or [B, M, N]";

/*! The value of `key`, None where there is none. */
const Value& Get(const Value& dict, const std::string& key) {
  static const Value none;
  const Value* found = dict.Find(key);
  return found ? *found : none;
}

int64_t At(const ByAxis& values, const std::string& axis, int64_t otherwise) {
  auto found = values.find(axis);
  return found == values.end() ? otherwise : found->second;
}

/*! LoweringError at a key that is not `known`. */
void CheckKey(const std::string& key, const std::vector<std::string>& known) {
  auto refused = Refused().find(key);
  if (refused != Refused().end()) throw Unplaced("'" + key + "': " + refused->second);
  if (std::find(known.begin(), known.end(), key) != known.end()) return;
  const std::string near = NearestWord(key, known);
  throw Unplaced("unknown key '" + key + "'",
                 near.empty() ? "known: " + Join(known, ", ") : "did you mean '" + near + "'?");
}

void CheckShards(const Value& shards, const Value& asked) {
  if (!shards.IsDict()) {
    throw Unplaced("nd_shard is " + shards.Repr() + "; it maps keys to values", kExample);
  }
  for (const auto& entry : shards.Entries()) CheckKey(entry.first, ShardKeys());
  const Value* layout = asked.Find("layout");
  if (layout && *layout != "sharded") {
    throw Unplaced("nd_shard is given, and the layout is " + layout->Str(),
                   "leave out one of them");
  }
}

std::vector<std::string> AxesOf(const Value& asked) {
  static const std::vector<std::vector<std::string>> known = {
      {"M", "N"}, {"M"}, {"N"}, {"B", "M", "N"}};
  const Value& axes = Get(asked, "axes");
  if (axes.IsNone()) {
    const Value& given = Get(asked, asked.Has("grid") ? "grid" : "shard_shape");
    return given.IsList() && given.Items().size() == 3 ? known.back() : MatrixAxes();
  }
  for (const std::vector<std::string>& names : known) {
    if (axes == Value(Value::List(names.begin(), names.end()))) return names;
  }
  throw Unplaced("nd_shard.axes is " + axes.Repr(), kAxes);
}

/*! The values of `key` by axis. */
std::optional<ByAxis> Along(const Value& asked, const std::string& key,
                            const std::vector<std::string>& axes) {
  const Value& values = Get(asked, key);
  if (values.IsNone()) return std::nullopt;
  const auto is_positive = [](const Value& value) { return value.Int() > 0; };
  if (!IsIntList(values) ||
      !std::all_of(values.Items().begin(), values.Items().end(), is_positive)) {
    throw Unplaced("nd_shard." + key + " is " + values.Repr() +
                   "; it is a list of positive integers");
  }
  if (values.Items().size() != axes.size()) {
    throw Unplaced("nd_shard." + key + " has " + std::to_string(values.Items().size()) +
                       " values for the axes " + Join(axes, ", "),
                   kAxes);
  }
  ByAxis found;
  for (size_t axis = 0; axis < axes.size(); ++axis) found[axes[axis]] = values[axis].Int();
  return found;
}

/*! How the shards' cores are numbered. */
std::string OrderOf(const Value& asked) {
  const std::vector<std::string>& known = CoreOrders();
  const Value* order = asked.Find("order");
  if (!order) return known.front();
  for (const std::string& name : known) {
    if (*order == name) return name;
  }
  throw Unplaced("nd_shard.order is " + order->Repr() + "; it is one of: " + Join(known, ", "));
}

Grid FoldedGrid(const ByAxis& grid) {
  return {At(grid, "B", 1) * At(grid, "M", 1), At(grid, "N", 1)};
}

/*! A tensor as matrices: how many, and the rows and columns of each. */
struct Whole {
  int64_t batch;
  int64_t rows;
  int64_t columns;

  Grid Extents() const { return {batch * rows, columns}; }
};

Whole WholeOf(const std::vector<int64_t>& padded_shape) {
  const auto matrix = padded_shape.end() - 2;
  return {Product(std::vector<int64_t>(padded_shape.begin(), matrix)), matrix[0], matrix[1]};
}

/*! Rows and columns of a shard; with a batch axis, it is of one matrix or of whole ones. */
Grid FoldedShape(const ByAxis& shape, const Whole& whole) {
  const Grid extents = whole.Extents();
  if (!shape.count("B")) return {At(shape, "M", extents.first), At(shape, "N", extents.second)};
  const int64_t matrices = shape.at("B"), rows = shape.at("M");
  if (matrices > 1 && rows != whole.rows) {
    throw Unplaced("nd_shard.shard_shape takes " + std::to_string(rows) + " of " +
                       std::to_string(whole.rows) + " rows of " + std::to_string(matrices) +
                       " matrices",
                   "leading dimensions are folded into rows: cut one matrix, or take whole ones");
  }
  if (whole.batch % matrices || whole.rows % rows) {
    throw Unplaced("nd_shard.shard_shape: " + std::to_string(whole.batch) + " matrices of " +
                   std::to_string(whole.rows) + " rows are no whole shards of " +
                   std::to_string(matrices) + " and " + std::to_string(rows));
  }
  return {matrices * rows, shape.at("N")};
}

/*! Shards as even as whole tiles allow. */
Grid EvenShape(const Grid& grid, const Grid& extents, const Grid& tile) {
  return {CeilDiv(extents.first, grid.first * tile.first) * tile.first,
          CeilDiv(extents.second, grid.second * tile.second) * tile.second};
}

std::vector<CoreRange> Cores(const Value& asked, const Grid& grid, const std::string& order,
                             const Grid& device) {
  const Value& cores = Get(asked, "cores");
  if (!cores.IsNone()) return CoreRanges(cores, "nd_shard.cores");
  if (Product(grid) > Product(device)) {
    throw Unplaced("nd_shard.grid: " + std::to_string(Product(grid)) + " shards; the chip has " +
                   std::to_string(Product(device)) + " cores");
  }
  return DefaultCores(grid, order, device);
}

bool IsRectangle(const Value& values) {
  if (!IsIntList(values) || values.Items().size() != 4) return false;
  const std::vector<int64_t> sides = values.Ints();
  return sides[0] >= 0 && sides[1] >= 0 && sides[2] >= 1 && sides[3] >= 1;
}

Grid GridOf(const Value& value) { return {value[size_t{0}].Int(), value[size_t{1}].Int()}; }

}  // namespace

Value Merged(const std::vector<Value>& asked) {
  Value layout = Value::Dict();
  for (const Value& wish : asked) {
    for (const auto& entry : wish.Entries()) CheckKey(entry.first, Keys());
    // Who asks for an interleaved tensor does away with the shards that were asked for before.
    if (Get(wish, "layout") == "interleaved" && !wish.Has("nd_shard")) layout.Erase("nd_shard");
    for (const auto& [key, value] : wish.Entries()) layout.Set(key, value);
  }
  return layout;
}

Value Completed(const Value& asked) {
  const Value& shards = Get(asked, "nd_shard");
  if (!shards.IsNone()) CheckShards(shards, asked);
  const bool is_sharded = !shards.IsNone() || Get(asked, "layout") == "sharded";
  Value layout = Defaults();
  if (is_sharded) {
    layout.Set("memory", "L1");
    layout.Set("layout", "sharded");
  }
  for (const auto& [key, value] : asked.Entries()) {
    if (key != "order" || !value.IsNone()) layout.Set(key, value);
  }
  if (is_sharded && layout["memory"] == "DRAM") {
    throw Unplaced("sharded tensors lie in L1, not in DRAM", "give memory: L1");
  }
  if (is_sharded && shards.IsNone()) throw Unplaced("a sharded layout needs nd_shard", kExample);
  return layout;
}

void CheckOrder(const Value& asked, const std::vector<int64_t>& shape) {
  const Value& order = Get(asked, "order");
  if (order.IsNone()) return;
  std::vector<int64_t> plain;
  for (size_t position = 0; position < shape.size(); ++position) plain.push_back(position);
  std::vector<int64_t> sorted = IsIntList(order) ? order.Ints() : std::vector<int64_t>();
  std::sort(sorted.begin(), sorted.end());
  if (IsIntList(order) && sorted == plain) return;
  throw Unplaced(
      "order is " + order.Repr() + "; it has each dimension of " + ListText(shape) +
          " once, by its number",
      ListText(plain) + " is the source's own order; the last two dimensions make tiles");
}

NdShard Shard(const Value& asked, const std::vector<int64_t>& padded_shape, const Grid& tile,
              const Grid& device) {
  const Whole whole = WholeOf(padded_shape);
  const std::vector<std::string> axes = AxesOf(asked);
  const auto asked_grid = Along(asked, "grid", axes);
  const auto asked_shape = Along(asked, "shard_shape", axes);
  if (!asked_grid && !asked_shape) throw Unplaced("nd_shard needs grid or shard_shape", kExample);
  const std::string order = OrderOf(asked);
  // Without a grid there are as many shards as it takes; without a shape they are even.
  const Grid extents = whole.Extents();
  const Grid shape = asked_shape ? FoldedShape(*asked_shape, whole)
                                 : EvenShape(FoldedGrid(*asked_grid), extents, tile);
  const Grid grid = asked_grid ? FoldedGrid(*asked_grid) : ShardCount(extents, shape);
  NdShard found;
  found.axes = MatrixAxes();
  found.grid = {grid.first, grid.second};
  found.shard_shape = {shape.first, shape.second};
  found.order = order;
  found.cores = Cores(asked, grid, found.order, device);
  if (auto fault = ShardProblem(found, extents, tile, device)) {
    throw Unplaced("nd_shard." + fault->field + ": " + fault->problem);
  }
  return found;
}

std::vector<CoreRange> CoreRanges(const Value& asked, const std::string& what) {
  const bool is_list = asked.IsList() && !asked.Items().empty();
  std::vector<CoreRange> ranges;
  for (const Value& values : is_list ? asked.Items() : Value::List{asked}) {
    if (!IsRectangle(values)) {
      throw Unplaced(what + ": " + values.Repr() + " is no rectangle of cores",
                     "give [x, y, width, height] of each, for example [[0, 0, 4, 2]]");
    }
    const std::vector<int64_t> sides = values.Ints();
    ranges.push_back({{sides[0], sides[1]}, {sides[2], sides[3]}});
  }
  return ranges;
}

bool IsIntList(const Value& value) {
  return value.IsList() && std::all_of(value.Items().begin(), value.Items().end(),
                                       [](const Value& item) { return item.IsInt(); });
}

Value ShardValue(const NdShard& shard) {
  Value::List cores;
  for (const CoreRange& range : shard.cores) {
    cores.push_back(Value::Dict{{"start", range.start}, {"extent", range.extent}});
  }
  return Value::Dict{
      {"axes", Value::List(shard.axes.begin(), shard.axes.end())},
      {"grid", shard.grid},
      {"shard_shape", shard.shard_shape},
      {"order", shard.order},
      {"cores", cores},
  };
}

std::optional<NdShard> NdShardOf(const Value& layout) {
  const Value& held = Get(layout, "nd_shard");
  if (held.IsNone()) return std::nullopt;
  NdShard shard;
  for (const Value& axis : held["axes"].Items()) shard.axes.push_back(axis.Text());
  shard.grid = held["grid"].Ints();
  shard.shard_shape = held["shard_shape"].Ints();
  shard.order = held["order"].Text();
  for (const Value& range : held["cores"].Items()) {
    shard.cores.push_back({GridOf(range["start"]), GridOf(range["extent"])});
  }
  return shard;
}

Layout Planned(const Value& desc) {
  Layout layout;
  layout.memory = desc["memory"].Text();
  layout.layout = desc["layout"].Text();
  layout.tile_shape = GridOf(desc["tile_shape"]);
  layout.dtype = desc["dtype"].Text();
  layout.nd_shard = NdShardOf(desc);
  layout.page = desc["page"].Text();
  const Value& order = Get(desc, "order");
  if (!order.IsNone()) {
    const std::vector<int64_t> positions = order.Ints();
    std::vector<int64_t> own(positions.size());
    std::iota(own.begin(), own.end(), 0);
    if (positions != own) layout.order = positions;  // the source's own goes without saying
  }
  return layout;
}

}  // namespace ttgen
